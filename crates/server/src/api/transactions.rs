//! Transactions: ordering them, deciding about them, finding them.

use crate::{
    caller::Caller,
    extract::{Json, Key, Keyed, PathId},
    fields::{
        AccountNumber, Amount, Begin, Currency, Description, Direction, End, Id, Kind, Metadata,
        MetadataFilter, Money, Search, Status, Time, WrittenAmount, nullable,
    },
    openapi::IdempotencyHeader,
    paging::{Paging, page_of},
    problem::Problem,
    query::List,
    reply::{Answer, Reply},
};
use axum::extract::State;
use ledger::{AccountId, TransactionId};
use platform::{
    Platform,
    orders::{self, Draft, Target},
    transactions::{self, TransactionFilter},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A transaction to be made.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "accountId": "01890a5d-ac96-774b-bcce-b302099a8057", "transactionType": "deposit",
    "amount": 1000.00, "currency": "USD", "description": "Opening deposit",
}))]
pub(crate) struct CreateTransaction {
    account_id: Id,
    transaction_type: Kind,
    amount: Amount,
    /// Absent: the account's. Present: must be the account's.
    currency: Option<Currency>,
    description: Option<Description>,
    metadata: Option<Metadata>,
    /// Where a transfer goes; or `toAccountNumber`.
    to_account_id: Option<Id>,
    /// Where a transfer goes; or `toAccountId`.
    to_account_number: Option<AccountNumber>,
    /// Complete it at once.
    process: Option<bool>,
}

impl TryFrom<CreateTransaction> for Draft {
    type Error = Problem;

    fn try_from(new: CreateTransaction) -> Result<Self, Problem> {
        Ok(Self {
            account: new.account_id.into(),
            kind: new.transaction_type.0,
            amount: new.amount.0,
            currency: new.currency.map(|currency| currency.0),
            target: target(new.to_account_id, new.to_account_number)?,
            description: new.description.map(|description| description.0),
            metadata: new.metadata.map(|metadata| metadata.0).unwrap_or_default(),
            complete: new.process.unwrap_or(false),
        })
    }
}

/// Where an order goes, said in one of two ways.
pub(super) fn target(
    id: Option<Id>,
    number: Option<AccountNumber>,
) -> Result<Option<Target>, Problem> {
    match (id, number) {
        (Some(_), Some(_)) => {
            let text = "cannot be combined with toAccountId: use one of the two";
            Err(Problem::field("toAccountNumber", "conflicting", text))
        }
        (Some(id), None) => Ok(Some(Target::Id(id.into()))),
        (None, number) => Ok(number.map(|number| Target::Number(number.0))),
    }
}

/// What to write on a transaction; what is absent stays. A description of
/// `null` is removed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"description": "Rent for May", "metadata": {"invoice": "2026-042"}}))]
pub(crate) struct AnnotateTransaction {
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Description>)]
    description: Option<Option<Description>>,
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
    id: Uuid,
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
    #[schema(required)]
    failure_reason: Option<String>,
    created_at: Time,
    updated_at: Time,
    #[schema(required)]
    completed_at: Option<Time>,
}

impl From<transactions::Transaction> for Transaction {
    fn from(transaction: transactions::Transaction) -> Self {
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
            failure_reason: transaction.failure_reason,
            created_at: Time(transaction.created_at),
            updated_at: Time(transaction.updated_at),
            completed_at: transaction.completed_at.map(Time),
        }
    }
}

page_of! {
    /// A page of transactions.
    Transactions { transactions: Transaction }
}

/// Make a transaction
///
/// It is pending until it is processed, and what goes out is held meanwhile;
/// `process: true` completes it at once.
#[utoipa::path(
    post, path = "/transactions", operation_id = "create_transaction", tag = "Transactions",
    params(IdempotencyHeader), request_body = CreateTransaction,
    responses(
        (status = 201, description = "The transaction", body = Transaction),
        (status = 404, description = "`account_not_found`"),
        (
            status = 422,
            description = "`insufficient_funds`, `account_suspended`, `account_closed`, \
                `currency_mismatch`, `fraction_of_unit`, `same_account`, `balance_too_large`",
        ),
    ),
)]
pub(crate) async fn create(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Keyed(key, new): Keyed<CreateTransaction>,
) -> Answer<Transaction> {
    let outcome = orders::create(&platform, &actor, new.try_into()?, key).await?;
    let reply = Reply::outcome("Transaction created successfully", outcome);
    Ok(reply
        .created(|transaction: &Transaction| format!("/api/v1/transactions/{}", transaction.id)))
}

/// Complete a pending transaction
#[utoipa::path(
    post, path = "/transactions/{id}/process", operation_id = "process_transaction",
    tag = "Transactions", params(("id" = Id, Path), IdempotencyHeader),
    responses(
        (status = 200, description = "The transaction, completed", body = Transaction),
        (
            status = 422,
            description = "`transaction_not_pending`, `account_suspended`, `account_closed`, \
                `balance_too_large`",
        ),
    ),
)]
pub(crate) async fn process(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<TransactionId>,
    Key(key): Key,
) -> Answer<Transaction> {
    let outcome = orders::process(&platform, &actor, id, key).await?;
    Ok(Reply::outcome("Transaction processed successfully", outcome))
}

/// End a pending transaction without effect
///
/// It becomes `failed`, and what it held is given back.
#[utoipa::path(
    post, path = "/transactions/{id}/cancel", operation_id = "cancel_transaction",
    tag = "Transactions", params(("id" = Id, Path), IdempotencyHeader),
    responses(
        (status = 200, description = "The transaction, failed", body = Transaction),
        (status = 422, description = "`transaction_not_pending`"),
    ),
)]
pub(crate) async fn cancel(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<TransactionId>,
    Key(key): Key,
) -> Answer<Transaction> {
    let outcome = orders::cancel(&platform, &actor, id, key).await?;
    Ok(Reply::outcome("Transaction cancelled successfully", outcome))
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
