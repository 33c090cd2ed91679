//! The clock of a server: cheap to read, and moved by a thread of its own that
//! judges time several times a second.

use super::{
    Clock,
    guard::{Doubt, Guard, Heard, Limits, seconds},
    source::{Machine, Source},
    sure::{LongSure, Sure},
};
use jiff::{SignedDuration, Timestamp};
use std::{
    mem::{Discriminant, discriminant},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, Weak},
    thread,
    time::{Duration, Instant},
};
use uuid::Uuid;

/// How often time is judged.
const TICK: Duration = Duration::from_millis(100);
/// How far our time goes by itself from one tick to the next.
const UNJUDGED: Duration = Duration::from_secs(1);

/// What the operator decides about clocks.
#[derive(Clone, Copy, Debug)]
pub struct ClockSettings {
    /// How far clocks may be apart.
    pub tolerance: Duration,
    /// How long clocks must agree until a jump is followed.
    pub settle: Duration,
}

impl Default for ClockSettings {
    fn default() -> Self {
        Self { tolerance: Duration::from_secs(10), settle: Duration::from_secs(5 * 60) }
    }
}

/// How time stands.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// What stands against our time; nothing: it is sure.
    pub doubts: Vec<Doubt>,
    /// Since when it has been sure, or in doubt.
    pub since: Timestamp,
    /// How many seconds the machine's clock is ahead.
    pub machine_ahead: f64,
    /// How many seconds the database's clock is ahead.
    pub database_ahead: Option<f64>,
    /// The newest record, while it lies ahead.
    pub recorded_until: Option<Timestamp>,
    /// Whether expiry and scheduled runs wait.
    pub acts_wait: bool,
    /// Whether deletions wait.
    pub deletions_wait: bool,
}

/// A clock that a jump does not move: see [`Guard`](super::guard).
pub struct GuardedClock(Arc<Shared>);

struct Shared {
    tolerance: SignedDuration,
    counter: Option<Uuid>,
    judging: Mutex<Judging>,
    published: RwLock<Published>,
}

struct Judging {
    guard: Guard,
    source: Box<dyn Source>,
    /// What the log was told last.
    told: Vec<Discriminant<Doubt>>,
}

/// What whoever asks for the time reads.
struct Published {
    now: Timestamp,
    at: Instant,
    standing: Arc<Standing>,
}

impl GuardedClock {
    /// The machine's, judged until it is dropped.
    pub fn start(settings: ClockSettings) -> Self {
        let clock = Self::on(Box::new(Machine::new()), settings);
        let shared = Arc::downgrade(&clock.0);
        // A task could not: timers themselves go by a clock.
        thread::spawn(move || judge_for_ever(&shared));
        clock
    }

    /// On another source; whoever makes it calls [`Self::tick`].
    pub fn on(mut source: Box<dyn Source>, settings: ClockSettings) -> Self {
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 4);
        let tolerance = micros(settings.tolerance);
        let limits = Limits { tolerance, settle: micros(settings.settle) };
        let counter = source.counter();
        let (counted, machine) = source.read();
        let guard = Guard::new(limits, counted, machine);
        let published = Published::of(&guard, None);
        Self(Arc::new(Shared {
            tolerance: SignedDuration::from_micros(tolerance),
            counter,
            judging: Mutex::new(Judging { guard, source, told: Vec::new() }),
            published: RwLock::new(published),
        }))
    }

    /// Looks at counter and clock.
    pub fn tick(&self) {
        self.0.tick();
    }

    /// Listens to the database.
    pub fn hear(&self, heard: Heard) {
        let mut judging = self.0.judging();
        judging.guard.hear(heard);
        self.0.publish(&mut judging);
    }

    /// The counter, in microseconds.
    pub fn counted(&self) -> i64 {
        let mut judging = self.0.judging();
        judging.source.read().0
    }

    /// Names the counter, where another process can read the same one.
    pub fn counter(&self) -> Option<Uuid> {
        self.0.counter
    }

    /// When the counter began, where that may be noted for the next process.
    pub(crate) fn began(&self) -> Option<Timestamp> {
        let judging = self.0.judging();
        let noting = judging.guard.is_worth_noting().then(|| judging.guard.began());
        noting.and_then(|began| Timestamp::from_microsecond(began).ok())
    }

    /// How time stands.
    pub fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.0.published().standing)
    }

    /// The right to do what time alone decides; `None`: it waits.
    pub(super) fn sure(&self) -> Option<Sure> {
        (!self.standing().acts_wait).then(|| Sure(self.now()))
    }

    /// The right to remove what is old; `None`: it waits.
    pub(super) fn long_sure(&self) -> Option<LongSure> {
        (!self.standing().deletions_wait).then(|| LongSure(self.now()))
    }
}

