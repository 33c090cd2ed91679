//! The schema's history: which migrations there are, which ones a database has,
//! and how to get from one to the other.
//!
//! Every migration runs in one transaction together with its row of
//! `wallstreet.migrations`, so a database is always exactly at one number. An
//! advisory lock of that transaction lets any number of servers start at once,
//! also behind a pooler that shares sessions. What was applied is never edited:
//! the history keeps a checksum of each migration.
//!
//! Knows no table but its own and the names of the documented ones. The files
//! are `migrations/NNN_name.sql` and `NNN_name_rollback.sql`; the shape of both
//! names is the schema document's.

use crate::{
    db,
    error::{Error, Result},
    postgres,
};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};
use tokio_postgres::{Client, GenericClient, IsolationLevel, error::SqlState};

/// One step of the schema, and the way back.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its place, from 1, without gaps.
    pub number: u32,
    /// Its file's name without `.sql`, e.g. `001_documented_schema`.
    pub name: &'static str,
    /// What it does.
    pub up: &'static str,
    /// What undoes it.
    pub down: &'static str,
}

macro_rules! migrations {
    ($($number:literal $name:literal,)*) => {
        &[$(Migration {
            number: $number,
            name: $name,
            up: include_str!(concat!("../../../migrations/", $name, ".sql")),
            down: include_str!(concat!("../../../migrations/", $name, "_rollback.sql")),
        }),*]
    };
}

/// All of them, oldest first.
pub const ALL: &[Migration] = migrations![
    1 "001_documented_schema",
    2 "002_add_2fa",
    3 "003_guards",
    4 "004_ledger",
    5 "005_sessions",
    6 "006_api_key_hints",
    7 "007_idempotency_keys",
    8 "008_events",
    9 "009_posting",
    10 "010_schedules",
    11 "011_seals",
    12 "012_seal_format_2",
    13 "013_quotes",
    14 "014_authority",
    15 "015_time",
    16 "016_quotas",
    17 "017_completions",
    18 "018_account_index",
];

/// A step that was just taken, up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its place, from 1.
    pub number: u32,
    /// Its file's name without `.sql`.
    pub name: &'static str,
    /// How long it took, waiting included.
    pub took: Duration,
}

/// A migration, as one database sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place, from 1.
    pub number: u32,
    /// Its file's name without `.sql`.
    pub name: &'static str,
    /// When it was applied; `None`: it is pending.
    pub applied_at: Option<Timestamp>,
    /// Whether it was another text when it was applied.
    pub altered: bool,
}

/// Why a database cannot be used, or not be migrated. It is unchanged. Comes as
/// the cause of an [`Error::Internal`], and is written for the operator.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// No way in: wrong name, user or password.
    #[error(
        "the database cannot be opened: {0}. Check its address (DATABASE_URL); a missing database is made with `createdb`"
    )]
    Closed(String),
    /// Older than the documented minimum.
    #[error("the server is PostgreSQL {0}, and wallstreet needs 14 or later: upgrade PostgreSQL")]
    OldServer(String),
    /// Behind a pooler that changes sessions between transactions.
    #[error(
        "DATABASE_URL is the address of a connection pooler that gives each transaction another session (PgBouncer calls that pool_mode=transaction): name PostgreSQL's own address, or let the pooler keep a session for each connection (pool_mode=session)"
    )]
    Pooler,
    /// Not every text can be kept in it.
    #[error(
        "the database keeps text as {0}, and wallstreet needs UTF8: make one with `createdb --template=template0 --encoding=UTF8 --locale=C.UTF-8`, and name it in DATABASE_URL"
    )]
    Encoding(String),
    /// Not there yet.
    #[error("the database lacks {} of {} migrations ({}): run `wallstreet migrate up`", .0.len(), ALL.len(), .0.join(", "))]
    Pending(Vec<&'static str>),
    /// Ahead of this binary.
    #[error("the database was made by a newer version (it has migration {found}, this version knows {}): upgrade wallstreet", ALL.len())]
    Newer {
        /// The newest migration of the database.
        found: u32,
    },
    /// The history tells of another text.
    #[error(
        "migration {0} was changed after it was applied to this database: run the version of wallstreet that applied it, and write the change as a new migration"
    )]
    Altered(&'static str),
    /// The history skips one.
    #[error(
        "the database's history lacks migration {0} but has later ones: somebody edited wallstreet.migrations; restore the database from a backup"
    )]
    Gap(&'static str),
    /// Somebody made the tables by hand.
    #[error(
        "this database already holds tables of the documented schema ({0}) but no migration history: point wallstreet at an empty database, run `wallstreet migrate up`, and copy the rows over with `pg_dump --data-only`"
    )]
    Unrecorded(String),
    /// A number that no migration has.
    #[error("there is no migration {number}: the newest is {}", ALL.len())]
    Unknown {
        /// What was asked for.
        number: u32,
    },
    /// The role may not.
    #[error(
        "the role {role} may not change the database {database} ({said}): as a superuser, run `ALTER DATABASE \"{database}\" OWNER TO \"{role}\"`"
    )]
    Rights {
        /// Who.
        role: String,
        /// Where.
        database: String,
        /// PostgreSQL's own words.
        said: String,
    },
    /// Somebody else is migrating, for a minute and longer.
    #[error(
        "another wallstreet is migrating this database and has not finished: wait for it, then try again"
    )]
    Busy,
    /// Somebody holds a table.
    #[error(
        "migration {0} waited in vain for a table that other sessions are using: stop them, or try again in a quiet moment"
    )]
    Locked(&'static str),
    /// PostgreSQL refused a statement.
    #[error("migration {name} failed, and nothing of it was kept: {said}")]
    Failed {
        /// Which.
        name: &'static str,
        /// PostgreSQL's own words.
        said: String,
    },
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::internal(problem)
    }
}

