//! A derivation read from JSON: the answer of the API as it came, or its data
//! alone. Money is read from the literal text, never through a float.

use super::{Derivation, FORMAT};
use jiff::Timestamp;
use ledger::Money;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::value::RawValue;

/// Why a text is no derivation.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

/// Reads it.
///
/// # Errors
/// [`Unreadable`] says what is missing or wrong, and where.
pub fn read(json: &str) -> Result<Derivation, Unreadable> {
    #[derive(Deserialize)]
    struct Answer {
        success: bool,
        message: String,
        data: Option<Box<RawValue>>,
    }
    match serde_json::from_str::<Answer>(json) {
        Ok(Answer { success: true, data: Some(data), .. }) => derivation(data.get()),
        Ok(Answer { message, .. }) => Err(Unreadable(format!("it is an error answer: {message}"))),
        Err(_) => derivation(json),
    }
}

fn derivation(json: &str) -> Result<Derivation, Unreadable> {
    #[derive(Deserialize)]
    struct Known {
        format: Option<i16>,
        #[serde(rename = "digest")]
        _digest: String,
    }
    match serde_json::from_str::<Known>(json) {
        Ok(Known { format: None, .. }) => Err(Unreadable(
            "it is of format 1, which shows both sides of its entries and is not signed".to_owned(),
        )),
        Ok(Known { format: Some(format), .. }) if format != FORMAT => Err(Unreadable(format!(
            "it is of format {format}, and this version reads format {FORMAT}"
        ))),
        _ => serde_json::from_str(json).map_err(|error| Unreadable(error.to_string())),
    }
}

/// A sum with at most two decimals, as a number or a text.
pub(super) fn money<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
    parse(&Box::<RawValue>::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn parse(raw: &RawValue) -> Result<Money, &'static str> {
    const WRONG: &str = "a sum has at most two decimals";
    let literal = raw.get().trim_matches('"');
    let (negative, digits) = match literal.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, literal),
    };
    let (units, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !plain(units) || !plain(decimals) || decimals.len() > 2 {
        return Err(WRONG);
    }
    let hundredths: i64 = format!("{units}{decimals:0<2}").parse().map_err(|_| WRONG)?;
    let hundredths = if negative { -hundredths } else { hundredths };
    Money::from_hundredths(hundredths).ok_or(WRONG)
}

/// A moment in whole microseconds: more would not be hashed.
pub(super) fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    exact(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

pub(super) fn maybe_moment<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| exact(&text)).transpose().map_err(D::Error::custom)
}

fn exact(text: &str) -> Result<Timestamp, &'static str> {
    let at: Option<Timestamp> = text.parse().ok();
    at.filter(|at| at.subsec_nanosecond() % 1_000 == 0)
        .ok_or("a moment is written like 2026-01-28T12:00:00.000000Z")
}

/// Three capital letters: nothing that could be taken for another field.
pub(super) fn currency<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let code = text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase());
    if code { Ok(text) } else { Err(D::Error::custom("a currency is three capital letters")) }
}
