//! The two documented formats: account numbers and references.
//!
//! An account number is `WS` and 12 digits: 11 from a keyed permutation of a
//! sequence, so numbers neither collide nor tell how many there are, and a Luhn
//! check digit (ISO/IEC 7812-1) that catches every single mistyped digit.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// How many numbers there are before the check digit.
const SPACE: u64 = 100_000_000_000;
const ROUNDS: u64 = 8;

/// `WS` + 12 digits, the last a check digit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountNumber(String);

/// The secret that orders the numbers of one database.
#[derive(Clone, Copy)]
pub struct NumberKey(pub u128);

/// Why a text is no account number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NumberError {
    /// Not `WS` and 12 digits.
    #[error("must be WS followed by 12 digits, such as WS123456789015")]
    Format,
    /// The check digit does not fit.
    #[error("is mistyped: its check digit does not fit")]
    CheckDigit,
}

impl AccountNumber {
    /// The number for one value of the sequence; `None` past the last of 10¹¹.
    pub fn nth(sequence: u64, key: NumberKey) -> Option<Self> {
        if sequence >= SPACE {
            return None;
        }
        let body = permute(sequence, key)?;
        let digits = format!("{body:011}");
        let check = luhn(&digits)?;
        Some(Self(format!("WS{digits}{check}")))
    }

    /// Reads a number a person typed.
    ///
    /// # Errors
    /// [`NumberError`] tells a wrong shape from a mistyped digit.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        let digits = text.strip_prefix("WS").ok_or(NumberError::Format)?;
        if digits.len() != 12 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NumberError::Format);
        }
        let (body, check) = digits.split_at(11);
        match luhn(body) {
            Some(expected) if check == expected.to_string() => Ok(Self(text.to_owned())),
            _ => Err(NumberError::CheckDigit),
        }
    }

    /// A number the database holds. Its shape is a constraint there; numbers
    /// that came with imported data may lack the check digit.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AccountNumber {
    type Err = NumberError;
    fn from_str(text: &str) -> Result<Self, NumberError> {
        Self::parse(text)
    }
}

/// A Feistel network over 2³⁸ walked until it lands below 10¹¹: a permutation
/// of the numbers that cannot be told from chance without the key.
fn permute(sequence: u64, key: NumberKey) -> Option<u64> {
    const HALF: u64 = (1 << 19) - 1;
    let mut value = sequence;
    loop {
        let (mut left, mut right) = ((value >> 19) & HALF, value & HALF);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ (mix(right, round, key)? & HALF));
        }
        value = (left << 19) | right;
        if value < SPACE {
            return Some(value);
        }
    }
}

/// Scrambles one half with the key; the constants are SplitMix64's.
fn mix(half: u64, round: u64, key: NumberKey) -> Option<u64> {
    let low = u64::try_from(key.0 & u128::from(u64::MAX)).ok()?;
    let high = u64::try_from(key.0 >> 64).ok()?;
    let mut z = half.wrapping_add(low).wrapping_add(round.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30) ^ high).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    Some(z ^ (z >> 31))
}

fn luhn(digits: &str) -> Option<u32> {
    let sum = digits.bytes().rev().enumerate().try_fold(0_u32, |sum, (place, byte)| {
        let digit = u32::from(byte.checked_sub(b'0')?);
        let doubled = digit.checked_mul(if place.is_multiple_of(2) { 2 } else { 1 })?;
        sum.checked_add(if doubled > 9 { doubled.checked_sub(9)? } else { doubled })
    })?;
    10_u32.checked_sub(sum.checked_rem(10)?)?.checked_rem(10)
}

/// `TXN-{unix seconds}-{6 of A–Z0–9}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reference(String);

impl Reference {
    /// From the time and 32 random bits; 2³² of 36⁶ suffixes are in reach.
    pub fn new(unix_seconds: i64, random: u32) -> Self {
        const LETTERS: [char; 36] = [
            'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q',
            'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', '0', '1', '2', '3', '4', '5', '6', '7',
            '8', '9',
        ];
        let mut rest = random;
        let mut suffix = String::with_capacity(6);
        for _ in 0..6 {
            let place = usize::try_from(rest.checked_rem(36).unwrap_or_default());
            suffix.extend(place.ok().and_then(|place| LETTERS.get(place)));
            rest = rest.checked_div(36).unwrap_or_default();
        }
        Self(format!("TXN-{unix_seconds}-{suffix}"))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