/// Names are qualified by their place, not by the session's: a role that is
/// called like our schema would otherwise create the documented tables in it.
const PLACE: &str = "SET LOCAL search_path = public;\n";

/// Ends with the transaction, so a pooler cannot hand it to somebody else.
const LOCK: &str = "SET LOCAL TimeZone = 'UTC';
    SET LOCAL statement_timeout = 0;
    SET LOCAL lock_timeout = '60s';
    SELECT pg_advisory_xact_lock(8243113893085145959);
    SET LOCAL lock_timeout = '5s';";

const BOOTSTRAP: &str = "CREATE SCHEMA IF NOT EXISTS wallstreet;
CREATE TABLE wallstreet.migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
";

const HISTORY: &str =
    "SELECT number, checksum, applied_at FROM wallstreet.migrations ORDER BY number LIMIT 10000";

const RECORD: &str =
    "INSERT INTO wallstreet.migrations (number, name, checksum) VALUES ($1, $2, $3)";

const FORGET: &str = "DELETE FROM wallstreet.migrations WHERE number = $1";

const SERVER: &str = "SELECT current_setting('server_version_num')::integer AS number,
        current_setting('server_version') AS version, current_setting('server_encoding') AS encoding,
        current_user::text AS role, current_database()::text AS database";

const DOCUMENTED: &str =
    "SELECT string_agg(tablename::text, ', ' ORDER BY tablename) FROM pg_tables
  WHERE schemaname = 'public' AND tablename IN ('users', 'api_keys', 'accounts', 'transactions',
        'audit_logs', 'webhooks', 'webhook_deliveries', 'integration_configs')";

/// Applies what is pending, oldest first, up to and including number `to`
/// (`None`: everything). Says what it applied; nothing pending is no error.
/// Several at once wait for each other, and each migration is applied once.
///
/// # Errors
/// A [`Problem`], or [`Error::Unavailable`]. What was applied before it stays.
pub async fn up(database: &str, to: Option<u32>) -> Result<Vec<Applied>> {
    let newest = ALL.last().map_or(0, |migration| migration.number);
    let to = to.unwrap_or(newest);
    if to > newest {
        return Err(Problem::Unknown { number: to }.into());
    }
    walk(database, Way::UpTo(to)).await
}

/// Undoes what is newer than number `to`, newest first; 0 undoes everything,
/// and with it every row.
///
/// # Errors
/// As [`up`].
pub async fn down(database: &str, to: u32) -> Result<Vec<Applied>> {
    walk(database, Way::DownTo(to)).await
}

/// Every migration and whether this database has it. Changes nothing.
///
/// # Errors
/// [`Problem::Newer`] and the like; an altered migration is only told.
pub async fn status(database: &str) -> Result<Vec<Entry>> {
    let client = connect_apart(database).await?;
    server(&client).await?;
    let history = history(&client).await?.unwrap_or_default();
    match verify(&history) {
        Err(Problem::Altered(_)) | Ok(()) => {}
        Err(problem) => return Err(problem.into()),
    }
    Ok(ALL
        .iter()
        .enumerate()
        .map(|(index, migration)| {
            let recorded = history.get(index);
            Entry {
                number: migration.number,
                name: migration.name,
                applied_at: recorded.map(|recorded| recorded.applied_at),
                altered: recorded.is_some_and(|r| r.checksum != checksum(migration.up)),
            }
        })
        .collect())
}

