//! The money rules of the bank.
//!
//! Everything here is a pure function of its arguments: no clock, no database,
//! no async, no float. [`decide`] is the one place where money is decided; the
//! rest are the exact types it speaks in.
//!
//! Invariants, which nothing may break:
//! 1. an entry moves one positive amount from one account to another, so a book
//!    made of entries balances by construction;
//! 2. an account's `balance` is the sum of its entries, and its `available`
//!    balance is `balance` minus its open holds;
//! 3. `available` never falls below zero;
//! 4. a refusal changes nothing.
//!
//! Rules come from the schema document (types, states, formats) and ISO 4217
//! (currencies and their decimals).

mod word;

pub mod account;
pub mod currency;
pub mod decide;
pub mod id;
pub mod money;
pub mod number;
pub mod order;
pub mod refusal;

pub use account::{Account, AccountStatus, SystemAccount};
pub use currency::{Currency, CurrencyError};
pub use decide::{Book, Decision, Entry, Leg, Side, decide};
pub use id::{AccountId, TransactionId, UserId};
pub use money::{Amount, AmountError, Money};
pub use number::{AccountNumber, NumberKey, Reference};
pub use order::{Action, Authority, Direction, Kind, NewTransaction, Status};
pub use refusal::Refusal;
