//! What an account holds and held, and the entries that made it.

use crate::{
    caller::Caller,
    extract::PathId,
    fields::{
        Basis, Begin, Currency, Direction, End, Id, Kind, Moment, Money, Order, Purpose, Time,
    },
    paging::{Paging, page_of},
    problem::Problem,
    query::{List, Query},
    reply::{Answer, Reply},
};
use axum::extract::State;
use ledger::AccountId;
use platform::{
    Platform, accounts,
    entries::{self, Counterparty, EntryFilter},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Which balance.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct BalanceQuery {
    /// The balance at this past moment, its own entries included. Absent: now.
    at: Option<Time>,
    /// Which entries count at that moment: those booked by then (absent, or
    /// `recorded`), or those whose business date has come (`effective`). Only with `at`.
    basis: Option<Basis>,
}

/// What an account holds.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PresentBalance {
    balance: Money,
    available_balance: Money,
    currency: Currency,
}

/// What an account held.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PastBalance {
    balance: Money,
    currency: Currency,
    at: Moment,
    basis: Basis,
    /// The newest entry booked by then; 0 if there was none.
    #[schema(minimum = 0)]
    sequence: i64,
}

/// What an account holds, or held at a moment.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Balance {
    /// Without `at`.
    Present(PresentBalance),
    /// With `at`.
    Past(PastBalance),
}

impl From<entries::PastBalance> for Balance {
    fn from(past: entries::PastBalance) -> Self {
        Self::Past(PastBalance {
            balance: past.balance.into(),
            currency: Currency(past.currency),
            at: Moment(past.at),
            basis: Basis(past.basis),
            sequence: past.sequence,
        })
    }
}

impl From<accounts::Account> for Balance {
    fn from(account: accounts::Account) -> Self {
        Self::Present(PresentBalance {
            balance: account.balance.into(),
            available_balance: account.available_balance.into(),
            currency: Currency(account.currency),
        })
    }
}

/// Which entries.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EntryQuery {
    /// Booked at this moment or later; of a day (UTC), from its beginning.
    from: Option<Begin>,
    /// Booked before this moment; of a day (UTC), including it.
    to: Option<End>,
    /// Which end comes first. Absent: the newest.
    order: Option<Order>,
}

impl From<EntryQuery> for EntryFilter {
    fn from(query: EntryQuery) -> Self {
        Self {
            from: query.from.map(|from| from.0),
            to: query.to.map(|to| to.0),
            order: query.order.map_or(entries::Order::Descending, |order| order.0),
        }
    }
}

/// One movement, from the account's side.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    /// Its place in the account's history, from 1, without gaps.
    #[schema(minimum = 1)]
    sequence: i64,
    /// The account's own transaction.
    transaction_id: Uuid,
    transaction_type: Kind,
    direction: Direction,
    amount: Money,
    currency: Currency,
    /// What the account held afterwards, in the order in which entries are shown.
    balance: Money,
    /// The other account; null if it is one of the bank's own.
    #[schema(required)]
    counterparty_account_id: Option<Uuid>,
    /// Which of the bank's own accounts; null if it is somebody's.
    #[schema(required)]
    counterparty: Option<Purpose>,
    /// When it was booked.
    recorded_at: Moment,
    /// Its business date: when it was booked, unless it was booked for an earlier moment.
    effective_at: Moment,
    #[schema(required)]
    description: Option<String>,
    #[schema(required)]
    reference_number: Option<String>,
}

impl From<entries::Entry> for Entry {
    fn from(entry: entries::Entry) -> Self {
        let (account, purpose) = match entry.counterparty {
            Counterparty::Account(account) => (Some(account.0), None),
            Counterparty::Bank(purpose) => (None, Some(Purpose(purpose))),
        };
        Self {
            sequence: entry.sequence,
            transaction_id: entry.transaction_id.0,
            transaction_type: Kind(entry.transaction_type),
            direction: Direction(entry.direction),
            amount: entry.amount.into(),
            currency: Currency(entry.currency),
            balance: entry.balance.into(),
            counterparty_account_id: account,
            counterparty: purpose,
            recorded_at: Moment(entry.recorded_at),
            effective_at: Moment(entry.effective_at.unwrap_or(entry.recorded_at)),
            description: entry.description,
            reference_number: entry.reference_number,
        }
    }
}

page_of! {
    /// A page of entries.
    Entries { entries: Entry }
}

/// What an account holds, or held
///
/// With `at`, the balance at that past moment, at the same small cost however
/// long the history is.
#[utoipa::path(
    get, path = "/accounts/{id}/balance", operation_id = "get_balance", tag = "Accounts",
    params(("id" = Id, Path), BalanceQuery),
    responses((status = 200, description = "The balance", body = Balance)),
)]
pub(crate) async fn balance(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<AccountId>,
    Query(asked): Query<BalanceQuery>,
) -> Answer<Balance> {
    let balance = match (asked.at, asked.basis) {
        (None, None) => accounts::get(&platform, &actor, id).await?.into(),
        (None, Some(_)) => {
            return Err(Problem::field("at", "required", "is required with basis"));
        }
        (Some(at), basis) => {
            let basis = basis.map_or(entries::Basis::Recorded, |basis| basis.0);
            entries::balance_at(&platform, &actor, id, at.0, basis).await?.into()
        }
    };
    Ok(Reply::ok("Balance retrieved successfully", balance))
}

/// What moved on an account
///
/// Every entry of the book with the balance it left behind, in the order in which
/// they were booked. Any page costs the same, also one behind a cursor.
#[utoipa::path(
    get, path = "/accounts/{id}/entries", operation_id = "list_entries", tag = "Accounts",
    params(("id" = Id, Path), EntryQuery, Paging),
    responses((status = 200, description = "Newest first, unless asked otherwise", body = Entries)),
)]
pub(crate) async fn list(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<AccountId>,
    List(filter, page): List<EntryQuery>,
) -> Answer<Entries> {
    let entries = entries::list(&platform, &actor, id, filter.into(), page).await?;
    Ok(Reply::ok("Entries retrieved successfully", entries.into()))
}
