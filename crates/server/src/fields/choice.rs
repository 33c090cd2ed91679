//! Closed lists of words.

use super::{read_text, string};
use platform::{accounts, entries, schedules, transactions, users};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

/// Words that are written.
macro_rules! written {
    ($($(#[$doc:meta])* $name:ident($inner:ty) = [$($word:literal),*];)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name(pub(crate) $inner);

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.as_str())
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                string().enum_values(Some([$($word),*])).into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

/// Words that are read as well.
macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident($inner:ty) = [$($word:literal),*];)*) => {$(
        written! { $(#[$doc])* $name($inner) = [$($word),*]; }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                const WORDS: &[&str] = &[$($word),*];
                let refused = || format!("must be one of {}", WORDS.join(", "));
                read_text(deserializer, |word| word.parse().map(Self).map_err(|()| refused()))
            }
        }
    )*};
}

choices! {
    /// The documented types of account.
    AccountType(accounts::AccountType) = ["checking", "savings", "investment", "business"];
    /// The documented states of an account.
    AccountStatus(ledger::AccountStatus) = ["active", "suspended", "closed"];
    /// The documented types of transaction.
    Kind(ledger::Kind) = ["deposit", "withdrawal", "transfer", "credit", "debit"];
    /// The documented states of a transaction.
    Status(ledger::Status) = ["pending", "completed", "failed"];
    /// What a freeze stops: money going out, coming in, or both.
    FreezeScope(ledger::FreezeScope) = ["debits", "credits", "all"];
    /// The documented roles.
    Role(platform::Role) = ["user", "admin"];
    /// The states of a user.
    UserStatus(users::UserStatus) = ["active", "suspended", "closed"];
    /// By which date an entry counts: when it was booked, or its business date.
    Basis(entries::Basis) = ["recorded", "effective"];
    /// Which end of a list comes first: the oldest, or the newest.
    Order(entries::Order) = ["asc", "desc"];
    /// Where a schedule stands.
    ScheduleStatus(schedules::Status) = ["active", "paused", "ended"];
    /// Which day of the month: its last one, whatever its number.
    MonthDay(schedules::MonthDay) = ["last"];
    /// A step of the calendar.
    Unit(schedules::Unit) = ["day", "week", "month", "year"];
    /// What becomes of occurrences that could not be run in time.
    Missed(schedules::Missed) = ["run", "skip"];
}

written! {
    /// Which way a transaction moves its account.
    Direction(ledger::Direction) = ["in", "out"];
    /// One of the bank's own accounts, by purpose.
    Purpose(entries::Purpose) = ["cash", "adjustments", "conversion", "rounding"];
    /// On whose authority an account is suspended.
    Suspender(accounts::Suspender) = ["owner", "admin"];
    /// Why a schedule is paused.
    PauseReason(schedules::PauseReason) = [
        "owner", "administrator", "api_key_revoked", "api_key_inactive", "api_key_expired",
        "permission_lost", "user_inactive", "account_closed", "password_changed"
    ];
    /// Why a transaction does not complete by itself any more.
    Lapse(transactions::Lapse) = [
        "api_key_revoked", "api_key_inactive", "api_key_expired", "permission_lost",
        "user_inactive", "password_changed", "sender"
    ];
    /// What became of an occurrence.
    RunStatus(schedules::RunStatus) = ["completed", "refused", "skipped"];
}