/// A connection with a session of its own; a pooler of transactions is refused.
pub(crate) async fn connect_apart(database: &str) -> Result<Client> {
    let (client, other) = (connect(database).await?, connect(database).await?);
    let pooled = postgres::is_pooled(&client, &other).await?;
    if pooled { Err(Problem::Pooler.into()) } else { Ok(client) }
}

/// Passes a database that has exactly what this binary knows.
pub(crate) async fn check(client: &Client) -> Result<()> {
    server(client).await?;
    let history = history(client).await?.unwrap_or_default();
    verify(&history)?;
    if history.is_empty() {
        refuse_unrecorded(client).await?;
    }
    match ALL.get(history.len()..) {
        None | Some([]) => Ok(()),
        Some(rest) => Err(Problem::Pending(rest.iter().map(|m| m.name).collect()).into()),
    }
}

/// Everything as one script for `psql -f` on an empty database: all migrations
/// and their history, so that the database counts as migrated.
pub fn init_sql() -> String {
    let mut sql = format!("{HEADER}{PLACE}\n{GUARD}\n{BOOTSTRAP}");
    for Migration { number, name, up, .. } in ALL {
        let checksum = checksum(up);
        sql += &format!(
            "\n-- {name}\n\n{up}\n\
             INSERT INTO wallstreet.migrations (number, name, checksum)\n    \
             VALUES ({number}, '{name}', '{checksum}');\n"
        );
    }
    sql + "\nCOMMIT;\n"
}

