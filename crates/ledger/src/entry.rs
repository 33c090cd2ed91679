//! Entries: what the book is made of. Each moves one positive amount from one
//! account to another, so that any number of them balances.

use crate::{AccountId, Amount, Currency, Moment, Money, SystemAccount, TransactionId};

/// One amount on its way from one account to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The transaction that caused it; of a transfer, the sender's. Of an
    /// exchange, the one in the entry's currency.
    pub transaction: TransactionId,
    /// Where it comes from.
    pub source: Side,
    /// Where it goes.
    pub target: Side,
    /// How much.
    pub amount: Amount,
    /// In what.
    pub currency: Currency,
    /// When it was booked; never before an earlier entry of the same customer's account.
    pub recorded: Moment,
    /// The business date, where it is not the recorded one.
    pub effective: Option<Moment>,
}

/// One end of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Side {
    /// Which account.
    pub account: AccountId,
    /// Its place in that account's history and the balance it left there; a
    /// system account keeps neither.
    pub history: Option<(i64, Money)>,
}

impl Side {
    /// An end at one of the bank's own accounts.
    pub(crate) fn bank(account: SystemAccount, currency: Currency) -> Self {
        Self { account: account.id(currency), history: None }
    }
}
