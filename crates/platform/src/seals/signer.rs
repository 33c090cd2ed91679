//! The keys of this server: the first signs seals and proofs, and all are its own.

use crate::{
    error::{Error, Result},
    proof::{PublicKey, SigningKey},
    secret::Secret,
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Who signs.
#[derive(Debug)]
pub struct Signer {
    keys: Vec<SigningKey>,
}

impl Signer {
    /// The keys of these seeds. Without any, the key is derived from the secret
    /// that all servers of a bank share, so that they agree without another one.
    ///
    /// # Errors
    /// A seed that has not 32 bytes.
    pub fn of(seeds: &[Secret], shared: &Secret) -> Result<Self> {
        let derived = [derived(shared)?];
        let seeds = if seeds.is_empty() { &derived } else { seeds };
        let keys = seeds.iter().map(|seed| SigningKey::of(seed.expose())).collect::<Option<_>>();
        let wrong = || Error::internal("the seed of a signing key has 32 bytes");
        Ok(Self { keys: keys.ok_or_else(wrong)? })
    }

    /// The one that signs.
    pub(super) fn key(&self) -> Result<&SigningKey> {
        self.keys.first().ok_or_else(|| Error::internal("there is no signing key"))
    }

    /// All public keys, that of the one that signs first.
    pub fn public(&self) -> Vec<PublicKey> {
        self.keys.iter().map(SigningKey::public).collect()
    }
}

fn derived(shared: &Secret) -> Result<Secret> {
    let mut mac = Hmac::<Sha256>::new_from_slice(shared.expose()).map_err(Error::internal)?;
    mac.update(b"wallstreet signing key 1");
    Ok(Secret::new(mac.finalize().into_bytes().to_vec()))
}
