//! Transactions: what they say, and finding them.

use crate::{
    caller::Caller,
    extract::{Json, PathId},
    fields::{
        Begin, Currency, Description, Direction, End, Id, Kind, Lapse, Metadata, MetadataFilter,
        Money, Search, Status, Time, WrittenAmount, nullable, unless_null,
    },
    paging::{Paging, page_of},
    query::List,
    reply::{Answer, Reply},
};
use axum::extract::State;
use ledger::{AccountId, TransactionId};
use platform::{
    Platform,
    transactions::{self, TransactionFilter},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What to write on a transaction; what is absent stays. A description of
/// `null` is removed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"description": "Rent for May", "metadata": {"invoice": "2026-042"}}))]
pub(crate) struct AnnotateTransaction {
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Description>)]
    description: Option<Option<Description>>,
    #[serde(default, deserialize_with = "unless_null")]
    #[schema(nullable = false)]
    metadata: Option<Metadata>,
}

/// Which transactions of one account.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OfAccountQuery {
    /// Only in this state.
    status: Option<Status>,
    /// Only of this type.
    r#type: Option<Kind>,
}

/// Which transactions.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TransactionQuery {
    /// Only on this account.
    account: Option<Id>,
    /// Only in this state.
    status: Option<Status>,
    /// Only of this type.
    r#type: Option<Kind>,
    /// Made at this moment or later; of a day (UTC), from its beginning.
    from: Option<Begin>,
    /// Made before this moment; of a day (UTC), including it.
    to: Option<End>,
    /// Of at least this amount.
    min: Option<WrittenAmount>,
    /// Of at most this amount.
    max: Option<WrittenAmount>,
    /// With this in description or reference, in any case.
    q: Option<Search>,
    /// With this metadata at the top level: `metadata.<key>=<value>`.
    #[serde(default)]
    #[param(inline, style = Form, explode = true, required = false)]
    metadata: MetadataFilter,
}

impl From<TransactionQuery> for TransactionFilter {
    fn from(query: TransactionQuery) -> Self {
        Self {
            account: query.account.map(Into::into),
            status: query.status.map(|status| status.0),
            kind: query.r#type.map(|kind| kind.0),
            from: query.from.map(|time| time.0),
            to: query.to.map(|time| time.0),
            min: query.min.map(|amount| amount.0),
            max: query.max.map(|amount| amount.0),
            q: query.q.map(|words| words.0),
            metadata: query.metadata.0,
        }
    }
}

/// A transaction. A transfer is two, one in each account's list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Transaction {
    pub(crate) id: Uuid,
    account_id: Uuid,
    transaction_type: Kind,
    /// Which way it moves the account.
    #[schema(required)]
    direction: Option<Direction>,
    amount: Money,
    currency: Currency,
    status: Status,
    #[schema(required)]
    description: Option<String>,
    #[schema(required, example = "TXN-1769601600-A1B2C3")]
    reference_number: Option<String>,
    metadata: Metadata,
    /// The other account of a transfer.
    #[schema(required)]
    counterparty_account_id: Option<Uuid>,
    /// The other half of a transfer.
    #[schema(required)]
    paired_transaction_id: Option<Uuid>,
    /// The transaction that this one gives back.
    #[schema(required)]
    reverses_transaction_id: Option<Uuid>,
    /// How much of it has moved.
    captured_amount: Money,
    /// How much of it was given back.
    reversed_amount: Money,
    /// At what rate, if the other half is in another currency.
    #[schema(required)]
    exchange: Option<Exchange>,
    /// From when on a pending one can no longer be completed.
    #[schema(required)]
    expires_at: Option<Time>,
    /// When a pending one completes by itself.
    #[schema(required)]
    complete_at: Option<Time>,
    /// Why a pending one does not complete by itself any more, although `completeAt` says
    /// so: what stood behind the order is gone. It is completed by word, cancelled, or
    /// expires. `sender`: that of the other half.
    #[schema(required)]
    completion_lapsed: Option<Lapse>,
    /// The business date, where it is not the recorded one.
    #[schema(required)]
    effective_at: Option<Time>,
    #[schema(required)]
    failure_reason: Option<String>,
    created_at: Time,
    updated_at: Time,
    #[schema(required)]
    completed_at: Option<Time>,
}

