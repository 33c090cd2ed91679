//! The one place where money is decided.
//!
//! [`decide`] looks at the locked accounts and transactions of a [`Book`], says
//! yes or no to one action, and on yes changes the book in memory and returns
//! what is to be written. Deciding a batch is deciding its actions in order.
//!
//! Every rule reads the book and draws up a draft; only a finished
//! draft is written. So on no, the book is exactly what it was.

mod create;
mod draft;
mod end;
mod funds;
mod reverse;

use crate::{Action, Authority, Book, Entry, Exchange, Kind, Leg, QuoteId, Refusal};

/// What an accepted action changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The transactions as they now stand, the ordering one first.
    pub legs: Vec<Leg>,
    /// Whether they are new rows or changed ones.
    pub created: bool,
    /// The originals that a reversal gave back, as they now stand, the ordering
    /// one first.
    pub amended: Vec<Leg>,
    /// The movements, if money moved, in their order.
    pub entries: Vec<Entry>,
    /// The exchange that the new transactions are.
    pub exchange: Option<Exchange>,
    /// The quote that they used up.
    pub quote: Option<QuoteId>,
}

/// Decides one action against the book.
///
/// # Errors
/// The [`Refusal`] that the rules demand; the book is unchanged.
pub fn decide(book: &mut Book, authority: Authority, action: &Action) -> Result<Decision, Refusal> {
    let draft = match action {
        Action::Create(order) => create::create(book, authority, order),
        Action::Complete(id) => end::complete(book, authority, *id),
        Action::Capture(capture) => end::capture(book, authority, *capture),
        Action::Cancel(id) => end::cancel(book, authority, *id),
        Action::Expire(id) => end::expire(book, *id),
        Action::CompleteDue(id) => end::complete_due(book, *id),
        Action::Reverse(reversal) => reverse::reverse(book, authority, *reversal),
    }?;
    Ok(draft.write(book))
}

/// Whether booking this type changes by word alone how much money the bank holds.
fn needs_settlement(kind: Kind) -> bool {
    matches!(kind, Kind::Deposit | Kind::Credit | Kind::Debit)
}
