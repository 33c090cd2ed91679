//! Transactions: the history of every account.
//!
//! Owns the reading of `transactions` and the words on it; what moves money is
//! written by [`crate::posting`] alone. A transfer is two transactions, one in
//! each account's list, that name each other.

mod metadata;
pub(crate) mod store;

use crate::{
    Platform, accounts,
    actor::{Actor, Permission},
    clock::Sure,
    db::{Connection, Numeric, Param, Tx, Utc},
    error::{Error, Resource, Result},
    facts::{self, By, Fact},
    page::{Cursor, Listing, PageRequest},
    text::{bounded, bounded_text},
};
use jiff::Timestamp;
use ledger::{
    AccountId, Amount, Currency, Direction, Kind, Money, Pending, Quota, Refusal, Status,
    TransactionId, words,
};
pub use metadata::Metadata;
use serde::{Deserialize, Serialize};
pub(crate) use store::ALL as STATEMENTS;
use tokio_postgres::Row;
use uuid::Uuid;

bounded_text! {
    /// What a transaction is for: at most 1,000 characters.
    Description, |text| bounded(text, 0, 1000).map(str::to_owned)
}

/// A transaction as its account's owner sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of the documented table, by their names")]
pub struct Transaction {
    pub id: TransactionId,
    pub account_id: AccountId,
    pub kind: Kind,
    /// Which way it moves the account; absent on rows written without the platform.
    pub direction: Option<Direction>,
    pub amount: Amount,
    pub currency: Currency,
    pub status: Status,
    pub description: Option<String>,
    pub reference_number: Option<String>,
    pub metadata: Metadata,
    /// The other account of a transfer.
    pub counterparty_account_id: Option<AccountId>,
    /// The other half of a transfer.
    pub paired_transaction_id: Option<TransactionId>,
    /// The transaction that this one gives back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverses_transaction_id: Option<TransactionId>,
    /// How much of a hold that is taken in parts has moved; absent: all or nothing,
    /// as the state says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured_amount: Option<Money>,
    /// How much of it was given back.
    #[serde(default)]
    pub reversed_amount: Money,
    /// At what rate, if its other half is in another currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Exchange>,
    /// From when on a pending one can no longer be completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When a pending one completes by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete_at: Option<Timestamp>,
    /// Why a pending one does not complete by itself any more, although it was to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_lapsed: Option<Lapse>,
    /// The business date, where it is not the recorded one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_at: Option<Timestamp>,
    /// Why it failed.
    pub failure_reason: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub completed_at: Option<Timestamp>,
}

impl Transaction {
    /// How much of it has moved.
    pub fn moved(&self) -> Money {
        match (self.captured_amount, self.status) {
            (Some(captured), _) => captured,
            (None, Status::Completed) => self.amount.into(),
            (None, _) => Money::ZERO,
        }
    }

    /// How many bytes an order counts towards the quota of what stands pending; `other` is
    /// its receiver's half.
    pub(crate) fn counted_bytes(&self, other: Option<&Self>) -> i64 {
        other.map_or(self.bytes(), |other| self.bytes().max(other.bytes() - RECEIVERS_OWN))
    }

    /// How many bytes its words take, as they are stored.
    fn bytes(&self) -> i64 {
        let description = self.description.as_ref().map_or(0, String::len);
        i64::try_from(description + self.metadata.as_str().len()).unwrap_or(i64::MAX)
    }
}

/// Of the words on the receiver's half of a pending transfer, so many bytes count nowhere,
/// so that a receiver can note something of its own. See `docs/quotas.md`.
const RECEIVERS_OWN: i64 = 1024;

words! {
    /// Why an order does not complete by itself any more.
    Lapse {
        /// The API key it was given with is gone.
        KeyRevoked = "api_key_revoked",
        /// The API key it was given with is switched off.
        KeyInactive = "api_key_inactive",
        /// The API key it was given with has expired.
        KeyExpired = "api_key_expired",
        /// Its key or its user may no longer give such an order.
        PermissionLost = "permission_lost",
        /// Its user is suspended or closed.
        UserInactive = "user_inactive",
        /// Its user set another password, and stopped what other logins had ordered.
        PasswordChanged = "password_changed",
        /// Its sender's order has lapsed; why is not the receiver's to know.
        Sender = "sender",
    }
}

/// What was agreed for a transfer between currencies, seen from its sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Currencies, amounts, rate, and exactly what rounding left.
    pub terms: ledger::Exchange,
    /// Where the rate comes from, in the caller's words.
    pub rate_source: String,
}

bounded_text! {
    /// Where an exchange rate comes from: 1 to 100 characters.
    RateSource, |text| bounded(text.trim(), 1, 100).map(str::to_owned)
}

/// One transaction.
///
/// # Errors
/// [`Resource::Transaction`] when it is not the caller's to see.
pub async fn get(
    platform: &Platform,
    actor: &Actor,
    transaction: TransactionId,
) -> Result<Transaction> {
    actor.require(Permission::ReadTransactions)?;
    visible(platform, actor, transaction).await
}

