//! The chain of seals against the entries under it, hashed anew.
//!
//! Walks seals and entries once, side by side, in pages: memory stays small
//! however long the book is.

use super::report::Difference;
use crate::{
    db::Tx,
    error::Result,
    proof::{Digest, Entry, Seal, merkle},
    seals,
};
use std::collections::VecDeque;

/// Entries, and seals, that are read at a time.
const PAGE: i64 = 16_384;
/// As many differences as are shown.
const FIRST: usize = 100;

/// What differs: how many, and the first of them.
pub(super) async fn check_in(
    tx: &Tx<'_>,
    mut progress: impl FnMut(i64),
) -> Result<(i64, Vec<Difference>)> {
    let mut walk = Walk { tx, ahead: VecDeque::new(), read_up_to: 0, exhausted: false };
    let mut found = Found::default();
    let mut before: Option<Seal> = None;
    loop {
        let behind = before.as_ref().map_or(0, |seal| seal.number);
        let page = seals::onwards_in(tx, behind, PAGE).await?;
        if page.is_empty() {
            return Ok((found.total, found.first));
        }
        for seal in page {
            let entries = walk.up_to(seal.last_entry).await?;
            found.link(before.as_ref(), &seal);
            found.contents(&seal, &entries);
            progress(seal.last_entry);
            before = Some(seal);
        }
    }
}

/// The entries in order, a page ahead.
struct Walk<'t> {
    tx: &'t Tx<'t>,
    ahead: VecDeque<Entry>,
    read_up_to: i64,
    exhausted: bool,
}

impl Walk<'_> {
    /// The next entries up to this one: how many, the first, and their leaves.
    async fn up_to(&mut self, last: i64) -> Result<Covered> {
        let mut covered = Covered::default();
        loop {
            while let Some(entry) = self.ahead.pop_front_if(|entry| entry.id <= last) {
                covered.first.get_or_insert(entry.id);
                covered.last = Some(entry.id);
                covered.leaves.push(entry.leaf());
            }
            if !self.ahead.is_empty() || self.exhausted {
                return Ok(covered);
            }
            let page = seals::entries_in(self.tx, self.read_up_to, PAGE).await?;
            self.read_up_to = page.last().map_or(self.read_up_to, |entry| entry.id);
            self.exhausted = page.is_empty();
            self.ahead.extend(page);
        }
    }
}

#[derive(Default)]
struct Covered {
    first: Option<i64>,
    last: Option<i64>,
    leaves: Vec<Digest>,
}

#[derive(Default)]
struct Found {
    total: i64,
    first: Vec<Difference>,
}

impl Found {
    fn compare<T: PartialEq + ToString>(
        &mut self,
        seal: &Seal,
        what: &str,
        stored: &T,
        recomputed: &T,
    ) {
        if stored == recomputed {
            return;
        }
        self.total += 1;
        if self.first.len() < FIRST {
            let Seal { number, first_entry, last_entry, .. } = seal;
            self.first.push(Difference {
                subject: format!("seal {number} (entries {first_entry} to {last_entry})"),
                what: what.to_owned(),
                stored: stored.to_string(),
                recomputed: recomputed.to_string(),
            });
        }
    }

    /// Whether it continues the chain.
    fn link(&mut self, before: Option<&Seal>, seal: &Seal) {
        let (number, previous) = match before {
            Some(before) => (before.number + 1, before.hash),
            None => (1, Digest::ZERO),
        };
        self.compare(seal, "number", &seal.number, &number);
        self.compare(seal, "previous hash", &seal.previous, &previous);
        self.compare(seal, "hash", &seal.hash, &seal.recomputed());
    }

    /// Whether the entries are those that were sealed.
    fn contents(&mut self, seal: &Seal, entries: &Covered) {
        let shown = |id: Option<i64>| id.map_or("none".to_owned(), |id| id.to_string());
        let count = i64::try_from(entries.leaves.len()).unwrap_or(i64::MAX);
        self.compare(seal, "number of entries", &seal.entry_count, &count);
        self.compare(seal, "first entry", &seal.first_entry.to_string(), &shown(entries.first));
        self.compare(seal, "last entry", &seal.last_entry.to_string(), &shown(entries.last));
        self.compare(seal, "root", &seal.root, &merkle::root(&entries.leaves));
    }
}
