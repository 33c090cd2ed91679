//! The ledger under fire, with the real binary: duplicates, clients that leave,
//! connections that are cut, a database that is killed, full or stopped. Short
//! in the usual run; `cargo xtask fire` runs each for as long as one wants.

mod cuts;
mod departures;
mod duplicates;
mod wire;

use crate::{
    crash::Client,
    product::{Home, Running},
};
use std::env;
use testkit::Database;

/// A number from the environment, for the long runs.
pub fn asked(name: &str, usual: usize) -> usize {
    env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// A database of the test's own, on the server that all tests share.
fn database() -> Database {
    tokio::runtime::Runtime::new().unwrap().block_on(testkit::database())
}

/// A server on a database elsewhere.
fn serve(home: &Home, database: &str) -> Running {
    let settings = ["RATE_LIMIT_MAX_REQUESTS=0", "LOG_LEVEL=error", "MAX_CONNECTIONS=4000"];
    let settings = settings.iter().flat_map(|setting| ["--set", setting]);
    let arguments: Vec<&str> = ["--database-url", database].into_iter().chain(settings).collect();
    home.serve(&arguments)
}

/// What a query of one number says.
fn count(database: &Database, sql: &str) -> i64 {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let client = database.client().await;
        client.query_one(sql, &[]).await.unwrap().get(0)
    })
}

/// Whether the ledger is sound, by the product's own check.
fn assert_verified(home: &Home, database: &str) {
    let said = home.run(&["verify", "ledger", "--database-url", database]).well();
    assert!(!said.contains("NOT sound"), "{said}");
}

/// Memory of a process in MiB.
fn memory(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok()).unwrap_or(0) / 1024
}

/// Two accounts with money, and who may move it.
fn two_accounts(port: u16) -> (Client, String, String) {
    let client = Client::log_in(port);
    let mut accounts = crate::crash::open_accounts(&client).into_iter();
    (client, accounts.next().unwrap(), accounts.next().unwrap())
}
