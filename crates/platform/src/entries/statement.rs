//! Statements: a period of an account's history, whose opening balance plus its
//! entries is its closing balance.
//!
//! The bounds are fixed in one statement of the database when a statement is
//! drawn. From then on it is read page by page and never held as a whole; since
//! entries do not change, its pages fit together without a transaction around
//! them. Every page is added up, and what does not come to the closing balance is
//! broken off.

use super::{Basis, Entry, Place, as_stored, broken, store};
use crate::{
    Platform,
    accounts::{self, Account},
    actor::Actor,
    error::{Error, Result},
};
use jiff::{SignedDuration, Timestamp};
use ledger::{AccountId, Direction, Money};
use std::fmt;

/// How many entries a page has at most, on the recorded basis.
const PAGE: i64 = 1000;

/// A period of an account's history, read with [`Statement::next_page`].
pub struct Statement {
    /// Whose.
    pub account: Account,
    /// By which date entries belong to the period, and in which order they come.
    pub basis: Basis,
    /// Its first moment; absent: from the first entry on.
    pub from: Option<Timestamp>,
    /// The first moment that is not in it any more.
    pub to: Timestamp,
    /// What the account held before it.
    pub opening: Money,
    /// What the account held at its end.
    pub closing: Money,
    /// No entry behind this one was looked at: on the recorded basis the last of the
    /// period, on the effective basis the newest there was.
    pub last_sequence: i64,
    /// What has been read so far came to.
    pub totals: Totals,
    read: store::Read,
    running: Money,
}

/// What entries came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many.
    pub count: i64,
    /// What came in.
    pub incoming: Turnover,
    /// What went out.
    pub outgoing: Turnover,
}

/// A sum of amounts, in hundredths: it can grow beyond what one account can hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turnover(i128);

impl fmt::Display for Turnover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// Draws a statement for the period from `from` until before `to`; without it, of all
/// that the balance has.
///
/// # Errors
/// A period that ends in the future or before it begins;
/// [`crate::error::Resource::Account`] when the account is not the caller's to see.
pub async fn statement(
    platform: &Platform,
    actor: &Actor,
    account: AccountId,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    basis: Basis,
) -> Result<Statement> {
    let account = accounts::get(platform, actor, account).await?;
    let now = as_stored(platform.now())?;
    let (from, border) = (from.map(as_stored).transpose()?, to.map(as_stored).transpose()?);
    if border.is_some_and(|to| to > now) {
        let text = "must not be in the future: leave it out for a statement until now";
        return Err(Error::invalid("to", "out_of_range", text));
    }
    if from.is_some_and(|from| from > border.unwrap_or(now)) {
        return Err(Error::invalid("from", "out_of_range", "must not be after to, or after now"));
    }
    let connection = platform.connection().await?;
    let (first, last) = match from {
        Some(_) => {
            let [first, last] =
                store::places(&connection, account.id, [from, border], basis).await?;
            (first, last)
        }
        None => {
            let [last] = store::places(&connection, account.id, [border], basis).await?;
            (Place { sequence: 0, balance: Money::ZERO, ..last }, last)
        }
    };
    // The clock does not leave out what was recorded while it was ahead.
    let behind = |newest: Timestamp| newest.saturating_add(SignedDuration::from_micros(1));
    let behind = last.recorded.map(behind).transpose().map_err(Error::internal)?;
    let to = border.unwrap_or(behind.map_or(now, |behind| behind.max(now)));
    let last_sequence = match basis {
        Basis::Recorded => last.sequence,
        Basis::Effective => last.newest,
    };
    Ok(Statement {
        basis,
        from,
        to,
        opening: first.balance,
        closing: last.balance,
        last_sequence,
        totals: Totals::default(),
        read: store::Read {
            low: first.sequence,
            high: last.sequence,
            dated: (from, 0),
            to,
            newest: last.newest,
        },
        running: first.balance,
        account,
    })
}

impl Statement {
    /// The next entries in order, each with the balance after it; none at the end.
    ///
    /// # Errors
    /// [`Error::Internal`] where the entries do not lead to the closing balance.
    pub async fn next_page(&mut self, platform: &Platform) -> Result<Vec<Entry>> {
        let connection = platform.connection().await?;
        let (account, read) = (self.account.id, &self.read);
        let mut entries = match self.basis {
            Basis::Recorded => {
                let high = read.high.min(read.low.saturating_add(PAGE));
                store::range(&connection, account, read.low, high).await?
            }
            Basis::Effective => store::effective(&connection, account, read).await?,
        };
        for entry in &mut entries {
            self.count(entry)?;
        }
        if entries.is_empty() && self.running != self.closing {
            return Err(broken(account, self.last_sequence));
        }
        Ok(entries)
    }

    fn count(&mut self, entry: &mut Entry) -> Result<()> {
        let moved = i128::from(entry.amount.hundredths());
        let balance = match entry.direction {
            Direction::In => {
                self.totals.incoming.0 += moved;
                self.running.plus(entry.amount)
            }
            Direction::Out => {
                self.totals.outgoing.0 += moved;
                self.running.minus(entry.amount)
            }
        };
        self.totals.count += 1;
        self.running = balance.ok_or_else(|| broken(self.account.id, entry.sequence))?;
        match (self.basis, entry.effective_at) {
            (Basis::Recorded, _) if entry.balance != self.running => {
                return Err(broken(self.account.id, entry.sequence));
            }
            (Basis::Effective, Some(at)) => self.read.dated = (Some(at), entry.sequence),
            _ => self.read.low = entry.sequence,
        }
        // In the order of effective dates it is another one than the book's.
        entry.balance = self.running;
        Ok(())
    }
}
