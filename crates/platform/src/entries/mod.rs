//! Entries: the book from one account's side, and what the account held at any
//! moment.
//!
//! Owns the reading of `wallstreet.entries`; [`crate::posting`] alone writes them.
//! It relies on three things that posting keeps: an account's entries are numbered
//! from 1 without a gap, `recorded_at` never runs backwards along the numbers, and
//! an entry never changes. So a moment is found by halving, a page is a range of
//! numbers, and a long answer can be read in pages without holding a transaction
//! open.

mod statement;
mod store;

use crate::{
    Platform, accounts,
    actor::Actor,
    error::{Error, Result},
    page::{Cursor, Listing, PageRequest, Position},
};
use jiff::{SignedDuration, Timestamp};
use ledger::{AccountId, Amount, Currency, Direction, Kind, Money, TransactionId, words};
pub use statement::{Statement, Totals, Turnover, statement};
pub(crate) use store::ALL as STATEMENTS;
use uuid::Uuid;

words! {
    /// By which of its two moments an entry counts.
    Basis {
        /// When it was booked.
        Recorded = "recorded",
        /// The business date; where an entry has none, when it was booked.
        Effective = "effective",
    }
}

words! {
    /// Which end of a history comes first.
    Order {
        /// From the oldest on.
        Ascending = "asc",
        /// From the newest back.
        Descending = "desc",
    }
}

words! {
    /// One of the bank's own accounts, by purpose.
    Purpose {
        /// Of deposits and withdrawals.
        Cash = "cash",
        /// Of credits and debits.
        Adjustments = "adjustments",
        /// Between two currencies.
        Conversion = "conversion",
        /// What exchanging left over.
        Rounding = "rounding",
    }
}

/// Who is at the other end of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counterparty {
    /// Somebody's account.
    Account(AccountId),
    /// The bank itself.
    Bank(Purpose),
}

impl From<Uuid> for Counterparty {
    /// Reads what [`ledger::SystemAccount::id`] spells.
    fn from(id: Uuid) -> Self {
        let (high, low) = id.as_u64_pair();
        let spelt = high == 0x8000 && low >> 56 == 0x80;
        match (low >> 48) & 0xff {
            1 if spelt => Self::Bank(Purpose::Cash),
            2 if spelt => Self::Bank(Purpose::Adjustments),
            3 if spelt => Self::Bank(Purpose::Conversion),
            4 if spelt => Self::Bank(Purpose::Rounding),
            _ => Self::Account(AccountId(id)),
        }
    }
}

/// One entry of the book, from one account's side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the account's history, from 1, without gaps.
    pub sequence: i64,
    /// The account's own transaction.
    pub transaction_id: TransactionId,
    /// What it was.
    pub transaction_type: Kind,
    /// Which way.
    pub direction: Direction,
    /// How much.
    pub amount: Amount,
    /// In what.
    pub currency: Currency,
    /// What the account held afterwards.
    pub balance: Money,
    /// With whom.
    pub counterparty: Counterparty,
    /// When it was booked.
    pub recorded_at: Timestamp,
    /// The business date, where it has one of its own: never after `recorded_at`.
    pub effective_at: Option<Timestamp>,
    /// What for.
    pub description: Option<String>,
    /// `TXN-…`.
    pub reference_number: Option<String>,
}

/// What an account held at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastBalance {
    /// The sum of the entries that counted then.
    pub balance: Money,
    /// In what.
    pub currency: Currency,
    /// The moment, whose own entries are included.
    pub at: Timestamp,
    /// What "counted" means.
    pub basis: Basis,
    /// The newest entry recorded by then; 0 if there was none.
    pub sequence: i64,
}

/// A place in an account's history.
#[derive(Clone, Copy)]
struct Place {
    sequence: i64,
    balance: Money,
    /// The newest entry there was when this was asked.
    newest: i64,
    /// When that one was recorded.
    recorded: Option<Timestamp>,
}

/// What an account held at a moment that has passed, at a cost that grows with the
/// logarithm of its history. On the effective basis, what was booked later for
/// that moment or an earlier one counts too.
///
/// # Errors
/// A moment in the future; [`crate::error::Resource::Account`] when the account is
/// not the caller's to see.
pub async fn balance_at(
    platform: &Platform,
    actor: &Actor,
    account: AccountId,
    at: Timestamp,
    basis: Basis,
) -> Result<PastBalance> {
    let currency = accounts::get(platform, actor, account).await?.currency;
    let at = as_stored(at)?;
    let now = as_stored(platform.now())?;
    if at > now {
        let text = "must not be in the future: leave it out for what the account holds now";
        return Err(Error::invalid("at", "out_of_range", text));
    }
    // A border is the first moment that does not count any more. Now has none: it has
    // all that the balance has.
    let border = (at < now).then(|| at.checked_add(SignedDuration::from_micros(1)));
    let border = border.transpose().map_err(Error::internal)?;
    let connection = platform.connection().await?;
    let [place] = store::places(&connection, account, [border], basis).await?;
    Ok(PastBalance { balance: place.balance, currency, at, basis, sequence: place.sequence })
}

/// Which entries are looked for: those recorded at `from` or later and before `to`.
#[derive(Clone, Copy, Debug)]
pub struct EntryFilter {
    /// Absent: from the first.
    pub from: Option<Timestamp>,
    /// Absent: to the newest.
    pub to: Option<Timestamp>,
    /// Which end comes first.
    pub order: Order,
}

