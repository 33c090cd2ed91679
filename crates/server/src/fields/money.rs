//! Money, in and out, without a float on the way: requests are read from the
//! literal text, answers are written as a JSON number of exactly two decimals.

use super::string;
use platform::entries;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, OneOfBuilder, RefOr, Schema, Type},
};

/// A positive sum: read from a JSON number or a decimal string.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amount(pub(crate) ledger::Amount);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ledger::Amount::parse(&literal(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

/// The text of a number, or of a string.
fn literal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, str>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    let quoted = serde_json::from_str::<String>(raw);
    Ok(quoted.map_or(Cow::Borrowed(raw), Cow::Owned))
}

/// An exchange rate: read from a JSON number or a decimal string.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate(pub(crate) ledger::Rate);

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ledger::Rate::parse(&literal(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

impl PartialSchema for Rate {
    fn schema() -> RefOr<Schema> {
        string()
            .pattern(Some(r"^(?![0.]+$)0*[0-9]{1,9}(\.[0-9]{1,10})?$"))
            .description(Some(
                "How much of the target currency one unit of the source currency buys: a \
                 decimal of at most ten decimals, below 1000000000. A plain number is read too.",
            ))
            .examples([serde_json::json!("1.0842")])
            .into()
    }
}

impl ToSchema for Rate {}

/// The spread of a rate: read from a JSON number or a decimal string.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread(pub(crate) ledger::Spread);

impl<'de> Deserialize<'de> for Spread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ledger::Spread::parse(&literal(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

impl PartialSchema for Spread {
    fn schema() -> RefOr<Schema> {
        string()
            .pattern(Some(r"^0+(\.[0-9]{1,6})?$"))
            .description(Some(
                "By which share of the middle rate a customer's rate is worse: a decimal from 0 \
                 to below 1, of at most six decimals. 0.005 is half a percent. A plain number is \
                 read too.",
            ))
            .examples([serde_json::json!("0.005")])
            .into()
    }
}

impl ToSchema for Spread {}

impl PartialSchema for Amount {
    fn schema() -> RefOr<Schema> {
        OneOfBuilder::new()
            .item(
                ObjectBuilder::new()
                    .schema_type(Type::Number)
                    .exclusive_minimum(Some(0))
                    .maximum(Some(9_999_999_999_999.99)),
            )
            .item(written())
            .description(Some(
                "A positive sum of at most two decimals, without sign or exponent: a number, or \
                 the same as a string.",
            ))
            .examples([serde_json::json!(1000.0), serde_json::json!("12.50")])
            .into()
    }
}

impl ToSchema for Amount {}

/// How far below zero an account may go: read from a JSON number or a decimal string.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overdraft(pub(crate) ledger::Money);

impl<'de> Deserialize<'de> for Overdraft {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ledger::Money::parse(&literal(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

impl PartialSchema for Overdraft {
    fn schema() -> RefOr<Schema> {
        OneOfBuilder::new()
            .item(
                ObjectBuilder::new()
                    .schema_type(Type::Number)
                    .minimum(Some(0))
                    .maximum(Some(9_999_999_999_999.99)),
            )
            .item(string().pattern(Some(r"^0*[0-9]{1,13}(\.[0-9]{1,2})?$")))
            .description(Some(
                "How far below zero the available balance may go: zero or more, of at most two \
                 decimals, as a number or a string.",
            ))
            .examples([serde_json::json!(500.0), serde_json::json!("0")])
            .into()
    }
}

impl ToSchema for Overdraft {}

/// A positive sum in a query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WrittenAmount(pub(crate) ledger::Amount);

impl<'de> Deserialize<'de> for WrittenAmount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        ledger::Amount::parse(&text).map(Self).map_err(D::Error::custom)
    }
}

impl PartialSchema for WrittenAmount {
    fn schema() -> RefOr<Schema> {
        written().into()
    }
}

impl ToSchema for WrittenAmount {}

fn written() -> ObjectBuilder {
    string().pattern(Some(r"^(?![0.]+$)0*[0-9]{1,13}(\.[0-9]{1,2})?$"))
}

/// A sum in an answer: `1000.00`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Money(ledger::Money);

impl<M: Into<ledger::Money>> From<M> for Money {
    fn from(money: M) -> Self {
        Self(money.into())
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let literal = RawValue::from_string(self.to_string()).map_err(serde::ser::Error::custom)?;
        literal.serialize(serializer)
    }
}

impl PartialSchema for Money {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Number)
            .description(Some("Always written with two decimals."))
            .minimum(Some(-9_999_999_999_999.99))
            .maximum(Some(9_999_999_999_999.99))
            .examples([serde_json::json!(1000.0)])
            .into()
    }
}

impl ToSchema for Money {}

/// What many amounts came to: `1000.00`, however much it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turnover(pub(crate) entries::Turnover);

impl Serialize for Turnover {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let literal =
            RawValue::from_string(self.0.to_string()).map_err(serde::ser::Error::custom)?;
        literal.serialize(serializer)
    }
}

impl PartialSchema for Turnover {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Number)
            .description(Some("Always written with two decimals."))
            .minimum(Some(0))
            .examples([serde_json::json!(1000.0)])
            .into()
    }
}

impl ToSchema for Turnover {}
