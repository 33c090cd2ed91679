//! Reference numbers that no two transactions of one process share.
//!
//! The documented form leaves 36⁶ suffixes a second. Drawn at random, two of
//! some thousands a second would meet every few seconds; so they follow each other
//! in steps that visit every suffix before one comes again.

use jiff::Timestamp;
use ledger::Reference;
use std::sync::atomic::{AtomicU32, Ordering};

/// 36⁶.
const SUFFIXES: u64 = 2_176_782_336;
/// Shares no factor with 36, so that its multiples visit every suffix.
const STEP: u64 = 1_618_033_987;

/// Where the next one comes from.
pub(super) struct References(AtomicU32);

impl References {
    /// Begins at a random place, so that several servers keep apart.
    pub(super) fn starting_at(place: u32) -> Self {
        Self(AtomicU32::new(place))
    }

    /// The next one, for a transaction of this moment.
    pub(super) fn next(&self, at: Timestamp) -> Reference {
        let place = u64::from(self.0.fetch_add(1, Ordering::Relaxed));
        let suffix = (place % SUFFIXES) * STEP % SUFFIXES;
        Reference::new(at.as_second(), u32::try_from(suffix).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn two_hundred_thousand_references_of_one_second_are_all_different() {
        let references = References::starting_at(u32::MAX - 100_000);
        let all = (0..200_000).map(|_| references.next(Timestamp::UNIX_EPOCH).to_string());
        assert_eq!(all.collect::<HashSet<_>>().len(), 200_000);
    }
}
