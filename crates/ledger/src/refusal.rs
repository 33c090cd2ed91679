//! Every reason the bank says no, each with its stable code.

use crate::{AccountStatus, Currency, Money, Status};
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
    /// Completing this type takes more than owning the account.
    #[error(
        "Completing a deposit, credit or debit, or cancelling a credit or debit, needs an administrator, or a key of theirs with process:transactions"
    )]
    SettlementNotAllowed,
    /// Only an empty account can be closed.
    #[error("The account still holds {balance} {currency}: move it away before closing")]
    AccountNotEmpty {
        /// What is left.
        balance: Money,
        /// In what.
        currency: Currency,
    },
    /// Only an account at rest can be closed.
    #[error("The account has pending transactions: process or cancel them before closing")]
    AccountHasPending,
    /// A user leaves only with all accounts empty.
    #[error(
        "An account still holds money or has pending transactions: empty it before closing the user"
    )]
    UserHasMoney,
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
            Self::AccountNotEmpty { .. } => "account_not_empty",
            Self::AccountHasPending => "account_has_pending",
            Self::UserHasMoney => "user_has_money",
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
}
