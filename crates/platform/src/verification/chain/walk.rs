//! The rows under the seals in order, a page ahead, as leaves.

use crate::{
    db::Tx,
    error::Result,
    proof::{Digest, Salts},
    seals,
};
use jiff::Timestamp;
use std::collections::VecDeque;
use uuid::Uuid;

/// Rows that are read at a time.
const PAGE: i64 = 16_384;

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

/// See the module.
pub(super) struct Walk<'a> {
    tx: &'a Tx<'a>,
    salts: &'a Salts,
    rows: Rows,
    ahead: VecDeque<Row>,
    read_up_to: i64,
    exhausted: bool,
}

impl<'a> Walk<'a> {
    /// Begins below every number, also one that no identity gave.
    pub(super) fn over(tx: &'a Tx<'a>, salts: &'a Salts, rows: Rows) -> Self {
        Self { tx, salts, rows, ahead: VecDeque::new(), read_up_to: i64::MIN, exhausted: false }
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
            self.read_up_to = page.last().map_or(self.read_up_to, |row| row.place);
            self.exhausted = page.is_empty();
            self.ahead.extend(page);
        }
        Ok(!self.ahead.is_empty())
    }

    async fn page(&self) -> Result<Vec<Row>> {
        if self.rows == Rows::Trail {
            let page = seals::trail_in(self.tx, self.read_up_to, PAGE).await?;
            let row = |row: &crate::proof::AuditRow| Row {
                place: row.number,
                id: Some(row.id),
                leaf: row.leaf(self.salts),
                at: row.created_at,
            };
            return Ok(page.iter().map(row).collect());
        }
        let page = seals::entries_in(self.tx, self.read_up_to, PAGE).await?;
        let row = |entry: &crate::proof::Entry| Row {
            place: entry.id,
            id: None,
            leaf: match self.rows {
                Rows::Former => entry.leaf_of_format_1(),
                Rows::Entries | Rows::Trail => entry.leaf(self.salts),
            },
            at: Some(entry.recorded_at),
        };
        Ok(page.iter().map(row).collect())
    }
}
