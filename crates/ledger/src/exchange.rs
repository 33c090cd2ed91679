//! What one exchange of currencies comes to, and what rounding leaves over.
//!
//! Invariant, for each currency: the remainders of all booked exchanges that
//! round in it are exactly what was booked on [`crate::SystemAccount::Rounding`]
//! plus what the book carries. No fraction is ever lost.

use crate::{Amount, Currency, Money, Rate, Refusal};
use serde::{Deserialize, Serialize};
use std::{cmp::Ordering, fmt};

/// Parts of a remainder in one hundredth.
const PARTS_A_HUNDREDTH: i128 = 10_000_000_000;
/// Parts of a remainder in one unit.
const PARTS_A_UNIT: u128 = 1_000_000_000_000;

/// What rounding left over, exactly, in parts of 10⁻¹² of a currency's unit;
/// above zero where the customer was given too little.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Remainder(pub i128);

impl Remainder {
    /// The whole coins in the sum of both, and the fraction that is carried on.
    pub(crate) fn carry(self, more: Self, currency: Currency) -> Option<(Money, Self)> {
        let sum = self.0.checked_add(more.0)?;
        let rest = sum.checked_rem(parts(currency)?)?;
        let whole = sum.checked_sub(rest)?.checked_div(PARTS_A_HUNDREDTH)?;
        Some((Money::from_hundredths(i64::try_from(whole).ok()?)?, Self(rest)))
    }

    /// The same remainder the other way.
    fn negated(self) -> Self {
        // A remainder is less than a coin: far from where this would saturate.
        Self(self.0.saturating_neg())
    }
}

impl fmt::Display for Remainder {
    /// Always twelve decimals: `-0.004500000000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let parts = self.0.unsigned_abs();
        let (units, rest) = (parts.checked_div(PARTS_A_UNIT), parts.checked_rem(PARTS_A_UNIT));
        write!(f, "{sign}{}.{:012}", units.unwrap_or_default(), rest.unwrap_or_default())
    }
}

/// One currency for another, fixed when it is ordered.
///
/// `source_amount × rate = target_amount + remainder`, exactly, and the
/// remainder is in the target currency. An exchange that gives an earlier one
/// back has currencies and amounts swapped, keeps its rate, and negates its
/// remainder, which stays in the currency it arose in, now the source:
/// `target_amount × rate = source_amount − remainder`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// What is given.
    pub source_currency: Currency,
    /// How much of it.
    pub source_amount: Amount,
    /// What is got.
    pub target_currency: Currency,
    /// How much of it.
    pub target_amount: Amount,
    /// Target for one of source; of one given back, source for one of target.
    pub rate: Rate,
    /// What rounding left over.
    pub remainder: Remainder,
    /// The currency of the remainder: the target's; of one given back, the source's.
    pub rounded: Currency,
}

impl Exchange {
    /// Buys the target currency for an amount, rounded half to even to its smallest coin.
    ///
    /// # Errors
    /// [`Refusal::ExchangeTooSmall`] and [`Refusal::BalanceTooLarge`].
    pub fn at(
        rate: Rate,
        source_amount: Amount,
        source_currency: Currency,
        target_currency: Currency,
    ) -> Result<Self, Refusal> {
        // Hundredths of the source and 10⁻¹⁰ of the rate make 10⁻¹² of the target.
        let exact = i128::from(source_amount.hundredths()).checked_mul(i128::from(rate.parts()));
        let (hundredths, remainder) = exact
            .and_then(|exact| round_half_even(exact, parts(target_currency)?))
            .ok_or(Refusal::BalanceTooLarge)?;
        if hundredths == 0 {
            return Err(Refusal::ExchangeTooSmall { currency: target_currency });
        }
        let target_amount = i64::try_from(hundredths).ok().and_then(Amount::from_hundredths);
        Ok(Self {
            source_currency,
            source_amount,
            target_currency,
            target_amount: target_amount.ok_or(Refusal::BalanceTooLarge)?,
            rate,
            remainder,
            rounded: target_currency,
        })
    }

    /// The exchange that gives this one back: both amounts to the coin.
    pub(crate) fn given_back(self) -> Self {
        Self {
            source_currency: self.target_currency,
            source_amount: self.target_amount,
            target_currency: self.source_currency,
            target_amount: self.source_amount,
            remainder: self.remainder.negated(),
            ..self
        }
    }
}

/// The smallest coin of a currency, in parts of a remainder.
fn parts(currency: Currency) -> Option<i128> {
    i128::from(currency.unit()).checked_mul(PARTS_A_HUNDREDTH)
}

/// The hundredths of the nearest whole coin, and what is left over.
fn round_half_even(exact: i128, coin: i128) -> Option<(i128, Remainder)> {
    let (below, rest) = (exact.checked_div(coin)?, exact.checked_rem(coin)?);
    let up = match rest.checked_mul(2)?.cmp(&coin) {
        Ordering::Less => false,
        Ordering::Equal => below.checked_rem(2)? == 1,
        Ordering::Greater => true,
    };
    let nearest = below.checked_add(i128::from(up))?.checked_mul(coin)?;
    Some((nearest.checked_div(PARTS_A_HUNDREDTH)?, Remainder(exact.checked_sub(nearest)?)))
}
