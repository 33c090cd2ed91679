//! The file of refused lines: one JSON object a line, with the reason and the line as it was.
//!
//! Exists only where something was refused. It is an output of the import, like a log: a new import begins it anew.

use super::lines::Refused;
use crate::failure::{Exit, Failure};
use serde_json::json;
use std::{
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

/// The file.
pub struct Refusals {
    path: PathBuf,
    file: Option<File>,
    length: u64,
}

impl Refusals {
    /// As it was when it had so many bytes: what a run wrote and did not remember is written again.
    pub fn open(path: &Path, length: u64) -> Result<Self, Failure> {
        let cut = match fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            // A pipe, or /dev/null: nothing to cut.
            Ok(there) if !there.is_file() => Ok(0),
            Ok(_) if length == 0 => fs::remove_file(path).map(|()| 0),
            Ok(there) => {
                let length = length.min(there.len());
                let file = OpenOptions::new().write(true).open(path);
                file.and_then(|file| file.set_len(length)).map(|()| length)
            }
            Err(error) => Err(error),
        };
        let length = cut.map_err(|error| failed(path, &error))?;
        Ok(Self { path: path.to_owned(), file: None, length })
    }

    /// Where it is, if there is anything in it.
    pub fn path(&self) -> Option<&Path> {
        (self.length > 0).then_some(&*self.path)
    }

    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Adds lines.
    pub fn add(&mut self, refused: &[Refused]) -> Result<(), Failure> {
        if refused.is_empty() {
            return Ok(());
        }
        let mut text = String::new();
        for Refused { line, code, message, original } in refused {
            let record =
                json!({"line": line, "code": code, "message": message, "original": original});
            let _ = writeln!(text, "{record}");
        }
        self.write(&text).map_err(|error| failed(&self.path, &error))?;
        self.length += text.len() as u64;
        Ok(())
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(OpenOptions::new().create(true).append(true).open(&self.path)?),
        };
        file.write_all(text.as_bytes())?;
        file.sync_data()
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::CouldNot, format!("cannot write {}: {error}", path.display()))
        .next("name another file with --errors; then run the same command again")
}
