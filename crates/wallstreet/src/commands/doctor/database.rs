//! What can be seen of the database: programs, reachability, version, safety, schema, and who can get in.
//!
//! Asks the platform; has no statement of its own.

use super::Check;
use crate::{
    commands::{CLOSE_SAMPLE_ADMIN, bank, block_on},
    config::{Config, without_password},
    database::{self, Database},
    failure::{Exit, Failure},
};
use platform::{login, migrations, postgres};
use std::collections::BTreeMap;

/// The settings without which "committed" does not mean "kept".
const SAFETY: [&str; 4] = ["fsync", "full_page_writes", "synchronous_commit", "data_checksums"];

/// The process that serves from the data directory, if there is one, and the checks.
pub(super) fn examine(config: &Config) -> (Option<String>, Vec<Check>) {
    let mut checks = Vec::new();
    if config.database.is_none() {
        checks.push(programs(config));
        if !database::is_made(config) {
            checks.push(Check::note("database", "is not there yet; the first start makes it"));
            return (None, checks);
        }
    }
    let database = match Database::any(config) {
        Ok(database) => database,
        Err(failure) => {
            checks.push(Check::failure("database", failure));
            return (None, checks);
        }
    };
    let holder = match &database {
        Database::Neighbour { pid, .. } => Some(pid.clone()),
        Database::Remote(_) | Database::Embedded(_) => None,
    };
    match block_on(look(config, &database)) {
        Ok(found) => checks.extend(found),
        Err(failure) => {
            checks.push(Check::failure("database", unreachable_advice(config, failure)));
        }
    }
    database.close();
    (holder, checks)
}

fn programs(config: &Config) -> Check {
    match embedded_postgres::find_binaries(config.pg_bin.as_deref(), &config.data_dir) {
        Ok(found) => {
            Check::fine("PostgreSQL", format!("{}, {}", found.version, found.dir.display()))
        }
        Err(error) => {
            let seen = embedded_postgres::candidates(config.pg_bin.as_deref(), &config.data_dir);
            let seen: Vec<_> = seen
                .iter()
                .filter_map(|one| {
                    Some(format!("{}: {}", one.dir.display(), one.binaries.as_ref().err()?))
                })
                .collect();
            let detail = if seen.is_empty() {
                String::new()
            } else {
                format!("\nlooked at {}", seen.join("; "))
            };
            Check::failure(
                "PostgreSQL",
                Failure::new(Exit::DatabaseUnavailable, format!("{error}{detail}")),
            )
        }
    }
}

fn unreachable_advice(config: &Config, failure: Failure) -> Failure {
    match &config.database {
        Some(url) if failure.exit == Exit::DatabaseUnavailable => failure.next(format!(
            "start the database at {}, or correct DATABASE_URL",
            without_password(url)
        )),
        _ => failure,
    }
}

async fn look(config: &Config, database: &Database) -> Result<Vec<Check>, Failure> {
    let entries = migrations::status(database.url()).await?;
    let settings = postgres::settings(database.url()).await?;
    let mut checks = vec![place(config, database, &settings), safety(&settings)];
    let pending = entries.iter().filter(|entry| entry.applied_at.is_none()).count();
    let altered: Vec<_> =
        entries.iter().filter(|entry| entry.altered).map(|entry| entry.name).collect();
    if !altered.is_empty() {
        let detail = format!("changed since they were applied: {}", altered.join(", "));
        checks.push(Check::finding(
            "schema",
            detail,
            "run the version of wallstreet that applied them",
        ));
    } else if pending > 0 {
        let detail = format!("{pending} of {} migrations pending", entries.len());
        checks.push(Check::finding("schema", detail, "wallstreet migrate up"));
    } else {
        checks.push(Check::fine("schema", format!("{} migrations, none pending", entries.len())));
        checks.push(sample_admin(config, database).await?);
    }
    Ok(checks)
}

/// Where it is, and how old.
fn place(config: &Config, database: &Database, settings: &BTreeMap<String, String>) -> Check {
    let version = settings.get("server_version").map_or("", String::as_str);
    let place = match database {
        Database::Remote(url) => without_password(url),
        Database::Embedded(_) => format!("embedded in {}", config.data_dir.display()),
        Database::Neighbour { pid, .. } => {
            format!("embedded in {}, run by process {pid}", config.data_dir.display())
        }
    };
    Check::fine("database", format!("PostgreSQL {version}, {place}"))
}

fn safety(settings: &BTreeMap<String, String>) -> Check {
    let is_off = |name: &&str| settings.get(*name).is_some_and(|value| value == "off");
    let off: Vec<_> = SAFETY.into_iter().filter(is_off).collect();
    let settable: Vec<_> = off.iter().filter(|name| **name != "data_checksums").collect();
    match (off.as_slice(), settable.is_empty()) {
        ([], _) => Check::fine("safety", format!("{} are on", SAFETY.join(", "))),
        (_, true) => Check::finding(
            "safety",
            "data_checksums is off: a damaged disk goes unnoticed",
            "stop that PostgreSQL, run `pg_checksums --enable -D <its data directory>`, start it again",
        ),
        (off, false) => Check::finding(
            "safety",
            format!("{} off: what was acknowledged can be lost", off.join(", ")),
            format!(
                "as a superuser of that server: ALTER SYSTEM SET {} = on; SELECT pg_reload_conf()",
                settable[0]
            ),
        ),
    }
}

async fn sample_admin(config: &Config, database: &Database) -> Result<Check, Failure> {
    if config.in_development() {
        let detail = "admin@wallstreet.com exists in development, with a published password";
        return Ok(Check::note("sample admin", detail));
    }
    let platform = bank(config, database.url()).await?;
    let open = login::ensure_sample_admin(&platform).await;
    platform.shutdown().await;
    Ok(match open {
        Ok(_) => Check::fine("sample admin", "the published password opens nothing"),
        Err(error) => Check::finding("sample admin", Failure::from(error).what, CLOSE_SAMPLE_ADMIN),
    })
}
