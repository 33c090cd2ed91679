//! A seal: what it covers, the hash that binds it to the one before, and who signed it.

use super::{Digest, PublicKey, Signature, SigningKey, maybe, moment, read};
use jiff::Timestamp;
use serde::Deserialize;
use std::fmt;

/// A row of `wallstreet.seals`, without the marks that locate a difference.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Seal {
    /// Its place in the chain, dense from 1.
    pub number: i64,
    /// 1: entries with both sides open. 2: with audit rows, commitments, a signature.
    pub format: i16,
    /// The lowest id of an entry it covers.
    pub first_entry: i64,
    /// The highest. Ids between may be missing: nobody ever had them. Without
    /// entries, the one below `first_entry`.
    pub last_entry: i64,
    /// How many entries it covers.
    pub entry_count: i64,
    /// The root of the tree over them.
    pub root: Digest,
    /// The lowest number of an audit row it covers.
    pub first_audit: Option<i64>,
    /// The highest, as for entries.
    pub last_audit: Option<i64>,
    /// How many audit rows it covers.
    pub audit_count: Option<i64>,
    /// The root of the tree over them.
    pub audit_root: Option<Digest>,
    /// The hash of the seal before; of the first, zeros.
    pub previous: Digest,
    /// Its own.
    pub hash: Digest,
    /// Up to which moment it was looked for rows to seal.
    #[serde(deserialize_with = "read::moment")]
    pub sealed_at: Timestamp,
    /// Who signed it; under the hash, so whoever keeps the hash keeps the key.
    pub key: Option<PublicKey>,
    /// The signature of the hash.
    pub signature: Option<Signature>,
}

impl Seal {
    /// The hash of its text, which must be `hash`.
    pub fn recomputed(&self) -> Digest {
        Digest::of(&[self.to_string().as_bytes()])
    }

    /// The seal with its hash, signed.
    pub fn signed(self, key: &SigningKey) -> Self {
        let mut seal = Self { key: Some(key.public()), ..self };
        seal.hash = seal.recomputed();
        seal.signature = Some(key.sign(&seal.text_to_sign()));
        seal
    }

    /// Whether the key that it names signed it.
    pub fn is_signed(&self) -> bool {
        let signed = self.key.zip(self.signature);
        signed.is_some_and(|(key, signature)| key.signed(&self.text_to_sign(), &signature))
    }

    fn text_to_sign(&self) -> String {
        format!("wallstreet seal 2 signature|{}", self.hash)
    }
}

impl fmt::Display for Seal {
    /// The text that is hashed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, format, first_entry, last_entry, entry_count, root, previous, .. } =
            self;
        let at = moment(self.sealed_at);
        write!(
            f,
            "wallstreet seal {format}|{number}|{first_entry}|{last_entry}|{entry_count}|{root}|"
        )?;
        if *format == 1 {
            return write!(f, "{previous}|{at}");
        }
        let (first, last) = (maybe(self.first_audit), maybe(self.last_audit));
        let (count, audit_root) = (maybe(self.audit_count), maybe(self.audit_root));
        let key = maybe(self.key);
        write!(f, "{first}|{last}|{count}|{audit_root}|{previous}|{at}|{key}")
    }
}
