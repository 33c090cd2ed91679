//! What a batch reads before it decides: accounts under lock, keys, the
//! transactions and quotes that are named, and what rounding carries.

use super::{
    Order,
    batch::Patience,
    draft::{Draft, named},
    store,
};
use crate::{
    clock::moment,
    db::{Connection, Flight, Numeric, Param, maybe_time, time, word},
    error::{Error, Result},
    idempotency::IdempotencyKey,
    transactions::Transaction,
};
use ledger::{
    Account, AccountId, Action, Book, Currency, Day, Freeze, Leg, Limits, Pair, Pending, Price,
    Quote, QuoteId, Remainder, Spent, UserId,
};
use rust_decimal::Decimal;
use std::collections::BTreeSet;
use tokio_postgres::Row;
use uuid::Uuid;

/// Locks every account that the orders can touch, and reads it; and what the keys
/// of the orders already stand for.
pub(super) async fn accounts_and_keys(
    session: &Connection,
    orders: &[&Order],
    asked: &[(UserId, &IdempotencyKey)],
    patience: Patience,
) -> Result<Vec<Row>> {
    let touched: BTreeSet<Uuid> =
        orders.iter().flat_map(|order| &order.touches).map(|account| account.0).collect();
    let touched: Vec<Uuid> = touched.into_iter().collect();
    let users: Vec<Uuid> = asked.iter().map(|(user, _)| user.0).collect();
    let keys: Vec<&str> = asked.iter().map(|(_, key)| key.key.as_str()).collect();
    let read = match patience {
        Patience::Wait => store::READ,
        Patience::LeaveOut => store::READ_FREE,
    };
    session.query(read, &[&touched, &users, &keys]).await
}

/// The transactions that the orders name, with their other halves.
pub(super) async fn find_transactions(session: &Connection, orders: &[&Order]) -> Result<Vec<Row>> {
    let named: Vec<Uuid> =
        orders.iter().filter_map(|order| named(&order.action)).map(|id| id.0).collect();
    if named.is_empty() {
        return Ok(Vec::new());
    }
    session.query(store::FIND_TRANSACTIONS, &[&named]).await
}

/// Locks what rounding carries, for the exchanges among the orders; after the
/// accounts, so that there is one order of locks. Without exchanges it asks nothing.
pub(super) async fn lock_rounding(
    flight: &Flight,
    orders: &[&Order],
    book: &mut Book,
) -> Result<()> {
    let rounded = |order: &&Order| match &order.action {
        Action::Create(new) => {
            new.price.and(new.target).and_then(|id| book.account(id)).map(|target| target.currency)
        }
        action => {
            let leg = book.leg(named(action)?)?;
            let pair = leg.pair?.transaction;
            let exchange = book.exchange(leg.id).or_else(|| book.exchange(pair));
            exchange.map(|exchange| exchange.rounded)
        }
    };
    let currencies: BTreeSet<&str> =
        orders.iter().filter_map(rounded).map(Currency::code).collect();
    if currencies.is_empty() {
        return Ok(());
    }
    let currencies: Vec<&str> = currencies.into_iter().collect();
    let (session, wanted): (_, [Param<'_>; 1]) = (flight.session()?, [&currencies]);
    let (made, rows) = tokio::join!(
        biased;
        session.execute(store::OPEN_ROUNDING, &wanted),
        session.query(store::LOCK_ROUNDING, &wanted),
    );
    made?;
    for row in rows? {
        let mut carried: Decimal = row.try_get("carried")?;
        carried.rescale(12);
        book.set_carried(word(&row, "currency")?, Remainder(carried.mantissa()));
    }
    Ok(())
}

/// Locks the quotes that the orders name; after all else. Without such orders it asks
/// nothing.
pub(super) async fn lock_quotes(
    flight: &Flight,
    orders: &[&Order],
    draft: &mut Draft<'_>,
) -> Result<()> {
    let named = |order: &&Order| match &order.action {
        Action::Create(new) => match new.price {
            Some(Price::Quote { id, by }) => Some((id.0, by.0)),
            _ => None,
        },
        _ => None,
    };
    let named: BTreeSet<(Uuid, Uuid)> = orders.iter().filter_map(named).collect();
    if named.is_empty() {
        return Ok(());
    }
    let (quotes, users): (Vec<Uuid>, Vec<Uuid>) = named.into_iter().unzip();
    for row in flight.session()?.query(store::LOCK_QUOTES, &[&quotes, &users]).await? {
        let id = QuoteId(row.try_get("id")?);
        let most = row.try_get::<_, Option<Numeric>>("amount")?.map(Numeric::amount);
        draft.book.add_quote(Quote {
            id,
            owner: UserId(row.try_get("user_id")?),
            source: word(&row, "source_currency")?,
            target: word(&row, "target_currency")?,
            rate: word(&row, "rate")?,
            most: most.transpose()?,
            expires: moment(time(&row, "expires_at")?),
            used: row.try_get("used")?,
        });
        draft.quoted.insert(id, row.try_get("rate_source")?);
    }
    Ok(())
}

/// A transaction as the rules see it, and its other half if that was read.
pub(super) fn leg(transaction: &Transaction, other: Option<&Transaction>) -> Leg {
    let pair = transaction.paired_transaction_id.zip(transaction.counterparty_account_id);
    Leg {
        id: transaction.id,
        account: transaction.account_id,
        pair: pair.map(|(transaction, account)| Pair { transaction, account }),
        kind: transaction.kind,
        direction: transaction.direction.unwrap_or(transaction.kind.direction()),
        amount: transaction.amount,
        currency: transaction.currency,
        status: transaction.status,
        captured: transaction.moved(),
        reversed: transaction.reversed_amount,
        created: moment(transaction.created_at),
        expires: transaction.expires_at.map(moment),
        completes: transaction.complete_at.map(moment),
        effective: transaction.effective_at.map(moment),
        reverses: transaction.reverses_transaction_id,
        bytes: transaction.counted_bytes(other),
    }
}

/// An account as the rules see it.
pub(super) fn account(row: &Row) -> Result<Account> {
    let money = |column| Ok::<_, Error>(row.try_get::<_, Numeric>(column)?.0);
    let limit =
        |column| row.try_get::<_, Option<Numeric>>(column)?.map(Numeric::amount).transpose();
    let freeze = match row.try_get::<_, Option<&str>>("freeze_scope")? {
        Some(_) => Some(Freeze {
            scope: word(row, "freeze_scope")?,
            reason: row.try_get("freeze_reason")?,
            until: maybe_time(row, "freeze_until")?.map(moment),
        }),
        None => None,
    };
    let day = Day(row.try_get::<_, i32>("spent_day")?.into());
    Ok(Account {
        id: AccountId(row.try_get("id")?),
        owner: UserId(row.try_get("user_id")?),
        currency: word(row, "currency")?,
        status: word(row, "status")?,
        balance: money("balance")?,
        available: money("available_balance")?,
        entry_count: row.try_get("entry_count")?,
        newest_entry: maybe_time(row, "newest_entry_at")?.map(moment),
        limits: Limits {
            overdraft: money("overdraft_limit")?,
            per_transaction: limit("transaction_limit")?,
            daily: limit("daily_limit")?,
        },
        spent: Spent { day, amount: money("spent_amount")? },
        freeze,
        pending: Pending {
            count: row.try_get("pending_count")?,
            bytes: row.try_get("pending_bytes")?,
        },
    })
}
