//! Clocks that jump: what time alone decides waits, money moves, and it goes on by itself.

use crate::book::{assert_sound, count};
use crate::money::{draft, transfer};
use jiff::{SignedDuration, Timestamp};
use ledger::{Amount, Kind, Limits};
use platform::{
    Actor, ClockSettings, Error, GuardedClock, IdempotencyKey, Platform,
    accounts::{self, Account},
    clock::{Source, Standing},
    entries::{self, Basis},
    housekeeping,
    orders::{self, Draft},
    schedules::{self, Missed, NewSchedule, Rhythm, zone},
    timekeeping,
    transactions::{self, Transaction},
};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use testkit::{Bank, bank, settings};
use uuid::Uuid;

const DAYS_8: i64 = 8 * 24 * 60 * 60 * 1_000_000;

/// By how much a test has moved the counter and the machine's clock.
#[derive(Clone)]
struct Moved(Arc<Mutex<(i64, i64)>>, Instant);

impl Moved {
    fn by(&self, counter: i64, machine: i64) {
        *self.0.lock().unwrap() = (counter, machine);
    }
}

impl Source for Moved {
    fn read(&mut self) -> (i64, i64) {
        let (counter, machine) = *self.0.lock().unwrap();
        let elapsed = i64::try_from(self.1.elapsed().as_micros()).unwrap();
        (elapsed + counter, Timestamp::now().as_microsecond() + machine)
    }

    fn counter(&self) -> Option<Uuid> {
        None
    }
}

/// A server whose clocks a test moves, by the real time of the database.
struct Server {
    platform: Platform,
    moved: Moved,
}

