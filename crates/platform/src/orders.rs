//! Orders: what a caller asks of the money.
//!
//! Checks permission and shape, then hands over to the posting queue, where the
//! bank's rules decide. Owns no table.

use crate::{
    Platform, accounts,
    actor::{Actor, Credential, Permission},
    clock::moment,
    error::{Error, Resource, Result},
    idempotency::{self, Fate, IdempotencyKey, Outcome, Told},
    mandates::{self, Later},
    posting::{Mandated, Order, Words},
    transactions::{self, Description, Metadata, RateSource, Transaction},
};
use jiff::Timestamp;
use ledger::{
    AccountId, AccountNumber, Action, Amount, Capture, Currency, Kind, NewTransaction, QuoteId,
    Rate, Reversal, TransactionId,
};
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

/// Where a transfer goes.
#[derive(Clone, Debug)]
pub enum Target {
    /// To the account with this id.
    Id(AccountId),
    /// To the account with this number.
    Number(AccountNumber),
}

impl Target {
    fn number(&self) -> Option<&str> {
        match self {
            Self::Id(_) => None,
            Self::Number(number) => Some(number.as_str()),
        }
    }
}

/// A transaction as the caller wants it.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The ordering account.
    pub account: AccountId,
    /// What it is.
    pub kind: Kind,
    /// How much.
    pub amount: Amount,
    /// The currency the caller believes in; absent: the account's.
    pub currency: Option<Currency>,
    /// Where a transfer goes; no other type has one.
    pub target: Option<Target>,
    /// What for.
    pub description: Option<Description>,
    /// What else.
    pub metadata: Metadata,
    /// Complete at once instead of leaving it pending.
    pub complete: bool,
    /// From when on it can no longer be completed; for a pending one.
    pub expires: Option<Timestamp>,
    /// When a pending one completes by itself.
    pub completes: Option<Timestamp>,
    /// The business date, where it is not the recorded one.
    pub effective: Option<Timestamp>,
    /// At what rate, for a transfer between currencies.
    pub exchange: Option<Price>,
}

/// At what rate a transfer between currencies is made.
#[derive(Clone, Debug)]
pub enum Price {
    /// At this one, target for one of source, and where it comes from.
    Rate(Rate, RateSource),
    /// At that of a quote of the caller's, which it uses up.
    Quote(QuoteId),
}

impl Price {
    /// The field of a request that says it.
    fn field(&self) -> &'static str {
        match self {
            Self::Rate(..) => "exchange",
            Self::Quote(_) => "quoteId",
        }
    }
}

/// Writes a transaction, pending or completed.
///
/// # Errors
/// Everything a [`ledger::Refusal`] can say; a target exactly for a transfer.
pub async fn create(
    platform: &Platform,
    actor: &Actor,
    draft: Draft,
    key: Option<IdempotencyKey>,
) -> Result<Outcome<Transaction>> {
    let mut answers = create_all(platform, actor, vec![(draft, key)], false).await?;
    answers.pop().unwrap_or_else(|| Err(Error::internal("an order got no answer")))
}

/// The most transactions of one request.
pub const MOST: usize = 1000;

/// Writes transactions, each by itself or, if `atomic`, all or none. One answer
/// each, in order; of an atomic batch that is refused, those that would have been
/// done say [`Error::Undone`].
///
/// # Errors
/// What concerns all of them: a missing permission, a full queue, and for an
/// atomic batch a key that is given twice.
pub async fn create_all(
    platform: &Platform,
    actor: &Actor,
    drafts: Vec<(Draft, Option<IdempotencyKey>)>,
    atomic: bool,
) -> Result<Vec<Result<Outcome<Transaction>>>> {
    actor.require(Permission::WriteTransactions)?;
    if atomic {
        refuse_twins(&drafts)?;
    }
    let numbers = drafts.iter().filter_map(|(draft, _)| draft.target.as_ref()?.number());
    let numbers = accounts::resolve(platform, numbers.collect()).await?;
    let places = drafts.len();
    let (mut orders, mut ordered) = (Vec::with_capacity(places), Vec::with_capacity(places));
    let mut answers: Vec<Option<Result<Outcome<Transaction>>>> = Vec::with_capacity(places);
    for (place, (draft, key)) in drafts.into_iter().enumerate() {
        match target(&draft, &numbers) {
            Ok(target) => {
                orders.push(new_order(platform, actor, draft, target, key));
                ordered.push(place);
                answers.push(None);
            }
            Err(error) => answers.push(Some(Err(error))),
        }
    }
    if atomic && ordered.len() < places {
        return Ok(answers.into_iter().map(|own| own.unwrap_or(Err(Error::Undone))).collect());
    }
    let posted = match orders.is_empty() {
        true => Vec::new(),
        false => platform.queue().post_all(orders, atomic).await?,
    };
    for (place, answer) in ordered.into_iter().zip(posted) {
        answers[place] = Some(answer);
    }
    let lost = || Err(Error::internal("an order got no answer"));
    Ok(answers.into_iter().map(|own| own.unwrap_or_else(lost)).collect())
}

