//! What an import remembers beside its file: how far everything is done, and under which keys.
//!
//! Invariants: replaced as a whole; never ahead of what the server acknowledged; believed only where the part of the
//! file that is done is still the same. It saves time: what keeps anything from being done twice are the keys.

use crate::failure::{Exit, Failure};
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// How long the server promises to know a key, in seconds.
const KEYS_KNOWN: u64 = 24 * 60 * 60;

/// The counts of an import, over all its runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Lines that are done.
    pub done: u64,
    /// Of these, what an earlier request had done.
    pub replayed: u64,
    /// Lines that were refused.
    pub refused: u64,
}

/// The content of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    version: u8,
    /// Where to.
    pub url: String,
    /// Under which keys.
    pub key_prefix: String,
    /// Up to here every line has an outcome.
    pub offset: u64,
    /// The last of these lines.
    pub line: u64,
    /// The hash of the file up to there.
    pub sha256: String,
    /// How they ended.
    #[serde(flatten)]
    pub counts: Counts,
    /// How long the file of refused lines was then.
    pub errors_length: u64,
    /// Whether lines further on may be under way.
    pub open: bool,
    /// Whether the end was reached.
    pub finished: bool,
    /// When this was written, in seconds since 1970.
    pub at: u64,
}

impl Progress {
    /// Nothing is done yet.
    pub fn new(url: &str, key_prefix: &str, sha256: String) -> Self {
        Self {
            version: 1,
            url: url.to_owned(),
            key_prefix: key_prefix.to_owned(),
            offset: 0,
            line: 0,
            sha256,
            counts: Counts::default(),
            errors_length: 0,
            open: true,
            finished: false,
            at: now(),
        }
    }

    /// Where it lies.
    pub fn path(file: &Path) -> PathBuf {
        beside(file, ".progress")
    }

    /// What the last run left; `None`: there was none.
    pub fn read(path: &Path) -> Result<Option<Self>, Failure> {
        let text = match fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|error| unusable(path, &error.to_string()))?,
        };
        let progress: Self = serde_json::from_slice(&text)
            .map_err(|error| unusable(path, &format!("it is damaged ({error})")))?;
        match progress.version {
            1 => Ok(Some(progress)),
            _ => Err(unusable(path, "it was written by another version")),
        }
    }

    /// Whether it is about this import.
    pub fn fits(&self, path: &Path, url: &str, prefix: Option<&str>) -> Result<(), Failure> {
        let other = |what: &str, was: &str, now: &str| {
            let why = format!("it belongs to an import with {what} {was}, and this is {now}");
            Err(Failure::new(Exit::CouldNot, format!("{} does not fit: {why}", path.display()))
                .next(format!(
                    "give {what} {was}, or import a copy of the file under another name"
                )))
        };
        if self.url != url {
            return other("--url", &self.url, url);
        }
        if let Some(prefix) = prefix.filter(|prefix| *prefix != self.key_prefix) {
            return other("--key-prefix", &self.key_prefix, prefix);
        }
        if self.open && now().saturating_sub(self.at) > KEYS_KNOWN {
            let next = self.line + 1;
            return Err(Failure::new(
                Exit::CouldNot,
                "the import was cut off more than 24 hours ago, and the server may have forgotten the keys",
            )
            .next(format!(
                "look which of the lines from {next} on are done, put the others into a new file, and import that"
            )));
        }
        Ok(())
    }

    /// Replaces what was there.
    pub fn save(&mut self, path: &Path) -> Result<(), Failure> {
        self.at = now();
        let new = beside(path, ".new");
        let write = || -> io::Result<()> {
            let mut file = File::create(&new)?;
            serde_json::to_writer_pretty(&mut file, self)?;
            file.write_all(b"\n")?;
            file.sync_data()?;
            fs::rename(&new, path)
        };
        write().map_err(|error| {
            Failure::new(Exit::CouldNot, format!("cannot write {}: {error}", path.display()))
                .next("the folder of FILE must be writable; then run the same command again")
        })
    }
}

/// It cannot be believed.
pub fn unusable(path: &Path, why: &str) -> Failure {
    let path = path.display();
    Failure::new(Exit::CouldNot, format!("{path} cannot be used: {why}")).next(format!(
        "for the same file as before, remove {path} and run the same command again: it says how to go on; a new file \
         needs a name of its own"
    ))
}

/// The path with something appended to its name.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
