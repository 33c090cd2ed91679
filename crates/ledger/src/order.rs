//! What can be asked of the bank: a new transaction, its completion at once or
//! in parts, its end, and its way back.

use crate::{
    Account, AccountId, Amount, Currency, Moment, QuoteId, Rate, TransactionId, UserId, words,
};

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

    /// The type that gives it back.
    pub fn opposite(self) -> Self {
        match self {
            Self::Deposit => Self::Withdrawal,
            Self::Withdrawal => Self::Deposit,
            Self::Credit => Self::Debit,
            Self::Debit => Self::Credit,
            Self::Transfer => Self::Transfer,
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

impl Direction {
    /// The other way.
    pub fn opposite(self) -> Self {
        match self {
            Self::In => Self::Out,
            Self::Out => Self::In,
        }
    }
}

words! {
    /// The documented states of a transaction.
    Status {
        /// Awaiting processing; outgoing money is held.
        Pending = "pending",
        /// Booked, fully or in part, and at an end.
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
    /// deposits, credits and debits; reverse those and withdrawals; name an
    /// exchange rate, also an old one by reversing its exchange; set a business date.
    pub settles: bool,
}

impl Authority {
    /// The bank itself, to whom nobody says no.
    pub(crate) const BANK: Self = Self { only: None, settles: true };

    /// Whether the account is theirs to act on.
    pub(crate) fn covers(self, account: &Account) -> bool {
        self.only.is_none_or(|owner| owner == account.owner)
    }
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
    /// From when on a pending one can no longer be completed.
    pub expires: Option<Moment>,
    /// When a pending one completes by itself; in the future.
    pub completes: Option<Moment>,
    /// The business date, where it is not today's; in the past.
    pub effective: Option<Moment>,
    /// At what rate; present exactly for a transfer between currencies.
    pub price: Option<Price>,
    /// How long an exchange stands at most that is left pending, in microseconds, unless
    /// who may name its rate says otherwise.
    pub exchange_stands: i64,
    /// How many bytes its description and metadata take.
    pub bytes: i64,
}

/// At what rate an order exchanges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Price {
    /// At this one, target for one of source; named by who may.
    Rate(Rate),
    /// At the rate of a quote, which is used up.
    Quote {
        /// Which.
        id: QuoteId,
        /// Who asks: nobody uses another one's quote.
        by: UserId,
    },
}

/// Moves some of what a pending outgoing transaction holds. Either half of a
/// transfer names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Of which transaction.
    pub id: TransactionId,
    /// How much; absent: all that remains.
    pub amount: Option<Amount>,
    /// Whether the rest is given up.
    pub last: bool,
}

/// Gives back what a completed transaction moved. Either half of a transfer
/// names it. The ids are made by the caller, so that deciding is pure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reversal {
    /// Of which transaction.
    pub id: TransactionId,
    /// How much, in the ordering account's currency; absent: all that is left.
    pub amount: Option<Amount>,
    /// Id of the new transaction; of a transfer, in the receiver's list.
    pub new_id: TransactionId,
    /// Id of the new transaction in the sender's list; used for a transfer.
    pub new_paired_id: TransactionId,
}

/// One thing asked of the bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write a transaction.
    Create(NewTransaction),
    /// Book all that remains of a pending one.
    Complete(TransactionId),
    /// Book a part of what is held.
    Capture(Capture),
    /// End a pending one; what moved, moved.
    Cancel(TransactionId),
    /// End a pending one whose time is over, whosever it is.
    Expire(TransactionId),
    /// Book all that remains of one that completes by itself and is due, whosever it is.
    CompleteDue(TransactionId),
    /// Give back a completed one.
    Reverse(Reversal),
}