/// One transaction of the caller's, whatever else they may read.
pub(crate) async fn visible(
    platform: &Platform,
    actor: &Actor,
    transaction: TransactionId,
) -> Result<Transaction> {
    let scope = actor.scope().map(|user| user.0);
    let connection = platform.connection().await?;
    let row = connection.find(store::FIND, &[&transaction.0, &scope]).await?;
    store::read(&row.ok_or(Error::NotFound(Resource::Transaction))?)
}

/// The accounts a transaction can ever touch: they are said once, when it is ordered.
pub(crate) async fn accounts_of(
    platform: &Platform,
    transaction: TransactionId,
) -> Result<Vec<AccountId>> {
    let connection = platform.connection().await?;
    let row = connection.find(store::ACCOUNTS, &[&transaction.0]).await?;
    accounts_in(&row.ok_or(Error::NotFound(Resource::Transaction))?)
}

/// Pending ones whose time is over, soonest first, with the accounts they touch.
pub(crate) async fn due(
    platform: &Platform,
    sure: Sure,
) -> Result<Vec<(TransactionId, Vec<AccountId>)>> {
    named(platform, store::DUE, sure).await
}

/// Pending ones that are to complete by themselves by now, soonest first, with the
/// accounts they touch; but for those that are to be tried again later.
pub(crate) async fn to_complete(
    platform: &Platform,
    sure: Sure,
) -> Result<Vec<(TransactionId, Vec<AccountId>)>> {
    named(platform, store::TO_COMPLETE, sure).await
}

async fn named(
    platform: &Platform,
    sql: &str,
    sure: Sure,
) -> Result<Vec<(TransactionId, Vec<AccountId>)>> {
    let connection = platform.connection().await?;
    let rows = connection.query(sql, &[&Utc(sure.now())]).await?;
    rows.iter().map(|row| Ok((TransactionId(row.try_get("id")?), accounts_in(row)?))).collect()
}

