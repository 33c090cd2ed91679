//! One entry of the book as it is sealed: every column, and the one text of it.

use super::{Digest, maybe, merkle, moment, read};
use jiff::Timestamp;
use ledger::Money;
use serde::Deserialize;
use std::fmt;
use uuid::Uuid;

/// A row of `wallstreet.entries`, column for column.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the columns of the table, by their names")]
pub struct Entry {
    pub id: i64,
    pub transaction_id: Uuid,
    pub source_id: Uuid,
    pub target_id: Uuid,
    #[serde(deserialize_with = "read::money")]
    pub amount: Money,
    #[serde(deserialize_with = "read::currency")]
    pub currency: String,
    pub source_seq: Option<i64>,
    #[serde(deserialize_with = "read::maybe_money")]
    pub source_balance: Option<Money>,
    pub target_seq: Option<i64>,
    #[serde(deserialize_with = "read::maybe_money")]
    pub target_balance: Option<Money>,
    #[serde(deserialize_with = "read::moment")]
    pub recorded_at: Timestamp,
    #[serde(deserialize_with = "read::maybe_moment")]
    pub effective_at: Option<Timestamp>,
}

impl Entry {
    /// Its leaf in the tree of its seal.
    pub fn leaf(&self) -> Digest {
        merkle::leaf(self.to_string().as_bytes())
    }

    /// What it did to an account: its place in the account's history, what it
    /// moved, and what it left. `None` if it is not an entry of the account.
    pub fn seen_from(&self, account: Uuid) -> Option<(i64, Money, Money)> {
        if self.source_id == account {
            let moved = Money::ZERO.minus(self.amount)?;
            return Some((self.source_seq?, moved, self.source_balance?));
        }
        let is_target = self.target_id == account;
        is_target.then_some((self.target_seq?, self.amount, self.target_balance?))
    }
}

impl fmt::Display for Entry {
    /// The text that is hashed: the columns in their order, joined by `|`.
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
