//! A PostgreSQL in a box: finds the machine's PostgreSQL (14 or later), makes a private cluster,
//! runs it as a supervised child process and stops it. Owns processes, directories and locks.
//!
//! Invariants: one data directory has one owner (a file lock); a half-made cluster is never seen
//! (staging and rename); the server never outlives this process; it listens on a Unix socket alone
//! and trusts the kernel's word on who connects, so there is no password; it never runs as root.
//!
//! It knows no SQL beyond `CREATE DATABASE`, has no driver, and nothing here is asynchronous.

mod binaries;
mod child;
mod cluster;
#[cfg(feature = "download")]
mod download;
mod error;
mod home;
mod identity;
mod install;
mod lock;
mod log;
mod postmaster;
mod server;
mod settings;
mod shared;
mod supervisor;

use std::path::PathBuf;

pub use binaries::{Binaries, Candidate, candidates, find_binaries};
pub use error::Error;
pub use home::{default_data_dir, mode as data_dir_mode};
pub use server::Server;
pub use shared::shared_for_tests;
pub use supervisor::State;

/// The role that owns the cluster and the database. It is a superuser, of this private cluster
/// only.
pub const ROLE: &str = "wallstreet";
/// The database that exists once the server has started.
pub const DATABASE: &str = "wallstreet";
/// The oldest major version that will do.
pub const OLDEST_MAJOR: u32 = 14;

/// What to start, and where.
#[derive(Clone, Debug)]
pub struct Config {
    /// Everything lives here: the cluster in `pg`, the socket in `run`, `postgres.log`,
    /// `wallstreet.lock`, `cache`.
    pub data_dir: PathBuf,
    /// The directory that holds `postgres` and `initdb`; `None` looks in the usual places.
    pub binaries: Option<PathBuf>,
    /// PostgreSQL settings that replace our defaults. What keeps data safe and the server private
    /// cannot be replaced.
    pub settings: Vec<(String, String)>,
    /// `false` gives up crash safety for speed; for tests only.
    pub durable: bool,
    /// Whether to fetch PostgreSQL when the machine has none (needs the feature `download`).
    pub allow_download: bool,
}

impl Config {
    /// A durable server in `data_dir`, from the machine's PostgreSQL or, failing that, from a
    /// download.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            binaries: None,
            settings: Vec::new(),
            durable: true,
            allow_download: true,
        }
    }
}
