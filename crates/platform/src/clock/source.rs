//! Where a guarded clock looks: a counter that only counts, and the machine's clock.

use jiff::Timestamp;
use std::{fs, time::Instant};
use uuid::Uuid;

/// What is read at every tick.
pub trait Source: Send {
    /// The counter and the machine's clock, in microseconds; the clock from 1970.
    fn read(&mut self) -> (i64, i64);

    /// Names the counter, where another process can read the same one.
    fn counter(&self) -> Option<Uuid>;
}

/// How far [`Instant`] may be from the kernel's uptime, which is told in hundredths
/// of a second.
const COARSE: i64 = 250_000;

/// The machine's own. It counts with [`Instant`], which is exact, as long as that
/// agrees with the kernel's uptime. They differ after the machine has slept, because
/// the uptime goes on, and where a program is made to see another time.
pub struct Machine {
    counted: i64,
    seen: Instant,
    boot: Option<Uuid>,
}

impl Machine {
    /// Begins to count.
    pub fn new() -> Self {
        let (uptime, boot) = (uptime(), boot());
        let counted = uptime.unwrap_or_default();
        Self { counted, seen: Instant::now(), boot: uptime.and(boot) }
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Source for Machine {
    fn read(&mut self) -> (i64, i64) {
        let now = Instant::now();
        let moved = now.saturating_duration_since(self.seen).as_micros();
        let expected = self.counted.saturating_add(i64::try_from(moved).unwrap_or(i64::MAX));
        self.seen = now;
        let counted = match uptime() {
            Some(uptime) if uptime.abs_diff(expected) > COARSE.unsigned_abs() => uptime,
            _ => expected,
        };
        self.counted = counted.max(self.counted);
        (self.counted, Timestamp::now().as_microsecond())
    }

    fn counter(&self) -> Option<Uuid> {
        self.boot
    }
}

/// Since the machine was started, sleep included; as Linux tells it.
fn uptime() -> Option<i64> {
    let text = fs::read_to_string("/proc/uptime").ok()?;
    let (seconds, hundredths) = text.split_whitespace().next()?.split_once('.')?;
    let seconds = seconds.parse::<i64>().ok()?.checked_mul(1_000_000)?;
    seconds.checked_add(hundredths.parse::<i64>().ok()?.checked_mul(10_000)?)
}

/// Which start of the machine this is.
fn boot() -> Option<Uuid> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().parse().ok()
}
