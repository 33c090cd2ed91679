//! The rows under the seals in order, a page ahead, as leaves.

use crate::{
    db::Tx,
    error::Result,
    proof::{AuditRow, Digest, Entry, Salts},
    seals::{self, Pages},
};
use jiff::Timestamp;
use std::collections::VecDeque;
use uuid::Uuid;

/// Rows that are read at a time.
const PAGE: i32 = 16_384;

/// Which rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// Entries, as format 1 hashes them.
    Former,
    /// Entries.
    Entries,
    /// Audit rows.
    Trail,
}

impl Rows {
    /// One of them, and many.
    pub(super) fn words(self) -> [&'static str; 2] {
        match self {
            Self::Former | Self::Entries => ["entry", "entries"],
            Self::Trail => ["audit row", "audit rows"],
        }
    }

    /// How one of them is called.
    pub(super) fn name(self, row: &Row) -> String {
        let [one, _] = self.words();
        match row.id {
            Some(id) => format!("{one} {} ({id})", row.place),
            None => format!("{one} {}", row.place),
        }
    }
}

/// A row of either kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// The id of the entry, or the number of the audit row.
    pub(super) place: i64,
    /// The id of the audit row.
    pub(super) id: Option<Uuid>,
    pub(super) leaf: Digest,
    pub(super) at: Option<Timestamp>,
}

impl Row {
    /// What no row that was recorded has: a number below the first, or a time that no
    /// clock shows.
    pub(super) fn impossible(&self) -> Option<(&'static str, String, &'static str)> {
        if self.place < 1 {
            return Some(("number", self.place.to_string(), "from 1 on"));
        }
        let beyond = |at: &Timestamp| [Timestamp::MIN, Timestamp::MAX].contains(at);
        let at = self.at.filter(beyond)?;
        let stored = if at == Timestamp::MIN { "before" } else { "after" };
        Some(("time", format!("{stored} all time"), "one that a clock shows"))
    }
}

/// See the module.
pub(super) struct Walk<'a> {
    salts: &'a Salts,
    source: Source<'a>,
    ahead: VecDeque<Row>,
    exhausted: bool,
}

enum Source<'a> {
    Former(Pages<'a, Entry>),
    Entries(Pages<'a, Entry>),
    Trail(Pages<'a, AuditRow>),
}

impl<'a> Walk<'a> {
    /// Begins with the very first, also below every number that an identity gave.
    pub(super) fn over(tx: &'a Tx<'a>, salts: &'a Salts, rows: Rows) -> Self {
        let source = match rows {
            Rows::Former => Source::Former(seals::book_in(tx, PAGE)),
            Rows::Entries => Source::Entries(seals::book_in(tx, PAGE)),
            Rows::Trail => Source::Trail(seals::trail_in(tx, PAGE)),
        };
        Self { salts, source, ahead: VecDeque::new(), exhausted: false }
    }

    /// The next rows up to this one.
    pub(super) async fn up_to(&mut self, last: i64) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        while self.fill().await? {
            let Some(row) = self.ahead.pop_front_if(|row| row.place <= last) else { break };
            rows.push(row);
        }
        Ok(rows)
    }

    /// The next row.
    pub(super) async fn following(&mut self) -> Result<Option<Row>> {
        self.fill().await?;
        Ok(self.ahead.pop_front())
    }

    /// Whether there is another row.
    async fn fill(&mut self) -> Result<bool> {
        if self.ahead.is_empty() && !self.exhausted {
            let page = self.page().await?;
            self.exhausted = page.is_empty();
            self.ahead.extend(page);
        }
        Ok(!self.ahead.is_empty())
    }

    async fn page(&mut self) -> Result<Vec<Row>> {
        let salts = self.salts;
        let of_entry = |entry: &Entry, leaf| Row {
            place: entry.id,
            id: None,
            leaf,
            at: Some(entry.recorded_at),
        };
        let of_audit = |row: &AuditRow| Row {
            place: row.number,
            id: Some(row.id),
            leaf: row.leaf(salts),
            at: row.created_at,
        };
        Ok(match &mut self.source {
            Source::Former(pages) => {
                let page = pages.next().await?;
                page.iter().map(|entry| of_entry(entry, entry.leaf_of_format_1())).collect()
            }
            Source::Entries(pages) => {
                let page = pages.next().await?;
                page.iter().map(|entry| of_entry(entry, entry.leaf(salts))).collect()
            }
            Source::Trail(pages) => pages.next().await?.iter().map(of_audit).collect(),
        })
    }
}
