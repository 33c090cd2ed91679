//! A batch in which the database's clock and ours disagree: what depends on which of
//! them is right is put off, everything else is posted.

use super::{Order, draft::named};
use crate::{clock::moment, error::Error};
use jiff::Timestamp;
use ledger::{Action, Book, Direction, Moment, NewTransaction, Price};
use std::time::Duration;

/// When to ask again.
const LATER: Duration = Duration::from_secs(10);

/// The time lies somewhere in here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doubt {
    earliest: Moment,
    latest: Moment,
}

impl Doubt {
    /// One clock shows this, the other one that.
    pub(super) fn between(one: Timestamp, other: Timestamp) -> Self {
        let (earliest, latest) = (moment(one.min(other)), moment(one.max(other)));
        Self { earliest, latest }
    }

    /// Whether an order is decided in another way by the one clock than by the other.
    pub(super) fn matters_to(self, order: &Order, book: &Book) -> bool {
        let (mut expires, mut completes) = (None, None);
        match &order.action {
            // It is never urgent.
            Action::Expire(_) | Action::CompleteDue(_) => return true,
            Action::Create(new) if self.counts_on_either_day(new, book) => return true,
            Action::Create(new) => {
                completes = new.completes;
                expires = match new.price {
                    Some(Price::Quote { id, .. }) => book.quote(id).map(|quote| quote.expires),
                    _ => new.expires,
                };
            }
            Action::Complete(_) | Action::Capture(_) => {
                let leg = named(&order.action).and_then(|id| book.leg(id));
                expires = leg.and_then(|leg| leg.expires);
            }
            Action::Cancel(_) | Action::Reverse(_) => {}
        }
        let frozen = |account| book.account(account)?.freeze.as_ref()?.until;
        let freezes = order.touches.iter().filter_map(|account| frozen(*account));
        expires.into_iter().chain(completes).chain(freezes).any(|end| self.contains(end))
    }

    /// Whether it would count towards the daily limit of one day by the one clock and of
    /// another day by the other. Without such a limit nobody asks for the day.
    fn counts_on_either_day(self, new: &NewTransaction, book: &Book) -> bool {
        let limited = || book.account(new.account).is_some_and(|own| own.limits.daily.is_some());
        self.earliest.day() != self.latest.day()
            && new.kind.direction() == Direction::Out
            && limited()
    }

    fn contains(self, end: Moment) -> bool {
        self.earliest < end && end <= self.latest
    }
}

/// Nothing has happened, and it may be tried again.
pub(super) fn refusal() -> Error {
    let cause = "time is in doubt, and the order depends on it".to_owned();
    Error::Unavailable { what: "Posting", retry_after: LATER, cause }
}
