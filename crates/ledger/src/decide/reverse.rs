//! Giving back what a completed transaction moved: new transactions the other
//! way, bound by funds and freezes, not by limits.

use super::draft::{Draft, Half};
use crate::{
    Amount, Authority, Book, Direction, Exchange, Leg, Moment, Money, Pair, Refusal, Reversal,
    Status, TransactionId,
};

/// Gives back all or some of it.
pub(super) fn reverse(
    book: &Book,
    authority: Authority,
    reversal: Reversal,
) -> Result<Draft, Refusal> {
    let original = Draft::find(book, authority, reversal.id)?;
    may_reverse(authority, &original)?;
    let part = part(&original, reversal.amount)?;
    let exchange = original.exchange.map(Exchange::given_back);
    let turned = |half: Half, id, paired_id| {
        // The halves of an exchange have amounts of their own, and go back whole.
        let part = if exchange.is_some() { half.leg.amount } else { part };
        turn(half, part, book.now(), id, paired_id)
    };

    let Draft { own: sender, other: receiver, .. } = original;
    let (id, paired_id) = (reversal.new_id, reversal.new_paired_id);
    let (own, other, amended) = match receiver {
        None => {
            let (taken, own) = turned(sender, id, paired_id)?;
            (own, None, vec![taken])
        }
        Some(receiver) => {
            let (sent, other) = turned(sender, paired_id, id)?;
            let (received, own) = turned(receiver, id, paired_id)?;
            (own, Some(other), vec![sent, received])
        }
    };
    let mut draft = Draft::new(book, own, other, exchange);
    draft.amended = amended;
    draft.admit()?;
    let amount = draft.own.leg.amount;
    if draft.own.leg.direction == Direction::Out {
        draft.own.account.hold(amount)?;
    }
    draft.post(book, amount)?;
    draft.end()?;
    Ok(draft)
}

/// The receiver of a transfer gives it back; all else is the bank's to reverse. An
/// exchange goes back at its old rate, so that is a rate named anew.
fn may_reverse(authority: Authority, original: &Draft) -> Result<(), Refusal> {
    match &original.other {
        Some(receiver) if !authority.covers(&receiver.account) => Err(Refusal::ReversalNotYours),
        None if !authority.settles => Err(Refusal::SettlementNotAllowed),
        _ if original.exchange.is_some() && !authority.settles => Err(Refusal::RateNotAllowed),
        _ => Ok(()),
    }
}

/// How much of it goes back, in the currency of its ordering half.
fn part(original: &Draft, asked: Option<Amount>) -> Result<Amount, Refusal> {
    let leg = &original.own.leg;
    if leg.reverses.is_some() {
        return Err(Refusal::ReversalIsFinal);
    }
    if leg.status != Status::Completed {
        return Err(Refusal::TransactionNotCompleted { status: leg.status });
    }
    let remaining = leg.reversible().ok_or(Refusal::AlreadyReversed)?;
    let (part, currency) = (asked.unwrap_or(remaining), leg.currency);
    if part > remaining {
        return Err(Refusal::ReversalExceedsOriginal { remaining, asked: part, currency });
    }
    if part < remaining && original.exchange.is_some() {
        return Err(Refusal::ExchangeIsWhole);
    }
    Refusal::unless_whole(currency, part)?;
    Ok(part)
}

/// The original with what goes back noted, and the half that gives it back.
fn turn(
    half: Half,
    part: Amount,
    now: Moment,
    id: TransactionId,
    paired_id: TransactionId,
) -> Result<(Leg, Half), Refusal> {
    let Half { leg: mut original, account } = half;
    original.reversed = original.reversed.plus(part).ok_or(Refusal::BalanceTooLarge)?;
    let pair = original.pair.map(|pair| Pair { transaction: paired_id, account: pair.account });
    let leg = Leg {
        id,
        account: original.account,
        pair,
        kind: original.kind.opposite(),
        direction: original.direction.opposite(),
        amount: part,
        currency: original.currency,
        status: Status::Pending,
        captured: Money::ZERO,
        reversed: Money::ZERO,
        created: now,
        expires: None,
        completes: None,
        effective: None,
        reverses: Some(original.id),
        bytes: 0,
    };
    Ok((original, Half { leg, account }))
}
