//! Proof of a balance: the texts that are hashed, the tree over them, and the
//! check of a derivation that somebody hands us.
//!
//! Everything here is a pure function of its arguments: no database, no clock,
//! no configuration. What is hashed is written down in `docs/proof.md`, and
//! `scripts/verify-dump.py` computes the same without this code.

mod audit;
mod check;
mod derivation;
mod digest;
mod entry;
mod hex;
mod key;
pub mod merkle;
mod read;
mod salt;
mod seal;

pub use audit::AuditRow;
pub use check::{Claim, Finding, Pins, Verdict, check};
pub use derivation::{Derivation, FORMAT, Head, Hold, Sealed};
pub use digest::Digest;
pub use entry::{Entry, Opened};
pub use key::{PublicKey, Signature, SigningKey};
pub use read::{Unreadable, read};
pub use salt::Salts;
pub use seal::Seal;

use jiff::Timestamp;
use ledger::Money;
use std::fmt::{self, Display};

/// A field of a hashed text that may be absent: nothing, then.
fn maybe<T: Display>(value: Option<T>) -> impl Display {
    fmt::from_fn(move |f| value.as_ref().map_or(Ok(()), |value| value.fmt(f)))
}

/// A moment as hashed texts have it: UTC, always with microseconds.
fn moment(at: Timestamp) -> impl Display {
    fmt::from_fn(move |f| write!(f, "{at:.6}"))
}

/// Adds up; `None` beyond what an account can hold.
fn sum(amounts: impl IntoIterator<Item = Money>) -> Option<Money> {
    amounts.into_iter().try_fold(Money::ZERO, Money::plus)
}