const HEADER: &str = r"-- The whole schema of wallstreet, for an empty database on PostgreSQL 14 or later:
--
--     psql -U wallstreet -d wallstreet_dev -f scripts/database/init.sql
--
-- Generated from migrations/*.sql by `wallstreet migrate init-sql`; do not edit.
-- It is one transaction: after an error the database is as it was.

\set ON_ERROR_STOP on

BEGIN;
";

const GUARD: &str = "DO $$
BEGIN
    IF current_setting('server_version_num')::integer < 140000 THEN
        RAISE EXCEPTION 'PostgreSQL 14 or later is needed; this is %', current_setting('server_version');
    END IF;
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION 'a database in UTF8 is needed; this is in %', current_setting('server_encoding')
            USING HINT = 'Make one with: createdb --template=template0 --encoding=UTF8 --locale=C.UTF-8';
    END IF;
    IF to_regclass('public.users') IS NOT NULL OR to_regclass('wallstreet.migrations') IS NOT NULL THEN
        RAISE EXCEPTION 'this database is not empty'
            USING HINT = 'Use an empty database, or bring this one up to date with: wallstreet migrate up';
    END IF;
END $$;
";

#[derive(Clone, Copy)]
enum Way {
    UpTo(u32),
    DownTo(u32),
}

/// A row of the history.
struct Recorded {
    number: u32,
    checksum: String,
    applied_at: Timestamp,
}

async fn walk(database: &str, way: Way) -> Result<Vec<Applied>> {
    let mut client = connect(database).await?;
    let mut taken = Vec::new();
    while let Some(applied) = step(&mut client, way).await? {
        taken.push(applied);
    }
    Ok(taken)
}

/// One migration in one transaction; `None` when there is nothing left to do.
async fn step(client: &mut Client, way: Way) -> Result<Option<Applied>> {
    let started = Instant::now();
    let place = server(client).await?;
    // The lock's holder commits before we read: we must see what it did.
    let tx = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted);
    let tx = tx.start().await?;
    tx.batch_execute(PLACE).await?;
    tx.batch_execute(LOCK).await.map_err(|error| match error.code() {
        Some(&SqlState::LOCK_NOT_AVAILABLE) => Problem::Busy.into(),
        _ => Error::from(error),
    })?;
    let history = history(&tx).await?;
    verify(history.as_deref().unwrap_or_default())?;
    let done = history.as_ref().map_or(0, Vec::len);
    let next = match way {
        Way::UpTo(to) => ALL.get(done).filter(|m| m.number <= to).map(|m| (m, m.up)),
        Way::DownTo(to) => {
            let newest = done.checked_sub(1).and_then(|index| ALL.get(index));
            newest.filter(|m| m.number > to).map(|m| (m, m.down))
        }
    };
    let Some((migration, sql)) = next else {
        return Ok(None);
    };
    if done == 0 {
        refuse_unrecorded(&tx).await?;
    }
    let explain = |error| place.explain(migration.name, error);
    if history.is_none() {
        tx.batch_execute(BOOTSTRAP).await.map_err(explain)?;
    }
    tx.batch_execute(sql).await.map_err(explain)?;
    let number = i32::try_from(migration.number).map_err(Error::internal)?;
    match way {
        Way::UpTo(_) => {
            tx.execute(RECORD, &[&number, &migration.name, &checksum(migration.up)]).await
        }
        Way::DownTo(_) => tx.execute(FORGET, &[&number]).await,
    }
    .map_err(explain)?;
    tx.commit().await.map_err(explain)?;
    let Migration { number, name, .. } = *migration;
    Ok(Some(Applied { number, name, took: started.elapsed() }))
}

/// Opens a connection of its own: the migrations' role may be another one than
/// the server's, and their statements take as long as they take.
async fn connect(database: &str) -> Result<Client> {
    postgres::connect(database, "wallstreet migrate").await?.map_err(|error| {
        match Error::from(error) {
            Error::Internal(cause) => Problem::Closed(cause.to_string().trim_end().into()).into(),
            for_now => for_now,
        }
    })
}

/// Where we are, and as whom.
struct Place {
    role: String,
    database: String,
}

impl Place {
    fn explain(&self, name: &'static str, error: tokio_postgres::Error) -> Error {
        let said = |error: &tokio_postgres::Error| {
            error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_owned())
        };
        match error.code() {
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Problem::Rights {
                role: self.role.clone(),
                database: self.database.clone(),
                said: said(&error),
            }
            .into(),
            Some(&SqlState::LOCK_NOT_AVAILABLE) => Problem::Locked(name).into(),
            _ => match Error::from(error) {
                Error::Internal(cause) => Problem::Failed { name, said: cause.to_string() }.into(),
                for_now => for_now,
            },
        }
    }
}

async fn server(client: &impl GenericClient) -> Result<Place> {
    let row = client.query_one(SERVER, &[]).await?;
    if row.try_get::<_, i32>("number")? < 140_000 {
        return Err(Problem::OldServer(row.try_get("version")?).into());
    }
    let encoding: String = row.try_get("encoding")?;
    if encoding != "UTF8" {
        return Err(Problem::Encoding(encoding).into());
    }
    Ok(Place { role: row.try_get("role")?, database: row.try_get("database")? })
}

/// The recorded migrations, oldest first; `None`: not even the table is there.
async fn history(client: &impl GenericClient) -> Result<Option<Vec<Recorded>>> {
    let there = "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'wallstreet' AND tablename = 'migrations')";
    if !client.query_one(there, &[]).await?.try_get::<_, bool>(0)? {
        return Ok(None);
    }
    let rows = client.query(HISTORY, &[]).await?;
    let recorded = rows.iter().map(|row| {
        Ok(Recorded {
            number: u32::try_from(row.try_get::<_, i32>("number")?).map_err(Error::internal)?,
            checksum: row.try_get("checksum")?,
            applied_at: db::time(row, "applied_at")?,
        })
    });
    recorded.collect::<Result<_>>().map(Some)
}

/// Passes a history that is a beginning of ours.
fn verify(history: &[Recorded]) -> Result<(), Problem> {
    if let Some(last) = history.last().filter(|last| ALL.iter().all(|m| m.number < last.number)) {
        return Err(Problem::Newer { found: last.number });
    }
    for (recorded, migration) in history.iter().zip(ALL) {
        if recorded.number != migration.number {
            return Err(Problem::Gap(migration.name));
        }
        if recorded.checksum != checksum(migration.up) {
            return Err(Problem::Altered(migration.name));
        }
    }
    Ok(())
}

async fn refuse_unrecorded(client: &impl GenericClient) -> Result<()> {
    match client.query_one(DOCUMENTED, &[]).await?.try_get::<_, Option<String>>(0)? {
        Some(tables) => Err(Problem::Unrecorded(tables).into()),
        None => Ok(()),
    }
}

/// SHA-256 in hexadecimal.
fn checksum(sql: &str) -> String {
    Sha256::digest(sql).iter().map(|byte| format!("{byte:02x}")).collect()
}
