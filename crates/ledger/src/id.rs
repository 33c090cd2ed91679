//! Identifiers: one type for each thing, so that none stands in for another.

use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta] $name:ident),* $(,)?) => {$(
        #[$doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

id! {
    /// A row of `accounts`, or one of the bank's own accounts.
    AccountId,
    /// A row of `transactions`.
    TransactionId,
    /// A row of `users`.
    UserId,
    /// A row of `wallstreet.fx_quotes`.
    QuoteId,
}
