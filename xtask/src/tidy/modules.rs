//! Rules about modules: their names, and in `platform` their order, which is the order of reading and of dependency.

use super::{Breach, Source};
use std::collections::BTreeMap;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 14] = [
    "util", "utils", "helper", "helpers", "common", "core", "misc", "manager", "service",
    "services", "types", "data", "info", "base",
];

const LIB: &str = "crates/platform/src/lib.rs";
const HOME: &str = "crates/platform/src/";
/// The context that every use case takes first: what it hands on counts as the crate's root, which has no place in the order.
const CONTEXT: &str = "context";

pub(super) fn breaches(files: &[Source]) -> Vec<Breach> {
    let mut breaches: Vec<_> =
        files.iter().filter(|file| file.is_rust()).filter_map(name).collect();
    if let Some(lib) = files.iter().find(|file| file.path == LIB) {
        breaches.extend(order(lib, files));
    }
    breaches
}

fn name(file: &Source) -> Option<Breach> {
    let parts = file.path.trim_end_matches(".rs").split('/');
    let empty = parts.into_iter().find(|part| EMPTY_NAMES.contains(part))?;
    Some(file.breach(
        1,
        format!("\"{empty}\" says nothing about what is inside"),
        "name it after what it holds",
    ))
}

fn order(lib: &Source, files: &[Source]) -> Vec<Breach> {
    let declared = declared(lib);
    let places: BTreeMap<&str, usize> =
        declared.iter().enumerate().map(|(place, name)| (*name, place)).collect();
    let exports = exports(lib);
    let mut breaches = Vec::new();
    for file in files {
        let Some(module) =
            file.path.strip_prefix(HOME).and_then(|path| path.split(['/', '.']).next())
        else {
            continue;
        };
        let Some(place) = places.get(module) else {
            continue;
        };
        for (line, name) in imports(file) {
            let source = exports.get(name.as_str()).map_or(name.as_str(), String::as_str);
            if places.get(source).is_some_and(|other| other > place && source != CONTEXT) {
                let rule = format!(
                    "{module} uses crate::{name}, and {source} is declared below {module} in {LIB}"
                );
                breaches.push(file.breach(
                    line,
                    rule,
                    "move what both need above them, or turn the dependency round",
                ));
            }
        }
    }
    breaches
}

/// The modules of a crate, in order.
fn declared(lib: &Source) -> Vec<&str> {
    let name = |line: &'_ str| -> Option<(usize, usize)> {
        let rest =
            line.strip_prefix("pub ").or_else(|| line.strip_prefix("pub(crate) ")).unwrap_or(line);
        let name = rest.strip_prefix("mod ")?.strip_suffix(';')?;
        let end = line.len() - 1;
        Some((end - name.len(), end))
    };
    lib.code().filter_map(|(_, line)| name(line).map(|(from, to)| &line[from..to])).collect()
}

/// What the crate's root hands on, and the module it comes from.
fn exports(lib: &Source) -> BTreeMap<String, String> {
    let mut exports = BTreeMap::new();
    for statement in statements(lib).split(';') {
        let Some(path) = statement.split("pub use ").nth(1) else {
            continue;
        };
        let Some((module, items)) = path.split_once("::") else {
            continue;
        };
        for item in items.split(['{', '}', ',', ' ', ':']).filter(|item| !item.is_empty()) {
            exports.insert(item.to_owned(), module.trim().to_owned());
        }
    }
    exports
}

fn statements(file: &Source) -> String {
    file.code().map(|(_, line)| line).collect::<Vec<_>>().join(" ")
}

/// Every first name after `crate::`, with its line; groups in braces may span lines.
fn imports(file: &Source) -> Vec<(usize, String)> {
    let mut imports = Vec::new();
    // Depth of braces inside a `crate::{` group; names count at depth 1, where a path begins.
    let (mut depth, mut begins) = (0_usize, false);
    for (number, line) in file.code() {
        let mut rest = line;
        loop {
            if depth == 0 {
                let Some(at) = rest.find("crate::") else {
                    break;
                };
                rest = &rest[at + "crate::".len()..];
                if let Some(inside) = rest.strip_prefix('{') {
                    (depth, begins, rest) = (1, true, inside);
                } else {
                    imports.extend(first_name(rest).map(|name| (number, name)));
                }
                continue;
            }
            let Some(next) = rest.chars().next() else {
                break;
            };
            match next {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => begins = true,
                _ if begins && depth == 1 && !next.is_whitespace() => {
                    imports.extend(first_name(rest).map(|name| (number, name)));
                    begins = false;
                }
                _ => {}
            }
            rest = &rest[next.len_utf8()..];
        }
    }
    imports
}

fn first_name(text: &str) -> Option<String> {
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}
