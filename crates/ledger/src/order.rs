//! What can be asked of the bank: a new transaction, its completion, its end.

use crate::{AccountId, Amount, Currency, TransactionId, UserId, words};

words! {
    /// The documented types of transaction.
    Kind {
        /// Cash comes in.
        Deposit = "deposit",
        /// Cash goes out.
        Withdrawal = "withdrawal",
        /// From one account to another.
        Transfer = "transfer",
        /// The bank adds.
        Credit = "credit",
        /// The bank takes.
        Debit = "debit",
    }
}

impl Kind {
    /// Which way the ordering account moves.
    pub fn direction(self) -> Direction {
        match self {
            Self::Deposit | Self::Credit => Direction::In,
            Self::Withdrawal | Self::Debit | Self::Transfer => Direction::Out,
        }
    }
}

words! {
    /// Which way a transaction moves its account.
    Direction {
        /// Money arrives.
        In = "in",
        /// Money leaves; while pending it is held.
        Out = "out",
    }
}

words! {
    /// The documented states of a transaction.
    Status {
        /// Awaiting processing; outgoing money is held.
        Pending = "pending",
        /// Booked.
        Completed = "completed",
        /// Ended without effect.
        Failed = "failed",
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