impl Clock for GuardedClock {
    fn now(&self) -> Timestamp {
        let (now, at) = {
            let published = self.0.published();
            (published.now, published.at)
        };
        // Should the counter be made to jump, our time goes no further than this.
        let since = at.elapsed().min(UNJUDGED);
        now.saturating_add(since).unwrap_or(now)
    }

    fn agrees(&self, since: Timestamp, database: Timestamp) -> bool {
        let earliest = since.saturating_sub(self.0.tolerance).unwrap_or(Timestamp::MIN);
        let latest = self.now().saturating_add(self.0.tolerance).unwrap_or(Timestamp::MAX);
        (earliest..=latest).contains(&database)
    }

    fn guarded(&self) -> Option<&GuardedClock> {
        Some(self)
    }
}

impl Shared {
    fn judging(&self) -> MutexGuard<'_, Judging> {
        self.judging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn published(&self) -> RwLockReadGuard<'_, Published> {
        self.published.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self) {
        let mut judging = self.judging();
        let (counted, machine) = judging.source.read();
        judging.guard.tick(counted, machine);
        self.publish(&mut judging);
    }

    fn publish(&self, judging: &mut Judging) {
        let before = Arc::clone(&self.published().standing);
        let published = Published::of(&judging.guard, Some(&before));
        if judging.guard.has_begun() {
            tell(&mut judging.told, &published.standing.doubts);
        }
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = published;
    }
}

impl Published {
    fn of(guard: &Guard, before: Option<&Standing>) -> Self {
        let moment = |micros| Timestamp::from_microsecond(micros).unwrap_or_default();
        let (now, doubts) = (moment(guard.now()), guard.doubts());
        let same = before.filter(|before| before.doubts.is_empty() == doubts.is_empty());
        let standing = Standing {
            since: same.map_or(now, |before| before.since),
            machine_ahead: seconds(guard.machine_ahead()),
            database_ahead: guard.database_ahead().map(seconds),
            recorded_until: guard.newest_ahead().map(moment),
            acts_wait: !guard.is_sure(),
            deletions_wait: !guard.is_sure_for_long(),
            doubts,
        };
        Self { now, at: Instant::now(), standing: Arc::new(standing) }
    }
}

/// Tells the log, once for every change.
fn tell(told: &mut Vec<Discriminant<Doubt>>, doubts: &[Doubt]) {
    let kinds: Vec<_> = doubts.iter().map(discriminant).collect();
    if *told == kinds {
        return;
    }
    *told = kinds;
    if doubts.is_empty() {
        tracing::info!("time is sure again: expiry and scheduled runs go on");
    } else {
        let why: Vec<String> = doubts.iter().map(ToString::to_string).collect();
        let why = why.join("; ");
        tracing::warn!(%why, "time is in doubt: expiry, scheduled runs and deletions wait");
    }
}

fn judge_for_ever(shared: &Weak<Shared>) {
    while let Some(shared) = shared.upgrade() {
        shared.tick();
        drop(shared);
        thread::sleep(TICK);
    }
}