/// Leaves completions that were refused, by their code, for later: after one second,
/// then two, then four …, at most an hour.
pub(crate) async fn postpone(
    platform: &Platform,
    refused: &[(TransactionId, &'static str)],
) -> Result<()> {
    if refused.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = refused.iter().map(|(id, _)| id.0).collect();
    let codes: Vec<&str> = refused.iter().map(|(_, code)| *code).collect();
    let connection = platform.connection().await?;
    connection.execute(store::POSTPONE, &[&ids, &codes, &Utc(platform.now())]).await?;
    Ok(())
}

/// Forgets about retries of what has ended; says how many.
pub(crate) async fn purge_retries(connection: &Connection) -> Result<u64> {
    connection.execute(store::PURGE_RETRIES, &[]).await
}

fn accounts_in(row: &Row) -> Result<Vec<AccountId>> {
    let other: Option<Uuid> = row.try_get("counterparty_account_id")?;
    Ok([Some(row.try_get("account_id")?), other].into_iter().flatten().map(AccountId).collect())
}

/// Changes the words on a transaction; `Some(None)` removes the description.
///
/// # Errors
/// [`Resource::Transaction`] when it is not the caller's to see;
/// [`ledger::Refusal::PendingTooLarge`] when it stands pending and its account's quota is used up,
/// [`ledger::Refusal::HalfTooLarge`] when it is the receiver's half and would outgrow its order.
pub async fn annotate(
    platform: &Platform,
    actor: &Actor,
    transaction: TransactionId,
    description: Option<Option<Description>>,
    metadata: Option<Metadata>,
) -> Result<Transaction> {
    actor.require(Permission::WriteTransactions)?;
    let changes =
        [description.is_some().then_some("description"), metadata.is_some().then_some("metadata")];
    let fields: Vec<&str> = changes.into_iter().flatten().collect();
    if fields.is_empty() {
        return get(platform, actor, transaction).await;
    }
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    let scope = actor.scope().map(|user| user.0);
    let pending = Counted::lock_in(&tx, transaction, scope).await?;
    let text = description.as_ref().and_then(Option::as_ref).map(Description::as_str);
    let params: [Param<'_>; 5] = [
        &transaction.0,
        &scope,
        &description.is_some(),
        &text,
        &metadata.as_ref().map(Metadata::as_str),
    ];
    let row = tx.find(store::ANNOTATE, &params).await?;
    let after = store::read(&row.ok_or(Error::NotFound(Resource::Transaction))?)?;
    if let Some(before) = pending {
        before.recount_in(&tx, platform.settings().pending.quota, &after).await?;
    }
    let words = facts::words(after.description.as_deref(), after.metadata.as_str());
    let fact = Fact::TransactionUpdated { transaction, fields, words };
    facts::record_in(&tx, platform.new_id(), By::actor(actor, platform.now()), fact).await?;
    tx.commit().await?;
    Ok(after)
}

/// What a pending order counts, as long as its account is locked: of a transfer its
/// sender's, whoever writes on it.
struct Counted {
    account: Uuid,
    pending: Pending,
    bytes: i64,
}

impl Counted {
    /// Locks the account, as money does before it touches an order. Nothing if the
    /// transaction does not stand pending.
    async fn lock_in(
        tx: &Tx<'_>,
        transaction: TransactionId,
        scope: Option<Uuid>,
    ) -> Result<Option<Self>> {
        let Some(row) = tx.find(store::LOCK_PENDING, &[&transaction.0, &scope]).await? else {
            return Ok(None);
        };
        let (count, bytes) = (row.try_get("pending_count")?, row.try_get("pending_bytes")?);
        let (account, pending) = (row.try_get("id")?, Pending { count, bytes });
        // A statement of its own: it sees what the lock waited for.
        let counts = tx.find(store::COUNTED_BYTES, &[&transaction.0, &RECEIVERS_OWN]).await?;
        let counts = counts.map(|row| row.try_get("bytes")).transpose()?;
        Ok(counts.map(|bytes| Self { account, pending, bytes }))
    }

    /// Counts what its words have become.
    async fn recount_in(self, tx: &Tx<'_>, quota: Quota, after: &Transaction) -> Result<()> {
        let counts = tx.get(store::COUNTED_BYTES, &[&after.id.0, &RECEIVERS_OWN]).await?;
        let counts: i64 = counts.try_get("bytes")?;
        let received =
            after.direction == Some(Direction::In) && after.paired_transaction_id.is_some();
        if received && quota.bytes.is_some() && counts > self.bytes {
            // It is the sender's order and quota: a receiver cannot use them up.
            let limit = self.bytes.saturating_add(RECEIVERS_OWN);
            return Err(Refusal::HalfTooLarge { limit, asked: after.bytes() }.into());
        }
        let grown = counts - self.bytes;
        if grown != 0 {
            let bytes = quota.add_bytes(self.pending, grown)?.bytes;
            tx.execute(store::COUNT_BYTES, &[&self.account, &bytes]).await?;
        }
        Ok(())
    }
}

/// Which transactions are looked for; an absent part does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionFilter {
    /// On this account.
    pub account: Option<AccountId>,
    /// In this state.
    pub status: Option<Status>,
    /// Of this type.
    pub kind: Option<Kind>,
    /// Made at or after.
    pub from: Option<Timestamp>,
    /// Made before.
    pub to: Option<Timestamp>,
    /// Of at least this amount.
    pub min: Option<Amount>,
    /// Of at most this amount.
    pub max: Option<Amount>,
    /// With this in description or reference, in any case.
    pub q: Option<String>,
    /// With these top-level metadata, as text.
    pub metadata: Vec<(String, String)>,
}

/// The transactions of the caller's accounts, newest first; an administrator
/// sees everybody's.
///
/// # Errors
/// [`Resource::Account`] when the account asked for is not the caller's to see.
pub async fn list(
    platform: &Platform,
    actor: &Actor,
    filter: TransactionFilter,
    page: PageRequest,
) -> Result<Listing<Transaction>> {
    actor.require(Permission::ReadTransactions)?;
    let connection = platform.connection().await?;
    if let Some(account) = filter.account {
        accounts::require_visible(&connection, actor, account).await?;
    }
    let plain = page.offset() == 0
        && filter == TransactionFilter { account: filter.account, ..TransactionFilter::default() }
        && filter.account.is_some();
    // Once an account is known to be visible, its owner need not be looked up again.
    let scope = actor.scope().filter(|_| filter.account.is_none()).map(|user| user.0);
    let account = filter.account.map(|account| account.0);
    let (status, kind) = (filter.status.map(Status::as_str), filter.kind.map(Kind::as_str));
    let (from, to) = (filter.from.map(Utc), filter.to.map(Utc));
    let (min, max) = (filter.min.map(Numeric::from), filter.max.map(Numeric::from));
    let (keys, values): (Vec<String>, Vec<String>) = filter.metadata.into_iter().unzip();
    let wanted: [Param<'_>; 11] =
        [&scope, &account, &status, &kind, &from, &to, &min, &max, &filter.q, &keys, &values];
    let (at, id) = page.after();
    let (fetch, offset) = (page.fetch(), page.offset());
    let place: [Param<'_>; 4] = [&at, &id, &fetch, &offset];
    let rows = match plain {
        true => connection.query(store::LIST_ACCOUNT, &[&account, &at, &id, &fetch]).await?,
        false => connection.query(store::LIST, &[&wanted[..], &place[..]].concat()).await?,
    };
    let transactions = rows.iter().map(store::read).collect::<Result<Vec<_>>>()?;
    let total = match page.counts() {
        true => connection.find(store::COUNT, &wanted).await?,
        false => None,
    };
    let total = total.map(|row| row.try_get(0)).transpose()?;
    Ok(Listing::cut(transactions, total, page, |transaction| {
        Cursor::new(transaction.created_at, transaction.id.0)
    }))
}
