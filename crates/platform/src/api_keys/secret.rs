//! The key itself: how it is made, recognised and hashed.
//!
//! `wsk_live_` or `wsk_dev_`, 43 letters and digits that carry 256 random bits,
//! and six that are a CRC-32 of all before them, so that a mistyped key is
//! refused without asking the database. Only its HMAC-SHA-256 is stored, keyed
//! with the documented salt.

use crate::{
    error::{Error, Result},
    secret::{self, Secret},
    settings::Environment,
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::Write;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_LETTERS: usize = 43;
const CHECK_LETTERS: usize = 6;

/// A new key.
pub(super) fn make(environment: Environment) -> Result<String> {
    let prefix = match environment {
        Environment::Production => "wsk_live_",
        Environment::Development | Environment::Staging => "wsk_dev_",
    };
    let mut key = String::from(prefix);
    while key.len() < prefix.len() + RANDOM_LETTERS {
        // 248 is the largest multiple of 62 in a byte: above it the letters would lean.
        let [byte] = secret::random::<1>()?;
        if byte < 248 {
            key.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
        }
    }
    let check = checksum(&key);
    key.push_str(&check);
    Ok(key)
}

/// Whether the text can be a key at all.
pub(super) fn is_well_formed(key: &str) -> bool {
    let known = ["wsk_live_", "wsk_dev_"].iter().find_map(|prefix| key.strip_prefix(prefix));
    let shaped = known.is_some_and(|rest| {
        rest.len() == RANDOM_LETTERS + CHECK_LETTERS
            && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    shaped && {
        let (body, check) = key.split_at(key.len() - CHECK_LETTERS);
        checksum(body) == check
    }
}

/// What is stored instead of the key, in hex.
pub(super) fn hash(key: &str, salt: &Secret) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(salt.expose()).map_err(Error::internal)?;
    mac.update(key.as_bytes());
    Ok(mac.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}

/// What a list may show: the beginning and the end.
pub(super) fn hint(key: &str) -> String {
    let prefix = key.rfind('_').map_or(0, |last| last + 1);
    let (start, end) = (prefix + 4, key.len() - 4);
    format!("{}…{}", &key[..start.min(key.len())], &key[end..])
}

fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut letters = [b'0'; CHECK_LETTERS];
    for letter in letters.iter_mut().rev() {
        *letter = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    letters.iter().copied().map(char::from).collect()
}
