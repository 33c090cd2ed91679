//! The keys that seals and proofs are signed with: Ed25519 (RFC 8032).

use super::hex::hexadecimal;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use std::fmt;

hexadecimal! {
    /// The public half: who has it can tell who signed.
    PublicKey(32) "64"
}

hexadecimal! {
    /// A signature.
    Signature(64) "128"
}

impl PublicKey {
    /// Whether the text was signed with the other half.
    pub fn signed(&self, text: &str, signature: &Signature) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(text.as_bytes(), &signature.0).is_ok()
    }
}

/// The secret half; prints as its public half.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// The key of a seed; `None` unless it has 32 bytes.
    pub fn of(seed: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let public = PublicKey(pair.public_key().as_ref().try_into().ok()?);
        Some(Self { pair, public })
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs a text.
    pub fn sign(&self, text: &str) -> Signature {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(self.pair.sign(text.as_bytes()).as_ref());
        Signature(bytes)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.public, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first test of RFC 8032, section 7.1: an empty message.
    #[test]
    fn a_signature_is_that_of_rfc_8032() {
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let seed: super::super::Digest = seed.parse().unwrap();
        let key = SigningKey::of(&seed.0).unwrap();
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(key.public().to_string(), public);
        let signature = key.sign("");
        assert!(signature.to_string().starts_with("e5564300c360ac729086e2cc806e828a84877f1e"));
        assert!(key.public().signed("", &signature));
        assert!(!key.public().signed(" ", &signature));
        assert!(SigningKey::of(&seed.0[1..]).is_none());
    }
}
