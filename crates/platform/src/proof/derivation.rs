//! The shortest checkable derivation of a balance: a sealed entry, what came
//! since, and what is held, signed as a whole.

use super::{
    Digest, Opened, PublicKey, Seal, Signature, SigningKey,
    merkle::{Side, Step},
    moment, read,
};
use jiff::Timestamp;
use ledger::Money;
use serde::Deserialize;
use std::fmt::Write;
use uuid::Uuid;

/// The format of the seals and derivations that are made.
pub const FORMAT: i16 = 2;

/// Why a balance is what it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Derivation {
    /// Always [`FORMAT`].
    pub format: i16,
    /// Whose balance.
    pub account: Uuid,
    /// In what.
    #[serde(deserialize_with = "read::currency")]
    pub currency: String,
    /// What it holds.
    #[serde(deserialize_with = "read::money")]
    pub balance: Money,
    /// What of it is free.
    #[serde(deserialize_with = "read::money")]
    pub available_balance: Money,
    /// How many entries made it.
    pub sequence: i64,
    /// When it was so.
    #[serde(deserialize_with = "read::moment")]
    pub as_of: Timestamp,
    /// The newest seal of that moment, if there was one.
    pub head: Option<Head>,
    /// The account's newest sealed entry, if any is sealed.
    pub sealed: Option<Sealed>,
    /// The entries since, oldest first.
    pub since: Vec<Opened>,
    /// What pending outgoing transactions hold.
    pub holds: Vec<Hold>,
    /// Who signed.
    pub key: PublicKey,
    /// The hash of all the above.
    pub digest: Digest,
    /// The signature of the digest.
    pub signature: Signature,
}

/// The newest seal of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Head {
    /// Its place in the chain.
    pub number: i64,
    /// Its hash.
    pub hash: Digest,
    /// No entry up to this one is unsealed.
    pub last_entry: i64,
    /// When it was set.
    #[serde(deserialize_with = "read::moment")]
    pub sealed_at: Timestamp,
}

impl From<&Seal> for Head {
    fn from(seal: &Seal) -> Self {
        let Seal { number, hash, last_entry, sealed_at, .. } = *seal;
        Self { number, hash, last_entry, sealed_at }
    }
}

/// A sealed entry, and the way from it to its seal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sealed {
    /// Its place in the account's history.
    pub sequence: i64,
    /// What it left on the account.
    #[serde(deserialize_with = "read::money")]
    pub balance: Money,
    /// The entry.
    pub entry: Opened,
    /// The seal that covers it.
    pub seal: Seal,
    /// Its place among the entries of the seal, from 0.
    pub index: i64,
    /// From the entry up to the seal's root.
    pub path: Vec<Step>,
}

/// What one pending outgoing transaction holds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hold {
    /// Which.
    pub transaction_id: Uuid,
    /// How much it is about.
    #[serde(deserialize_with = "read::money")]
    pub amount: Money,
    /// How much of it was taken already.
    #[serde(deserialize_with = "read::money")]
    pub captured: Money,
    /// The rest.
    #[serde(deserialize_with = "read::money")]
    pub held: Money,
}

impl Derivation {
    /// The hash of its contents, which must be `digest`.
    pub fn recomputed(&self) -> Digest {
        Digest::of(&[self.text().as_bytes()])
    }

    /// The derivation with its digest, signed.
    pub fn signed(self, key: &SigningKey) -> Self {
        let mut signed = Self { key: key.public(), ..self };
        signed.digest = signed.recomputed();
        signed.signature = key.sign(&signed.text_to_sign());
        signed
    }

    /// Whether the key that it names signed it.
    pub fn is_signed(&self) -> bool {
        self.key.signed(&self.text_to_sign(), &self.signature)
    }

    fn text_to_sign(&self) -> String {
        format!("wallstreet balance 2 signature|{}", self.digest)
    }

    /// The text that is hashed, a line for each thing.
    fn text(&self) -> String {
        let Self { format, account, currency, balance, available_balance, sequence, .. } = self;
        let at = moment(self.as_of);
        let mut text = format!(
            "wallstreet balance {format}|{account}|{currency}|{balance}|{available_balance}|{sequence}|{at}\n"
        );
        if let Some(Head { number, hash, last_entry, sealed_at }) = &self.head {
            let at = moment(*sealed_at);
            let _ = writeln!(text, "head|{number}|{hash}|{last_entry}|{at}");
        }
        if let Some(Sealed { sequence, balance, entry, seal, index, path }) = &self.sealed {
            let _ = writeln!(text, "sealed|{sequence}|{balance}|{index}|{entry}");
            for Step { side, hash } in path {
                let _ = writeln!(text, "path|{}|{hash}", Side::as_str(*side));
            }
            let signature = super::maybe(seal.signature);
            let _ = writeln!(text, "seal|{seal}|{}|{signature}", seal.hash);
        }
        for entry in &self.since {
            let _ = writeln!(text, "since|{entry}");
        }
        for Hold { transaction_id, amount, captured, held } in &self.holds {
            let _ = writeln!(text, "hold|{transaction_id}|{amount}|{captured}|{held}");
        }
        let _ = writeln!(text, "key|{}", self.key);
        text
    }
}
