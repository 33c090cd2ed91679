//! What one run came to, as one process tells it to another.

use crate::histogram::Histogram;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// The figures of one run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Measured {
    /// What was answered rightly a second within the measured time: transfers, or pages and balances.
    pub per_second: f64,
    /// Half of the answers took at most so many milliseconds.
    pub p50: f64,
    /// Nine of ten.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
    /// Microseconds of a processor that PostgreSQL took for one transfer, told by the judge.
    #[serde(default)]
    pub postgres_cpu: f64,
    /// The same of the HTTP server, if there is one.
    #[serde(default)]
    pub server_cpu: f64,
    /// How many answers these figures are from.
    pub answers: u64,
    /// Everything that was acknowledged, also outside the measured time: so much the book must show.
    pub acknowledged: u64,
    /// How many answers were wrong.
    pub errors: u64,
    /// The first of them, in words.
    pub first_error: Option<String>,
}

/// When a run warms up, is measured and ends.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Timing {
    /// Seconds that do not count.
    pub warm_up: f64,
    /// Seconds that do.
    pub measured: f64,
}

/// Counts while a run goes on.
pub struct Stopwatch {
    from: Instant,
    until: Instant,
    timing: Timing,
    within: u64,
    acknowledged: u64,
    errors: u64,
    first_error: Option<String>,
    times: Histogram,
}

impl Stopwatch {
    /// Starts now.
    pub fn start(timing: Timing) -> Self {
        let from = Instant::now() + Duration::from_secs_f64(timing.warm_up);
        Self {
            from,
            until: from + Duration::from_secs_f64(timing.measured),
            timing,
            within: 0,
            acknowledged: 0,
            errors: 0,
            first_error: None,
            times: Histogram::default(),
        }
    }

    /// Whether nothing more is to be asked.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// How many transfers were acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Counts a right answer that stands for so many transfers.
    pub fn right(&mut self, asked: Instant, stands_for: u64) {
        let now = Instant::now();
        self.acknowledged += stands_for;
        if now >= self.from && now < self.until {
            self.within += stands_for;
            let micros = now.duration_since(asked).as_micros();
            self.times.add(u64::try_from(micros).unwrap_or(u64::MAX));
        }
    }

    /// Counts a wrong answer.
    pub fn wrong(&mut self, error: String) {
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }

    /// The result.
    pub fn stop(self) -> Measured {
        let millis = |share| self.times.quantile(share) as f64 / 1000.0;
        Measured {
            per_second: self.within as f64 / self.timing.measured,
            p50: millis(0.5),
            p90: millis(0.9),
            p99: millis(0.99),
            max: self.times.most() as f64 / 1000.0,
            postgres_cpu: 0.0,
            server_cpu: 0.0,
            answers: self.times.total(),
            acknowledged: self.acknowledged,
            errors: self.errors,
            first_error: self.first_error,
        }
    }
}
