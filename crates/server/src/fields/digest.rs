//! Hashes of the proof, and where a neighbour stands in it.

use super::string;
use platform::proof::{self, merkle::Side};
use serde::{Serialize, Serializer};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

/// A SHA-256 hash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digest(pub(crate) proof::Digest);

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl PartialSchema for Digest {
    fn schema() -> RefOr<Schema> {
        string()
            .description(Some("SHA-256, in hexadecimal digits."))
            .pattern(Some("^[0-9a-f]{64}$"))
            .into()
    }
}

impl ToSchema for Digest {}

/// On which side of the way up a hash stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neighbour(pub(crate) Side);

impl Serialize for Neighbour {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl PartialSchema for Neighbour {
    fn schema() -> RefOr<Schema> {
        string().enum_values(Some(["left", "right"])).into()
    }
}

impl ToSchema for Neighbour {}
