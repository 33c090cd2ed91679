//! What a field of a request or an answer looks like: one type for each kind of
//! value, which reads it by the platform's own rule, writes it as documented,
//! and describes itself in the API document. Parser and description stand side
//! by side, so that they agree. Knows no endpoint.

mod choice;
mod digest;
mod metadata;
mod money;
mod number;
mod permissions;
mod text;
mod time;

pub(crate) use choice::{
    AccountStatus, AccountType, Basis, Direction, FreezeScope, Kind, Lapse, Missed, MonthDay,
    Order, PauseReason, Purpose, Role, RunStatus, ScheduleStatus, Status, Suspender, Unit,
    UserStatus,
};
pub(crate) use digest::{Digest, Neighbour, PublicKey, Signature};
pub(crate) use metadata::{Metadata, MetadataFilter};
pub(crate) use money::{Amount, Money, Overdraft, Rate, Spread, Turnover, WrittenAmount};
pub(crate) use number::{EveryCount, RunCount};
pub(crate) use permissions::{GivenPermissions, KeyRate, Permissions};
pub(crate) use text::{
    AccountNumber, Currency, Description, Email, FreezeReason, Id, KeyName, Password, PersonName,
    Phone, RateSource, Search, Term, TimeZone, Typed,
};
pub(crate) use time::{Begin, End, Moment, Time};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};
use std::fmt::{self, Display};
use utoipa::openapi::{ObjectBuilder, Type};

/// Tells an absent field (`None`) from an explicit `null` (`Some(None)`); with
/// `#[serde(default)]`.
pub(crate) fn nullable<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// Refuses `null` where it would change nothing: what is to stay is left out; with
/// `#[serde(default)]`.
pub(crate) fn unless_null<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let given = Option::deserialize(deserializer)?;
    given
        .map(Some)
        .ok_or_else(|| D::Error::custom("must not be null: leave it out to keep what is there"))
}

/// Reads a text by its rule where it lies: it may be as long as the body.
fn read_text<'de, D, T, E>(
    deserializer: D,
    rule: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: Display,
{
    deserializer.deserialize_str(Text(rule))
}

struct Text<R>(R);

impl<T, E: Display, R: FnOnce(&str) -> Result<T, E>> Visitor<'_> for Text<R> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<V: Error>(self, text: &str) -> Result<T, V> {
        (self.0)(text).map_err(V::custom)
    }
}

/// The description of a text.
fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}
