//! What a money rule may know of an account.

use crate::{AccountId, Amount, Currency, Day, Direction, Moment, Money, Refusal, UserId, words};
use serde::{Deserialize, Serialize};
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
    /// `balance` minus open holds; an order never takes it below minus the overdraft.
    pub available: Money,
    /// How many entries it has.
    pub entry_count: i64,
    /// When its newest entry was recorded.
    pub newest_entry: Option<Moment>,
    /// How much may go out of it.
    pub limits: Limits,
    /// What outgoing orders came to on the newest day that had any.
    pub spent: Spent,
    /// What stops its money from moving.
    pub freeze: Option<Freeze>,
    /// Its orders that stand pending.
    pub pending: Pending,
}

/// The orders of an account that stand pending. A transfer is its sender's order:
/// what others would send does not count, or they could use up the quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// How many; zero or more.
    pub count: i64,
    /// How many bytes their descriptions and metadata take; zero or more.
    pub bytes: i64,
}

/// How much may stand pending on one account, whoever orders it; absent: any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// The most orders.
    pub count: Option<i64>,
    /// The most bytes of their descriptions and metadata.
    pub bytes: Option<i64>,
}

impl Quota {
    /// Adds so many bytes to what is pending.
    ///
    /// # Errors
    /// [`Refusal::PendingTooLarge`] beyond the quota.
    pub fn add_bytes(self, pending: Pending, asked: i64) -> Result<Pending, Refusal> {
        let used = pending.bytes;
        let bytes = used.saturating_add(asked);
        match self.bytes.filter(|limit| asked > 0 && bytes > *limit) {
            Some(limit) => Err(Refusal::PendingTooLarge { limit, used, asked }),
            None => Ok(Pending { bytes: bytes.max(0), ..pending }),
        }
    }
}

/// How much may go out of an account; by default no more than is there, and
/// that without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// How far below zero the available balance may go; zero or more.
    pub overdraft: Money,
    /// The most of one outgoing order.
    pub per_transaction: Option<Amount>,
    /// The most of all outgoing orders of one UTC day.
    pub daily: Option<Amount>,
}

/// The sum of the outgoing orders of one UTC day, but for what was released
/// again on that day. It stops growing at [`Money::MAX`], which is past every limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// The day.
    pub day: Day,
    /// The sum.
    pub amount: Money,
}

impl Spent {
    /// What counts on a day: a new day starts at nothing, and a clock that steps back
    /// over midnight does not bring an old one again. More than a day back, it was wrong
    /// before: all the days until then would be one.
    pub fn on(self, day: Day) -> Self {
        if day > self.day || day.0.saturating_add(1) < self.day.0 {
            Self { day, amount: Money::ZERO }
        } else {
            self
        }
    }
}

words! {
    /// What a freeze stops.
    FreezeScope {
        /// Money going out.
        Debits = "debits",
        /// Money coming in.
        Credits = "credits",
        /// Both.
        All = "all",
    }
}

/// An order from above that an account's money stay where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// What it stops.
    pub scope: FreezeScope,
    /// Why, for the owner to read.
    pub reason: String,
    /// When it ends by itself; absent: when somebody lifts it.
    pub until: Option<Moment>,
}

impl Freeze {
    /// Whether it has not ended yet.
    pub fn in_force(&self, now: Moment) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Whether it stops money that goes this way.
    pub fn stops(&self, direction: Direction, now: Moment) -> bool {
        let covered = match self.scope {
            FreezeScope::Debits => direction == Direction::Out,
            FreezeScope::Credits => direction == Direction::In,
            FreezeScope::All => true,
        };
        covered && self.in_force(now)
    }
}

/// The bank's own accounts: the other side of money that comes from outside or
/// goes there, or changes its currency. They have no row and no stored balance;
/// their id spells what they are (UUID version 8, RFC 9562 section 5.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemAccount {
    /// Deposits come from here, withdrawals go here.
    Cash,
    /// Credits come from here, debits go here.
    Adjustments,
    /// What is given in an exchange goes here, what is got comes from here.
    Conversion,
    /// What the rounding of exchanges left to the bank, in whole coins.
    Rounding,
}

impl SystemAccount {
    /// The account for one currency.
    pub fn id(self, currency: Currency) -> AccountId {
        let purpose: u8 = match self {
            Self::Cash => 1,
            Self::Adjustments => 2,
            Self::Conversion => 3,
            Self::Rounding => 4,
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
            Self::Conversion => "conversion",
            Self::Rounding => "rounding",
        })
    }
}
