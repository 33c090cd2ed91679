//! Currencies of ISO 4217, and how many decimals each takes.

use crate::Amount;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// A currency the bank can keep: its ISO 4217 exponent is 0 or 2, since
/// `DECIMAL(15,2)` cannot hold a third decimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The documented default.
    pub const USD: Self = Self(iso_currency::Currency::USD);

    /// Reads a code of three capital letters.
    ///
    /// # Errors
    /// Unknown codes, metals, test codes and funds; currencies of more than two decimals.
    pub fn parse(code: &str) -> Result<Self, CurrencyError> {
        let currency = iso_currency::Currency::from_code(code).ok_or(CurrencyError::Unknown)?;
        match currency.exponent() {
            Some(0 | 2) => Ok(Self(currency)),
            Some(_) => Err(CurrencyError::TooFine),
            None => Err(CurrencyError::Unknown),
        }
    }

    /// The three-letter code.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Whether the amount is whole in this currency's smallest coin.
    ///
    /// # Errors
    /// Yen have no hundredths.
    pub fn check(self, amount: Amount) -> Result<(), CurrencyError> {
        match amount.hundredths().checked_rem(self.unit()) {
            Some(0) => Ok(()),
            _ => Err(CurrencyError::NoDecimals(self)),
        }
    }

    /// The smallest coin, in hundredths.
    pub fn unit(self) -> i64 {
        if self.0.exponent() == Some(0) { 100 } else { 1 }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = CurrencyError;
    fn from_str(code: &str) -> Result<Self, CurrencyError> {
        Self::parse(code)
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Self::parse(&code).map_err(serde::de::Error::custom)
    }
}

/// Why a currency cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CurrencyError {
    /// Not in ISO 4217, or not money one can hold.
    #[error("must be an ISO 4217 currency code of three capital letters, such as USD")]
    Unknown,
    /// Exponent 3 or more.
    #[error("currencies of more than two decimals cannot be kept: amounts have two")]
    TooFine,
    /// A fraction of an undivided unit.
    #[error("{0} has no decimals: the amount must be a whole number")]
    NoDecimals(Currency),
}
