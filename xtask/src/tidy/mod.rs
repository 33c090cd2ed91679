//! The rules of the house that the compiler does not keep. Each breach names the place, the rule and the remedy.
//!
//! Knows the repository as a list of texts, so that a rule can be tried on a made-up one.

mod folders;
mod modules;
mod texts;

use crate::root;
use std::{fmt, fs, path::Path};

/// A file, by its path from the root.
#[derive(Clone, Debug)]
pub struct Source {
    /// With slashes, e.g. `crates/ledger/src/lib.rs`.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// A rule that is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The file.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// The rule.
    pub rule: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; {}", self.path, self.line, self.rule, self.remedy)
    }
}

impl Source {
    fn breach(&self, line: usize, rule: impl Into<String>, remedy: impl Into<String>) -> Breach {
        Breach { path: self.path.clone(), line, rule: rule.into(), remedy: remedy.into() }
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether the whole file is a test.
    fn is_test(&self) -> bool {
        self.path.contains("/tests/")
    }

    /// The numbered lines of the product's code: no comment, and nothing from the file's unit tests on.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
        let lines = lines.enumerate().map(|(index, line)| (index + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// Prints the breaches of this repository. Says whether there are none.
pub fn run() -> bool {
    let breaches = breaches(&repository(&root()));
    breaches.iter().for_each(|breach| println!("{breach}"));
    println!("tidy: {} to mend", breaches.len());
    breaches.is_empty()
}

/// Everything that breaks a rule.
pub fn breaches(files: &[Source]) -> Vec<Breach> {
    [texts::breaches(files), modules::breaches(files), folders::breaches(files)].concat()
}

/// The text files of a repository, without what is built or ignored.
pub fn repository(root: &Path) -> Vec<Source> {
    let mut files = Vec::new();
    walk(root, root, &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn walk(root: &Path, dir: &Path, files: &mut Vec<Source>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if name == ".git" || name.starts_with("target") || name == "node_modules" {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, files);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let path =
                path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            files.push(Source { path, text });
        }
    }
}
