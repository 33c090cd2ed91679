//! Hashes, keys and signatures of the proof, and where a neighbour stands in it.

use super::string;
use platform::proof::{self, merkle::Side};
use serde::{Serialize, Serializer};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

/// Declares bytes that are shown as hexadecimal digits.
macro_rules! hexadecimal {
    ($(#[$doc:meta])* $name:ident $about:literal $pattern:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name(pub(crate) proof::$name);

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                string().description(Some($about)).pattern(Some($pattern)).into()
            }
        }

        impl ToSchema for $name {}
    };
}

hexadecimal! {
    /// A SHA-256 hash.
    Digest "SHA-256, in hexadecimal digits." "^[0-9a-f]{64}$"
}

hexadecimal! {
    /// A key that signs.
    PublicKey "An Ed25519 public key, in hexadecimal digits." "^[0-9a-f]{64}$"
}

hexadecimal! {
    /// What a key made.
    Signature "An Ed25519 signature, in hexadecimal digits." "^[0-9a-f]{128}$"
}

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
