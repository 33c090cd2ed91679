//! The ledger under fire, with the real binary: duplicates, clients that leave,
//! connections that are cut, a database that is killed, full or stopped. Short
//! in the usual run; `cargo xtask fire` runs each for as long as one wants.

mod cuts;
mod departures;
mod disk;
mod duplicates;
mod overload;
mod wire;

use crate::{
    crash::Client,
    product::{Home, Running},
};
use std::{
    collections::{HashMap, HashSet},
    env,
};
use testkit::Database;
use wire::{Reply, Wire};

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

/// A server with a database of its own.
fn serve_embedded(home: &Home) -> Running {
    let settings = ["RATE_LIMIT_MAX_REQUESTS=0", "LOG_LEVEL=error", "MAX_CONNECTIONS=4000"];
    home.serve(&settings.map(|setting| ["--set", setting]).concat())
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

/// Sends every transfer again: what was acknowledged is replayed as it was, the rest
/// is made now or was; and there are no more than these and so many `others`.
fn assert_all_once(
    wire: &Wire,
    (from, to): (&str, &str),
    told: HashMap<String, Option<Reply>>,
    others: usize,
) {
    let (mut ids, all) = (HashSet::new(), told.len());
    for (key, first) in told {
        let reply = wire.once(&wire.transfer(&key, from, to, "0.01")).unwrap();
        assert_eq!(reply.status, 201, "{key}: {reply:?}");
        if let Some(first) = first {
            assert!(reply.replayed && reply.body == first.body, "{first:?}, {reply:?}");
        }
        ids.insert(reply.json()["data"]["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), all, "every key has an effect of its own");
    let page = wire.request("GET", "/api/v1/transactions?type=transfer&limit=1", "", "");
    let page = wire.once(&page).unwrap();
    let total = &page.json()["data"]["pagination"]["total"];
    assert_eq!(total, &serde_json::json!(2 * (all + others)), "{page:?}");
}
