//! Numbers that look random, cost nothing and can be had again. SplitMix64.

use uuid::{Builder, Uuid};

/// A source of numbers; the same seed gives the same ones.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Begins at a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// One of `0..bound`; `bound` is not 0. The bias of the remainder is below
    /// one in 10¹⁴ for the bounds used here.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound as u64)).expect("less than a usize is a usize")
    }

    /// A number of `0.0..1.0`.
    pub fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A random UUID of version 4.
    pub fn uuid(&mut self) -> Uuid {
        let high = u128::from(self.next()) << 64;
        Builder::from_random_bytes((high | u128::from(self.next())).to_be_bytes()).into_uuid()
    }
}
