//! What a check of the ledger found.

use jiff::Timestamp;
use std::time::Duration;

/// A check of the whole ledger, of one moment.
#[derive(Clone, Debug)]
pub struct Report {
    /// When it began, by the bank's clock.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// How much there was.
    pub size: Size,
    /// Every rule that was looked at, in order.
    pub checks: Vec<Check>,
    /// What is worth knowing and is no difference.
    pub notes: Vec<String>,
}

impl Report {
    /// How many differences there are in all.
    pub fn differences(&self) -> i64 {
        self.checks.iter().map(|check| check.differences).sum()
    }

    /// Whether everything is as it should be.
    pub fn is_sound(&self) -> bool {
        self.differences() == 0
    }
}

/// How much was looked at.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Accounts with a row.
    pub accounts: i64,
    /// Transactions; a transfer counts as two.
    pub transactions: i64,
    /// Entries of the book.
    pub entries: i64,
    /// Exchanges of currencies.
    pub exchanges: i64,
    /// Rows of the audit trail that tell of accounts and transactions.
    pub audit_rows: i64,
    /// Seals.
    pub seals: i64,
    /// The newest sealed entry; 0: none is.
    pub sealed_up_to: i64,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Check {
    /// Its name, one or two words.
    pub name: &'static str,
    /// What holds where there is no difference.
    pub rule: &'static str,
    /// How many things were compared.
    pub examined: i64,
    /// How many differ.
    pub differences: i64,
    /// The first of them, at most 100.
    pub first: Vec<Difference>,
    /// How long it took.
    pub took: Duration,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which account, transaction, entry, audit row, seal or currency.
    pub subject: String,
    /// What of it.
    pub what: String,
    /// What the database says.
    pub stored: String,
    /// What follows from everything else.
    pub recomputed: String,
}