/// Notes that a key names a batch whose items have keys of their own.
///
/// # Errors
/// [`Error::KeyReused`] when it names something else; a key that was declared void.
pub async fn open_batch(platform: &Platform, actor: &Actor, key: &IdempotencyKey) -> Result<()> {
    actor.require(Permission::WriteTransactions)?;
    idempotency::open_batch(platform, actor, key).await
}

/// What has become of an order, as far as it has been seen. Changes nothing.
///
/// # Errors
/// A key needs `read:transactions`. [`Error::KeyReused`] when the key stands for
/// something else.
pub async fn outcome(platform: &Platform, actor: &Actor, key: &str) -> Result<Fate<Transaction>> {
    actor.require(Permission::ReadTransactions)?;
    told(platform, actor, idempotency::seen(platform, actor, key).await?).await
}

/// What has become of an order, so that its client can stop safely: what has
/// never been seen is from now on impossible.
///
/// # Errors
/// [`Error::KeyReused`] when the key stands for something else.
pub async fn settle(platform: &Platform, actor: &Actor, key: &str) -> Result<Fate<Transaction>> {
    actor.require(Permission::WriteTransactions)?;
    told(platform, actor, idempotency::fate(platform, actor, key).await?).await
}

/// Where the answer under a key is not kept any more, the transaction as it stands.
async fn told(
    platform: &Platform,
    actor: &Actor,
    told: Told<Transaction>,
) -> Result<Fate<Transaction>> {
    match told {
        Told::All(fate) => Ok(fate),
        Told::Done { id, at } => {
            let value = transactions::visible(platform, actor, TransactionId(id)).await?;
            Ok(Fate::Committed { value, at })
        }
    }
}

fn refuse_twins(drafts: &[(Draft, Option<IdempotencyKey>)]) -> Result<()> {
    let mut seen = HashSet::new();
    for (place, (_, key)) in drafts.iter().enumerate() {
        if key.as_ref().is_some_and(|key| !seen.insert(&key.key)) {
            let field = format!("transactions[{place}].idempotencyKey");
            return Err(Error::invalid(&field, "duplicate", "is used by another item as well"));
        }
    }
    Ok(())
}

/// Where it goes, if all that holds for every caller is in order.
fn target(draft: &Draft, numbers: &HashMap<String, AccountId>) -> Result<Option<AccountId>> {
    let wrong = |field, code, text: &str| Err(Error::invalid(field, code, text));
    // Whether it still lies ahead is the rules' to say: a retry whose time is over
    // by now is to hear of its first outcome.
    if draft.expires.is_some() && draft.complete {
        let text = "is for a pending transaction: leave out `process` or this";
        return wrong("expiresAt", "conflicting", text);
    }
    if draft.completes.is_some() && draft.complete {
        let text = "is for a pending transaction: leave out `process` or this";
        return wrong("completeAt", "conflicting", text);
    }
    if let Some(price) = draft.exchange.as_ref().filter(|_| draft.kind != Kind::Transfer) {
        return wrong(price.field(), "unexpected", "belongs to a transfer only");
    }
    place(draft.kind, draft.target.as_ref(), numbers)
}

/// The account an order goes to: exactly a transfer has one.
pub(crate) async fn resolve(
    platform: &Platform,
    kind: Kind,
    target: Option<&Target>,
) -> Result<Option<AccountId>> {
    let numbers = target.and_then(Target::number).into_iter().collect();
    place(kind, target, &accounts::resolve(platform, numbers).await?)
}

