//! The shortest checkable derivation of a balance: a sealed entry, what came
//! since, and what is held.

use super::{
    Digest, Entry, Seal,
    merkle::{Side, Step},
    moment, read,
};
use jiff::Timestamp;
use ledger::Money;
use serde::Deserialize;
use std::fmt::Write;
use uuid::Uuid;

/// Why a balance is what it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Derivation {
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
    /// The account's newest sealed entry, if any is sealed.
    pub sealed: Option<Sealed>,
    /// The entries since, oldest first.
    pub since: Vec<Entry>,
    /// What pending outgoing transactions hold.
    pub holds: Vec<Hold>,
    /// The hash of all the above.
    pub digest: Digest,
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
    pub entry: Entry,
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

    /// The text that is hashed, a line for each thing.
    fn text(&self) -> String {
        let Self { account, currency, balance, available_balance, sequence, .. } = self;
        let at = moment(self.as_of);
        let mut text = format!(
            "wallstreet balance 1|{account}|{currency}|{balance}|{available_balance}|{sequence}|{at}\n"
        );
        if let Some(Sealed { sequence, balance, entry, seal, index, path }) = &self.sealed {
            let _ = writeln!(text, "sealed|{sequence}|{balance}|{index}|{entry}");
            for Step { side, hash } in path {
                let _ = writeln!(text, "path|{}|{hash}", Side::as_str(*side));
            }
            let _ = writeln!(text, "seal|{seal}|{}", seal.hash);
        }
        for entry in &self.since {
            let _ = writeln!(text, "since|{entry}");
        }
        for Hold { transaction_id, amount, captured, held } in &self.holds {
            let _ = writeln!(text, "hold|{transaction_id}|{amount}|{captured}|{held}");
        }
        text
    }
}
