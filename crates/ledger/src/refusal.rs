//! Every reason the bank says no, each with its stable code.

use crate::{AccountStatus, Amount, Currency, FreezeScope, Moment, Money, Status};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A well-formed order that the bank does not carry out. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The ordering account is not there, or not the caller's to see.
    #[error("Account not found")]
    AccountNotFound,
    /// The target of a transfer is not there.
    #[error("Target account not found")]
    TargetAccountNotFound,
    /// The transaction is not there, or not the caller's to see.
    #[error("Transaction not found")]
    TransactionNotFound,
    /// Available funds do not cover the amount.
    #[error("Insufficient funds: {available} {currency} available, {required} {currency} required")]
    InsufficientFunds {
        /// What could be spent.
        available: Money,
        /// What was asked.
        required: Money,
        /// Of both.
        currency: Currency,
    },
    /// An account of the order is suspended.
    #[error("Account is suspended: restore it before moving money")]
    AccountSuspended,
    /// An account of the order is closed.
    #[error("Account is closed")]
    AccountClosed,
    /// The order names another currency than the account's.
    #[error("Currency mismatch: the account is in {account}, the order in {order}")]
    CurrencyMismatch {
        /// What the account holds.
        account: Currency,
        /// What was asked.
        order: Currency,
    },
    /// A fraction of an undivided currency.
    #[error("{currency} has no decimals: the amount must be a whole number")]
    FractionOfUnit {
        /// Which currency.
        currency: Currency,
    },
    /// Source and target are one account.
    #[error("A transfer needs two different accounts")]
    SameAccount,
    /// The transaction has already ended.
    #[error("Transaction is already {}", .status.as_str())]
    TransactionNotPending {
        /// How it ended.
        status: Status,
    },
    /// A row that came from elsewhere: nothing was held for it.
    #[error(
        "This transaction was written without the platform, and nothing was held for it: order it anew"
    )]
    TransactionForeign,
    /// Only the sender decides about a transfer.
    #[error("Only the sender can process or cancel this transfer")]
    TransferNotYours,
    /// Completing or reversing this type takes more than owning the account.
    #[error(
        "Completing a deposit, credit or debit, cancelling a credit or debit, or reversing any of them or a withdrawal needs an administrator, or a key of theirs with process:transactions"
    )]
    SettlementNotAllowed,
    /// One order is above the account's limit.
    #[error(
        "{amount} {currency} is above the account's limit of {limit} {currency} a transaction: order less, or ask an administrator to raise it"
    )]
    TransactionLimitExceeded {
        /// The most of one order.
        limit: Amount,
        /// What was asked.
        amount: Amount,
        /// Of both.
        currency: Currency,
    },
    /// The orders of the day are above the account's limit.
    #[error(
        "{amount} {currency} on top of the {spent} {currency} of today is above the account's limit of {limit} {currency} a day: order less, wait for the next day (UTC), or ask an administrator to raise it"
    )]
    DailyLimitExceeded {
        /// The most of one day.
        limit: Amount,
        /// What went before.
        spent: Money,
        /// What was asked.
        amount: Amount,
        /// Of all three.
        currency: Currency,
    },
    /// The ordering account is frozen.
    #[error(
        "Account is frozen for {} ({reason}): ask an administrator to lift it{}", .scope.as_str(),
        .until.map_or("", |_| ", or wait until it ends")
    )]
    AccountFrozen {
        /// What is stopped.
        scope: FreezeScope,
        /// Why.
        reason: String,
        /// When it ends by itself.
        until: Option<Moment>,
    },
    /// The other account of a transfer is frozen; why is not the caller's business.
    #[error("The other account of the transfer is frozen: its owner can say until when")]
    TargetAccountFrozen,
    /// More is to be captured than is still held.
    #[error(
        "{asked} {currency} asked, but only {remaining} {currency} is still held: capture less"
    )]
    CaptureExceedsHold {
        /// What is still held.
        remaining: Amount,
        /// What was asked.
        asked: Amount,
        /// Of both.
        currency: Currency,
    },
    /// Incoming money is not held.
    #[error("Only money that is held can be captured: process a deposit or credit as a whole")]
    NothingHeld,
    /// An exchange has two amounts fixed to the coin.
    #[error("A currency exchange is captured and reversed only as a whole: leave the amount out")]
    ExchangeIsWhole,
    /// The time of the transaction is over.
    #[error("The transaction has expired: order it anew")]
    TransactionExpired,
    /// The time of the transaction is not over.
    #[error("The transaction has not expired: cancel it instead")]
    TransactionNotExpired,
    /// All that moved went back already.
    #[error("The transaction has already been reversed in full: nothing is left to give back")]
    AlreadyReversed,
    /// More is to go back than has moved and not come back.
    #[error(
        "{asked} {currency} asked, but only {remaining} {currency} of it is left to reverse: reverse less"
    )]
    ReversalExceedsOriginal {
        /// What has not come back.
        remaining: Amount,
        /// What was asked.
        asked: Amount,
        /// Of both.
        currency: Currency,
    },
    /// Only what is booked and at an end can be reversed.
    #[error(
        "Transaction is {}: only a completed one can be reversed, a pending one is cancelled", .status.as_str()
    )]
    TransactionNotCompleted {
        /// Where it stands.
        status: Status,
    },
    /// A reversal is not reversed again.
    #[error("A reversal is final: order a new transaction instead")]
    ReversalIsFinal,
    /// Money given away is not taken back.
    #[error("Only the receiver can give a transfer back, or an administrator")]
    ReversalNotYours,
    /// A business date takes more than owning the account.
    #[error(
        "Setting an effective date needs an administrator, or a key of theirs with process:transactions: leave it out"
    )]
    BackdatingNotAllowed,
    /// A business date that has not come.
    #[error("The effective date lies in the future: name a past one, or leave it out")]
    EffectiveInFuture,
    /// What would be got rounds to nothing.
    #[error("The amount comes to less than the smallest coin of {currency}: exchange more")]
    ExchangeTooSmall {
        /// What would be got.
        currency: Currency,
    },
    /// Rounding down would cost the customer more than 1 %.
    #[error(
        "Rounding down to the smallest coin of {got} would cost more than 1 % of this amount: {}",
        .least.map_or("exchange more".to_owned(), |least| format!("exchange more, {least} {given} or above is always enough", given = .given))
    )]
    RoundingTooLarge {
        /// What would be given.
        given: Currency,
        /// What would be got.
        got: Currency,
        /// From how much on it is always little enough.
        least: Option<Amount>,
    },
    /// A rate says how much money there is in the other currency.
    #[error(
        "Naming an exchange rate, or reversing an exchange at its old rate, needs an administrator, or a key of theirs with process:transactions: ask for a quote instead"
    )]
    RateNotAllowed,
    /// Nobody has set a rate for the pair, or it is out of date.
    #[error("There is no current rate from {given} to {got}: try again later, or ask the bank")]
    RateUnavailable {
        /// What would be given.
        given: Currency,
        /// What would be got.
        got: Currency,
    },
    /// The quote is not there, or another user's.
    #[error("Quote not found")]
    QuoteNotFound,
    /// A quote is for one exchange.
    #[error("The quote was used already: ask for a new one")]
    QuoteUsed,
    /// A quote stands for some seconds.
    #[error("The quote has expired: ask for a new one")]
    QuoteExpired,
    /// A quote is for one pair of currencies.
    #[error(
        "The quote is from {quoted_given} to {quoted_got}, the transfer from {given} to {got}: ask for a quote of that pair"
    )]
    QuoteMismatch {
        /// What the quote gives.
        quoted_given: Currency,
        /// What the quote gets.
        quoted_got: Currency,
        /// What the order gives.
        given: Currency,
        /// What the order gets.
        got: Currency,
    },
    /// A quote is for an amount, if it names one.
    #[error(
        "The quote is for at most {most} {currency}, the order for {asked} {currency}: order less, or ask for a new quote"
    )]
    QuoteAmountExceeded {
        /// The most of the quote.
        most: Amount,
        /// What was asked.
        asked: Amount,
        /// Of both.
        currency: Currency,
    },
    /// What completes by itself does so later.
    #[error(
        "The time of completion is not in the future: name a later one, or order with `process`"
    )]
    CompletionInPast,
    /// After its expiry nothing moves.
    #[error(
        "The transaction expires before it would complete: complete it earlier, or let it expire later"
    )]
    CompletionAfterExpiry {
        /// When it would complete.
        completes: Moment,
        /// When it expires.
        expires: Moment,
    },
    /// It does not complete by itself, or not yet.
    #[error("The transaction is not due to complete by itself")]
    TransactionNotDue,
    /// A rate where nothing is exchanged.
    #[error("A rate is only for a transfer between two currencies: leave it out")]
    RateWithoutExchange,
    /// Only an empty account can be closed.
    #[error(
        "The account {} {currency}: {} before closing",
        if *.balance < Money::ZERO { format!("is overdrawn by {}", .balance.negated()) } else { format!("still holds {balance}") },
        if *.balance < Money::ZERO { "pay it back" } else { "move it away" },
    )]
    AccountNotEmpty {
        /// What is left; below zero, what is owed.
        balance: Money,
        /// In what.
        currency: Currency,
    },
    /// An overdraft is not taken away while it is used.
    #[error(
        "{used} {currency} of the overdraft is in use: allow at least that, or wait until it is paid back"
    )]
    OverdraftInUse {
        /// How far the available balance is below zero.
        used: Money,
        /// In what.
        currency: Currency,
    },
    /// Only an account at rest can be closed.
    #[error("The account has pending transactions: process or cancel them before closing")]
    AccountHasPending,
    /// A user leaves only with all accounts empty and free.
    #[error(
        "An account still holds or owes money, has pending transactions or is frozen: settle that before closing the user"
    )]
    UserHasMoney,
    /// As many orders of the account stand pending as may.
    #[error(
        "The account has {count} pending transactions, and {limit} is the most: process or cancel some, or wait until they expire"
    )]
    TooManyPending {
        /// The most.
        limit: i64,
        /// How many there are.
        count: i64,
    },
    /// What is written on the account's pending orders would take too much room.
    #[error(
        "{asked} more bytes of description and metadata on top of the {used} of the account's pending transactions are above the limit of {limit}: send less, process or cancel some, or wait until they expire"
    )]
    PendingTooLarge {
        /// The most bytes.
        limit: i64,
        /// How many there are.
        used: i64,
        /// How many are to be added.
        asked: i64,
    },
    /// What is written on the receiver's half of a pending transfer would outgrow its order.
    #[error(
        "{asked} bytes of description and metadata are more than the {limit} that the receiver's half of this transfer may take while it is pending: send less, or write them when it is completed"
    )]
    HalfTooLarge {
        /// The most bytes.
        limit: i64,
        /// How many there would be.
        asked: i64,
    },
    /// The balance would exceed `DECIMAL(15,2)`.
    #[error("The balance would exceed 9999999999999.99")]
    BalanceTooLarge,
}

