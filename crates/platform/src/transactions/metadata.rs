//! What a client hangs on a transaction: a JSON object.
//!
//! The text goes to the database and comes back without passing through a
//! float, so no digit of it is lost. PostgreSQL's `jsonb` orders the keys, would keep
//! only the last of two equal ones, and writes exponents out: so two equal keys are refused,
//! and what an exponent stands for counts towards the size.

use crate::error::{Error, Result};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Value, value::RawValue};
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
    fmt,
};

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
        if let Err(error) = serde_json::from_str::<Distinct>(text) {
            let text = error.to_string();
            return Err(text
                .rsplit_once(" at line ")
                .map_or(text.clone(), |(text, _)| text.into()));
        }
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
        // Its shape was looked at when it was made.
        self.printed().map_or(self.as_str().len(), |text| text.len())
    }

    /// The object as PostgreSQL prints it once it has become a `jsonb`.
    pub(crate) fn printed(&self) -> Result<Cow<'_, str>> {
        if self.as_str() == "{}" {
            return Ok(Cow::Borrowed("{}"));
        }
        let mut text = String::with_capacity(self.as_str().len() + 16);
        print(self.as_str(), &mut text).map_err(Error::internal)?;
        Ok(Cow::Owned(text))
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

/// Keys by length and then by bytes, the last of two equal ones, exponents written out.
fn print(json: &str, out: &mut String) -> serde_json::Result<()> {
    match json.as_bytes().first() {
        Some(b'{') => {
            let object: BTreeMap<String, &RawValue> = serde_json::from_str(json)?;
            let mut members: Vec<_> = object.into_iter().collect();
            members.sort_by_key(|(key, _)| key.len());
            out.push('{');
            for (place, (key, value)) in members.into_iter().enumerate() {
                out.push_str(if place == 0 { "" } else { ", " });
                out.push_str(&serde_json::to_string(&key)?);
                out.push_str(": ");
                print(value.get(), out)?;
            }
            out.push('}');
        }
        Some(b'[') => {
            out.push('[');
            for (place, value) in serde_json::from_str::<Vec<&RawValue>>(json)?.iter().enumerate() {
                out.push_str(if place == 0 { "" } else { ", " });
                print(value.get(), out)?;
            }
            out.push(']');
        }
        Some(b'"') => {
            let text: String = serde_json::from_str(json)?;
            out.push_str(&serde_json::to_string(&text)?);
        }
        Some(b't' | b'f' | b'n') => out.push_str(json),
        _ => print_number(json, out),
    }
    Ok(())
}

/// A number without its exponent, with as many decimals as that leaves.
fn print_number(json: &str, out: &mut String) {
    let (mantissa, exponent) = json.split_once(['e', 'E']).unwrap_or((json, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // What has no room in so small a text is nothing but zeros.
    let exponent = exponent.parse::<i64>().unwrap_or_default();
    let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
    let scale = length(decimals).saturating_sub(exponent);
    let mut digits = format!("{whole}{decimals}");
    let places = usize::try_from(scale).unwrap_or_default();
    digits.push_str(&"0".repeat(usize::try_from(scale.saturating_neg()).unwrap_or_default()));
    if digits.len() <= places {
        digits.insert_str(0, &"0".repeat(places + 1 - digits.len()));
    }
    let (whole, decimals) = digits.split_at(digits.len() - places);
    if digits.bytes().any(|digit| digit != b'0') {
        out.push_str(sign);
    }
    let whole = whole.trim_start_matches('0');
    out.push_str(if whole.is_empty() { "0" } else { whole });
    if !decimals.is_empty() {
        out.push('.');
        out.push_str(decimals);
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

/// JSON of which no object has a key twice: readers differ in which of them they take.
struct Distinct;

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Distinct {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            map.next_value::<Self>()?;
            if let Some(key) = keys.replace(key) {
                return Err(A::Error::custom(format!("has the key {key:?} twice in one object")));
            }
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}
