//! Times, counted in buckets of at most 1.6 % width; nothing is averaged away.

/// Buckets in an octave: a power of two.
const FINE: u64 = 64;
const FINE_BITS: u32 = FINE.trailing_zeros();

/// Times in microseconds.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    most: u64,
}

impl Histogram {
    /// Counts one time.
    pub fn add(&mut self, micros: u64) {
        let bucket = bucket(micros);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.total += 1;
        self.most = self.most.max(micros);
    }

    /// How many times were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The longest, exactly.
    pub fn most(&self) -> u64 {
        self.most
    }

    /// The time that a share of all, such as 0.99, does not exceed; 0 if there are none.
    pub fn quantile(&self, share: f64) -> u64 {
        let wanted = (share * self.total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper(bucket).min(self.most);
            }
        }
        self.most
    }
}

/// Below `FINE` each microsecond has its own; above, each octave has `FINE`.
fn bucket(micros: u64) -> usize {
    let octave = micros.checked_ilog2().unwrap_or(0).saturating_sub(FINE_BITS);
    let bucket = u64::from(octave) * FINE + (micros >> octave);
    usize::try_from(bucket).expect("at most 64 octaves")
}

/// The longest time of a bucket.
fn upper(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let octave = (bucket / FINE).saturating_sub(1);
    ((bucket - octave * FINE + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_no_quantile() {
        assert_eq!(Histogram::default().quantile(0.5), 0);
    }

    #[test]
    fn every_time_lies_in_its_bucket_and_the_bucket_is_narrow() {
        let mut before = 0;
        for micros in (0..200_000).chain([u64::from(u32::MAX), 1 << 50]) {
            let bucket = bucket(micros);
            assert!(bucket >= before, "{micros}");
            before = bucket;
            let upper = upper(bucket);
            assert!(upper >= micros && upper as f64 <= micros as f64 * 1.016, "{micros} {upper}");
        }
    }

    #[test]
    fn quantiles_of_a_thousand_times_are_theirs() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|micros| histogram.add(micros * 10));
        assert_eq!(histogram.total(), 1000);
        assert_eq!(histogram.most(), 10_000);
        for (share, exact) in [(0.5, 5000.0), (0.9, 9000.0), (0.99, 9900.0), (1.0, 10_000.0)] {
            let found = histogram.quantile(share) as f64;
            assert!(found >= exact && found <= exact * 1.016, "{share}: {found}");
        }
    }
}
