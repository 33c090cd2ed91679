//! What an API key is allowed: read from a list of names or from an object of
//! booleans, written as the documented object.

use super::string;
use platform::Permission;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
    ser::SerializeMap,
};
use std::{collections::BTreeSet, fmt};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ArrayBuilder, ObjectBuilder, OneOfBuilder, RefOr, Schema, Type,
        schema::AdditionalProperties,
    },
};

/// The highest limit of a key.
const MAX_RATE: i32 = 1_000_000;

/// What a key has: the documented object.
#[derive(Clone, Debug)]
pub(crate) struct Permissions(pub(crate) BTreeSet<Permission>);

/// What a key is to have: the object, or a list.
#[derive(Clone, Debug)]
pub(crate) struct GivenPermissions(pub(crate) BTreeSet<Permission>);

impl<'de> Deserialize<'de> for GivenPermissions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl Reader {
    fn known<E: Error>(name: &str) -> Result<Permission, E> {
        name.parse().map_err(|()| E::custom(format!("must be among {}", names().join(", "))))
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = BTreeSet<Permission>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of permissions or an object of booleans")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut granted = BTreeSet::new();
        while let Some(name) = list.next_element::<String>()? {
            granted.insert(Self::known(&name)?);
        }
        Ok(granted)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let (mut granted, mut seen) = (BTreeSet::new(), BTreeSet::new());
        while let Some((name, given)) = object.next_entry::<String, bool>()? {
            let permission = Self::known(&name)?;
            if !seen.insert(permission) {
                return Err(A::Error::custom(format!("names {name} twice")));
            }
            if given {
                granted.insert(permission);
            }
        }
        Ok(granted)
    }
}

impl Serialize for Permissions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.0.len()))?;
        for permission in &self.0 {
            object.serialize_entry(permission.as_str(), &true)?;
        }
        object.end()
    }
}

/// Requests of a key per window; 0: unlimited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyRate(pub(crate) i32);

impl<'de> Deserialize<'de> for KeyRate {
    /// `100.0` is a whole number too, as JSON Schema sees it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        let whole = number.fract() == 0.0 && (0.0..=f64::from(MAX_RATE)).contains(&number);
        let refused = || D::Error::custom("must be a whole number between 0 and 1000000");
        whole.then_some(Self(number as i32)).ok_or_else(refused)
    }
}

impl PartialSchema for KeyRate {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .description(Some("Requests per rate-limit window; 0: unlimited."))
            .minimum(Some(0))
            .maximum(Some(MAX_RATE))
            .examples([serde_json::json!(100)])
            .into()
    }
}

impl ToSchema for KeyRate {}

fn names() -> Vec<&'static str> {
    Permission::ALL.iter().map(|permission| permission.as_str()).collect()
}

/// The documented object of booleans.
fn object() -> ObjectBuilder {
    let closed = AdditionalProperties::FreeForm(false);
    let object = ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(closed))
        .examples([serde_json::json!({"read:accounts": true})]);
    names().into_iter().fold(object, |object, name| {
        object.property(name, ObjectBuilder::new().schema_type(Type::Boolean))
    })
}

impl PartialSchema for Permissions {
    fn schema() -> RefOr<Schema> {
        object().into()
    }
}

impl ToSchema for Permissions {}

impl PartialSchema for GivenPermissions {
    fn schema() -> RefOr<Schema> {
        let name = string().enum_values(Some(names()));
        OneOfBuilder::new().item(ArrayBuilder::new().items(name)).item(object()).into()
    }
}

impl ToSchema for GivenPermissions {}
