//! Rules about who may know what: drivers, runtimes, the environment.

use super::{Breach, Source};

/// A crate, what it must not depend on, and why.
const STRANGERS: [(&str, &[&str], &str); 3] = [
    (
        "ledger",
        &["tokio", "tokio-postgres", "deadpool-postgres", "platform", "getrandom"],
        "the money rules have no I/O and no clock",
    ),
    ("connectors", &["tokio-postgres", "deadpool-postgres", "platform"], "a connector has no SQL"),
    (
        "server",
        &["tokio-postgres", "deadpool-postgres", "embedded-postgres", "bcrypt"],
        "a handler cannot run SQL",
    ),
];

/// Who may read the environment, and for what.
const READERS: [&str; 6] = [
    // The product's settings.
    "crates/wallstreet/src/config/",
    // Where programs and home directories are.
    "crates/embedded-postgres/src/binaries.rs",
    "crates/embedded-postgres/src/home.rs",
    // Not the product.
    "crates/testkit/",
    "xtask/",
    "bench/",
];

pub(super) fn breaches(files: &[Source]) -> Vec<Breach> {
    let mut breaches: Vec<_> =
        STRANGERS.iter().flat_map(|rule| dependencies(files, *rule)).collect();
    breaches.extend(
        files.iter().filter(|file| file.is_rust() && !file.is_test()).flat_map(environment),
    );
    breaches
}

fn dependencies(files: &[Source], (name, strangers, why): (&str, &[&str], &str)) -> Vec<Breach> {
    let path = format!("crates/{name}/Cargo.toml");
    let Some(manifest) = files.iter().find(|file| file.path == path) else {
        return Vec::new();
    };
    let mut breaches = Vec::new();
    let mut section = "";
    for (index, line) in manifest.text.lines().enumerate() {
        if line.starts_with('[') {
            section = line;
        }
        let dependency = line.split(['.', ' ', '=']).next().unwrap_or_default();
        if section == "[dependencies]" && strangers.contains(&dependency) {
            let rule = format!("{name} does not depend on {dependency}: {why}");
            breaches.push(manifest.breach(index + 1, rule, "ask the crate below for it"));
        }
    }
    breaches
}

fn environment(file: &Source) -> Vec<Breach> {
    if READERS.iter().any(|reader| file.path.starts_with(reader)) {
        return Vec::new();
    }
    let reads = |text: &str| {
        ["env::var(", "env::vars(", "env::var_os(", "env::vars_os("]
            .iter()
            .any(|call| text.contains(call))
    };
    let found = file.code().filter(|(_, text)| reads(text));
    let remedy = "make it a setting in crates/wallstreet/src/config, and pass it on";
    found
        .map(|(line, _)| {
            file.breach(line, "only the binary's configuration reads the environment", remedy)
        })
        .collect()
}
