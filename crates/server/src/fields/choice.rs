//! Closed lists of words.

use super::string;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident($inner:ty) = [$($word:literal),*];)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name(pub(crate) $inner);

        impl $name {
            const WORDS: &'static [&'static str] = &[$($word),*];
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = String::deserialize(deserializer)?;
                let known = Self::WORDS.contains(&word.as_str());
                let value = known.then(|| word.parse().ok()).flatten();
                let refused = || format!("must be one of {}", Self::WORDS.join(", "));
                value.map(Self).ok_or_else(|| D::Error::custom(refused()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.as_str())
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                string().enum_values(Some(Self::WORDS.iter().copied())).into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

choices! {
    /// The documented types of account.
    AccountType(platform::accounts::AccountType) = ["checking", "savings", "investment", "business"];
    /// The documented states of an account.
    AccountStatus(ledger::AccountStatus) = ["active", "suspended", "closed"];
    /// The documented types of transaction.
    Kind(ledger::Kind) = ["deposit", "withdrawal", "transfer", "credit", "debit"];
    /// The documented states of a transaction.
    Status(ledger::Status) = ["pending", "completed", "failed"];
    /// Which way a transaction moves its account.
    Direction(ledger::Direction) = ["in", "out"];
    /// The documented roles.
    Role(platform::Role) = ["user", "admin"];
    /// The states of a user.
    UserStatus(platform::users::UserStatus) = ["active", "suspended", "closed"];
}
