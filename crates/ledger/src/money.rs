//! Exact money: whole hundredths in an `i64`, the resolution of the documented
//! `DECIMAL(15,2)`.
//!
//! Owns parsing, printing and checked arithmetic. Knows no currency: how many
//! decimals a currency takes is [`crate::Currency`]'s business.

use crate::decimal::{self, Flaw};
use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// The largest value of `DECIMAL(15,2)`: 9,999,999,999,999.99.
const MAX_HUNDREDTHS: i64 = 999_999_999_999_999;

/// A sum of money in hundredths of its currency's unit; may be zero or negative.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Money(i64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The most one account can hold.
    pub const MAX: Self = Self(MAX_HUNDREDTHS);

    /// From hundredths; `None` beyond `DECIMAL(15,2)`.
    pub fn from_hundredths(hundredths: i64) -> Option<Self> {
        (hundredths.unsigned_abs() <= MAX_HUNDREDTHS.unsigned_abs()).then_some(Self(hundredths))
    }

    /// The same sum in hundredths.
    pub fn hundredths(self) -> i64 {
        self.0
    }

    /// The sum of both; `None` beyond `DECIMAL(15,2)`.
    pub fn plus(self, other: impl Into<Self>) -> Option<Self> {
        self.0.checked_add(other.into().0).and_then(Self::from_hundredths)
    }

    /// This less the other; `None` beyond `DECIMAL(15,2)`.
    pub fn minus(self, other: impl Into<Self>) -> Option<Self> {
        self.0.checked_sub(other.into().0).and_then(Self::from_hundredths)
    }

    /// The same sum the other way.
    pub fn negated(self) -> Self {
        // The range is the same on both sides of zero.
        Self(self.0.saturating_neg())
    }

    /// Reads zero or more, as [`Amount::parse`] reads an amount.
    ///
    /// # Errors
    /// [`AmountError`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        let hundredths = decimal::parse(text, 2).map_err(|flaw| match flaw {
            Flaw::Negative => AmountError::Negative,
            flaw => flaw.into(),
        })?;
        let hundredths = i64::try_from(hundredths).ok();
        hundredths.and_then(Self::from_hundredths).ok_or(AmountError::TooLarge)
    }

    /// The sum as an amount to move; `None` if there is none.
    pub fn positive(self) -> Option<Amount> {
        Amount::from_hundredths(self.0)
    }
}

impl fmt::Display for Money {
    /// Always two decimals: `1000.00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let hundredths = self.0.unsigned_abs();
        let (units, rest) = (hundredths.checked_div(100), hundredths.checked_rem(100));
        write!(f, "{sign}{}.{:02}", units.unwrap_or_default(), rest.unwrap_or_default())
    }
}

/// A positive sum of money: what an order asks to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Amount(i64);

impl Amount {
    /// From hundredths; `None` unless positive and within `DECIMAL(15,2)`.
    pub fn from_hundredths(hundredths: i64) -> Option<Self> {
        (1..=MAX_HUNDREDTHS).contains(&hundredths).then_some(Self(hundredths))
    }

    /// The same amount in hundredths.
    pub fn hundredths(self) -> i64 {
        self.0
    }

    /// Reads a decimal literal exactly as it was written: digits, and at most
    /// two decimals. No sign, exponent, blank or separator; the text is never
    /// turned into a float on the way.
    ///
    /// # Errors
    /// [`AmountError`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        match decimal::parse(text, 2)? {
            0 => Err(AmountError::NotPositive),
            hundredths => i64::try_from(hundredths)
                .ok()
                .and_then(Self::from_hundredths)
                .ok_or(AmountError::TooLarge),
        }
    }
}

impl From<Amount> for Money {
    fn from(amount: Amount) -> Self {
        Self(amount.0)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Money::from(*self).fmt(f)
    }
}

impl<'de> Deserialize<'de> for Amount {
    /// Reads the hundredths that `Serialize` wrote, never a client's decimals.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hundredths = i64::deserialize(deserializer)?;
        Self::from_hundredths(hundredths)
            .ok_or_else(|| serde::de::Error::custom("an amount is positive"))
    }
}

/// Why a text is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AmountError {
    /// Not plain digits with a point.
    #[error(
        "must be a plain decimal number such as 1000 or 12.50, without sign, exponent or separators"
    )]
    Malformed,
    /// Zero or less.
    #[error("must be greater than zero")]
    NotPositive,
    /// Less than zero, where zero is allowed.
    #[error("must be zero or more")]
    Negative,
    /// A third decimal.
    #[error("must have at most two decimals")]
    TooPrecise,
    /// Beyond `DECIMAL(15,2)`.
    #[error("must be at most 9999999999999.99")]
    TooLarge,
}

impl From<Flaw> for AmountError {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::Malformed => Self::Malformed,
            Flaw::Negative => Self::NotPositive,
            Flaw::TooPrecise => Self::TooPrecise,
            Flaw::TooLarge => Self::TooLarge,
        }
    }
}
