//! What a batch has decided, as arrays: one statement a table.

use super::{Answer, Order, store};
use crate::{
    clock::timestamp,
    db::{Connection, Numeric, Param, Utc},
    error::{Error, Result},
    idempotency::Recorded,
    transactions::{Exchange, Transaction},
};
use jiff::Timestamp;
use ledger::{Account, Currency, Direction, Entry, Remainder, TransactionId};
use uuid::Uuid;

/// A key and what it stands for from now on.
pub(super) struct KeyRow<'o> {
    user: Uuid,
    key: &'o str,
    fingerprint: &'o [u8],
    outcome: String,
    request_id: &'o str,
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
    let reversed: Vec<Option<Uuid>> =
        new.iter().map(|t| t.reverses_transaction_id.map(|id| id.0)).collect();
    let expiries: Vec<Option<Utc>> = new.iter().map(|t| t.expires_at.map(Utc)).collect();
    let dates: Vec<Option<Utc>> = new.iter().map(|t| t.effective_at.map(Utc)).collect();
    let params: [Param<'_>; 16] = [
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
        &reversed,
        &expiries,
        &dates,
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
    let spent: Vec<Numeric> = left.iter().map(|account| Numeric(account.spent.amount)).collect();
    let days = left.iter().map(|account| i32::try_from(account.spent.day.0));
    let days = days.collect::<Result<Vec<i32>, _>>().map_err(Error::internal)?;
    let newest: Vec<Option<Utc>> =
        left.iter().map(|account| account.newest_entry.map(|at| Utc(timestamp(at)))).collect();
    let params: [Param<'_>; 7] = [&ids, &balances, &available, &counts, &spent, &days, &newest];
    session.execute(store::UPDATE_ACCOUNTS, &params).await?;
    Ok(())
}

/// Writes the movements, in the order in which they were decided.
pub(super) async fn insert_entries(session: &Connection, entries: &[Entry]) -> Result<()> {
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
    let recorded: Vec<Utc> = entries.iter().map(|entry| Utc(timestamp(entry.recorded))).collect();
    let effective: Vec<Option<Utc>> =
        entries.iter().map(|entry| entry.effective.map(|at| Utc(timestamp(at)))).collect();
    let params: [Param<'_>; 11] = [
        &named,
        &sources,
        &targets,
        &amounts,
        &currencies,
        &source_seqs,
        &source_balances,
        &target_seqs,
        &target_balances,
        &recorded,
        &effective,
    ];
    session.execute(store::INSERT_ENTRIES, &params).await?;
    Ok(())
}

/// Writes what became of transactions that were there before.
pub(super) async fn change_transactions(
    session: &Connection,
    changed: &[&Transaction],
) -> Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = changed.iter().map(|t| t.id.0).collect();
    let states: Vec<&str> = changed.iter().map(|t| t.status.as_str()).collect();
    let reasons: Vec<Option<&str>> = changed.iter().map(|t| t.failure_reason.as_deref()).collect();
    let captured: Vec<Option<Numeric>> =
        changed.iter().map(|t| t.captured_amount.map(Numeric)).collect();
    let reversed: Vec<Numeric> = changed.iter().map(|t| Numeric(t.reversed_amount)).collect();
    let completed: Vec<Option<Utc>> = changed.iter().map(|t| t.completed_at.map(Utc)).collect();
    let params: [Param<'_>; 6] = [&ids, &states, &reasons, &captured, &reversed, &completed];
    session.execute(store::CHANGE_TRANSACTIONS, &params).await?;
    Ok(())
}

/// Writes what was agreed for transfers between currencies.
pub(super) async fn insert_exchanges(
    session: &Connection,
    exchanges: &[(TransactionId, Exchange)],
    at: Timestamp,
) -> Result<()> {
    if exchanges.is_empty() {
        return Ok(());
    }
    let terms = || exchanges.iter().map(|(_, exchange)| &exchange.terms);
    let ids: Vec<Uuid> = exchanges.iter().map(|(id, _)| id.0).collect();
    let sources: Vec<&str> = terms().map(|terms| terms.source_currency.code()).collect();
    let given: Vec<Numeric> = terms().map(|terms| terms.source_amount.into()).collect();
    let targets: Vec<&str> = terms().map(|terms| terms.target_currency.code()).collect();
    let got: Vec<Numeric> = terms().map(|terms| terms.target_amount.into()).collect();
    let rates: Vec<String> = terms().map(|terms| terms.rate.to_string()).collect();
    let words: Vec<&str> =
        exchanges.iter().map(|(_, exchange)| exchange.rate_source.as_str()).collect();
    let remainders: Vec<String> = terms().map(|terms| terms.remainder.to_string()).collect();
    let params: [Param<'_>; 9] =
        [&ids, &sources, &given, &targets, &got, &rates, &words, &remainders, &Utc(at)];
    session.execute(store::INSERT_EXCHANGES, &params).await?;
    Ok(())
}

/// Writes what rounding leaves to be carried.
pub(super) async fn update_rounding(
    session: &Connection,
    carried: &[(Currency, Remainder)],
) -> Result<()> {
    if carried.is_empty() {
        return Ok(());
    }
    let currencies: Vec<&str> = carried.iter().map(|(currency, _)| currency.code()).collect();
    let remainders: Vec<String> =
        carried.iter().map(|(_, remainder)| remainder.to_string()).collect();
    session.execute(store::UPDATE_ROUNDING, &[&currencies, &remainders]).await?;
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
            Err(Error::Refused { refusal, original: None, .. }) => {
                Recorded::Refused(refusal.clone())
            }
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