impl From<transactions::Transaction> for Transaction {
    fn from(transaction: transactions::Transaction) -> Self {
        let captured_amount = transaction.moved().into();
        Self {
            id: transaction.id.0,
            account_id: transaction.account_id.0,
            transaction_type: Kind(transaction.kind),
            direction: transaction.direction.map(Direction),
            amount: transaction.amount.into(),
            currency: Currency(transaction.currency),
            status: Status(transaction.status),
            description: transaction.description,
            reference_number: transaction.reference_number,
            metadata: Metadata(transaction.metadata),
            counterparty_account_id: transaction.counterparty_account_id.map(|id| id.0),
            paired_transaction_id: transaction.paired_transaction_id.map(|id| id.0),
            reverses_transaction_id: transaction.reverses_transaction_id.map(|id| id.0),
            captured_amount,
            reversed_amount: transaction.reversed_amount.into(),
            exchange: transaction.exchange.map(Exchange::from),
            expires_at: transaction.expires_at.map(Time),
            complete_at: transaction.complete_at.map(Time),
            completion_lapsed: transaction.completion_lapsed.map(Lapse),
            effective_at: transaction.effective_at.map(Time),
            failure_reason: transaction.failure_reason,
            created_at: Time(transaction.created_at),
            updated_at: Time(transaction.updated_at),
            completed_at: transaction.completed_at.map(Time),
        }
    }
}

/// An exchange of currencies, seen from its sender.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Exchange {
    source_currency: Currency,
    source_amount: Money,
    target_currency: Currency,
    target_amount: Money,
    /// Target for one of source; of an exchange that gives one back, the original's.
    #[schema(example = "1.0842")]
    rate: String,
    /// Where the rate comes from.
    #[schema(example = "ECB 2026-11-23")]
    rate_source: String,
    /// What rounding down to whole coins left to the bank, exactly; it is carried until
    /// it makes a coin, and booked then. Below zero where an exchange is given back.
    #[schema(example = "0.004200000000", pattern = r"^-?[0-9]+\.[0-9]{12}$")]
    remainder: String,
}

impl From<transactions::Exchange> for Exchange {
    fn from(exchange: transactions::Exchange) -> Self {
        let terms = exchange.terms;
        Self {
            source_currency: Currency(terms.source_currency),
            source_amount: terms.source_amount.into(),
            target_currency: Currency(terms.target_currency),
            target_amount: terms.target_amount.into(),
            rate: terms.rate.to_string(),
            rate_source: exchange.rate_source,
            remainder: terms.remainder.to_string(),
        }
    }
}

page_of! {
    /// A page of transactions.
    Transactions { transactions: Transaction }
}

/// One transaction
#[utoipa::path(
    get, path = "/transactions/{id}", operation_id = "get_transaction", tag = "Transactions",
    params(("id" = Id, Path)),
    responses((status = 200, description = "The transaction", body = Transaction)),
)]
pub(crate) async fn get(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<TransactionId>,
) -> Answer<Transaction> {
    let transaction = transactions::get(&platform, &actor, id).await?;
    Ok(Reply::ok("Transaction retrieved successfully", transaction.into()))
}

/// Change description and metadata
///
/// Nothing else about a transaction can be changed.
#[utoipa::path(
    put, path = "/transactions/{id}", operation_id = "update_transaction", tag = "Transactions",
    params(("id" = Id, Path)), request_body = AnnotateTransaction,
    responses((status = 200, description = "The transaction, changed", body = Transaction)),
)]
pub(crate) async fn annotate(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<TransactionId>,
    Json(change): Json<AnnotateTransaction>,
) -> Answer<Transaction> {
    let description = change.description.map(|given| given.map(|text| text.0));
    let metadata = change.metadata.map(|metadata| metadata.0);
    let transaction = transactions::annotate(&platform, &actor, id, description, metadata).await?;
    Ok(Reply::ok("Transaction updated successfully", transaction.into()))
}

/// Your transactions
#[utoipa::path(
    get, path = "/transactions", operation_id = "list_transactions", tag = "Transactions",
    params(TransactionQuery, Paging),
    responses(
        (status = 200, description = "Newest first", body = Transactions),
        (status = 404, description = "`account_not_found`"),
    ),
)]
pub(crate) async fn list(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    List(filter, page): List<TransactionQuery>,
) -> Answer<Transactions> {
    let transactions = transactions::list(&platform, &actor, filter.into(), page).await?;
    Ok(Reply::ok("Transactions retrieved successfully", transactions.into()))
}

/// The transactions of one account
#[utoipa::path(
    get, path = "/transactions/account/{accountId}", operation_id = "list_account_transactions",
    tag = "Transactions", params(("accountId" = Id, Path), OfAccountQuery, Paging),
    responses((status = 200, description = "Newest first", body = Transactions)),
)]
pub(crate) async fn of_account(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(account): PathId<AccountId>,
    List(OfAccountQuery { status, r#type }, page): List<OfAccountQuery>,
) -> Answer<Transactions> {
    let (status, kind) = (status.map(|status| status.0), r#type.map(|kind| kind.0));
    let filter =
        TransactionFilter { account: Some(account), status, kind, ..TransactionFilter::default() };
    let transactions = transactions::list(&platform, &actor, filter, page).await?;
    Ok(Reply::ok("Transactions retrieved successfully", transactions.into()))
}
