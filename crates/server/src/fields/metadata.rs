//! What a client attaches to a transaction, kept as the very text it sent, and
//! what it looks for in it.

use super::{Search, string};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type, schema::AdditionalProperties},
};

/// A JSON object of the client's.
#[derive(Clone, Debug)]
pub(crate) struct Metadata(pub(crate) platform::transactions::Metadata);

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        platform::transactions::Metadata::parse(raw.get()).map(Self).map_err(D::Error::custom)
    }
}

impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue =
            serde_json::from_str(self.0.as_str()).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl PartialSchema for Metadata {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some(
                "Anything of yours, returned as it was sent: at most 16 KiB, 64 keys and 8 levels.",
            ))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .examples([serde_json::json!({"invoice": "2026-042"})])
            .into()
    }
}

impl ToSchema for Metadata {}

/// What to look for in metadata: `metadata.<key>=<value>`.
#[derive(Clone, Debug, Default)]
pub(crate) struct MetadataFilter(pub(crate) Vec<(String, String)>);

impl<'de> Deserialize<'de> for MetadataFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wanted = BTreeMap::<String, Search>::deserialize(deserializer)?;
        let checked = wanted.into_iter().map(|(key, value)| {
            Search::parse(&key)
                .map_err(|text| D::Error::custom(format!("has a key that {text}")))?;
            Ok((key, value.0))
        });
        checked.collect::<Result<_, _>>().map(Self)
    }
}

impl PartialSchema for MetadataFilter {
    /// As far as OpenAPI can say it: an exploded object of whole names.
    fn schema() -> RefOr<Schema> {
        let value = string().min_length(Some(1)).max_length(Some(100));
        let name = string().pattern(Some("^metadata\\.[A-Za-z0-9_-]+$"));
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .property_names(Some(Schema::from(name)))
            .additional_properties(Some(AdditionalProperties::from(value)))
            .examples([serde_json::json!({"metadata.invoice": "2026-042"})])
            .into()
    }
}

impl ToSchema for MetadataFilter {}
