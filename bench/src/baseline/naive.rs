//! One transaction a request, statement by statement: what most programs do.

use super::Answer;
use crate::{
    rows::{ADDRESS, AGENT, Rows},
    sql::one,
};
use anyhow::Result;
use deadpool_postgres::{Object, Transaction};
use rust_decimal::Decimal;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// An account as it was locked, and then as the transfer leaves it.
struct Account {
    id: Uuid,
    user: Uuid,
    is_active: bool,
    is_usd: bool,
    balance: Decimal,
    available: Decimal,
    entries: i64,
}

/// Posts one transfer.
pub(super) async fn post(connection: &mut Object, user: Uuid, rows: &Rows) -> Result<Answer> {
    let tx = connection.transaction().await?;
    let key = tx.prepare_cached(one::FIND_KEY).await?;
    if tx.query_opt(&key, &[&user, &rows.key]).await?.is_some() {
        return Ok(Answer::Refused("key_used".to_owned()));
    }
    let Some([mut source, mut target]) = lock(&tx, rows).await? else {
        return Ok(Answer::Refused("account_not_found".to_owned()));
    };
    if let Some(refusal) = refuse(&source, &target, user, rows.amount) {
        return Ok(Answer::Refused(refusal.to_owned()));
    }
    source.change(-rows.amount);
    target.change(rows.amount);
    write(&tx, user, rows, &source, &target).await?;
    tx.commit().await?;
    Ok(Answer::Done)
}

async fn lock(tx: &Transaction<'_>, rows: &Rows) -> Result<Option<[Account; 2]>> {
    let lock = tx.prepare_cached(one::LOCK_ACCOUNTS).await?;
    let locked = tx.query(&lock, &[&rows.transfer.source, &rows.transfer.target]).await?;
    let mut accounts = Vec::with_capacity(2);
    for row in &locked {
        accounts.push(Account {
            id: row.try_get(0)?,
            user: row.try_get(1)?,
            is_usd: row.try_get::<_, &str>(2)? == "USD",
            is_active: row.try_get::<_, &str>(3)? == "active",
            balance: row.try_get(4)?,
            available: row.try_get(5)?,
            entries: row.try_get(6)?,
        });
    }
    if accounts.first().is_some_and(|first| first.id != rows.transfer.source) {
        accounts.reverse();
    }
    Ok(accounts.try_into().ok())
}

fn refuse(source: &Account, target: &Account, user: Uuid, amount: Decimal) -> Option<&'static str> {
    if source.user != user {
        return Some("account_not_found");
    }
    if !source.is_active || !target.is_active {
        return Some("account_not_active");
    }
    if !source.is_usd || !target.is_usd {
        return Some("currency_mismatch");
    }
    (source.available < amount).then_some("insufficient_funds")
}

impl Account {
    fn change(&mut self, by: Decimal) {
        self.balance += by;
        self.available += by;
        self.entries += 1;
    }
}

async fn write(
    tx: &Transaction<'_>,
    user: Uuid,
    rows: &Rows,
    source: &Account,
    target: &Account,
) -> Result<()> {
    for Account { id, balance, available, entries, .. } in [source, target] {
        execute(tx, one::UPDATE_ACCOUNT, &[id, balance, available, entries, &rows.at]).await?;
    }
    let ([out, back], [out_reference, in_reference]) = (&rows.ids, &rows.references);
    let both: [&(dyn ToSql + Sync); 8] =
        [out, &source.id, out_reference, back, &target.id, in_reference, &rows.amount, &rows.at];
    execute(tx, one::INSERT_TRANSACTIONS, &both).await?;
    let entry: [&(dyn ToSql + Sync); 9] = [
        out,
        &source.id,
        &target.id,
        &rows.amount,
        &source.entries,
        &source.balance,
        &target.entries,
        &target.balance,
        &rows.at,
    ];
    execute(tx, one::INSERT_ENTRY, &entry).await?;
    let audit: [&(dyn ToSql + Sync); 7] =
        [&rows.audit_id, &user, out, &ADDRESS, &AGENT, &rows.details, &rows.at];
    execute(tx, one::INSERT_AUDIT, &audit).await?;
    execute(tx, one::INSERT_NEWS, &[&rows.parties, &rows.at]).await?;
    let key: [&(dyn ToSql + Sync); 6] =
        [&user, &rows.key, &rows.fingerprint, &rows.outcome, &rows.request_id, &rows.at];
    execute(tx, one::INSERT_KEY, &key).await
}

async fn execute(tx: &Transaction<'_>, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<()> {
    let statement = tx.prepare_cached(sql).await?;
    tx.execute(&statement, params).await?;
    Ok(())
}
