//! One entry of the book as it is sealed, whole or seen from one of its sides.
//!
//! A leaf of format 2 has what both sides share, and for each side a commitment
//! to its place and balance under a salt of its own: whoever is shown one side
//! can recompute the leaf, and learns nothing of the other.

use super::{Digest, Salts, maybe, merkle, moment, read};
use jiff::Timestamp;
use ledger::Money;
use serde::Deserialize;
use std::fmt;
use uuid::Uuid;

/// A row of `wallstreet.entries`, column for column.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the columns of the table, by their names")]
pub struct Entry {
    pub id: i64,
    pub transaction_id: Uuid,
    pub source_id: Uuid,
    pub target_id: Uuid,
    pub amount: Money,
    pub currency: String,
    pub source_seq: Option<i64>,
    pub source_balance: Option<Money>,
    pub target_seq: Option<i64>,
    pub target_balance: Option<Money>,
    pub recorded_at: Timestamp,
    pub effective_at: Option<Timestamp>,
}

/// An entry as one of its two accounts may see it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Opened {
    /// Its id.
    pub id: i64,
    /// What it belongs to.
    pub transaction_id: Uuid,
    /// From where.
    pub source_id: Uuid,
    /// To where.
    pub target_id: Uuid,
    /// What moved.
    #[serde(deserialize_with = "read::money")]
    pub amount: Money,
    /// In what.
    #[serde(deserialize_with = "read::currency")]
    pub currency: String,
    /// When.
    #[serde(deserialize_with = "read::moment")]
    pub recorded_at: Timestamp,
    /// For when it counts, if not for then.
    #[serde(deserialize_with = "read::maybe_moment")]
    pub effective_at: Option<Timestamp>,
    /// Its place in the account's history.
    pub sequence: i64,
    /// What it left on the account.
    #[serde(deserialize_with = "read::money")]
    pub balance: Money,
    /// The salt of this side.
    pub salt: Digest,
    /// The commitment to the other side.
    pub other_side: Digest,
}

/// What both sides of an entry share, as it is hashed.
macro_rules! shared {
    ($entry:expr) => {
        format!(
            "{}|{}|{}|{}|{}|{}|{}|{}",
            $entry.id,
            $entry.transaction_id,
            $entry.source_id,
            $entry.target_id,
            $entry.amount,
            $entry.currency,
            moment($entry.recorded_at),
            maybe($entry.effective_at.map(moment)),
        )
    };
}

/// Binds a side to its place and balance without showing them.
fn commitment(sequence: Option<i64>, balance: Option<Money>, salt: Digest) -> Digest {
    let text = format!("wallstreet side 2|{}|{}|{salt}", maybe(sequence), maybe(balance));
    Digest::of(&[text.as_bytes()])
}

fn leaf(shared: &str, source: Digest, target: Digest) -> Digest {
    merkle::leaf(format!("{shared}|{source}|{target}").as_bytes())
}

impl Entry {
    /// Its leaf in the tree of a seal of format 1: all columns.
    pub fn leaf_of_format_1(&self) -> Digest {
        merkle::leaf(self.to_string().as_bytes())
    }

    /// Its leaf in the tree of a seal of format 2.
    pub fn leaf(&self, salts: &Salts) -> Digest {
        let [source, target] = self.sides(salts);
        leaf(&shared!(self), source.1, target.1)
    }

    /// Salt and commitment of the source and of the target.
    fn sides(&self, salts: &Salts) -> [(Digest, Digest); 2] {
        let side = |name, sequence, balance| {
            let salt = salts.salt(&format!("entry|{}|{name}", self.id));
            (salt, commitment(sequence, balance, salt))
        };
        [
            side("source", self.source_seq, self.source_balance),
            side("target", self.target_seq, self.target_balance),
        ]
    }

    /// What one of its accounts may see of it. `None` if the account is neither.
    pub fn opened(&self, account: Uuid, salts: &Salts) -> Option<Opened> {
        let [source, target] = self.sides(salts);
        let (sequence, balance, (salt, _), (_, other_side)) = if self.source_id == account {
            (self.source_seq?, self.source_balance?, source, target)
        } else if self.target_id == account {
            (self.target_seq?, self.target_balance?, target, source)
        } else {
            return None;
        };
        Some(Opened {
            id: self.id,
            transaction_id: self.transaction_id,
            source_id: self.source_id,
            target_id: self.target_id,
            amount: self.amount,
            currency: self.currency.clone(),
            recorded_at: self.recorded_at,
            effective_at: self.effective_at,
            sequence,
            balance,
            salt,
            other_side,
        })
    }
}

impl Opened {
    /// Its leaf, if it is an entry of this account.
    pub fn leaf(&self, account: Uuid) -> Option<Digest> {
        let ours = commitment(Some(self.sequence), Some(self.balance), self.salt);
        let (source, target) = match (self.source_id == account, self.target_id == account) {
            (true, false) => (ours, self.other_side),
            (false, true) => (self.other_side, ours),
            _ => return None,
        };
        Some(leaf(&shared!(self), source, target))
    }

    /// What it moved on this account. `None` if it is not an entry of the account,
    /// or of nothing but the account.
    pub fn moved(&self, account: Uuid) -> Option<Money> {
        match (self.source_id == account, self.target_id == account) {
            (true, false) => Some(self.amount.negated()),
            (false, true) => Some(self.amount),
            _ => None,
        }
    }
}

impl fmt::Display for Entry {
    /// The text that is hashed in format 1: the columns in their order, joined by `|`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}",
            self.id,
            self.transaction_id,
            self.source_id,
            self.target_id,
            self.amount,
            self.currency,
            maybe(self.source_seq),
            maybe(self.source_balance),
            maybe(self.target_seq),
            maybe(self.target_balance),
            moment(self.recorded_at),
            maybe(self.effective_at.map(moment)),
        )
    }
}

impl fmt::Display for Opened {
    /// The text of it in a proof.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequence, balance, salt, other_side, .. } = self;
        write!(f, "{}|{sequence}|{balance}|{salt}|{other_side}", shared!(self))
    }
}
