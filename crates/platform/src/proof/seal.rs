//! A seal: what it covers, and the hash that binds it to the one before.

use super::{Digest, moment, read};
use jiff::Timestamp;
use serde::Deserialize;
use std::fmt;

/// A row of `wallstreet.seals`, column for column.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Seal {
    /// Its place in the chain, dense from 1.
    pub number: i64,
    /// The lowest id of an entry it covers.
    pub first_entry: i64,
    /// The highest. Ids between may be missing: nobody ever had them.
    pub last_entry: i64,
    /// How many entries it covers.
    pub entry_count: i64,
    /// The root of the tree over them.
    pub root: Digest,
    /// The hash of the seal before; of the first, zeros.
    pub previous: Digest,
    /// Its own.
    pub hash: Digest,
    /// When it was set.
    #[serde(deserialize_with = "read::moment")]
    pub sealed_at: Timestamp,
}

impl Seal {
    /// The hash of its text, which must be `hash`.
    pub fn recomputed(&self) -> Digest {
        Digest::of(&[self.to_string().as_bytes()])
    }
}

impl fmt::Display for Seal {
    /// The text that is hashed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, first_entry, last_entry, entry_count, root, previous, .. } = self;
        let at = moment(self.sealed_at);
        write!(
            f,
            "wallstreet seal 1|{number}|{first_entry}|{last_entry}|{entry_count}|{root}|{previous}|{at}"
        )
    }
}
