//! The database of a command: the one at `DATABASE_URL`, an embedded one that lives as long as the command, or the embedded
//! one of a server that is running on the same data directory.
//!
//! Knows no SQL and no table.

use crate::{
    config::{Config, without_password},
    failure::{Exit, Failure},
    terminal,
};
use embedded_postgres::{Error, Server};
use platform::migrations;
use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// How long a server that is just starting on the same data directory may take to be reachable.
const NEIGHBOUR_PATIENCE: Duration = Duration::from_secs(10);

/// A database that can be connected to.
pub enum Database {
    /// Somebody else's.
    Remote(String),
    /// Ours, and no longer than us.
    Embedded(Arc<Server>),
    /// That of the wallstreet process with this pid.
    Neighbour {
        /// How to connect.
        url: String,
        /// Who runs it.
        pid: String,
    },
}

impl Database {
    /// The database for the only server of a data directory.
    ///
    /// # Errors
    /// [`Exit::InUse`] where another process has the data directory.
    pub fn own(config: &Config) -> Result<Self, Failure> {
        if let Some(url) = &config.database {
            terminal::step("database", without_password(url));
            return Ok(Self::Remote(url.clone()));
        }
        if let Ok(found) =
            embedded_postgres::find_binaries(config.pg_bin.as_deref(), &config.data_dir)
        {
            terminal::step(
                "PostgreSQL",
                format_args!("{}, {}", found.version, found.dir.display()),
            );
        }
        let data = config.data_dir.display();
        if is_made(config) {
            terminal::step("database", format_args!("in {data}"));
        } else {
            terminal::step("database", format_args!("making a new one in {data} …"));
        }
        start(config)
            .map(|server| Self::Embedded(Arc::new(server)))
            .map_err(|error| failure(config, &error))
    }

    /// The database for a command that may run beside a server.
    ///
    /// # Errors
    /// [`Exit::DatabaseUnavailable`], mostly.
    pub fn any(config: &Config) -> Result<Self, Failure> {
        if let Some(url) = &config.database {
            return Ok(Self::Remote(url.clone()));
        }
        match start(config) {
            Ok(server) => Ok(Self::Embedded(Arc::new(server))),
            Err(Error::InUse { pid, .. }) => neighbour(config, pid),
            Err(error) => Err(failure(config, &error)),
        }
    }

    /// How to connect: for programs, it may hold a password.
    pub fn url(&self) -> &str {
        match self {
            Self::Remote(url) | Self::Neighbour { url, .. } => url,
            Self::Embedded(server) => server.url(),
        }
    }

    /// Stops it if it is ours. All others who hold the server must have let go.
    pub fn close(self) {
        if let Self::Embedded(server) = self
            && let Some(server) = Arc::into_inner(server)
            && let Err(error) = server.stop()
        {
            tracing::warn!("{error}");
        }
    }
}

/// Whether the embedded database has been made.
pub fn is_made(config: &Config) -> bool {
    // Not by looking inside, which only its owner may.
    config.data_dir.join("pg").exists()
}

/// Waits until the database answers, as long as the configuration says.
///
/// # Errors
/// [`Exit::DatabaseUnavailable`].
pub async fn answer(config: &Config, database: &Database) -> Result<(), Failure> {
    let since = Instant::now();
    let mut told = false;
    loop {
        let cause = match migrations::status(database.url()).await {
            Err(platform::Error::Unavailable { cause, .. }) => cause,
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let wait = if matches!(database, Database::Remote(_)) {
            config.database_wait
        } else {
            NEIGHBOUR_PATIENCE
        };
        if since.elapsed() >= wait {
            return Err(unreachable_failure(config, database, &cause, wait));
        }
        if !told {
            terminal::step(
                "waiting",
                format_args!("for the database, up to {} s: {cause}", wait.as_secs()),
            );
            told = true;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

fn unreachable_failure(
    config: &Config,
    database: &Database,
    cause: &str,
    wait: Duration,
) -> Failure {
    let origin = config.effective.iter().find(|one| one.setting.name == "DATABASE_URL");
    let origin = origin.map_or(String::new(), |one| format!(" ({})", one.origin));
    let what = match database {
        Database::Remote(url) => {
            format!("the database {}{origin} does not answer", without_password(url))
        }
        Database::Embedded(_) | Database::Neighbour { .. } => {
            "the embedded PostgreSQL does not answer".to_owned()
        }
    };
    let next = match database {
        Database::Remote(_) => {
            "start that database, or correct DATABASE_URL; without DATABASE_URL an embedded PostgreSQL is used".to_owned()
        }
        Database::Embedded(_) | Database::Neighbour { .. } => {
            format!("read {}", config.data_dir.join("postgres.log").display())
        }
    };
    let what = format!("{what}: {cause} (tried for {} s)", wait.as_secs());
    Failure::new(Exit::DatabaseUnavailable, what).next(next)
}

fn start(config: &Config) -> Result<Server, Error> {
    let mut embedded = embedded_postgres::Config::new(&config.data_dir);
    embedded.binaries.clone_from(&config.pg_bin);
    embedded.allow_download = config.pg_download;
    Server::start(embedded)
}

/// The embedded PostgreSQL's errors already say what to do, but for the operating system's.
fn failure(config: &Config, error: &Error) -> Failure {
    let exit = match error {
        Error::InUse { .. } => Exit::InUse,
        Error::NotBinaries { .. } | Error::Foreign { .. } => Exit::Configuration,
        _ => Exit::DatabaseUnavailable,
    };
    let failure = Failure::new(exit, error.to_string());
    match error {
        Error::Io { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
            let data = config.data_dir.display();
            failure.next(format!(
                "run this as the owner of {data} or as root, or choose another with --data-dir"
            ))
        }
        _ => failure,
    }
}

/// Connects to the PostgreSQL of the process that holds the data directory. PostgreSQL itself writes down where it listens.
fn neighbour(config: &Config, pid: String) -> Result<Database, Failure> {
    let record = config.data_dir.join("pg/postmaster.pid");
    let since = Instant::now();
    loop {
        let why = match fs::read_to_string(&record) {
            Ok(text) => match socket_dir(&text) {
                Some(dir) => {
                    return Ok(Database::Neighbour { url: url(&dir), pid });
                }
                None => "its PostgreSQL is not ready".to_owned(),
            },
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                let what = format!(
                    "{} is in use by process {pid}, whose database is not open to this user",
                    config.data_dir.display()
                );
                let next = format!(
                    "run this command as the user of that process (`ps -o user= -p {pid}`), or as root"
                );
                return Err(Failure::new(Exit::InUse, what).next(next));
            }
            Err(error) => error.to_string(),
        };
        if since.elapsed() > NEIGHBOUR_PATIENCE {
            let what = format!(
                "{} is in use by process {pid}, and its database cannot be reached: {why}",
                config.data_dir.display()
            );
            return Err(Failure::new(Exit::InUse, what).next("look at that process, or stop it"));
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Lines 5 and 8 of PostgreSQL's `postmaster.pid`: where the socket is, and the state.
fn socket_dir(record: &str) -> Option<PathBuf> {
    let line = |number: usize| record.lines().nth(number - 1).map(str::trim);
    (line(8)? == "ready").then(|| line(5).map(PathBuf::from))?
}

fn url(socket_dir: &Path) -> String {
    let host = socket_dir.display().to_string().replace('\\', "\\\\").replace('\'', "\\'");
    format!("host='{host}' user={} dbname={}", embedded_postgres::ROLE, embedded_postgres::DATABASE)
}
