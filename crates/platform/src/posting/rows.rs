//! What a batch reads and what it has decided, as arrays: one statement a table.

use super::{Answer, Order, batch::Patience, store};
use crate::{
    db::{Connection, Numeric, Param, Utc},
    error::{Error, Result},
    idempotency::{IdempotencyKey, Recorded},
    transactions::Transaction,
};
use jiff::Timestamp;
use ledger::{Account, Direction, Entry, Status, TransactionId, UserId};
use std::collections::BTreeSet;
use tokio_postgres::Row;
use uuid::Uuid;

/// A pending transaction that ended: how, and why if it failed.
pub(super) type Ended = (TransactionId, Status, Option<&'static str>);

/// A key and what it stands for from now on.
pub(super) struct KeyRow<'o> {
    user: Uuid,
    key: &'o str,
    fingerprint: &'o [u8],
    outcome: String,
    request_id: &'o str,
}

/// Locks every account that the orders can touch, and reads it.
pub(super) async fn lock_accounts(
    session: &Connection,
    orders: &[&Order],
    patience: Patience,
) -> Result<Vec<Row>> {
    let touched: BTreeSet<Uuid> =
        orders.iter().flat_map(|order| &order.touches).map(|account| account.0).collect();
    let lock = match patience {
        Patience::Wait => store::LOCK_ACCOUNTS,
        Patience::LeaveOut => store::LOCK_FREE_ACCOUNTS,
    };
    session.query(lock, &[&touched.into_iter().collect::<Vec<_>>()]).await
}

/// What the keys of the orders already stand for.
pub(super) async fn find_keys(
    session: &Connection,
    asked: &[(UserId, &IdempotencyKey)],
) -> Result<Vec<Row>> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let users: Vec<Uuid> = asked.iter().map(|(user, _)| user.0).collect();
    let keys: Vec<&str> = asked.iter().map(|(_, key)| key.key.as_str()).collect();
    session.query(store::FIND_KEYS, &[&users, &keys]).await
}

/// The transactions that the orders name, with their other halves.
pub(super) async fn find_transactions(session: &Connection, named: &[Uuid]) -> Result<Vec<Row>> {
    if named.is_empty() {
        return Ok(Vec::new());
    }
    session.query(store::FIND_TRANSACTIONS, &[&named]).await
}

/// Writes new transactions.
pub(super) async fn insert_transactions(
    session: &Connection,
    new: &[Transaction],
    at: Timestamp,
) -> Result<()> {
    if new.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = new.iter().map(|t| t.id.0).collect();
    let accounts: Vec<Uuid> = new.iter().map(|t| t.account_id.0).collect();
    let kinds: Vec<&str> = new.iter().map(|t| t.kind.as_str()).collect();
    let ways: Vec<Option<&str>> = new.iter().map(|t| t.direction.map(Direction::as_str)).collect();
    let amounts: Vec<Numeric> = new.iter().map(|t| t.amount.into()).collect();
    let currencies: Vec<&str> = new.iter().map(|t| t.currency.code()).collect();
    let states: Vec<&str> = new.iter().map(|t| t.status.as_str()).collect();
    let texts: Vec<Option<&str>> = new.iter().map(|t| t.description.as_deref()).collect();
    let references: Vec<Option<&str>> = new.iter().map(|t| t.reference_number.as_deref()).collect();
    let metadata: Vec<&str> = new.iter().map(|t| t.metadata.as_str()).collect();
    let others: Vec<Option<Uuid>> =
        new.iter().map(|t| t.counterparty_account_id.map(|id| id.0)).collect();
    let pairs: Vec<Option<Uuid>> =
        new.iter().map(|t| t.paired_transaction_id.map(|id| id.0)).collect();
    let params: [Param<'_>; 13] = [
        &ids,
        &accounts,
        &kinds,
        &ways,
        &amounts,
        &currencies,
        &states,
        &texts,
        &references,
        &metadata,
        &others,
        &pairs,
        &Utc(at),
    ];
    session.execute(store::INSERT_TRANSACTIONS, &params).await?;
    Ok(())
}

