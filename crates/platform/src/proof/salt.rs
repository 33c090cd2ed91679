//! Salts: what keeps a hash from being guessed by whoever knows most of its text.

use super::Digest;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// The key of all salts of a book. Whoever has one salt knows nothing of another.
#[derive(Clone)]
pub struct Salts(Hmac<Sha256>);

impl Salts {
    /// From the key; `None` unless it has 32 bytes.
    pub fn of(key: &[u8]) -> Option<Self> {
        let whole = key.len() == 32;
        whole.then(|| Hmac::new_from_slice(key).ok().map(Self)).flatten()
    }

    /// The salt of one thing: HMAC-SHA-256 of its name.
    pub fn salt(&self, name: &str) -> Digest {
        let mut mac = self.0.clone();
        mac.update(name.as_bytes());
        Digest(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for Salts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
