//! Concurrent histories: clients of four servers on one database ask at random of
//! a few accounts, and everything that they were told is held against a bank that
//! works alone. `cargo xtask fire model` runs it for longer.

mod asks;
mod bank;
mod check;
mod clients;

use asks::Random;
use clients::{Record, World};
use ledger::{Currency, Rate, Spread};
use platform::{PendingSettings, Platform, Quota, Settings, fx, transactions::RateSource};
use std::{
    collections::VecDeque,
    env,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use testkit::{Bank, bank_with, settings};
use uuid::Uuid;

const CLIENTS: usize = 24;
/// The most of one history; then the next one begins in a new database.
const ROUND: usize = 10_000;

/// After how long without a cut there is one.
const STILL: Duration = Duration::from_secs(2);

/// A number from the environment, for the long runs.
pub fn asked(name: &str, usual: usize) -> usize {
    env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// The clock goes by hours, and so does what is short. Few orders may stand pending, so
/// that the quota is met.
fn stands() -> Settings {
    let hours = |hours: i64| Duration::from_secs(hours.unsigned_abs() * 3_600);
    let quota = Quota { count: Some(bank::MOST_PENDING), bytes: None };
    Settings {
        fx_pending_expiry: hours(bank::EXCHANGE_STANDS),
        fx_quote_expiry: hours(bank::QUOTE_STANDS),
        pending: PendingSettings { quota, expiry: None },
        ..settings()
    }
}

async fn world(bank: &Bank) -> Arc<World> {
    let actor = bank.user("ada@example.com").await;
    let mut accounts = Vec::new();
    for code in bank::CURRENCIES {
        accounts.push(bank.account(&actor).in_currency(code).empty().await);
    }
    let clock = Arc::clone(&bank.clock);
    let server = async |users_settle| {
        let settings = Settings { users_settle, ..stands() };
        Platform::connect(&bank.database.url, settings, Arc::clone(&clock) as _).await.unwrap()
    };
    let rate = fx::NewRate {
        source: Currency::USD,
        target: Currency::parse("EUR").unwrap(),
        rate: Rate::parse("0.9217").unwrap(),
        spread: Spread::parse("0.005").unwrap(),
        rate_source: RateSource::parse("a test").unwrap(),
        valid_until: None,
    };
    fx::set_rate(&bank.platform, &bank.admin().await, rate).await.unwrap();
    Arc::new(World {
        servers: [bank.platform.clone(), server(true).await],
        modest: [server(false).await, server(false).await],
        clock,
        actor,
        accounts,
        ticks: AtomicU64::new(1),
        recent: Mutex::new(VecDeque::new()),
        quotes: Mutex::new(VecDeque::new()),
        faults: Mutex::default(),
        stuck: AtomicBool::new(false),
        admin: bank.client().await,
    })
}

/// Cuts all connections of all servers again and again, until told to stop: after up to
/// 300 questions with their answers, so that a slow machine gets as far between two
/// cuts as a fast one; but where nothing moves, after two seconds.
async fn cut(bank: &Bank, world: &World, stop: Arc<AtomicBool>, mut random: Random) {
    const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'wallstreet'";
    let client = bank.client().await;
    while !stop.load(Ordering::Relaxed) {
        let until = world.ticks.load(Ordering::Relaxed) + random.below(600) as u64;
        let waits = Instant::now();
        while world.ticks.load(Ordering::Relaxed) < until && waits.elapsed() < STILL {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        client.query(CUT, &[]).await.unwrap();
    }
}

/// One history of so many operations; what is wrong with it.
async fn history(operations: usize, seed: u64, faulty: bool) -> Vec<String> {
    let bank = bank_with(stands()).await;
    let world = world(&bank).await;
    let began = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let asks = operations / CLIENTS + usize::from(n < operations % CLIENTS);
            let seed = Random(seed + n as u64).next();
            tokio::spawn(Arc::clone(&world).client(format!("client-{n}"), asks, seed))
        })
        .collect();
    let stop = Arc::new(AtomicBool::new(!faulty));
    let all = async {
        let mut records: Vec<Record> = Vec::new();
        for client in clients {
            records.extend(client.await.unwrap());
        }
        stop.store(true, Ordering::Relaxed);
        records
    };
    let (records, ()) = tokio::join!(all, cut(&bank, &world, Arc::clone(&stop), Random(seed)));
    let client = bank.client().await;
    let took = began.elapsed();
    let rows = check::rows(&client).await;
    let ids: Vec<Uuid> = world.accounts.iter().map(|account| account.id.0).collect();
    let (lone, mut faults) = check::replay(&ids, &records, &rows);
    faults.extend(check::compare(&client, &ids, &lone).await);
    faults.append(&mut world.faults.lock().unwrap());
    println!(
        "seed {seed}: {} operations, {} effects, {} refused, {} sent again, connections cut: \
         {faulty}, {:.1} s; {} faults",
        records.len(),
        rows.len(),
        records.iter().filter(|r| matches!(r.said[0], clients::Said::Refused(..))).count(),
        records.iter().filter(|record| record.again).count(),
        took.as_secs_f64(),
        faults.len(),
    );
    if faults.is_empty() {
        assert_sound_history(&bank).await;
    }
    faults
}

async fn assert_sound_history(bank: &Bank) {
    bank.seal().await;
    let report =
        platform::verification::check(&bank.platform, platform::verification::Pace::Full, |_| {});
    let report = report.await.unwrap();
    assert!(report.is_sound(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_servers_tell_their_clients_is_what_one_bank_that_works_alone_would_say() {
    let mut left = asked("WALLSTREET_FIRE_OPERATIONS", 4_000);
    let mut seed = asked("WALLSTREET_FIRE_SEED", 1) as u64 * 1_000_000;
    let round = ROUND.min(left / 2);
    let mut faulty = false;
    while left > 0 {
        let operations = left.min(round);
        let faults = history(operations, seed, faulty).await;
        let first: Vec<&String> = faults.iter().take(5).collect();
        assert!(faults.is_empty(), "seed {seed}: {} faults: {first:#?}", faults.len());
        left -= operations;
        seed += 1_000;
        faulty = !faulty;
    }
}