fn place(
    kind: Kind,
    target: Option<&Target>,
    numbers: &HashMap<String, AccountId>,
) -> Result<Option<AccountId>> {
    let wrong = |code, text| Err(Error::invalid("toAccountId", code, text));
    match (kind, target) {
        (Kind::Transfer, Some(Target::Id(id))) => Ok(Some(*id)),
        (Kind::Transfer, Some(Target::Number(number))) => {
            let found = numbers.get(number.as_str()).copied();
            found.map(Some).ok_or(Error::NotFound(Resource::Account))
        }
        (Kind::Transfer, None) => {
            wrong("required", "is required for a transfer (or toAccountNumber)")
        }
        (_, Some(_)) => wrong("unexpected", "belongs to a transfer only"),
        (_, None) => Ok(None),
    }
}

fn new_order(
    platform: &Platform,
    actor: &Actor,
    draft: Draft,
    target: Option<AccountId>,
    key: Option<IdempotencyKey>,
) -> Order {
    let expires = draft.expires.or_else(|| default_expiry(platform, &draft));
    let rate_source = match &draft.exchange {
        Some(Price::Rate(_, source)) => Some(source.clone()),
        _ => None,
    };
    let words = Words { description: draft.description, metadata: draft.metadata, rate_source };
    let action = Action::Create(NewTransaction {
        id: TransactionId(platform.new_id()),
        paired_id: TransactionId(platform.new_id()),
        account: draft.account,
        target,
        kind: draft.kind,
        amount: draft.amount,
        currency: draft.currency,
        complete: draft.complete,
        expires: expires.map(moment),
        completes: draft.completes.map(moment),
        effective: draft.effective.map(moment),
        price: draft.exchange.as_ref().map(|price| match price {
            Price::Rate(rate, _) => ledger::Price::Rate(*rate),
            Price::Quote(id) => ledger::Price::Quote { id: *id, by: actor.user_id },
        }),
        exchange_stands: micros(platform.settings().fx_pending_expiry),
        // What is completed at once stands pending at no time.
        bytes: if draft.complete { 0 } else { words.bytes() },
    });
    let touches = [Some(draft.account), target].into_iter().flatten().collect();
    order(platform, actor, action, touches, words, key)
}

