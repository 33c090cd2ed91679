//! What can go wrong, in sentences for the person at the terminal: what failed, why, and what to do
//! about it.

use std::{io, path::PathBuf};

/// Why PostgreSQL did not start, or did not stay.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine has no PostgreSQL, and none could be fetched.
    #[error(
        "PostgreSQL {} or later is not on this machine and was not downloaded ({why}): {install}, \
        then start again",
        crate::OLDEST_MAJOR
    )]
    NoPostgres {
        /// Why the download did not happen.
        why: String,
        /// What to run, e.g. "install it with `sudo apt-get install postgresql`".
        install: String,
    },

    /// The directory given by hand does not hold a usable PostgreSQL.
    #[error(
        "{} does not hold PostgreSQL {} or later ({why}): name the directory in which both \
        `postgres` and `initdb` are",
        dir.display(), crate::OLDEST_MAJOR
    )]
    NotBinaries {
        /// The directory given.
        dir: PathBuf,
        /// What is wrong with it.
        why: String,
    },

    /// The cluster was made by a major version that this machine does not have.
    #[error(
        "{} was made by PostgreSQL {cluster}, and this machine has PostgreSQL {found}, which \
         cannot read it: {install} (from postgresql.org where your system has no such package), \
         or move the data with PostgreSQL {cluster}'s pg_dump and a restore into a new data \
         directory",
        dir.display()
    )]
    OtherMajor {
        /// The cluster's directory.
        dir: PathBuf,
        /// The major version in its `PG_VERSION`.
        cluster: u32,
        /// The versions found, e.g. "15.18".
        found: String,
        /// What to run.
        install: String,
    },

    /// Another process owns the data directory.
    #[error(
        "{} is in use by another wallstreet process (pid {pid}): stop that one, or choose another \
         data directory",
        dir.display()
    )]
    InUse {
        /// The data directory.
        dir: PathBuf,
        /// Who holds it, as written in its `wallstreet.lock`.
        pid: String,
    },

    /// The directory holds something that we did not make.
    #[error(
        "{} holds something else than a wallstreet data directory (it contains {found}): choose \
         an empty or a new directory",
        dir.display()
    )]
    Foreign {
        /// The directory.
        dir: PathBuf,
        /// One thing that it holds.
        found: String,
    },

    /// The database was here once and is not any more.
    #[error(
        "the database that was in {} is gone: mount or restore it; to begin with an empty one \
        instead, remove {}",
        dir.display(), marker.display()
    )]
    Vanished {
        /// Where the cluster was.
        dir: PathBuf,
        /// What remembers it.
        marker: PathBuf,
    },

    /// PostgreSQL's user may not go where it must.
    #[error(
        "PostgreSQL runs as the user {user} (it refuses to run as root), who cannot enter {}, on \
         the way to {}: use a directory such as /var/lib/wallstreet, or allow it with \
         `chmod o+x {}`",
        dir.display(), path.display(), dir.display()
    )]
    Unreachable {
        /// Who PostgreSQL would run as.
        user: String,
        /// The directory that is closed.
        dir: PathBuf,
        /// Where it leads.
        path: PathBuf,
    },

    /// The cluster belongs to somebody as whom it cannot run.
    #[error("{} belongs to {owner}, and PostgreSQL would run as {user}: {remedy}", dir.display())]
    Owner {
        /// The cluster's directory.
        dir: PathBuf,
        /// Whose it is.
        owner: String,
        /// Who we are, or would be.
        user: String,
        /// What to do.
        remedy: String,
    },

    /// PostgreSQL needs a name for the user, and there is none.
    #[error(
        "the user id {uid} has no entry in /etc/passwd, which PostgreSQL needs: add one \
         (`useradd --uid {uid} wallstreet`), or run as a user that has one"
    )]
    Nameless {
        /// The user id of this process.
        uid: u32,
    },

    /// Root, and no account to run as.
    #[error(
        "PostgreSQL refuses to run as root, and there is no user wallstreet, postgres or nobody \
        to run it as: add one with `useradd --system wallstreet`"
    )]
    NoAccount,

    /// `initdb`, or the statement after it, failed.
    #[error("PostgreSQL could not make a new cluster in {}: {output}", dir.display())]
    Init {
        /// The directory.
        dir: PathBuf,
        /// What it said.
        output: String,
    },

    /// The server ended before it was ready, or again and again.
    #[error("PostgreSQL {what}. The last lines of {} are:\n{tail}", log.display())]
    Server {
        /// e.g. "did not start (exit status: 1)".
        what: String,
        /// The log file.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },

    /// Processes of an earlier run hold the cluster and do not end.
    #[error(
        "PostgreSQL processes of an earlier run ({pids}) still use {} and do not stop: end them \
         with `kill {pids}`, then start again",
        dir.display()
    )]
    Leftovers {
        /// The cluster's directory.
        dir: PathBuf,
        /// Their pids, separated by spaces.
        pids: String,
    },

    /// The operating system said no.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// A verb, e.g. "create".
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Turns an [`io::Error`] into a sentence: `.map_err(cannot("create", path))`.
pub(crate) fn cannot(
    what: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    move |source| Error::Io { what, path, source }
}