/// An account's entries with the balance each left, a page of them at the same
/// cost at any depth.
///
/// # Errors
/// [`crate::error::Resource::Account`] when the account is not the caller's to see.
pub async fn list(
    platform: &Platform,
    actor: &Actor,
    account: AccountId,
    filter: EntryFilter,
    page: PageRequest,
) -> Result<Listing<Entry>> {
    accounts::get(platform, actor, account).await?;
    let connection = platform.connection().await?;
    let to = store::places(&connection, account, [filter.to], Basis::Recorded);
    let [Place { sequence: last, .. }] = to.await?;
    let before = match filter.from {
        None => 0,
        from => {
            let from = store::places(&connection, account, [from], Basis::Recorded);
            let [Place { sequence, .. }] = from.await?;
            sequence.min(last)
        }
    };
    let (low, high, more) = range(before, last, filter.order, page);
    let mut items = store::range(&connection, account, low, high).await?;
    if filter.order == Order::Descending {
        items.reverse();
    }
    let next = items.last().filter(|_| more).map(cursor);
    let total = page.counts().then_some(last - before);
    Ok(Listing { items, total, next, request: page })
}

/// The part of the entries `low + 1 ..= high` that a page shows, in the same form,
/// and whether something lies beyond it.
fn range(low: i64, high: i64, order: Order, page: PageRequest) -> (i64, i64, bool) {
    let limit = i64::from(page.limit());
    let after = match page.position() {
        Position::Number(_) => None,
        Position::After(cursor) => Some(place(cursor)),
    };
    match order {
        Order::Ascending => {
            let start = after.unwrap_or(low + page.offset()).clamp(low, high);
            let end = high.min(start + limit);
            (start, end, end < high)
        }
        Order::Descending => {
            let end = after.map_or(high - page.offset(), |after| after - 1).clamp(low, high);
            let start = low.max(end - limit);
            (start, end, start > low)
        }
    }
}

/// The place behind an entry: its number, in the form of every other cursor.
fn cursor(entry: &Entry) -> Cursor {
    let number = u128::try_from(entry.sequence).unwrap_or_default();
    Cursor::new(entry.recorded_at, Uuid::from_u128(number))
}

/// The number in a cursor; that of another list lies beyond the newest entry.
fn place(cursor: Cursor) -> i64 {
    i64::try_from(cursor.id().as_u128()).unwrap_or(i64::MAX)
}

/// A moment in the database's microseconds.
fn as_stored(at: Timestamp) -> Result<Timestamp> {
    Timestamp::from_microsecond(at.as_microsecond()).map_err(Error::internal)
}

/// What does not add up is not shown: it would look like the truth.
fn broken(account: AccountId, sequence: i64) -> Error {
    Error::internal(format!(
        "the history of account {account} does not add up at entry {sequence}: \
         run `wallstreet verify ledger`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::SystemAccount;

    #[test]
    fn the_banks_own_accounts_are_told_by_their_number() {
        let cash = SystemAccount::Cash.id(Currency::USD);
        assert_eq!(Counterparty::from(cash.0), Counterparty::Bank(Purpose::Cash));
        let adjustments = SystemAccount::Adjustments.id(Currency::USD);
        assert_eq!(Counterparty::from(adjustments.0), Counterparty::Bank(Purpose::Adjustments));
        for (number, purpose) in [(3, Purpose::Conversion), (4, Purpose::Rounding)] {
            let id = Uuid::from_u128(cash.0.as_u128() + ((number - 1) << 48));
            assert_eq!(Counterparty::from(id), Counterparty::Bank(purpose));
        }
        let somebody = Uuid::from_u128(0x0189_0a5d_ac96_774b_8001_b302_099a_8057);
        assert_eq!(Counterparty::from(somebody), Counterparty::Account(AccountId(somebody)));
        let unknown = Uuid::from_u128(cash.0.as_u128() + (8 << 48));
        assert_eq!(Counterparty::from(unknown), Counterparty::Account(AccountId(unknown)));
    }

    #[test]
    fn a_page_is_a_range_of_numbers_within_the_bounds() {
        let numbered = |page| PageRequest::new(10, Position::Number(page)).unwrap();
        let behind = |number: u128| {
            let cursor = Cursor::new(Timestamp::UNIX_EPOCH, Uuid::from_u128(number));
            PageRequest::new(10, Position::After(cursor)).unwrap()
        };
        use Order::{Ascending, Descending};
        for (order, page, expected) in [
            (Ascending, numbered(1), (5, 15, true)),
            (Ascending, numbered(3), (25, 30, false)),
            (Ascending, numbered(9), (30, 30, false)),
            (Ascending, behind(15), (15, 25, true)),
            (Ascending, behind(20), (20, 30, false)),
            (Ascending, behind(0), (5, 15, true)),
            (Ascending, behind(u128::MAX), (30, 30, false)),
            (Descending, numbered(1), (20, 30, true)),
            (Descending, numbered(3), (5, 10, false)),
            (Descending, numbered(9), (5, 5, false)),
            (Descending, behind(21), (10, 20, true)),
            (Descending, behind(16), (5, 15, false)),
            (Descending, behind(0), (5, 5, false)),
            (Descending, behind(u128::MAX), (20, 30, true)),
        ] {
            assert_eq!(range(5, 30, order, page), expected, "{order:?} {page:?}");
        }
    }
}