/// When a pending order ends whose caller does not say: what nobody completes does
/// not stand for ever. An exchange has a shorter time of its own.
fn default_expiry(platform: &Platform, draft: &Draft) -> Option<Timestamp> {
    if draft.complete || draft.exchange.is_some() {
        return None;
    }
    let now = platform.now();
    let from = draft.completes.map_or(now, |completes| completes.max(now));
    from.checked_add(platform.settings().pending.expiry?).ok()
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Completes a pending transaction: the money moves.
///
/// # Errors
/// Everything a [`ledger::Refusal`] can say.
pub async fn process(
    platform: &Platform,
    actor: &Actor,
    transaction: TransactionId,
    key: Option<IdempotencyKey>,
) -> Result<Outcome<Transaction>> {
    require_processing(actor)?;
    post_named(platform, actor, transaction, Action::Complete(transaction), key).await
}

/// Ends a pending transaction: held money becomes available again.
///
/// # Errors
/// Everything a [`ledger::Refusal`] can say.
pub async fn cancel(
    platform: &Platform,
    actor: &Actor,
    transaction: TransactionId,
    key: Option<IdempotencyKey>,
) -> Result<Outcome<Transaction>> {
    actor.require(Permission::WriteTransactions)?;
    post_named(platform, actor, transaction, Action::Cancel(transaction), key).await
}

/// Moves a part of what a pending transaction holds: all that remains without an
/// amount. With `last`, or when nothing remains, it is completed.
///
/// # Errors
/// Everything a [`ledger::Refusal`] can say.
pub async fn capture(
    platform: &Platform,
    actor: &Actor,
    transaction: TransactionId,
    amount: Option<Amount>,
    last: bool,
    key: Option<IdempotencyKey>,
) -> Result<Outcome<Transaction>> {
    require_processing(actor)?;
    let action = Action::Capture(Capture { id: transaction, amount, last });
    post_named(platform, actor, transaction, action, key).await
}

/// Gives back what a completed transaction moved: all that is left without an
/// amount. The answer is the new transaction that does so.
///
/// # Errors
/// Everything a [`ledger::Refusal`] can say.
pub async fn reverse(
    platform: &Platform,
    actor: &Actor,
    transaction: TransactionId,
    amount: Option<Amount>,
    words: (Option<Description>, Metadata),
    key: Option<IdempotencyKey>,
) -> Result<Outcome<Transaction>> {
    actor.require(Permission::WriteTransactions)?;
    let action = Action::Reverse(Reversal {
        id: transaction,
        amount,
        new_id: TransactionId(platform.new_id()),
        new_paired_id: TransactionId(platform.new_id()),
    });
    let (description, metadata) = words;
    let words = Words { description, metadata, rate_source: None };
    let touches = transactions::accounts_of(platform, transaction).await?;
    platform.queue().post(order(platform, actor, action, touches, words, key)).await
}

/// Ends pending transactions whose time is over; says how many. A few at a time,
/// soonest first; what cannot be ended now is tried again. While time is in doubt it
/// waits.
///
/// # Errors
/// [`Error::Unavailable`] while the database cannot be reached.
pub async fn expire(platform: &Platform) -> Result<usize> {
    let Some(sure) = platform.sure() else { return Ok(0) };
    let due = transactions::due(platform, sure).await?;
    let bank = Actor::bank();
    let orders = due.into_iter().map(|(transaction, touches)| {
        let action = Action::Expire(transaction);
        order(platform, &bank, action, touches, Words::default(), None)
    });
    let orders: Vec<Order> = orders.collect();
    if orders.is_empty() {
        return Ok(0);
    }
    let answers = platform.queue().post_all(orders, false).await?;
    Ok(answers.iter().filter(|answer| answer.is_ok()).count())
}

/// Completes pending transactions that are to complete by themselves by now; says how
/// many. A few at a time, soonest first; what the bank refuses is tried again later, but
/// not where what was ordered has nothing behind it any more.
///
/// # Errors
/// [`Error::Unavailable`] while the database cannot be reached.
pub async fn complete_due(platform: &Platform) -> Result<usize> {
    let Some(sure) = platform.sure() else { return Ok(0) };
    let due = transactions::to_complete(platform, sure).await?;
    let bank = Actor::bank();
    let ids: Vec<TransactionId> = due.iter().map(|(transaction, _)| *transaction).collect();
    let orders = due.into_iter().map(|(transaction, touches)| {
        let action = Action::CompleteDue(transaction);
        order(platform, &bank, action, touches, Words::default(), None)
    });
    let orders: Vec<Order> = orders.collect();
    if orders.is_empty() {
        return Ok(0);
    }
    let answers = platform.queue().post_all(orders, false).await?;
    let lapsed = ids.iter().zip(&answers).filter_map(|(id, answer)| match answer {
        Err(Error::Unauthenticated(_) | Error::Forbidden(_)) => Some(*id),
        _ => None,
    });
    mandates::lapse_due(platform, &lapsed.collect::<Vec<_>>()).await?;
    let refused = ids.iter().zip(&answers).filter_map(|(id, answer)| match answer {
        Ok(_) | Err(Error::Unavailable { .. } | Error::OutcomeUnknown { .. }) => None,
        Err(error) => Some((*id, error.code())),
    });
    transactions::postpone(platform, &refused.collect::<Vec<_>>()).await?;
    Ok(answers.iter().filter(|answer| answer.is_ok()).count())
}

/// A key that only processes need not be allowed to write.
fn require_processing(actor: &Actor) -> Result<()> {
    actor
        .require(Permission::ProcessTransactions)
        .or_else(|_| actor.require(Permission::WriteTransactions))
}

/// Posts what is asked of a transaction that is there.
async fn post_named(
    platform: &Platform,
    actor: &Actor,
    transaction: TransactionId,
    action: Action,
    key: Option<IdempotencyKey>,
) -> Result<Outcome<Transaction>> {
    let touches = transactions::accounts_of(platform, transaction).await?;
    let order = order(platform, actor, action, touches, Words::default(), key);
    platform.queue().post(order).await
}

fn order(
    platform: &Platform,
    actor: &Actor,
    action: Action,
    touches: Vec<AccountId>,
    words: Words,
    key: Option<IdempotencyKey>,
) -> Order {
    let users_settle = platform.settings().users_settle;
    let authority = actor.authority(users_settle);
    let later = match (&actor.credential, &action) {
        (Credential::Schedule(schedule), _) => Some(Later::Schedule(*schedule)),
        (_, Action::CompleteDue(transaction)) => Some(Later::Completion(*transaction)),
        (Credential::Session(_) | Credential::ApiKey { .. }, _) => None,
    };
    let mandated = later.map(|later| Mandated { later, users_settle });
    let audit_id = platform.new_id();
    Order { actor: actor.clone(), authority, mandated, action, touches, words, key, audit_id }
}
