//! A batch as arrays: one statement a table.

use super::{Account, Place};
use crate::{
    rows::{ADDRESS, AGENT, Rows},
    sql::many,
};
use rust_decimal::Decimal;
use std::{collections::HashMap, time::SystemTime};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// One statement with its arrays.
pub(super) struct Write {
    pub(super) sql: &'static str,
    pub(super) params: Vec<Box<dyn ToSql + Sync + Send>>,
}

/// Everything that a batch writes.
pub(super) fn of(
    user: Uuid,
    rows: &[Rows],
    accounts: &HashMap<Uuid, Account>,
    places: &[(Place, Place)],
) -> Vec<Write> {
    vec![
        transactions(rows),
        balances(accounts, rows),
        entries(rows, places),
        audit(user, rows),
        news(rows),
        keys(user, rows),
    ]
}

fn column<T: ToSql + Sync + Send + 'static>(
    values: impl Iterator<Item = T>,
) -> Box<dyn ToSql + Sync + Send> {
    Box::new(values.collect::<Vec<T>>())
}

fn times(rows: &[Rows], each: usize) -> Box<dyn ToSql + Sync + Send> {
    column(rows.iter().flat_map(|row| std::iter::repeat_n(row.at, each)))
}

fn outs(rows: &[Rows]) -> Box<dyn ToSql + Sync + Send> {
    column(rows.iter().map(|row| row.ids[0]))
}

fn transactions(rows: &[Rows]) -> Write {
    let sides = |row: &Rows| [row.transfer.source, row.transfer.target];
    let turned = |[first, second]: [Uuid; 2]| [second, first];
    let params = vec![
        column(rows.iter().flat_map(|row| row.ids)),
        column(rows.iter().flat_map(sides)),
        column(rows.iter().flat_map(|_| ["out", "in"])),
        column(rows.iter().flat_map(|row| [row.amount; 2])),
        column(rows.iter().flat_map(|row| row.references.clone())),
        column(rows.iter().flat_map(|row| turned(sides(row)))),
        column(rows.iter().flat_map(|row| turned(row.ids))),
        times(rows, 2),
    ];
    Write { sql: many::INSERT_TRANSACTIONS, params }
}

fn balances(accounts: &HashMap<Uuid, Account>, rows: &[Rows]) -> Write {
    let at = rows.iter().map(|row| row.at).max().unwrap_or(SystemTime::UNIX_EPOCH);
    let params = vec![
        column(accounts.keys().copied()),
        column(accounts.values().map(|account| account.balance)),
        column(accounts.values().map(|account| account.available)),
        column(accounts.values().map(|account| account.entries)),
        column(accounts.values().map(|_| at)),
    ];
    Write { sql: many::UPDATE_ACCOUNTS, params }
}

fn entries(rows: &[Rows], places: &[(Place, Place)]) -> Write {
    let seqs =
        |side: fn(&(Place, Place)) -> Place| column(places.iter().map(move |both| side(both).0));
    let balances = |side: fn(&(Place, Place)) -> Place| -> Box<dyn ToSql + Sync + Send> {
        column::<Decimal>(places.iter().map(move |both| side(both).1))
    };
    let params = vec![
        outs(rows),
        column(rows.iter().map(|row| row.transfer.source)),
        column(rows.iter().map(|row| row.transfer.target)),
        column(rows.iter().map(|row| row.amount)),
        seqs(|both| both.0),
        balances(|both| both.0),
        seqs(|both| both.1),
        balances(|both| both.1),
        times(rows, 1),
    ];
    Write { sql: many::INSERT_ENTRIES, params }
}

fn audit(user: Uuid, rows: &[Rows]) -> Write {
    let params: Vec<Box<dyn ToSql + Sync + Send>> = vec![
        column(rows.iter().map(|row| row.audit_id)),
        outs(rows),
        column(rows.iter().map(|row| row.details.clone())),
        times(rows, 1),
        Box::new(user),
        Box::new(ADDRESS),
        Box::new(AGENT),
    ];
    Write { sql: many::INSERT_AUDIT, params }
}

fn news(rows: &[Rows]) -> Write {
    let params = vec![column(rows.iter().map(|row| row.parties.clone())), times(rows, 1)];
    Write { sql: many::INSERT_NEWS, params }
}

fn keys(user: Uuid, rows: &[Rows]) -> Write {
    let params: Vec<Box<dyn ToSql + Sync + Send>> = vec![
        column(rows.iter().map(|row| row.key.clone())),
        column(rows.iter().map(|row| row.fingerprint.clone())),
        column(rows.iter().map(|row| row.outcome.clone())),
        column(rows.iter().map(|row| row.request_id.clone())),
        times(rows, 1),
        Box::new(user),
    ];
    Write { sql: many::INSERT_KEYS, params }
}
