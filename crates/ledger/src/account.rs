//! What a money rule may know of an account.

use crate::{AccountId, Currency, Money, UserId, words};
use std::fmt;
use uuid::Uuid;

words! {
    /// The documented states of an account.
    AccountStatus {
        /// In use.
        Active = "active",
        /// Money can neither come nor go; can be restored.
        Suspended = "suspended",
        /// Empty, for ever.
        Closed = "closed",
    }
}

/// An account as the rules see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Whose it is.
    pub owner: UserId,
    /// The one currency it holds.
    pub currency: Currency,
    /// Its state.
    pub status: AccountStatus,
    /// The sum of its entries.
    pub balance: Money,
    /// `balance` minus open holds; never below zero.
    pub available: Money,
    /// How many entries it has.
    pub entry_count: i64,
}

/// The bank's own accounts: the other side of money that comes from outside or
/// goes there. They have no row and no stored balance; their id spells what
/// they are (UUID version 8, RFC 9562 section 5.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemAccount {
    /// Deposits come from here, withdrawals go here.
    Cash,
    /// Credits come from here, debits go here.
    Adjustments,
}

impl SystemAccount {
    /// The account for one currency.
    pub fn id(self, currency: Currency) -> AccountId {
        let purpose: u8 = match self {
            Self::Cash => 1,
            Self::Adjustments => 2,
        };
        let code =
            currency.code().bytes().fold(0_u64, |spelt, letter| (spelt << 8) | u64::from(letter));
        let high = 0x0000_0000_0000_8000_u64;
        let low = 0x8000_0000_0000_0000_u64 | (u64::from(purpose) << 48) | code;
        AccountId(Uuid::from_u64_pair(high, low))
    }
}

impl fmt::Display for SystemAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cash => "cash",
            Self::Adjustments => "adjustments",
        })
    }
}
