//! Time, passed in: everything that asks for "now" asks a [`Clock`]; what time alone
//! decides takes a [`Sure`] or a [`LongSure`]. A server has a [`GuardedClock`];
//! `docs/clocks.md` tells what it judges and what waits.

mod guard;
#[cfg(test)]
mod guard_tests;
mod guarded;
mod source;
mod sure;

pub use guard::{Doubt, Heard};
pub use guarded::{ClockSettings, GuardedClock, Standing};
use jiff::Timestamp;
use ledger::Moment;
pub use source::Source;
use std::sync::Mutex;
pub use sure::{LongSure, Sure};

/// Where "now" comes from.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Whether the database's clock, read between `since` and now, shows our time.
    fn agrees(&self, since: Timestamp, database: Timestamp) -> bool {
        let _ = (since, database);
        true
    }

    /// The clock itself, if it is one that judges time.
    fn guarded(&self) -> Option<&GuardedClock> {
        None
    }
}

/// The right to end what is over and to run what is due; `None`: it waits.
pub(crate) fn sure(clock: &dyn Clock) -> Option<Sure> {
    clock.guarded().map_or_else(|| Some(Sure(clock.now())), GuardedClock::sure)
}

/// The right to remove what is old; `None`: it waits.
pub(crate) fn long_sure(clock: &dyn Clock) -> Option<LongSure> {
    clock.guarded().map_or_else(|| Some(LongSure(clock.now())), GuardedClock::long_sure)
}

/// A moment as the money rules count it.
pub(crate) fn moment(at: Timestamp) -> Moment {
    Moment(at.as_microsecond())
}

/// A moment of the money rules, which all came from a timestamp.
pub(crate) fn timestamp(moment: Moment) -> Timestamp {
    Timestamp::from_microsecond(moment.0).unwrap_or_default()
}

/// The machine's clock, whatever it shows.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still until it is told to move.
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// Stands at `start`.
    pub fn at(start: Timestamp) -> Self {
        Self(Mutex::new(start))
    }

    /// Moves on.
    pub fn advance(&self, by: jiff::SignedDuration) {
        let mut now = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *now = now.saturating_add(by).unwrap_or(Timestamp::MAX);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
