//! The life of a pending transaction: booked as a whole or in parts, by word or at
//! its time, called off, run out.

use super::{draft::Draft, needs_settlement};
use crate::{Amount, Authority, Book, Capture, Direction, Kind, Refusal, Status, TransactionId};

/// Books all that remains.
pub(super) fn complete(
    book: &Book,
    authority: Authority,
    id: TransactionId,
) -> Result<Draft, Refusal> {
    let (mut draft, remaining) = bookable(book, authority, id)?;
    draft.post(book, remaining)?;
    draft.end()?;
    Ok(draft)
}

/// Books all that remains at the time that was ordered, whosever it is: whether it
/// may was judged then, and whether its mandate still stands is for who asks this.
pub(super) fn complete_due(book: &Book, id: TransactionId) -> Result<Draft, Refusal> {
    let (mut draft, remaining) = bookable(book, Authority::BANK, id)?;
    if draft.own.leg.completes.is_none_or(|completes| completes > book.now()) {
        return Err(Refusal::TransactionNotDue);
    }
    draft.post(book, remaining)?;
    draft.end()?;
    Ok(draft)
}

/// Books a part of what is held. After the last part, what is left of the hold
/// becomes available again.
pub(super) fn capture(
    book: &Book,
    authority: Authority,
    capture: Capture,
) -> Result<Draft, Refusal> {
    let (mut draft, remaining) = bookable(book, authority, capture.id)?;
    let leg = &draft.own.leg;
    if leg.direction == Direction::In {
        return Err(Refusal::NothingHeld);
    }
    let (part, currency) = (capture.amount.unwrap_or(remaining), leg.currency);
    if part > remaining {
        return Err(Refusal::CaptureExceedsHold { remaining, asked: part, currency });
    }
    if part < remaining && draft.exchange.is_some() {
        return Err(Refusal::ExchangeIsWhole);
    }
    Refusal::unless_whole(currency, part)?;
    draft.post(book, part)?;
    if capture.last || part == remaining {
        draft.end()?;
    }
    Ok(draft)
}

/// Ends it before its time.
pub(super) fn cancel(
    book: &Book,
    authority: Authority,
    id: TransactionId,
) -> Result<Draft, Refusal> {
    let mut draft = pending(book, authority, id)?;
    // A credit or debit is the bank's: its customer does not call it off.
    if matches!(draft.own.leg.kind, Kind::Credit | Kind::Debit) && !authority.settles {
        return Err(Refusal::SettlementNotAllowed);
    }
    draft.end()?;
    Ok(draft)
}

/// Ends it after its time, whosever it is.
pub(super) fn expire(book: &Book, id: TransactionId) -> Result<Draft, Refusal> {
    let mut draft = pending(book, Authority::BANK, id)?;
    if !draft.own.leg.expired(book.now()) {
        return Err(Refusal::TransactionNotExpired);
    }
    draft.end()?;
    Ok(draft)
}

/// A pending transaction of which the caller decides.
fn pending(book: &Book, authority: Authority, id: TransactionId) -> Result<Draft, Refusal> {
    let draft = Draft::find(book, authority, id)?;
    if !authority.covers(&draft.own.account) {
        return Err(Refusal::TransferNotYours);
    }
    match draft.own.leg.status {
        Status::Pending => Ok(draft),
        status => Err(Refusal::TransactionNotPending { status }),
    }
}

/// A pending transaction that the caller may book, and how much of it there is to book.
fn bookable(
    book: &Book,
    authority: Authority,
    id: TransactionId,
) -> Result<(Draft, Amount), Refusal> {
    let draft = pending(book, authority, id)?;
    let leg = &draft.own.leg;
    if needs_settlement(leg.kind) && !authority.settles {
        return Err(Refusal::SettlementNotAllowed);
    }
    if leg.expired(book.now()) {
        return Err(Refusal::TransactionExpired);
    }
    // A rate that is fixed for ever is named anew by who completes its exchange.
    if draft.exchange.is_some() && leg.expires.is_none() && !authority.settles {
        return Err(Refusal::RateNotAllowed);
    }
    draft.admit()?;
    let status = leg.status;
    let remaining = leg.remaining().ok_or(Refusal::TransactionNotPending { status })?;
    Ok((draft, remaining))
}
