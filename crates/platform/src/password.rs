//! Passwords: the documented rule, and bcrypt kept off the async threads.
//!
//! Hashing is slow on purpose, so at most half of the cores do it at once, and
//! the turn travels into the blocking task: a caller who leaves does not free
//! it early. Addresses take turns, so that a flood from one holds up no other. bcrypt reads 72 bytes; longer passwords are refused, never cut.

use crate::{
    Platform,
    actor::Origin,
    error::{Error, Result},
};
use std::time::Duration;

/// What bcrypt reads.
const MAX_BYTES: usize = 72;
/// A stored hash above this cost is not checked: it would be a trap for the CPU.
const MAX_COST: u32 = 14;
/// How long a login waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// Salt and digest of nobody's password.
const NOBODY: &str = "CwTycUXWue0Thq9StjUM0uQbIY1accpkL7OhV1i/8H9B2TctC3hFa";

/// Passwords that satisfy the documented rule and are still the first to be tried.
const COMMON: [&str; 24] = [
    "password1!",
    "password12!",
    "password123!",
    "passw0rd!",
    "p@ssw0rd",
    "p@ssword1",
    "p@ssw0rd1",
    "p@ssw0rd!",
    "p@ssw0rd123",
    "passw0rd1!",
    "welcome1!",
    "welcome123!",
    "qwerty1!",
    "qwerty123!",
    "admin123!",
    "admin1234!",
    "letmein1!",
    "changeme1!",
    "abcd1234!",
    "abc123!@#",
    "iloveyou1!",
    "monkey123!",
    "summer2026!",
    "winter2026!",
];

/// A password that satisfies the rule; prints as `***`.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// At least 8 characters with upper, lower, digit and special, at most 72
    /// bytes, and not a common one.
    ///
    /// # Errors
    /// What is missing, as the end of a sentence that begins with the field's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.chars().count() < 8 {
            return Err("must have at least 8 characters".to_owned());
        }
        if text.len() > MAX_BYTES {
            return Err("must have at most 72 bytes".to_owned());
        }
        if text.contains('\0') {
            return Err("must not contain the character U+0000".to_owned());
        }
        let has = |rule: fn(char) -> bool| text.chars().any(rule);
        let classes = [
            (has(char::is_uppercase), "an upper-case letter"),
            (has(char::is_lowercase), "a lower-case letter"),
            (has(|c| c.is_ascii_digit()), "a digit"),
            (has(|c| !c.is_alphanumeric()), "a special character"),
        ];
        let missing: Vec<&str> =
            classes.iter().filter(|(present, _)| !present).map(|(_, name)| *name).collect();
        if !missing.is_empty() {
            return Err(format!("must also contain {}", missing.join(", ")));
        }
        if COMMON.contains(&text.to_lowercase().as_str()) {
            return Err("is one of the most common passwords: choose another".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Hashes at the configured cost.
pub(crate) async fn hash(
    platform: &Platform,
    origin: &Origin,
    password: Password,
) -> Result<String> {
    let cost = platform.settings().bcrypt_cost;
    slowly(platform, origin, move || bcrypt::hash(password.0, cost).map_err(Error::internal))
        .await?
}

/// Hashes a password that is known to be right, at the cost of today.
pub(crate) async fn rehash(platform: &Platform, origin: &Origin, password: &str) -> Result<String> {
    hash(platform, origin, Password(password.to_owned())).await
}

/// Whether the password fits the hash; without a hash it takes as long and says no.
pub(crate) async fn verify(
    platform: &Platform,
    origin: &Origin,
    password: &str,
    hash: Option<&str>,
) -> Result<bool> {
    let known = hash.is_some();
    // An unknown user takes as long as a known one, at whatever cost.
    let nobody = || format!("$2b${:02}${NOBODY}", platform.settings().bcrypt_cost);
    let hash = hash.map_or_else(nobody, str::to_owned);
    let fits = password.len() <= MAX_BYTES && cost(&hash).is_some_and(|cost| cost <= MAX_COST);
    let password = if fits { password.to_owned() } else { String::new() };
    let verified =
        slowly(platform, origin, move || bcrypt::verify(password, &hash).unwrap_or(false)).await?;
    Ok(verified && known && fits)
}

/// Whether a hash is cheaper than the configured cost.
pub(crate) fn is_weak(platform: &Platform, hash: &str) -> bool {
    cost(hash).is_none_or(|cost| cost < platform.settings().bcrypt_cost)
}

fn cost(hash: &str) -> Option<u32> {
    hash.split('$').nth(2)?.parse().ok()
}

async fn slowly<T: Send + 'static>(
    platform: &Platform,
    origin: &Origin,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let turn = tokio::time::timeout(PATIENCE, platform.hashing().take(origin.ip)).await;
    let turn = turn.ok().flatten().ok_or_else(|| Error::Unavailable {
        what: "Logging in",
        retry_after: Duration::from_secs(2),
        cause: "too many passwords to hash at once".to_owned(),
    })?;
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work()
    })
    .await
    .map_err(Error::internal)
}
