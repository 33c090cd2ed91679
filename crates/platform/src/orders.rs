//! Orders: what a caller asks of the money.
//!
//! Checks permission and shape, then hands over to the posting queue, where the
//! bank's rules decide. Owns no table.

use crate::{
    Platform, accounts,
    actor::{Actor, Permission},
    error::{Error, Resource, Result},
    idempotency::{self, Fate, IdempotencyKey, Outcome},
    posting::{Order, Words},
    transactions::{self, Description, Metadata, Transaction},
};
use ledger::{
    AccountId, AccountNumber, Action, Amount, Currency, Kind, NewTransaction, TransactionId,
};
use std::collections::{HashMap, HashSet};

/// Where a transfer goes.
#[derive(Clone, Debug)]
pub enum Target {
    /// To the account with this id.
    Id(AccountId),
    /// To the account with this number.
    Number(AccountNumber),
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
    let numbers = drafts.iter().filter_map(|(draft, _)| match &draft.target {
        Some(Target::Number(number)) => Some(number.as_str()),
        _ => None,
    });
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

/// What has become of an order, so that its client can stop safely: what has
/// never been seen is from now on impossible.
///
/// # Errors
/// [`Error::KeyReused`] when the key stands for something else.
pub async fn outcome(platform: &Platform, actor: &Actor, key: &str) -> Result<Fate<Transaction>> {
    actor.require(Permission::WriteTransactions)?;
    idempotency::fate(platform, actor, key).await
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

fn target(draft: &Draft, numbers: &HashMap<String, AccountId>) -> Result<Option<AccountId>> {
    match (draft.kind, &draft.target) {
        (Kind::Transfer, Some(Target::Id(id))) => Ok(Some(*id)),
        (Kind::Transfer, Some(Target::Number(number))) => {
            let found = numbers.get(number.as_str()).copied();
            found.map(Some).ok_or(Error::NotFound(Resource::Account))
        }
        (Kind::Transfer, None) => Err(Error::invalid(
            "toAccountId",
            "required",
            "is required for a transfer (or toAccountNumber)",
        )),
        (_, Some(_)) => {
            Err(Error::invalid("toAccountId", "unexpected", "belongs to a transfer only"))
        }
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
    let action = Action::Create(NewTransaction {
        id: TransactionId(platform.new_id()),
        paired_id: TransactionId(platform.new_id()),
        account: draft.account,
        target,
        kind: draft.kind,
        amount: draft.amount,
        currency: draft.currency,
        complete: draft.complete,
    });
    let words = Words { description: draft.description, metadata: draft.metadata };
    let touches = [Some(draft.account), target].into_iter().flatten().collect();
    order(platform, actor, action, touches, words, key)
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
    let authority = actor.authority(platform.settings().users_settle);
    let audit_id = platform.new_id();
    Order { actor: actor.clone(), authority, action, touches, words, key, audit_id }
}
