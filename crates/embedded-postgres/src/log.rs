//! The server's log file: bounded, and quoted when the server fails.

use crate::{Error, error::cannot, home};
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::Stdio,
};

/// Bytes; twice this on disk at most (the log, and its predecessor).
const BOUND: u64 = 8 << 20;
const QUOTED_LINES: usize = 12;

/// An open log. The server inherits the same open file, in append mode, so that we may cut it while
/// it is written.
pub(crate) struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    pub fn open(path: PathBuf) -> Result<Self, Error> {
        let file = home::open_own(&path)?;
        Ok(Self { path, file })
    }

    /// For a child's standard output or error.
    pub fn stdio(&self) -> Result<Stdio, Error> {
        Ok(self.file.try_clone().map_err(cannot("open", &self.path))?.into())
    }

    /// Moves a log that has grown too long to `postgres.log.1` and goes on in an empty one.
    pub fn bound(&mut self) -> Result<(), Error> {
        if self.len() <= BOUND {
            return Ok(());
        }
        let text = self.since(0);
        home::replace(&self.path.with_extension("log.1"), 0o600, text.as_bytes())?;
        self.file.set_len(0).map_err(cannot("truncate", &self.path))
    }

    /// Bytes so far: a mark for [`Self::tail`].
    pub fn len(&self) -> u64 {
        self.file.metadata().map_or(0, |found| found.len())
    }

    /// The last lines written after `mark`.
    pub fn tail(&mut self, mark: u64) -> String {
        let text = self.since(mark);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n")
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn since(&mut self, mark: u64) -> String {
        let mut bytes = Vec::new();
        let from = mark.max(self.len().saturating_sub(BOUND));
        let _ = self.file.seek(SeekFrom::Start(from));
        let _ = self.file.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{BOUND, Log};
    use std::{fs, io::Write};

    #[test]
    fn a_log_that_has_grown_too_long_goes_on_empty_and_its_end_is_kept_beside_it() {
        let dir =
            std::env::temp_dir().join(format!("embedded-postgres-log-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        let path = dir.join("postgres.log");
        let mut log = Log::open(path.clone()).unwrap();
        let mut server = log.file.try_clone().unwrap();
        server.write_all(&vec![b'x'; BOUND as usize]).unwrap();
        log.bound().unwrap();
        assert_eq!(log.len(), BOUND, "it was cut too early");
        server.write_all(b"\nthe end\n").unwrap();
        log.bound().unwrap();
        server.write_all(b"more\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "more\n");
        assert!(fs::read_to_string(dir.join("postgres.log.1")).unwrap().ends_with("xx\nthe end\n"));
        fs::remove_dir_all(dir).unwrap();
    }
}
