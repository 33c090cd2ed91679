//! New orders.

use super::{
    draft::{Draft, Half},
    needs_settlement,
};
use crate::{
    Account, Authority, Book, Direction, Exchange, Kind, Leg, Moment, Money, NewTransaction, Pair,
    Price, Refusal, Status,
};

/// Writes an order, and books it if it is to be completed at once.
pub(super) fn create(
    book: &Book,
    authority: Authority,
    order: &NewTransaction,
) -> Result<Draft, Refusal> {
    let account = book.account(order.account).filter(|account| authority.covers(account));
    let account = account.ok_or(Refusal::AccountNotFound)?;
    account.admit(order.kind.direction(), book.now())?;
    let currency = account.currency;
    if let Some(asked) = order.currency.filter(|asked| *asked != currency) {
        return Err(Refusal::CurrencyMismatch { account: currency, order: asked });
    }
    Refusal::unless_whole(currency, order.amount)?;
    let target = target(book, order)?;
    let exchange = exchange(book, account, target, order)?;
    check_terms(book, authority, order)?;
    let expires = expiry(book, authority, order);
    check_completion(book, order, expires)?;

    let (own, other) = halves(book, account, target, order, (exchange, expires));
    let mut draft = Draft::new(book, own, other, exchange);
    draft.quote = match order.price {
        Some(Price::Quote { id, .. }) => Some(id),
        _ => None,
    };
    if order.kind.direction() == Direction::Out {
        draft.own.account.spend(order.amount, book.now())?;
        draft.own.account.hold(order.amount)?;
    }
    if order.complete {
        draft.post(book, order.amount)?;
        draft.end()?;
    } else {
        draft.own.account.add_pending(&draft.own.leg, book.quota())?;
    }
    Ok(draft)
}

/// The other account of a transfer.
fn target<'b>(book: &'b Book, order: &NewTransaction) -> Result<Option<&'b Account>, Refusal> {
    if order.kind != Kind::Transfer {
        return Ok(None);
    }
    let id = order.target.ok_or(Refusal::TargetAccountNotFound)?;
    if id == order.account {
        return Err(Refusal::SameAccount);
    }
    let target = book.account(id).ok_or(Refusal::TargetAccountNotFound)?;
    target.admit(Direction::In, book.now()).map_err(Refusal::of_other)?;
    Ok(Some(target))
}

/// What the order comes to in the target's currency, if that is another one.
fn exchange(
    book: &Book,
    account: &Account,
    target: Option<&Account>,
    order: &NewTransaction,
) -> Result<Option<Exchange>, Refusal> {
    let target = target.map(|target| target.currency).filter(|other| *other != account.currency);
    match (target, order.price) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Refusal::RateWithoutExchange),
        (Some(target), None) => {
            Err(Refusal::CurrencyMismatch { account: target, order: account.currency })
        }
        (Some(target), Some(Price::Rate(rate))) => {
            Exchange::at(rate, order.amount, account.currency, target).map(Some)
        }
        (Some(target), Some(Price::Quote { id, by })) => {
            let quote = book.quote(id).filter(|quote| quote.owner == by);
            let quote = quote.ok_or(Refusal::QuoteNotFound)?;
            quote.exchange(book.now(), order.amount, account.currency, target).map(Some)
        }
    }
}

/// When the order counts and how long it stands, and who may say so.
fn check_terms(book: &Book, authority: Authority, order: &NewTransaction) -> Result<(), Refusal> {
    let completes = order.complete || order.completes.is_some();
    if completes && needs_settlement(order.kind) && !authority.settles {
        return Err(Refusal::SettlementNotAllowed);
    }
    if matches!(order.price, Some(Price::Rate(_))) && !authority.settles {
        return Err(Refusal::RateNotAllowed);
    }
    if let Some(effective) = order.effective {
        if !authority.settles {
            return Err(Refusal::BackdatingNotAllowed);
        }
        if effective > book.now() {
            return Err(Refusal::EffectiveInFuture);
        }
    }
    if order.expires.is_some_and(|expires| expires <= book.now()) {
        return Err(Refusal::TransactionExpired);
    }
    Ok(())
}

/// Until when it stands. A rate that is fixed and not booked is an option on it, so
/// it ends soon, unless who may name the rate names the end as well.
fn expiry(book: &Book, authority: Authority, order: &NewTransaction) -> Option<Moment> {
    let latest = Moment(book.now().0.saturating_add(order.exchange_stands));
    match (order.price.filter(|_| !order.complete), order.expires) {
        (None, named) => named,
        (Some(_), Some(named)) if authority.settles => Some(named),
        (Some(_), named) => Some(named.map_or(latest, |named| named.min(latest))),
    }
}

/// Whether it can complete by itself: in the future, and while it stands.
fn check_completion(
    book: &Book,
    order: &NewTransaction,
    expires: Option<Moment>,
) -> Result<(), Refusal> {
    let Some(completes) = order.completes else { return Ok(()) };
    if completes <= book.now() {
        return Err(Refusal::CompletionInPast);
    }
    match expires.filter(|expires| completes >= *expires) {
        Some(expires) => Err(Refusal::CompletionAfterExpiry { completes, expires }),
        None => Ok(()),
    }
}

fn halves(
    book: &Book,
    account: &Account,
    target: Option<&Account>,
    order: &NewTransaction,
    (exchange, expires): (Option<Exchange>, Option<Moment>),
) -> (Half, Option<Half>) {
    let leg = Leg {
        id: order.id,
        account: account.id,
        pair: target.map(|target| Pair { transaction: order.paired_id, account: target.id }),
        kind: order.kind,
        direction: order.kind.direction(),
        amount: order.amount,
        currency: account.currency,
        status: Status::Pending,
        captured: Money::ZERO,
        reversed: Money::ZERO,
        created: book.now(),
        expires,
        completes: order.completes,
        effective: order.effective,
        reverses: None,
        bytes: order.bytes,
    };
    let other = target.map(|target| Half {
        leg: Leg {
            id: order.paired_id,
            account: target.id,
            pair: Some(Pair { transaction: order.id, account: account.id }),
            direction: Direction::In,
            amount: exchange.map_or(order.amount, |exchange| exchange.target_amount),
            currency: target.currency,
            ..leg.clone()
        },
        account: target.clone(),
    });
    (Half { leg, account: account.clone() }, other)
}
