//! What a client hangs on a transaction: a JSON object.
//!
//! The text goes to the database and comes back without passing through a
//! float, so no digit of it is lost. PostgreSQL's `jsonb` orders the keys, keeps
//! the last of two equal ones, and writes exponents out: so what an exponent
//! stands for counts towards the size.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use std::collections::HashMap;

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

    /// How many bytes the database's text of it has.
    pub(crate) fn stored_bytes(&self) -> usize {
        stored_bytes(self.as_str())
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

/// How many bytes `jsonb` makes of a value: with a blank after each comma and colon,
/// each key once, strings escaped where they must be, and numbers written out.
fn stored_bytes(text: &str) -> usize {
    let listed =
        |sizes: Vec<usize>| 2 + sizes.iter().sum::<usize>() + 2 * sizes.len().saturating_sub(1);
    match text.as_bytes().first() {
        Some(b'{') => {
            let object: HashMap<String, &RawValue> = serde_json::from_str(text).unwrap_or_default();
            let pair =
                |(key, value): (&String, &&RawValue)| quoted(key) + 2 + stored_bytes(value.get());
            listed(object.iter().map(pair).collect())
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
            listed(items.iter().map(|item| stored_bytes(item.get())).collect())
        }
        Some(b'"') => quoted(&serde_json::from_str::<String>(text).unwrap_or_default()),
        Some(b't' | b'f' | b'n') => text.len(),
        _ => number_bytes(text),
    }
}

/// The length of a string as PostgreSQL writes it into JSON.
fn quoted(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | 0x08 | b'\t' | b'\n' | 0x0C | b'\r' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    2 + text.bytes().map(escaped).sum::<usize>()
}

/// The length of a number without exponent and with all its decimals; zero has no sign.
fn number_bytes(text: &str) -> usize {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().unwrap_or_default();
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let scale = i64::try_from(fraction.len()).unwrap_or(i64::MAX) - exponent;
    let digits = whole.bytes().chain(fraction.bytes()).filter(u8::is_ascii_digit);
    let digits = digits.skip_while(|digit| *digit == b'0').count();
    let before_point = i64::try_from(digits).unwrap_or(i64::MAX) - scale;
    let sign = usize::from(mantissa.starts_with('-') && digits > 0);
    let before_point = usize::try_from(before_point.max(1)).unwrap_or(usize::MAX);
    let behind_point = usize::try_from(scale.max(0)).unwrap_or(usize::MAX);
    let before_point = if digits == 0 { 1 } else { before_point };
    sign + before_point + if behind_point > 0 { 1 + behind_point } else { 0 }
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
