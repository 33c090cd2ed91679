//! Whole numbers within bounds.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

macro_rules! whole_numbers {
    ($($(#[$doc:meta])* $name:ident = $min:literal ..= $max:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name(pub(crate) i64);

        impl<'de> Deserialize<'de> for $name {
            /// `100.0` is a whole number too, as JSON Schema sees it.
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let number = f64::deserialize(deserializer)?;
                let whole = number.fract() == 0.0 && ($min as f64..=$max as f64).contains(&number);
                let refused = || {
                    let (min, max) = ($min, $max);
                    D::Error::custom(format!("must be a whole number between {min} and {max}"))
                };
                whole.then_some(Self(number as i64)).ok_or_else(refused)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_i64(self.0)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::Integer)
                    .minimum(Some($min))
                    .maximum(Some($max))
                    .examples([serde_json::json!($min)])
                    .into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

whole_numbers! {
    /// How many steps of the calendar lie between two occurrences.
    EveryCount = 1..=1000;
    /// The most occurrences a schedule has.
    RunCount = 1..=1_000_000;
}
