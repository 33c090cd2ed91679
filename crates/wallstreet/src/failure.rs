//! How a command ends when it does not end well: a sentence for the person at the terminal, and a code for their scripts.

use platform::migrations::Problem;
use std::process::ExitCode;

/// The exit codes; the root `--help` documents them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Anything that has no code of its own.
    Failed = 1,
    /// `verify` could not check, `import` could not go on.
    CouldNot = 2,
    /// `verify proof` found nothing false, and something that is not proved.
    Unproved = 3,
    /// `doctor` found something.
    Findings = 6,
    /// EX_UNAVAILABLE of sysexits.h: no database.
    DatabaseUnavailable = 69,
    /// EX_TEMPFAIL: another process has the data directory.
    InUse = 75,
    /// EX_CONFIG: settings are missing or wrong.
    Configuration = 78,
    /// 128 + SIGINT: stopped by a signal before it was done.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What failed and why, and what to do next.
#[derive(Debug)]
pub struct Failure {
    /// For scripts.
    pub exit: Exit,
    /// What failed, and why.
    pub what: String,
    /// The next step, with the command where there is one.
    pub next: Option<String>,
}

impl Failure {
    /// A failure without advice yet.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), next: None }
    }

    /// Adds what to do about it.
    pub fn next(self, advice: impl Into<String>) -> Self {
        Self { next: Some(advice.into()), ..self }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Exit::Failed, error.to_string())
    }
}

impl From<platform::Error> for Failure {
    fn from(error: platform::Error) -> Self {
        match error {
            platform::Error::Unavailable { what, cause, .. } => {
                Self::new(Exit::DatabaseUnavailable, format!("{what} is not available: {cause}"))
            }
            platform::Error::Invalid(violations) => {
                let each: Vec<_> =
                    violations.iter().map(|one| format!("{} {}", one.field, one.message)).collect();
                Self::new(Exit::Failed, each.join("; "))
            }
            platform::Error::Internal(cause) => {
                let exit = match cause.downcast_ref() {
                    Some(
                        Problem::Closed(_)
                        | Problem::Pooler
                        | Problem::OldServer(_)
                        | Problem::Encoding(_)
                        | Problem::Busy,
                    ) => Exit::DatabaseUnavailable,
                    _ => Exit::Failed,
                };
                Self::new(exit, cause.to_string())
            }
            other => Self::new(Exit::Failed, other.to_string()),
        }
    }
}
