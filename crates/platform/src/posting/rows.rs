//! What a batch has decided, column by column: one array each.

use super::{Answer, Order, store};
use crate::{
    clock::timestamp,
    db::{Connection, Numeric, Param, Params, Utc},
    error::{Error, Result},
    idempotency::Recorded,
    transactions::{Exchange, Transaction},
};
use jiff::Timestamp;
use ledger::{Account, Currency, Direction, Entry, QuoteId, Remainder, TransactionId};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// A key and what it stands for from now on.
pub(super) struct KeyRow<'o> {
    user: Uuid,
    key: &'o str,
    fingerprint: &'o [u8],
    outcome: String,
    request_id: &'o str,
}

/// New transactions.
pub(super) fn transactions(new: &[Transaction], at: Timestamp) -> Params<'_> {
    vec![
        column(new, |t| t.id.0),
        column(new, |t| t.account_id.0),
        column(new, |t| t.kind.as_str()),
        column(new, |t| t.direction.map(Direction::as_str)),
        column(new, |t| Numeric::from(t.amount)),
        column(new, |t| t.currency.code()),
        column(new, |t| t.status.as_str()),
        column(new, |t| t.description.as_deref()),
        column(new, |t| t.reference_number.as_deref()),
        column(new, |t| t.metadata.as_str()),
        column(new, |t| t.counterparty_account_id.map(|id| id.0)),
        column(new, |t| t.paired_transaction_id.map(|id| id.0)),
        column(new, |t| t.reverses_transaction_id.map(|id| id.0)),
        column(new, |t| t.expires_at.map(Utc)),
        column(new, |t| t.effective_at.map(Utc)),
        column(new, |t| t.complete_at.map(Utc)),
        Box::new(Utc(at)),
    ]
}

/// The balances as the batch leaves them.
pub(super) fn accounts<'a>(left: &'a [&Account]) -> Result<Params<'a>> {
    let days = left.iter().map(|account| i32::try_from(account.spent.day.0));
    let days = days.collect::<Result<Vec<i32>, _>>().map_err(Error::internal)?;
    Ok(vec![
        column(left, |account| account.id.0),
        column(left, |account| Numeric(account.balance)),
        column(left, |account| Numeric(account.available)),
        column(left, |account| account.entry_count),
        column(left, |account| Numeric(account.spent.amount)),
        Box::new(days),
        column(left, |account| account.newest_entry.map(|at| Utc(timestamp(at)))),
        column(left, |account| account.pending.count),
        column(left, |account| account.pending.bytes),
    ])
}

/// The movements, in the order in which they were decided.
pub(super) fn entries(entries: &[Entry]) -> Params<'_> {
    let balance = |side: ledger::Side| side.history.map(|(_, balance)| Numeric(balance));
    let seq = |side: ledger::Side| side.history.map(|(seq, _)| seq);
    vec![
        column(entries, |entry| entry.transaction.0),
        column(entries, |entry| entry.source.account.0),
        column(entries, |entry| entry.target.account.0),
        column(entries, |entry| Numeric::from(entry.amount)),
        column(entries, |entry| entry.currency.code()),
        column(entries, |entry| seq(entry.source)),
        column(entries, |entry| balance(entry.source)),
        column(entries, |entry| seq(entry.target)),
        column(entries, |entry| balance(entry.target)),
        column(entries, |entry| Utc(timestamp(entry.recorded))),
        column(entries, |entry| entry.effective.map(|at| Utc(timestamp(at)))),
    ]
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

/// Writes which quotes are used up, and by what.
pub(super) async fn use_quotes(
    session: &Connection,
    used: &[(QuoteId, TransactionId)],
) -> Result<()> {
    if used.is_empty() {
        return Ok(());
    }
    let (quotes, by): (Vec<Uuid>, Vec<Uuid>) =
        used.iter().map(|(quote, transaction)| (quote.0, transaction.0)).unzip();
    session.execute(store::USE_QUOTES, &[&quotes, &by]).await?;
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

/// The outcomes under their keys.
pub(super) fn key_columns<'k>(rows: &'k [KeyRow<'_>], at: Timestamp) -> Params<'k> {
    vec![
        column(rows, |row| row.user),
        column(rows, |row| row.key),
        column(rows, |row| row.fingerprint),
        column(rows, |row| row.outcome.as_str()),
        column(rows, |row| row.request_id),
        Box::new(Utc(at)),
    ]
}

/// One value a row.
fn column<'r, R, V>(rows: &'r [R], value: impl Fn(&'r R) -> V) -> Box<dyn ToSql + Sync + Send + 'r>
where
    V: ToSql + Sync + Send + 'r,
{
    Box::new(rows.iter().map(value).collect::<Vec<V>>())
}
