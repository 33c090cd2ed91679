//! Lists and balances: pages of an account with a long history at several depths, and balances of any account.

use super::{
    database::Database,
    figures::Reading,
    plan::Plan,
    seed::{self, ACCOUNTS},
    setting::{Running, Setting},
};
use crate::{
    load::{Read, Specification, Task},
    random::Random,
    workload::account,
};
use anyhow::{Context, Result, ensure};

const CONNECTIONS: usize = 64;
/// Transfers between the first two accounts, there and back: so half of the entries of either.
const ROUNDS: usize = 50_000;
const PAGE: usize = 50;
/// Pages before the one that is read.
const DEPTHS: [usize; 3] = [0, 1000, 1990];

/// Measures all of them.
pub fn run(setting: &mut Setting, plan: &Plan) -> Result<Vec<Reading>> {
    let name = setting.copy()?;
    let database = setting.open(&name)?;
    eprintln!("bench: reads: an account with {} transactions", 2 * ROUNDS);
    seed::add_rounds(&database, setting.user, 2, ROUNDS, |_| ())?;
    let product = setting.product(&name)?;
    database.until_sealed()?;
    let mut tasks = Vec::new();
    for depth in DEPTHS {
        let holds = page_behind(&database, if depth == 0 { 1 } else { depth * PAGE })?;
        let read = Read { path: path(setting, &product, depth)?, holds };
        tasks.push((format!("page {}", depth + 1), vec![read]));
    }
    // For comparison: a numbered page, which also counts all there are.
    let path = format!("/api/v1/transactions/account/{}?limit={PAGE}&page=1", account(0));
    let read = Read { path, holds: page_behind(&database, 0)? };
    tasks.push(("numbered page 1".to_owned(), vec![read]));
    let mut random = Random::new(1);
    let balance = |_| {
        let path = format!("/api/v1/accounts/{}/balance", account(random.below(ACCOUNTS)));
        Read { path, holds: vec![(r#""balance":1000000.00"#.to_owned(), 1)] }
    };
    tasks.push(("balance".to_owned(), (0..500).map(balance).collect()));

    let mut readings = Vec::new();
    for (name, reads) in tasks {
        let specification = Specification {
            address: product.address,
            path: String::new(),
            api_key: Some(setting.api_key.clone()),
            task: Task::Reads(reads),
            connections: CONNECTIONS,
            timing: plan.timing,
            seed: 1,
        };
        let measured = setting.measure("load", &specification)?;
        let p50 = measured.p50;
        eprintln!(
            "bench: {name:26} {:>8.0}/s  p50 {p50:8.2} ms  p99 {:8.2} ms",
            measured.per_second, measured.p99
        );
        ensure!(measured.errors == 0, "{name}: {:?}", measured.first_error);
        readings.push(Reading { name, measured });
    }
    Ok(readings)
}

/// What must stand in the page behind so many items.
fn page_behind(database: &Database<'_>, before: usize) -> Result<Vec<(String, usize)>> {
    let first = database.query(
        "SELECT id::text FROM transactions WHERE account_id = $1 ORDER BY created_at DESC, id DESC
          LIMIT 1 OFFSET $2",
        &[&account(0), &i64::try_from(before)?],
    )?;
    let first: String = first.first().context("the history is shorter")?.try_get(0)?;
    Ok(vec![
        (format!(r#""accountId":"{}""#, account(0)), PAGE),
        (format!(r#"{{"transactions":[{{"id":"{first}""#), 1),
    ])
}

/// The path of the page behind so many pages, by the cursor that the page before it offers.
fn path(setting: &Setting, product: &Running, depth: usize) -> Result<String> {
    // Nothing but a cursor asks for no total: so the first page begins behind the first item.
    let before =
        if depth == 0 { "limit=1&page=1".to_owned() } else { format!("limit={PAGE}&page={depth}") };
    let header = format!("x-api-key: {}\r\n", setting.api_key);
    let path = format!("/api/v1/transactions/account/{}", account(0));
    let page = setting.ask(product, "GET", &format!("{path}?{before}"), &header, None)?;
    let cursor = page["data"]["pagination"]["nextCursor"].as_str();
    Ok(format!("{path}?limit={PAGE}&cursor={}", cursor.context("the page offers no cursor")?))
}
