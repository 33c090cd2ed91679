//! Exchange rates: exact decimals, never a float.

use crate::decimal::{self, Flaw};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// How many parts make one.
const ONE: u64 = 10_000_000_000;
/// One billion, in parts: no rate reaches it.
const LIMIT: u64 = 10_000_000_000_000_000_000;

/// How much of the target currency one unit of the source currency buys: more
/// than zero, below one billion, of at most ten decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(u64);

impl Rate {
    /// From parts of 10⁻¹⁰; `None` unless more than zero and below one billion.
    pub fn from_parts(parts: u64) -> Option<Self> {
        (1..LIMIT).contains(&parts).then_some(Self(parts))
    }

    /// The same rate in parts of 10⁻¹⁰. It takes 64 bits without a sign.
    pub fn parts(self) -> u64 {
        self.0
    }

    /// What a customer is offered where this is the middle rate: worse by the spread,
    /// and rounded down. `None` where nothing is left of it.
    pub fn with_spread(self, spread: Spread) -> Option<Self> {
        let kept = u128::from(self.0).checked_mul(spread.kept())?.checked_div(Spread::WHOLE)?;
        Self::from_parts(u64::try_from(kept).ok()?)
    }

    /// The same the other way round: one over the middle rate, worse by the spread, and
    /// rounded down. So to and fro never gains. `None` where that is no rate.
    pub fn inverse_with_spread(self, spread: Spread) -> Option<Self> {
        let ones = u128::from(ONE).checked_mul(u128::from(ONE))?.checked_mul(spread.kept())?;
        let middle = u128::from(self.0).checked_mul(Spread::WHOLE)?;
        Self::from_parts(u64::try_from(ones.checked_div(middle)?).ok()?)
    }

    /// Reads a plain decimal literal exactly as it was written.
    ///
    /// # Errors
    /// [`RateError`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, RateError> {
        match decimal::parse(text, 10)? {
            0 => Err(RateError::NotPositive),
            parts => Self::from_parts(parts).ok_or(RateError::TooLarge),
        }
    }
}

impl fmt::Display for Rate {
    /// The shortest literal that reads back as this rate: `1.085`, `150`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = self.0.checked_div(ONE).unwrap_or_default();
        let decimals = format!("{:010}", self.0.checked_rem(ONE).unwrap_or_default());
        match decimals.trim_end_matches('0') {
            "" => write!(f, "{units}"),
            decimals => write!(f, "{units}.{decimals}"),
        }
    }
}

impl FromStr for Rate {
    type Err = RateError;
    fn from_str(text: &str) -> Result<Self, RateError> {
        Self::parse(text)
    }
}

impl Serialize for Rate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// By which share of itself a middle rate is made worse for a customer: zero or
/// more, below one, of at most six decimals. `0.005` is half a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spread(u32);

impl Spread {
    /// How many parts make one.
    const WHOLE: u128 = 1_000_000;

    /// From parts of 10⁻⁶; `None` from one on.
    pub fn from_parts(parts: u32) -> Option<Self> {
        (u128::from(parts) < Self::WHOLE).then_some(Self(parts))
    }

    /// What it leaves of one, in parts of 10⁻⁶.
    fn kept(self) -> u128 {
        Self::WHOLE.saturating_sub(u128::from(self.0))
    }

    /// Reads a plain decimal literal exactly as it was written.
    ///
    /// # Errors
    /// [`SpreadError`] says what it must be.
    pub fn parse(text: &str) -> Result<Self, SpreadError> {
        let parts = decimal::parse(text, 6).map_err(|_| SpreadError)?;
        u32::try_from(parts).ok().and_then(Self::from_parts).ok_or(SpreadError)
    }
}

impl fmt::Display for Spread {
    /// Always six decimals: `0.005000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0.{:06}", self.0)
    }
}

/// Why a text is no spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "must be a share of the rate from 0 to below 1, as a plain decimal of at most six decimals: 0.005 is half a percent"
)]
pub struct SpreadError;

/// Why a text is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RateError {
    /// Not plain digits with a point.
    #[error("must be a plain decimal number such as 1.0850, without sign, exponent or separators")]
    Malformed,
    /// Zero or less.
    #[error("must be greater than zero")]
    NotPositive,
    /// An eleventh decimal.
    #[error("must have at most ten decimals: round it to ten")]
    TooPrecise,
    /// One billion or more.
    #[error("must be below 1000000000: exchange the other way with the inverse rate")]
    TooLarge,
}

impl From<Flaw> for RateError {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::Malformed => Self::Malformed,
            Flaw::Negative => Self::NotPositive,
            Flaw::TooPrecise => Self::TooPrecise,
            Flaw::TooLarge => Self::TooLarge,
        }
    }
}
