//! The PostgreSQL server that all tests share, and the template that every test's database is a copy of.
//!
//! The server is the one of `WALLSTREET_TEST_DATABASE_URL`, or one that is started for the tests in memory-backed storage:
//! creating a database is creating 300 files, which is what a disk is slow at.

use nix::{
    errno::Errno,
    sys::{signal::kill, statvfs::statvfs},
    unistd::{Pid, getuid},
};
use platform::migrations;
use std::{env, path::PathBuf};
use tokio::sync::OnceCell;
use tokio_postgres::{Client, Config, NoTls};

/// Every test's database is called this, then the process id, then a number.
pub(crate) const PREFIX: &str = "wallstreet_test_";

/// Held while templates are made and leftovers removed, so that only one process does.
const LOCK: &str = "SELECT pg_advisory_lock(4708226914315206631)";

const NEEDED: u64 = 512 * 1024 * 1024;

/// The shared server, ready for copying.
pub(crate) struct Server {
    base: String,
    /// The migrated database; its name tells which migrations.
    pub(crate) template: String,
    /// The faster way to copy it, where there is a choice.
    pub(crate) strategy: &'static str,
}

/// The server, prepared once for this process.
pub(crate) async fn server() -> &'static Server {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    SERVER.get_or_init(prepare).await
}

impl Server {
    /// The connection string for one of its databases.
    pub(crate) fn url(&self, database: &str) -> String {
        url(&self.base, database)
    }

    /// A connection for making and dropping databases.
    pub(crate) async fn client(&self) -> Client {
        connect(&self.base).await
    }
}

/// Opens a connection.
pub(crate) async fn connect(url: &str) -> Client {
    let config: Config = url.parse().unwrap_or_else(|error| panic!("{url:?}: {error}"));
    let (client, connection) = config
        .connect(NoTls)
        .await
        .unwrap_or_else(|error| panic!("cannot connect to {url}: {error:?}"));
    tokio::spawn(async move { drop(connection.await) });
    client
}

/// Runs statements that a test depends on.
pub(crate) async fn run(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

async fn prepare() -> Server {
    let base = match env::var("WALLSTREET_TEST_DATABASE_URL") {
        Ok(url) => url,
        Err(_) => tokio::task::spawn_blocking(|| embedded_postgres::shared_for_tests(&directory()))
            .await
            .expect("starting PostgreSQL does not panic")
            .unwrap_or_else(|error| panic!("{error}")),
    };
    let client = connect(&base).await;
    run(&client, LOCK).await;
    remove_leftovers(&client).await;
    let facts = "SELECT 'wallstreet_template_' || md5($1), current_setting('server_version_num')::integer >= 150000";
    let facts = client.query_one(facts, &[&migrations::init_sql()]).await.expect("a plain query");
    let (template, chooses): (String, bool) = (facts.get(0), facts.get(1));
    if databases(&client, &template).await.is_empty() {
        build(&client, &base, &template).await;
    }
    Server { base, template, strategy: if chooses { "STRATEGY file_copy" } else { "" } }
}

/// Under another name until it is complete: a process that dies on the way leaves no half template.
async fn build(client: &Client, base: &str, template: &str) {
    let unfinished = format!("{template}_unfinished");
    run(client, &format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)")).await;
    run(client, &format!("CREATE DATABASE {unfinished} TEMPLATE template0")).await;
    migrations::up(&url(base, &unfinished), None).await.unwrap_or_else(|error| panic!("{error}"));
    run(client, &format!("ALTER DATABASE {unfinished} RENAME TO {template}")).await;
}

/// Drops the databases of test processes that are gone.
async fn remove_leftovers(client: &Client) {
    for name in databases(client, &format!("{PREFIX}%")).await {
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('_').next()?.parse().ok());
        if pid.is_some_and(|pid| kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH)) {
            run(client, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        }
    }
}

async fn databases(client: &Client, like: &str) -> Vec<String> {
    let names = "SELECT datname::text FROM pg_database WHERE datname LIKE $1";
    let rows = client.query(names, &[&like]).await.expect("a plain query");
    rows.iter().map(|row| row.get(0)).collect()
}

/// Memory if there is enough of it, else beside the test binary, under `target`.
#[allow(clippy::useless_conversion, reason = "the number of blocks is a u32 on macOS")]
fn directory() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let free =
        statvfs(&memory).map_or(0, |fs| u64::from(fs.blocks_available()) * fs.fragment_size());
    if free >= NEEDED {
        return memory.join(format!("wallstreet-tests-{}", getuid()));
    }
    let binary = env::current_exe().expect("a test binary has a path");
    binary.ancestors().nth(2).expect("it lies in target/<profile>/deps").join("test-postgres")
}

/// The connection string `base` with another database: of two values for one key, the later counts.
fn url(base: &str, database: &str) -> String {
    match base.split_once("://") {
        None => format!("{base} dbname={database}"),
        Some((scheme, rest)) => {
            let (address, options) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
            let authority = address.split('/').next().unwrap_or_default();
            format!("{scheme}://{authority}/{database}{options}")
        }
    }
}
