//! Orders: what a caller asks of the money.
//!
//! Checks permission and shape, then hands over to the posting queue, where the
//! bank's rules decide. Owns no table.

use crate::{
    Platform, accounts,
    actor::{Actor, Permission},
    error::{Error, Result},
    idempotency::{IdempotencyKey, Outcome},
    posting::{Order, Words},
    transactions::{Description, Metadata, Transaction},
};
use ledger::{
    AccountId, AccountNumber, Action, Amount, Currency, Kind, NewTransaction, TransactionId,
};

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
    actor.require(Permission::WriteTransactions)?;
    let target = resolve(platform, draft.kind, draft.target).await?;
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
    post(platform, actor, action, words, key).await
}

/// The account an order goes to: exactly a transfer has one.
pub(crate) async fn resolve(
    platform: &Platform,
    kind: Kind,
    target: Option<Target>,
) -> Result<Option<AccountId>> {
    match (kind, target) {
        (Kind::Transfer, Some(Target::Id(id))) => Ok(Some(id)),
        (Kind::Transfer, Some(Target::Number(number))) => {
            accounts::resolve(platform, &number).await.map(Some)
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
    post(platform, actor, Action::Complete(transaction), Words::default(), key).await
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
    post(platform, actor, Action::Cancel(transaction), Words::default(), key).await
}

/// A key that only processes need not be allowed to write.
fn require_processing(actor: &Actor) -> Result<()> {
    actor
        .require(Permission::ProcessTransactions)
        .or_else(|_| actor.require(Permission::WriteTransactions))
}

async fn post(
    platform: &Platform,
    actor: &Actor,
    action: Action,
    words: Words,
    key: Option<IdempotencyKey>,
) -> Result<Outcome<Transaction>> {
    let authority = actor.authority(platform.settings().users_settle);
    let audit_id = platform.new_id();
    let order = Order { actor: actor.clone(), authority, action, words, key, audit_id };
    platform.queue().post(order).await
}
