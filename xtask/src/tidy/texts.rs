//! Rules about one file at a time: its head, its length, and words that do not belong.

use super::{Breach, Source};

const MOST_LINES: usize = 500;

pub(super) fn breaches(files: &[Source]) -> Vec<Breach> {
    let rust = files.iter().filter(|file| file.is_rust());
    let mut breaches: Vec<_> = rust.flat_map(|file| [head(file), length(file)]).flatten().collect();
    breaches.extend(files.iter().flat_map(words));
    breaches.extend(paths(files));
    breaches
}

fn head(file: &Source) -> Option<Breach> {
    let opens = file.text.starts_with("//!");
    (!opens).then(|| {
        file.breach(
            1,
            "a file opens with //!",
            "say what it owns, its invariants, and what it does not know",
        )
    })
}

fn length(file: &Source) -> Option<Breach> {
    let lines = file.text.lines().count();
    (lines > MOST_LINES).then(|| {
        file.breach(
            MOST_LINES + 1,
            format!("{lines} lines are more than {MOST_LINES}"),
            "split off what has a noun of its own",
        )
    })
}

/// The words are put together here, or this file would break its own rules.
fn words(file: &Source) -> Vec<Breach> {
    let everywhere = [
        (concat!("TO", "DO"), "nothing is left for later in the code", "do it, or write an issue"),
        (
            concat!("FIX", "ME"),
            "nothing is left for later in the code",
            "mend it, or write an issue",
        ),
    ];
    let in_rust = (concat!("#[ign", "ore"), "no test is switched off", "mend it or delete it");
    let in_product = (
        concat!(".unw", "rap()"),
        "the product does not panic",
        "use `?`, or expect(\"why this cannot fail\")",
    );
    let marked = [".rs", ".sql", ".toml", ".sh"].iter().any(|kind| file.path.ends_with(kind));
    let mut breaches = Vec::new();
    for (line, text) in file.text.lines().enumerate().map(|(index, text)| (index + 1, text)) {
        let found = everywhere.iter().filter(|(word, ..)| marked && text.contains(word));
        let found = found.chain(
            [&in_rust]
                .into_iter()
                .filter(|(word, ..)| file.is_rust() && text.trim_start().starts_with(word)),
        );
        breaches.extend(
            found.map(|(word, rule, remedy)| file.breach(line, format!("{word}: {rule}"), *remedy)),
        );
    }
    if file.is_rust() && !file.is_test() {
        let (word, rule, remedy) = in_product;
        let found = file.code().filter(|(_, text)| text.contains(word));
        breaches
            .extend(found.map(|(line, _)| file.breach(line, format!("{word}: {rule}"), remedy)));
    }
    breaches
}

/// The map of the house names paths; each must be there.
fn paths(files: &[Source]) -> Vec<Breach> {
    let Some(map) = files.iter().find(|file| file.path == "ARCHITECTURE.md") else {
        return Vec::new();
    };
    let exists = |path: &str| {
        let inside = format!("{}/", path.trim_end_matches('/'));
        files.iter().any(|file| file.path == path || file.path.starts_with(&inside))
    };
    let known = |path: &str| exists(path) || exists(&format!("crates/{path}"));
    let mut breaches = Vec::new();
    for (index, text) in map.text.lines().enumerate() {
        for quoted in text.split('`').skip(1).step_by(2) {
            let plain = quoted.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
            let first = quoted.split('/').next().unwrap_or_default();
            let is_file = [".rs", ".sql", ".toml", ".md"].iter().any(|kind| quoted.ends_with(kind));
            let is_path =
                plain && quoted.contains('/') && !first.is_empty() && (is_file || known(first));
            if is_path && !known(quoted) {
                let rule = format!("`{quoted}` is not there");
                breaches.push(map.breach(index + 1, rule, "name the place where it is now"));
            }
        }
    }
    breaches
}
