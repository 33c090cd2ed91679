//! A rate or a quote, as the audit trail is told of it.

use super::news::raw;
use jiff::Timestamp;
use ledger::{Amount, Currency, Rate, Spread};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

/// A middle rate that was set or taken away, or what a customer was offered of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// Of the rate or the quote.
    #[serde(skip)]
    pub id: Uuid,
    /// What is given.
    pub source_currency: Currency,
    /// What is got.
    pub target_currency: Currency,
    /// Target for one of source.
    pub rate: Rate,
    /// Of a middle rate, by which share a customer's is worse.
    #[serde(serialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub spread: Option<Spread>,
    /// Where it comes from.
    pub rate_source: String,
    /// Of a quote, the most that may be given.
    #[serde(serialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// From when on it does not hold any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Offer {
    pub(super) fn details(&self) -> Box<RawValue> {
        raw(self)
    }
}

fn text<S: Serializer>(
    told: &Option<impl std::fmt::Display>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match told {
        Some(told) => serializer.collect_str(told),
        None => serializer.serialize_none(),
    }
}
