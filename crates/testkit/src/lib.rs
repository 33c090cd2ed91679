//! For tests alone: a PostgreSQL database for each test, and builders for what it holds.
//!
//! A test that needs a database says `testkit::database().await` and has a migrated one of its own in some ten
//! milliseconds. Whatever does not work here panics with what to do: a test has nobody to hand an error to.

mod bank;
pub mod contract;
mod database;
mod server;
mod tools;

pub use bank::{Bank, Opening, PASSWORD, bank, bank_with, settings};
pub use database::{Database, database, empty_database};
pub use tools::{pg_dump, psql};

use std::{env, fs::OpenOptions, io::Write};

/// Says that a test could not be run here, and why. The test then returns: it has neither passed nor failed, and whoever
/// sets `WALLSTREET_SKIPPED_LOG` to a file's name finds one line for each such test in it.
pub fn skipped(test: &str, why: &str) {
    let line = format!("SKIPPED {test}: {why}\n");
    eprint!("{line}");
    if let Some(path) = env::var_os("WALLSTREET_SKIPPED_LOG") {
        let log = OpenOptions::new().create(true).append(true).open(path);
        log.and_then(|mut log| log.write_all(line.as_bytes()))
            .expect("WALLSTREET_SKIPPED_LOG must name a file that can be written");
    }
}
