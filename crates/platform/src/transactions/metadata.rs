//! What a client hangs on a transaction: a JSON object, kept as it was written.
//!
//! The text goes to the database and comes back without passing through a
//! float, so no digit of it is lost.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

const MAX_BYTES: usize = 16 * 1024;
const MAX_KEYS: usize = 64;
const MAX_DEPTH: usize = 8;
/// PostgreSQL's NUMERIC ends there, on both sides of the point.
const MAX_EXPONENT: i32 = 300;

/// A JSON object of at most 16 KiB, 64 keys and 8 levels.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(Box<RawValue>);

impl Metadata {
    /// Reads the text of an object.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence that begins with the field's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err("must have at most 16384 bytes".to_owned());
        }
        let value: Value =
            serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?;
        let Value::Object(object) = &value else {
            return Err("must be a JSON object".to_owned());
        };
        if object.len() > MAX_KEYS {
            return Err("must have at most 64 keys".to_owned());
        }
        check(&value, 1)?;
        if has_extreme_exponent(text) {
            return Err("must not contain numbers with an exponent beyond 300".to_owned());
        }
        Self::stored(text).map_err(|error| error.to_string())
    }

    /// What the database holds.
    pub(crate) fn stored(text: &str) -> Result<Self> {
        RawValue::from_string(text.to_owned()).map(Self).map_err(Error::internal)
    }

    /// The text of the object.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The object, to be written into JSON as it is.
    pub fn raw(&self) -> &RawValue {
        &self.0
    }
}

impl Default for Metadata {
    /// The empty object.
    fn default() -> Self {
        Self(RawValue::from_string("{}".to_owned()).expect("an empty object is JSON"))
    }
}

fn check(value: &Value, depth: usize) -> Result<(), String> {
    let nul = |text: &str| text.contains('\0');
    let too_deep = || format!("must have at most {MAX_DEPTH} levels");
    match value {
        Value::String(text) if nul(text) => Err("must not contain the character U+0000".to_owned()),
        Value::Array(_) | Value::Object(_) if depth > MAX_DEPTH => Err(too_deep()),
        Value::Array(items) => items.iter().try_for_each(|item| check(item, depth + 1)),
        Value::Object(object) => object.iter().try_for_each(|(key, item)| {
            if nul(key) {
                return Err("must not contain the character U+0000".to_owned());
            }
            check(item, depth + 1)
        }),
        _ => Ok(()),
    }
}

/// Whether a number outside a string has an exponent the database cannot hold.
fn has_extreme_exponent(text: &str) -> bool {
    let (mut in_string, mut escaped) = (false, false);
    text.char_indices().any(|(at, c)| {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            'e' | 'E' if !in_string => {
                let digits = text[at + 1..].trim_start_matches(['+', '-']);
                let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
                // `true` and `false` have an e with no digits behind it.
                return end > 0 && digits[..end].parse().is_ok_and(|e: i32| e > MAX_EXPONENT)
                    || end > 9;
            }
            _ => {}
        }
        false
    })
}
