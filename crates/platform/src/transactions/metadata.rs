//! What a client hangs on a transaction: a JSON object.
//!
//! The text goes to the database and comes back without passing through a
//! float, so no digit of it is lost. PostgreSQL's `jsonb` orders the keys, keeps
//! the last of two equal ones, and writes exponents out: so what an exponent
//! stands for counts towards the size.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

const MAX_BYTES: usize = 16 * 1024;
const MAX_KEYS: usize = 64;
const MAX_DEPTH: usize = 8;

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
        if written_out(text) > MAX_BYTES {
            return Err("must have at most 16384 bytes with its exponents written out".to_owned());
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

/// How many bytes the text has once `1e3` is written as `1000`. It also bounds
/// what `NUMERIC` can hold: 16,383 digits behind the point.
fn written_out(text: &str) -> usize {
    let (mut in_string, mut escaped, mut size) = (false, false, text.len());
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            'e' | 'E' if !in_string => {
                let digits = text[at + 1..].trim_start_matches(['+', '-']);
                let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
                // `true` and `false` have an e with no digits behind it.
                let zeros = if end == 0 { 0 } else { digits[..end].parse().unwrap_or(MAX_BYTES) };
                size = size.saturating_add(zeros);
            }
            _ => {}
        }
    }
    size
}