impl Refusal {
    /// The stable code clients switch on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AccountNotFound => "account_not_found",
            Self::TargetAccountNotFound => "target_account_not_found",
            Self::TransactionNotFound => "transaction_not_found",
            Self::InsufficientFunds { .. } => "insufficient_funds",
            Self::AccountSuspended => "account_suspended",
            Self::AccountClosed => "account_closed",
            Self::CurrencyMismatch { .. } => "currency_mismatch",
            Self::FractionOfUnit { .. } => "fraction_of_unit",
            Self::SameAccount => "same_account",
            Self::TransactionNotPending { .. } => "transaction_not_pending",
            Self::TransactionForeign => "transaction_foreign",
            Self::TransferNotYours => "transfer_not_yours",
            Self::SettlementNotAllowed => "settlement_not_allowed",
            Self::TransactionLimitExceeded { .. } => "transaction_limit_exceeded",
            Self::DailyLimitExceeded { .. } => "daily_limit_exceeded",
            Self::AccountFrozen { .. } => "account_frozen",
            Self::TargetAccountFrozen => "target_account_frozen",
            Self::CaptureExceedsHold { .. } => "capture_exceeds_hold",
            Self::NothingHeld => "nothing_held",
            Self::ExchangeIsWhole => "exchange_is_whole",
            Self::TransactionExpired => "transaction_expired",
            Self::TransactionNotExpired => "transaction_not_expired",
            Self::AlreadyReversed => "already_reversed",
            Self::ReversalExceedsOriginal { .. } => "reversal_exceeds_original",
            Self::TransactionNotCompleted { .. } => "transaction_not_completed",
            Self::ReversalIsFinal => "reversal_is_final",
            Self::ReversalNotYours => "reversal_not_yours",
            Self::BackdatingNotAllowed => "backdating_not_allowed",
            Self::EffectiveInFuture => "effective_in_future",
            Self::ExchangeTooSmall { .. } => "exchange_too_small",
            Self::RateWithoutExchange => "rate_without_exchange",
            Self::RateNotAllowed => "rate_not_allowed",
            Self::RoundingTooLarge { .. } => "rounding_too_large",
            Self::RateUnavailable { .. } => "rate_unavailable",
            Self::QuoteNotFound => "quote_not_found",
            Self::QuoteUsed => "quote_used",
            Self::QuoteExpired => "quote_expired",
            Self::QuoteMismatch { .. } => "quote_mismatch",
            Self::QuoteAmountExceeded { .. } => "quote_amount_exceeded",
            Self::CompletionInPast => "completion_in_past",
            Self::CompletionAfterExpiry { .. } => "completion_after_expiry",
            Self::TransactionNotDue => "transaction_not_due",
            Self::AccountNotEmpty { .. } => "account_not_empty",
            Self::OverdraftInUse { .. } => "overdraft_in_use",
            Self::AccountHasPending => "account_has_pending",
            Self::UserHasMoney => "user_has_money",
            Self::TooManyPending { .. } => "too_many_pending",
            Self::PendingTooLarge { .. } => "pending_too_large",
            Self::HalfTooLarge { .. } => "half_too_large",
            Self::BalanceTooLarge => "balance_too_large",
        }
    }

    /// The refusal that goes with an account that is not active.
    pub(crate) fn unless_active(status: AccountStatus) -> Result<(), Self> {
        match status {
            AccountStatus::Active => Ok(()),
            AccountStatus::Suspended => Err(Self::AccountSuspended),
            AccountStatus::Closed => Err(Self::AccountClosed),
        }
    }

    /// The refusal that goes with an amount the currency cannot express.
    pub(crate) fn unless_whole(currency: Currency, amount: Amount) -> Result<(), Self> {
        currency.check(amount).map_err(|_| Self::FractionOfUnit { currency })
    }

    /// The same refusal where it concerns the other account of a transfer.
    pub(crate) fn of_other(self) -> Self {
        match self {
            Self::AccountFrozen { .. } => Self::TargetAccountFrozen,
            other => other,
        }
    }
}
