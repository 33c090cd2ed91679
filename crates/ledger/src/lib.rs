//! The money rules of the bank.
//!
//! Everything here is a pure function of its arguments: no clock, no database,
//! no async, no float. [`decide()`] is the one place where money is decided; the
//! rest are the exact types it speaks in.
//!
//! Invariants, which nothing may break:
//! 1. an entry moves one positive amount from one account to another, so a book
//!    made of entries balances by construction, currency by currency;
//! 2. an account's `balance` is the sum of its entries, and its `available`
//!    balance is `balance` minus its open holds;
//! 3. no order takes `available` below minus the account's overdraft;
//! 4. of a transaction, no more moves than was ordered, and no more comes back
//!    than moved;
//! 5. the entries of an account are recorded in the order of their sequence;
//! 6. what rounding leaves over is the bank's, and booked or carried to the last digit;
//! 7. a quote is used once, and a rate that was fixed is not for ever;
//! 8. a refusal changes nothing.
//!
//! Rules come from the schema document (types, states, formats) and ISO 4217
//! (currencies and their decimals).

mod decimal;
mod word;

pub mod account;
pub mod book;
pub mod currency;
pub mod decide;
pub mod entry;
pub mod exchange;
pub mod id;
pub mod money;
pub mod number;
pub mod order;
pub mod rate;
pub mod refusal;
pub mod time;

pub use account::{
    Account, AccountStatus, Freeze, FreezeScope, Limits, Pending, Quota, Spent, SystemAccount,
};
pub use book::{Book, Leg, Pair};
pub use currency::{Currency, CurrencyError};
pub use decide::{Decision, decide};
pub use entry::{Entry, Side};
pub use exchange::{Exchange, Quote, Remainder};
pub use id::{AccountId, QuoteId, TransactionId, UserId};
pub use money::{Amount, AmountError, Money};
pub use number::{AccountNumber, NumberKey, Reference};
pub use order::{
    Action, Authority, Capture, Direction, Kind, NewTransaction, Price, Reversal, Status,
};
pub use rate::{Rate, RateError, Spread, SpreadError};
pub use refusal::Refusal;
pub use time::{Day, Moment};
