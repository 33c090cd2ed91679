//! What one exchange of currencies comes to, and what rounding leaves over.
//!
//! Invariant, for each currency: the remainders of all booked exchanges that
//! round in it are exactly what was booked on [`crate::SystemAccount::Rounding`]
//! plus what the book carries. No fraction is ever lost.

use crate::{Amount, Currency, Moment, Money, QuoteId, Rate, Refusal, UserId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Parts of a remainder in one hundredth.
const PARTS_A_HUNDREDTH: i128 = 10_000_000_000;
/// Parts of a remainder in one unit.
const PARTS_A_UNIT: u128 = 1_000_000_000_000;

/// What rounding down may cost: one part in so many, which is 1 %.
const LEAST_SHARE: i128 = 100;

/// What rounding left over, exactly, in parts of 10⁻¹² of a currency's unit:
/// of an order zero or more, for the bank; of one given back zero or less.
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
    /// Buys the target currency for an amount, rounded down to its smallest coin: who
    /// exchanges to and fro never has more than before.
    ///
    /// # Errors
    /// [`Refusal::ExchangeTooSmall`]; [`Refusal::RoundingTooLarge`] where rounding would
    /// cost more than 1 %; [`Refusal::BalanceTooLarge`].
    pub fn at(
        rate: Rate,
        source_amount: Amount,
        source_currency: Currency,
        target_currency: Currency,
    ) -> Result<Self, Refusal> {
        // Hundredths of the source and 10⁻¹⁰ of the rate make 10⁻¹² of the target.
        let exact = i128::from(source_amount.hundredths()).checked_mul(i128::from(rate.parts()));
        let (hundredths, remainder) = exact
            .and_then(|exact| round_down(exact, parts(target_currency)?))
            .ok_or(Refusal::BalanceTooLarge)?;
        if hundredths == 0 {
            return Err(Refusal::ExchangeTooSmall { currency: target_currency });
        }
        let lost = remainder.0.checked_mul(LEAST_SHARE).ok_or(Refusal::BalanceTooLarge)?;
        if exact.is_none_or(|exact| lost > exact) {
            let least = least(rate, source_currency, target_currency);
            let (given, got) = (source_currency, target_currency);
            return Err(Refusal::RoundingTooLarge { given, got, least });
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

/// The hundredths of the whole coins, and what is left over.
fn round_down(exact: i128, coin: i128) -> Option<(i128, Remainder)> {
    let rest = exact.checked_rem(coin)?;
    let whole = exact.checked_sub(rest)?;
    Some((whole.checked_div(PARTS_A_HUNDREDTH)?, Remainder(rest)))
}

/// From how much on rounding costs 1 % at most, whatever the amount: what buys a
/// hundred coins. `None` if that is more than there can be.
fn least(rate: Rate, source: Currency, target: Currency) -> Option<Amount> {
    let coins = parts(target)?.checked_mul(LEAST_SHARE)?;
    let (rate, unit) = (i128::from(rate.parts()), i128::from(source.unit()));
    let units = coins.checked_add(rate.checked_mul(unit)?.checked_sub(1)?)?;
    let units = units.checked_div(rate.checked_mul(unit)?)?;
    Amount::from_hundredths(i64::try_from(units.checked_mul(unit)?).ok()?)
}

/// A rate that the bank has offered to one customer, for one exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Its id.
    pub id: QuoteId,
    /// To whom.
    pub owner: UserId,
    /// What is given.
    pub source: Currency,
    /// What is got.
    pub target: Currency,
    /// Target for one of source.
    pub rate: Rate,
    /// The most that may be given; absent: any amount.
    pub most: Option<Amount>,
    /// From when on it can no longer be used.
    pub expires: Moment,
    /// Whether an order has used it up.
    pub used: bool,
}

impl Quote {
    /// The exchange of an amount at the offered rate.
    ///
    /// # Errors
    /// A [`Refusal`] for each way in which the quote does not fit the order.
    pub(crate) fn exchange(
        &self,
        now: Moment,
        asked: Amount,
        source: Currency,
        target: Currency,
    ) -> Result<Exchange, Refusal> {
        if self.used {
            return Err(Refusal::QuoteUsed);
        }
        if self.expires <= now {
            return Err(Refusal::QuoteExpired);
        }
        if (self.source, self.target) != (source, target) {
            let (quoted_given, quoted_got) = (self.source, self.target);
            let (given, got) = (source, target);
            return Err(Refusal::QuoteMismatch { quoted_given, quoted_got, given, got });
        }
        if let Some(most) = self.most.filter(|most| asked > *most) {
            return Err(Refusal::QuoteAmountExceeded { most, asked, currency: source });
        }
        Exchange::at(self.rate, asked, source, target)
    }
}