/// Writes the balances as the batch leaves them.
pub(super) async fn update_accounts(session: &Connection, left: &[&Account]) -> Result<()> {
    if left.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = left.iter().map(|account| account.id.0).collect();
    let balances: Vec<Numeric> = left.iter().map(|account| Numeric(account.balance)).collect();
    let available: Vec<Numeric> = left.iter().map(|account| Numeric(account.available)).collect();
    let counts: Vec<i64> = left.iter().map(|account| account.entry_count).collect();
    session.execute(store::UPDATE_ACCOUNTS, &[&ids, &balances, &available, &counts]).await?;
    Ok(())
}

/// Writes the movements, in the order in which they were decided.
pub(super) async fn insert_entries(
    session: &Connection,
    entries: &[Entry],
    at: Timestamp,
) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let named: Vec<Uuid> = entries.iter().map(|entry| entry.transaction.0).collect();
    let sources: Vec<Uuid> = entries.iter().map(|entry| entry.source.account.0).collect();
    let targets: Vec<Uuid> = entries.iter().map(|entry| entry.target.account.0).collect();
    let amounts: Vec<Numeric> = entries.iter().map(|entry| entry.amount.into()).collect();
    let currencies: Vec<&str> = entries.iter().map(|entry| entry.currency.code()).collect();
    let (source_seqs, source_balances) = history(entries.iter().map(|entry| entry.source));
    let (target_seqs, target_balances) = history(entries.iter().map(|entry| entry.target));
    let params: [Param<'_>; 10] = [
        &named,
        &sources,
        &targets,
        &amounts,
        &currencies,
        &source_seqs,
        &source_balances,
        &target_seqs,
        &target_balances,
        &Utc(at),
    ];
    session.execute(store::INSERT_ENTRIES, &params).await?;
    Ok(())
}

/// Ends pending transactions.
pub(super) async fn end_transactions(
    session: &Connection,
    ended: &[Ended],
    at: Timestamp,
) -> Result<()> {
    if ended.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = ended.iter().map(|(id, ..)| id.0).collect();
    let states: Vec<&str> = ended.iter().map(|(_, state, _)| state.as_str()).collect();
    let reasons: Vec<Option<&str>> = ended.iter().map(|(.., reason)| *reason).collect();
    session.execute(store::END_TRANSACTIONS, &[&ids, &states, &reasons, &Utc(at)]).await?;
    Ok(())
}

/// What is remembered under the keys of the orders. What was not found or not
/// allowed is no outcome, and leaves the key free.
pub(super) fn keys<'o, 'a>(
    answered: impl Iterator<Item = (&'o Order, &'a Answer)>,
) -> Result<Vec<KeyRow<'o>>> {
    let mut rows = Vec::new();
    for (order, answer) in answered {
        let Some(key) = &order.key else { continue };
        let outcome = match answer {
            Ok(outcome) if !outcome.replayed => Recorded::Done(&outcome.value),
            Err(Error::Refused { refusal, original: None }) => Recorded::Refused(refusal.clone()),
            _ => continue,
        };
        rows.push(KeyRow {
            user: order.actor.user_id.0,
            key: &key.key,
            fingerprint: &key.fingerprint,
            outcome: serde_json::to_string(&outcome).map_err(Error::internal)?,
            request_id: &order.actor.origin.request_id,
        });
    }
    Ok(rows)
}

/// Remembers them.
pub(super) async fn insert_keys(
    session: &Connection,
    rows: &[KeyRow<'_>],
    at: Timestamp,
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let users: Vec<Uuid> = rows.iter().map(|row| row.user).collect();
    let keys: Vec<&str> = rows.iter().map(|row| row.key).collect();
    let prints: Vec<&[u8]> = rows.iter().map(|row| row.fingerprint).collect();
    let outcomes: Vec<&str> = rows.iter().map(|row| row.outcome.as_str()).collect();
    let requests: Vec<&str> = rows.iter().map(|row| row.request_id).collect();
    let params: [Param<'_>; 6] = [&users, &keys, &prints, &outcomes, &requests, &Utc(at)];
    session.execute(store::INSERT_KEYS, &params).await?;
    Ok(())
}

fn history(sides: impl Iterator<Item = ledger::Side>) -> (Vec<Option<i64>>, Vec<Option<Numeric>>) {
    sides
        .map(|side| match side.history {
            Some((seq, balance)) => (Some(seq), Some(Numeric(balance))),
            None => (None, None),
        })
        .unzip()
}