/// A server on the bank's database. The bank's own clock stands in the past, so there
/// was a long pause: time is sure after it has settled.
async fn server(bank: &Bank) -> Server {
    let moved = Moved(Arc::default(), Instant::now());
    let (tolerance, settle) = (Duration::from_secs(2), Duration::from_secs(1));
    let clock_settings = ClockSettings { tolerance, settle };
    let clock = Arc::new(GuardedClock::on(Box::new(moved.clone()), clock_settings));
    let connected = Platform::connect(&bank.database.url, settings(), Arc::clone(&clock) as _);
    let platform = connected.await.unwrap();
    tokio::spawn(timekeeping::run(platform.clone()));
    tokio::spawn(async move {
        loop {
            clock.tick();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    Server { platform, moved }
}

impl Server {
    async fn until(&self, so: impl Fn(&Standing) -> bool) {
        let began = Instant::now();
        while !so(&self.platform.time().unwrap()) {
            assert!(began.elapsed() < Duration::from_secs(30), "{:?}", self.platform.time());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn until_sure(&self) {
        self.until(|standing| standing.doubts.is_empty()).await;
    }

    async fn until_in_doubt(&self) {
        self.until(|standing| !standing.doubts.is_empty()).await;
    }

    async fn order(&self, by: &Actor, draft: Draft) -> Result<Transaction, Error> {
        orders::create(&self.platform, by, draft, None).await.map(|outcome| outcome.value)
    }

    async fn balance(&self, by: &Actor, account: &Account) -> String {
        accounts::get(&self.platform, by, account.id).await.unwrap().balance.to_string()
    }

    /// What a statement until now says that the account holds.
    async fn statement(&self, by: &Actor, account: &Account, basis: Basis) -> String {
        let drawn = entries::statement(&self.platform, by, account.id, None, None, basis);
        let mut statement = drawn.await.unwrap();
        let mut last = None;
        loop {
            let page = statement.next_page(&self.platform).await.unwrap();
            match page.last() {
                None => break,
                Some(entry) => last = Some((entry.balance, entry.recorded_at)),
            }
        }
        assert_eq!(last.map(|(balance, _)| balance), Some(statement.closing));
        assert!(last.is_some_and(|(_, recorded)| recorded < statement.to));
        statement.closing.to_string()
    }
}

fn within_an_hour(at: Timestamp) -> bool {
    Timestamp::now().duration_since(at).abs() < SignedDuration::from_hours(1)
}

fn in_an_hour() -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(1)
}

#[tokio::test]
async fn a_machines_clock_that_jumps_ahead_and_back_ends_nothing_and_runs_nothing() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let (account, other) = (bank.account(&ada).with("100").await, bank.account(&ada).empty().await);
    let server = server(&bank).await;
    server.until_sure().await;
    let platform = &server.platform;
    let key = || Some(IdempotencyKey::new("k", b"once").unwrap());
    orders::create(platform, &ada, transfer(&account, &other, "1"), key()).await.unwrap();
    let hold = Draft {
        complete: false,
        expires: Some(in_an_hour()),
        ..draft(Kind::Withdrawal, &account, "5")
    };
    let hold = server.order(&ada, hold).await.unwrap();
    let rhythm = Rhythm {
        start_at: in_an_hour(),
        zone: zone("UTC").unwrap(),
        every: None,
        until: None,
        runs: None,
    };
    let later = NewSchedule { draft: transfer(&account, &other, "7"), rhythm, missed: Missed::Run };
    schedules::create(platform, &ada, later, None).await.unwrap();

    server.until(|standing| !standing.deletions_wait).await;
    for jump in [DAYS_8, -DAYS_8] {
        server.moved.by(0, jump);
        server.until_in_doubt().await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let standing = platform.time().unwrap();
        assert!(standing.acts_wait && standing.deletions_wait, "{standing:?}");
        assert!((standing.machine_ahead.abs() - 8.0 * 86400.0).abs() < 60.0, "{standing:?}");
        assert_eq!(orders::expire(platform).await.unwrap(), 0);
        assert_eq!(schedules::run_due(platform).await.unwrap(), 0);
        assert_eq!(housekeeping::sweep(platform).await.unwrap(), 0);
        let deposit = server.order(&ada, draft(Kind::Deposit, &account, "1")).await.unwrap();
        assert!(within_an_hour(deposit.created_at), "{}", deposit.created_at);
        server.moved.by(0, 0);
        server.until_sure().await;
    }
    assert_eq!(orders::expire(platform).await.unwrap(), 0);
    assert_eq!(schedules::run_due(platform).await.unwrap(), 0);
    let hold = transactions::get(platform, &ada, hold.id).await.unwrap();
    assert_eq!(hold.status.as_str(), "pending");
    let again = orders::create(platform, &ada, transfer(&account, &other, "1"), key()).await;
    assert!(again.unwrap().replayed);
    server.until(|standing| !standing.deletions_wait).await;
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn where_the_databases_clock_disagrees_only_what_depends_on_time_is_put_off() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let (account, other) = (bank.account(&ada).with("100").await, bank.account(&ada).empty().await);
    let server = server(&bank).await;
    server.until_sure().await;
    let hold =
        |expires| Draft { complete: false, expires, ..draft(Kind::Withdrawal, &account, "5") };
    let in_days = |days: i64| Some(Timestamp::now() + SignedDuration::from_hours(24 * days));
    let between = server.order(&ada, hold(in_days(1))).await.unwrap();
    let beyond = server.order(&ada, hold(in_days(30))).await.unwrap();
    let forever = server.order(&ada, hold(None)).await.unwrap();
    let limited = bank.account(&ada).with("100").await;
    let (admin, daily) = (bank.admin().await, Some(Amount::parse("50").unwrap()));
    let limits = Limits { daily, ..Limits::default() };
    accounts::set_limits(&server.platform, &admin, limited.id, limits).await.unwrap();

    // The counter goes with the clock, so that our own time is ahead.
    server.moved.by(DAYS_8, DAYS_8);
    server.until_in_doubt().await;
    let platform = &server.platform;
    assert!(!within_an_hour(platform.now()), "the trial needs a clock that is ahead");
    let put_off = orders::process(platform, &ada, between.id, None).await.unwrap_err();
    assert!(matches!(put_off, Error::Unavailable { .. }), "{put_off:?}");
    let put_off = server.order(&ada, hold(in_days(1))).await.unwrap_err();
    assert!(matches!(put_off, Error::Unavailable { .. }), "{put_off:?}");
    let due = |days| Draft { completes: in_days(days), ..hold(None) };
    let put_off = server.order(&ada, due(1)).await.unwrap_err();
    assert!(matches!(put_off, Error::Unavailable { .. }), "{put_off:?}");
    server.order(&ada, due(30)).await.unwrap();
    // Either day's limit: nobody can tell whose.
    let put_off = server.order(&ada, transfer(&limited, &other, "1")).await.unwrap_err();
    assert!(matches!(put_off, Error::Unavailable { .. }), "{put_off:?}");
    server.order(&ada, draft(Kind::Deposit, &limited, "1")).await.unwrap();
    assert_eq!(orders::expire(platform).await.unwrap(), 0);
    for transaction in [beyond, forever] {
        orders::process(platform, &ada, transaction.id, None).await.unwrap();
    }
    server.order(&ada, transfer(&account, &other, "1")).await.unwrap();
    orders::cancel(platform, &ada, between.id, None).await.unwrap();
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn what_was_recorded_ahead_is_in_the_statement_until_now_and_ends_the_doubt_by_itself() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with("100").await;
    let wrong = server(&bank).await;
    wrong.moved.by(DAYS_8, DAYS_8);
    wrong.until(|standing| standing.database_ahead.is_some_and(|ahead| ahead < -9000.0)).await;
    wrong.order(&ada, draft(Kind::Deposit, &account, "10")).await.unwrap();

    let right = server(&bank).await;
    assert!(within_an_hour(right.platform.now()));
    let standing = right.platform.time().unwrap();
    assert!(standing.acts_wait && standing.recorded_until.is_some(), "{standing:?}");
    let deposit = right.order(&ada, draft(Kind::Deposit, &account, "1")).await.unwrap();
    assert!(within_an_hour(deposit.created_at));
    for basis in [Basis::Recorded, Basis::Effective] {
        assert_eq!(right.balance(&ada, &account).await, "111.00");
        assert_eq!(right.statement(&ada, &account, basis).await, "111.00");
    }
    right.until_sure().await;
    assert!(right.platform.time().unwrap().recorded_until.is_some());
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn a_server_whose_clock_was_moved_before_its_start_believes_the_database() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with("100").await;
    for jump in [DAYS_8, -DAYS_8, 100 * DAYS_8] {
        let moved = Moved(Arc::default(), Instant::now());
        moved.by(0, jump);
        let clock = GuardedClock::on(Box::new(moved), ClockSettings::default());
        let connected = Platform::connect(&bank.database.url, settings(), Arc::new(clock));
        let platform = connected.await.unwrap();
        assert!(platform.time().unwrap().acts_wait);
        let deposit = orders::create(&platform, &ada, draft(Kind::Deposit, &account, "1"), None);
        assert!(within_an_hour(deposit.await.unwrap().value.created_at), "{jump}");
    }
    let client = bank.client().await;
    assert_eq!(
        count(&client, "wallstreet.entries WHERE recorded_at > now() + interval '1 hour'").await,
        0
    );
}

#[tokio::test]
async fn a_clock_is_read_by_money_without_asking_anybody() {
    let clock =
        GuardedClock::on(Box::new(Moved(Arc::default(), Instant::now())), ClockSettings::default());
    let began = Instant::now();
    let reads = 100_000;
    for _ in 0..reads {
        std::hint::black_box(platform::Clock::now(&clock));
    }
    assert!(began.elapsed() / reads < Duration::from_micros(5), "{:?}", began.elapsed() / reads);
}
