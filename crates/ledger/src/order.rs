//! What can be asked of the bank: a new transaction, its completion, its end.

use crate::{AccountId, Amount, Currency, TransactionId, UserId};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// The documented types of transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Cash comes in.
    Deposit,
    /// Cash goes out.
    Withdrawal,
    /// From one account to another.
    Transfer,
    /// The bank adds.
    Credit,
    /// The bank takes.
    Debit,
}

impl Kind {
    /// All five.
    pub const ALL: [Self; 5] =
        [Self::Deposit, Self::Withdrawal, Self::Transfer, Self::Credit, Self::Debit];

    /// The name in the `transaction_type` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deposit => "deposit",
            Self::Withdrawal => "withdrawal",
            Self::Transfer => "transfer",
            Self::Credit => "credit",
            Self::Debit => "debit",
        }
    }

    /// Which way the ordering account moves.
    pub fn direction(self) -> Direction {
        match self {
            Self::Deposit | Self::Credit => Direction::In,
            Self::Withdrawal | Self::Debit | Self::Transfer => Direction::Out,
        }
    }
}

impl FromStr for Kind {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(())
    }
}

/// Which way a transaction moves its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Money arrives.
    In,
    /// Money leaves; while pending it is held.
    Out,
}

impl Direction {
    /// The name in the `direction` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// The documented states of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Awaiting processing; outgoing money is held.
    Pending,
    /// Booked.
    Completed,
    /// Ended without effect.
    Failed,
}

impl Status {
    /// The name in the `status` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

impl FromStr for Status {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Pending, Self::Completed, Self::Failed]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(())
    }
}

/// What the one who orders is allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Only this user's accounts and transactions; `None`: everybody's.
    pub only: Option<UserId>,
    /// May complete what changes how much money the bank holds by word alone:
    /// deposits, credits and debits.
    pub settles: bool,
}

/// A transaction to be written. The ids are made by the caller, so that deciding is pure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTransaction {
    /// Id of the transaction in the ordering account's list.
    pub id: TransactionId,
    /// Id of the transaction in the target's list; used by a transfer.
    pub paired_id: TransactionId,
    /// The ordering account.
    pub account: AccountId,
    /// The target; present exactly for a transfer.
    pub target: Option<AccountId>,
    /// What it is.
    pub kind: Kind,
    /// How much.
    pub amount: Amount,
    /// The currency the caller believes in; absent: the account's.
    pub currency: Option<Currency>,
    /// Complete at once instead of leaving it pending.
    pub complete: bool,
}

/// One thing asked of the bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write a transaction.
    Create(NewTransaction),
    /// Book a pending one.
    Complete(TransactionId),
    /// End a pending one without effect.
    Cancel(TransactionId),
}
