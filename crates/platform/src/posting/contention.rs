//! Who waits for whom: what the posting road measures of itself, and which
//! accounts are hot.

use super::Order;
use crate::meter::{Counter, Distribution, Reading, TIMES};
use ledger::AccountId;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Bounds for orders in one database transaction.
const FILLS: &[u64] = &[1, 2, 5, 10, 25, 50, 100, 200, 500, 1_000];
/// How long accounts are counted before the count begins anew.
const WINDOW: Duration = Duration::from_secs(60);
/// The most accounts that are counted: the rest are not hot.
const COUNTED: usize = 4096;
/// How many of them are told.
const TOLD: usize = 20;

/// The instruments of one server.
pub(super) struct Meters {
    /// Orders that were given to a writer.
    orders: Counter,
    /// Orders refused because too many waited.
    shed: Counter,
    /// Batches that the database dropped and that were tried again.
    retries: Counter,
    /// Batches whose COMMIT got no answer.
    in_doubt: Counter,
    fill: Distribution,
    wait: Distribution,
    took: Distribution,
    hot: Mutex<Hot>,
}

struct Hot {
    since: Instant,
    counts: HashMap<AccountId, u64>,
    before: Vec<(AccountId, u64)>,
}

/// What the posting road is doing.
#[derive(Clone, Debug)]
pub struct Contention {
    /// Orders that wait at this moment.
    pub waiting: u64,
    /// Orders that writers have begun since the start.
    pub orders: u64,
    /// Orders refused since the start, because too many waited.
    pub shed: u64,
    /// Batches tried again since the start.
    pub retries: u64,
    /// Batches since the start whose COMMIT got no answer, and that were settled.
    pub in_doubt: u64,
    /// Orders a batch.
    pub fill: Reading,
    /// How long jobs waited for a writer, in microseconds.
    pub wait: Reading,
    /// How long batches took, in microseconds.
    pub took: Reading,
    /// The accounts that most orders of the last minute touched, and how many; the
    /// last minute that is over, or the present one if there is none.
    pub hot: Vec<(AccountId, u64)>,
}

impl Meters {
    pub(super) fn new() -> Self {
        Self {
            orders: Counter::default(),
            shed: Counter::default(),
            retries: Counter::default(),
            in_doubt: Counter::default(),
            fill: Distribution::of(FILLS),
            wait: Distribution::of(TIMES),
            took: Distribution::of(TIMES),
            hot: Mutex::new(Hot {
                since: Instant::now(),
                counts: HashMap::new(),
                before: Vec::new(),
            }),
        }
    }

    /// A writer begins with these.
    pub(super) fn begun<'o>(&self, orders: impl Iterator<Item = &'o Order>) {
        let mut hot = self.hot.lock().unwrap_or_else(PoisonError::into_inner);
        if hot.since.elapsed() >= WINDOW {
            hot.before = hottest(&hot.counts);
            hot.counts.clear();
            hot.since = Instant::now();
        }
        let mut count = 0;
        for order in orders {
            count += 1;
            for account in &order.touches {
                let room = hot.counts.len() < COUNTED;
                match hot.counts.get_mut(account) {
                    Some(times) => *times += 1,
                    None if room => {
                        hot.counts.insert(*account, 1);
                    }
                    None => {}
                }
            }
        }
        drop(hot);
        self.orders.add(count);
        self.fill.note(count);
    }

    pub(super) fn waited(&self, wait: Duration) {
        self.wait.note_time(wait);
    }

    pub(super) fn took(&self, took: Duration) {
        self.took.note_time(took);
    }

    pub(super) fn shed(&self) {
        self.shed.add(1);
    }

    pub(super) fn retried(&self) {
        self.retries.add(1);
    }

    pub(super) fn in_doubt(&self) {
        self.in_doubt.add(1);
    }

    pub(super) fn read(&self, waiting: usize) -> Contention {
        let hot = self.hot.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = hot.since.elapsed() < 2 * WINDOW;
        let hot = match hot.before.is_empty() || !recent {
            true => hottest(&hot.counts),
            false => hot.before.clone(),
        };
        Contention {
            waiting: u64::try_from(waiting).unwrap_or(u64::MAX),
            orders: self.orders.get(),
            shed: self.shed.get(),
            retries: self.retries.get(),
            in_doubt: self.in_doubt.get(),
            fill: self.fill.read(),
            wait: self.wait.read(),
            took: self.took.read(),
            hot,
        }
    }
}

fn hottest(counts: &HashMap<AccountId, u64>) -> Vec<(AccountId, u64)> {
    let mut all: Vec<(AccountId, u64)> = counts.iter().map(|(id, times)| (*id, *times)).collect();
    all.sort_unstable_by_key(|(id, times)| (std::cmp::Reverse(*times), *id));
    all.truncate(TOLD);
    all
}
