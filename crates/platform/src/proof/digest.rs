//! A SHA-256 digest.

use super::hex::hexadecimal;
use sha2::{Digest as _, Sha256};

hexadecimal! {
    /// What SHA-256 gives, written as 64 hexadecimal digits.
    Digest(32) "64"
}

impl Digest {
    /// The predecessor of the first seal.
    pub const ZERO: Self = Self([0; 32]);

    /// Hashes the parts as one text.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        parts.iter().for_each(|part| hasher.update(part));
        Self(hasher.finalize().into())
    }
}
