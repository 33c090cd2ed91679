//! Moments and days, as numbers: the rules compare them and know no calendar.

use serde::{Deserialize, Serialize};

const MICROSECONDS_A_DAY: i64 = 86_400_000_000;

/// Microseconds since the Unix epoch.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Moment(pub i64);

impl Moment {
    /// The UTC day it lies in.
    pub fn day(self) -> Day {
        Day(self.0.checked_div_euclid(MICROSECONDS_A_DAY).unwrap_or_default())
    }
}

/// A UTC day: days since that of the Unix epoch.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Day(pub i64);
