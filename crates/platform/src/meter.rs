//! What the server counts of itself: numbers that only grow, and distributions.
//! Reading never stops writing; a reading is of about now, and never torn by more
//! than what happens meanwhile. Knows nothing of what is counted.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many by now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How often values fell between fixed bounds.
#[derive(Debug)]
pub struct Distribution {
    /// Upper bounds, inclusive, ascending.
    bounds: &'static [u64],
    /// One more than bounds: the last is for what is beyond.
    counts: Vec<AtomicU64>,
    sum: AtomicU64,
}

/// A distribution at one moment.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Upper bounds and how many values fell up to each, from the one before.
    pub buckets: Vec<(u64, u64)>,
    /// How many values there were.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
}

/// Bounds for times, in microseconds: 100 µs to 30 s.
pub const TIMES: &[u64] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 10_000_000, 30_000_000,
];

impl Distribution {
    /// Nothing has happened yet.
    pub fn of(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// Notes a value.
    pub fn note(&self, value: u64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Notes a time, in microseconds.
    pub fn note_time(&self, took: Duration) {
        self.note(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// As it is now.
    pub fn read(&self) -> Reading {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let bounds = self.bounds.iter().copied().chain(std::iter::once(u64::MAX));
        let buckets: Vec<(u64, u64)> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        Reading { buckets, count, sum: self.sum.load(Ordering::Relaxed) }
    }
}

impl Reading {
    /// The bound under which this share of the values lies, from 0 to 1; `None`
    /// when there are none, or when it lies beyond the last bound.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss
        )]
        let wanted = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        let within = self.buckets.iter().find(|(_, count)| {
            seen += count;
            seen >= wanted.max(1)
        });
        within.map(|(bound, _)| *bound).filter(|bound| *bound != u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_bound_that_so_many_values_do_not_exceed() {
        let times = Distribution::of(&[10, 20, 30]);
        assert_eq!(times.read().quantile(0.5), None);
        for value in [10, 11, 20, 30, 31] {
            times.note(value);
        }
        let reading = times.read();
        assert_eq!((reading.count, reading.sum), (5, 102));
        assert_eq!(reading.quantile(0.0), Some(10));
        assert_eq!(reading.quantile(0.2), Some(10));
        assert_eq!(reading.quantile(0.6), Some(20));
        assert_eq!(reading.quantile(0.8), Some(30));
        assert_eq!(reading.quantile(1.0), None, "31 lies beyond every bound");
    }
}
