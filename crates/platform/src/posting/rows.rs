//! What a batch has decided, as arrays: one statement a table.

use super::{Answer, Order, store};
use crate::{
    db::{Numeric, Param, Tx, Utc, time},
    error::{Error, Result},
    idempotency::Recorded,
    transactions::Transaction,
};
use jiff::Timestamp;
use ledger::{Account, Direction, Entry, Status, TransactionId};
use std::collections::HashMap;
use uuid::Uuid;

/// A pending transaction that ended: how, and why if it failed.
pub(super) type Ended = (TransactionId, Status, Option<&'static str>);

/// The moment the database gave to a row this batch changed.
pub(super) type Updates = HashMap<TransactionId, Timestamp>;

/// Writes new transactions.
pub(super) async fn insert_transactions_in(
    tx: &Tx<'_>,
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
    tx.execute(store::INSERT_TRANSACTIONS, &params).await?;
    Ok(())
}

/// Writes the balances as the batch leaves them.
pub(super) async fn update_accounts_in(tx: &Tx<'_>, left: &[&Account]) -> Result<()> {
    if left.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = left.iter().map(|account| account.id.0).collect();
    let balances: Vec<Numeric> = left.iter().map(|account| Numeric(account.balance)).collect();
    let available: Vec<Numeric> = left.iter().map(|account| Numeric(account.available)).collect();
    let counts: Vec<i64> = left.iter().map(|account| account.entry_count).collect();
    tx.execute(store::UPDATE_ACCOUNTS, &[&ids, &balances, &available, &counts]).await?;
    Ok(())
}

/// Writes the movements, in the order in which they were decided.
pub(super) async fn insert_entries_in(tx: &Tx<'_>, entries: &[Entry], at: Timestamp) -> Result<()> {
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
    tx.execute(store::INSERT_ENTRIES, &params).await?;
    Ok(())
}

/// Ends pending transactions; says when the database noted it.
pub(super) async fn end_transactions_in(
    tx: &Tx<'_>,
    ended: &[Ended],
    at: Timestamp,
) -> Result<Updates> {
    if ended.is_empty() {
        return Ok(Updates::new());
    }
    let ids: Vec<Uuid> = ended.iter().map(|(id, ..)| id.0).collect();
    let states: Vec<&str> = ended.iter().map(|(_, state, _)| state.as_str()).collect();
    let reasons: Vec<Option<&str>> = ended.iter().map(|(.., reason)| *reason).collect();
    let rows = tx.query(store::END_TRANSACTIONS, &[&ids, &states, &reasons, &Utc(at)]).await?;
    rows.iter()
        .map(|row| Ok((TransactionId(row.try_get("id")?), time(row, "updated_at")?)))
        .collect()
}

/// Remembers what was decided under a key; what was not found or not allowed is
/// no outcome, and leaves the key free.
pub(super) async fn insert_keys_in(
    tx: &Tx<'_>,
    orders: &[Order],
    answers: &[Answer],
    repeats: &[(usize, usize)],
    at: Timestamp,
) -> Result<()> {
    let (mut users, mut keys, mut prints) = (Vec::new(), Vec::new(), Vec::new());
    let (mut outcomes, mut requests) = (Vec::new(), Vec::new());
    for (place, (order, answer)) in orders.iter().zip(answers).enumerate() {
        let Some(key) = &order.key else { continue };
        let outcome = match answer {
            Ok(outcome) if !outcome.replayed => Recorded::Done(&outcome.value),
            Err(Error::Refused { refusal, original: None }) => Recorded::Refused(refusal.clone()),
            _ => continue,
        };
        if repeats.iter().any(|(repeat, _)| *repeat == place) {
            continue;
        }
        users.push(order.actor.user_id.0);
        keys.push(key.key.as_str());
        prints.push(key.fingerprint.as_slice());
        outcomes.push(serde_json::to_string(&outcome).map_err(Error::internal)?);
        requests.push(order.actor.origin.request_id.as_str());
    }
    if keys.is_empty() {
        return Ok(());
    }
    let params: [Param<'_>; 6] = [&users, &keys, &prints, &outcomes, &requests, &Utc(at)];
    tx.execute(store::INSERT_KEYS, &params).await?;
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
