//! Orders: what is asked of the money, and the decisions about what is pending or
//! done.

use super::transactions::Transaction;
use crate::{
    caller::Caller,
    extract::{Key, Keyed, PathId},
    fields::{
        AccountNumber, Amount, Currency, Description, Id, Kind, Metadata, Rate, RateSource, Time,
    },
    openapi::IdempotencyHeader,
    reply::{Answer, Reply},
};
use axum::extract::State;
use ledger::TransactionId;
use platform::{
    Error, Platform,
    orders::{self, Draft, Price, Target},
};
use serde::Deserialize;
use utoipa::ToSchema;

/// At what rate a transfer changes its currency.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"rate": "1.0842", "rateSource": "ECB 2026-11-23"}))]
pub(crate) struct ExchangeOrder {
    rate: Rate,
    rate_source: RateSource,
}

/// Declares a request for one transaction: what is common to all, and what else
/// this one takes.
macro_rules! order {
    ($(#[$meta:meta])* $name:ident { $($more:tt)* }) => {
        #[derive(Deserialize, ToSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        $(#[$meta])*
        pub(crate) struct $name {
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
            /// From when on it can no longer be completed, and what it holds is given
            /// back; for a pending one. One that does not say gets the end that the operator
            /// set, usually after 30 days.
            expires_at: Option<Time>,
            /// The business date, where it is not today's; in the past.
            effective_at: Option<Time>,
            /// When it completes by itself, before it expires; for a pending one, and for
            /// who may complete it.
            complete_at: Option<Time>,
            /// For a transfer between currencies; who may not name a rate has `quoteId`.
            exchange: Option<ExchangeOrder>,
            /// For a transfer between currencies: the quote whose rate it takes, and which it
            /// uses up.
            quote_id: Option<Id>,
            $($more)*
        }
    };
}

order! {
    /// A transaction to be made.
    #[schema(example = json!({
        "accountId": "01890a5d-ac96-774b-bcce-b302099a8057", "transactionType": "deposit",
        "amount": 1000.00, "currency": "USD", "description": "Opening deposit",
    }))]
    CreateTransaction {}
}

order! {
    /// One of many transactions to be made.
    #[schema(example = json!({
        "accountId": "01890a5d-ac96-774b-bcce-b302099a8057", "transactionType": "deposit",
        "amount": 12.50, "process": true, "idempotencyKey": "payroll-2026-11-0001",
    }))]
    BatchItem {
        /// Your name for this one: see the header `Idempotency-Key`.
        #[schema(min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
        idempotency_key: Option<String>,
    }
}

impl BatchItem {
    /// Its key, and what a request of its own would say.
    pub(crate) fn split(self) -> (Option<String>, CreateTransaction) {
        let order = CreateTransaction {
            account_id: self.account_id,
            transaction_type: self.transaction_type,
            amount: self.amount,
            currency: self.currency,
            description: self.description,
            metadata: self.metadata,
            to_account_id: self.to_account_id,
            to_account_number: self.to_account_number,
            process: self.process,
            expires_at: self.expires_at,
            effective_at: self.effective_at,
            complete_at: self.complete_at,
            exchange: self.exchange,
            quote_id: self.quote_id,
        };
        (self.idempotency_key, order)
    }
}

/// Where an order goes, said in one of two ways.
pub(super) fn target(
    id: Option<Id>,
    number: Option<AccountNumber>,
) -> Result<Option<Target>, Error> {
    match (id, number) {
        (Some(_), Some(_)) => {
            let text = "cannot be combined with toAccountId: use one of the two";
            Err(Error::invalid("toAccountNumber", "conflicting", text))
        }
        (Some(id), None) => Ok(Some(Target::Id(id.into()))),
        (None, number) => Ok(number.map(|number| Target::Number(number.0))),
    }
}

/// At what rate, said in one of two ways.
fn price(exchange: Option<ExchangeOrder>, quote: Option<Id>) -> Result<Option<Price>, Error> {
    match (exchange, quote) {
        (Some(_), Some(_)) => {
            let text = "cannot be combined with exchange: use one of the two";
            Err(Error::invalid("quoteId", "conflicting", text))
        }
        (Some(named), None) => Ok(Some(Price::Rate(named.rate.0, named.rate_source.0))),
        (None, quote) => Ok(quote.map(|id| Price::Quote(id.into()))),
    }
}

impl TryFrom<CreateTransaction> for Draft {
    type Error = Error;

    fn try_from(new: CreateTransaction) -> Result<Self, Error> {
        let target = target(new.to_account_id, new.to_account_number)?;
        Ok(Self {
            account: new.account_id.into(),
            kind: new.transaction_type.0,
            amount: new.amount.0,
            currency: new.currency.map(|currency| currency.0),
            target,
            description: new.description.map(|description| description.0),
            metadata: new.metadata.map(|metadata| metadata.0).unwrap_or_default(),
            complete: new.process.unwrap_or(false),
            expires: new.expires_at.map(|time| time.0),
            effective: new.effective_at.map(|time| time.0),
            completes: new.complete_at.map(|time| time.0),
            exchange: price(new.exchange, new.quote_id)?,
        })
    }
}
/// Make a transaction
///
/// It is pending until it is processed, and what goes out is held meanwhile;
/// `process: true` completes it at once, and `completeAt` at a later time, by itself.
/// An exchange that is left pending expires after a minute, unless `expiresAt` of who
/// may name its rate says otherwise.
#[utoipa::path(
    post, path = "/transactions", operation_id = "create_transaction", tag = "Transactions",
    params(IdempotencyHeader), request_body = CreateTransaction,
    responses(
        (status = 201, description = "The transaction", body = Transaction),
        (
            status = 403,
            description = "`permission_required`, `settlement_not_allowed`, \
                `rate_not_allowed`, `backdating_not_allowed`",
        ),
        (status = 404, description = "`account_not_found`, `quote_not_found`"),
        (
            status = 422,
            description = "`insufficient_funds`, `account_suspended`, `account_closed`, \
                `account_frozen`, `target_account_frozen`, `transaction_limit_exceeded`, \
                `daily_limit_exceeded`, `currency_mismatch`, `fraction_of_unit`, `same_account`, \
                `rate_without_exchange`, `exchange_too_small`, `rounding_too_large`, \
                `quote_used`, `quote_expired`, `quote_mismatch`, `quote_amount_exceeded`, \
                `completion_in_past`, `completion_after_expiry`, `effective_in_future`, \
                `balance_too_large`",
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
            description = "`transaction_not_pending`, `transaction_expired`, \
                `account_suspended`, `account_closed`, `account_frozen`, \
                `target_account_frozen`, `balance_too_large`",
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

/// How much of a hold is taken.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"amount": 30.00, "final": false}))]
pub(crate) struct CaptureTransaction {
    /// Absent: all that remains.
    amount: Option<Amount>,
    /// Give back what remains after this.
    r#final: Option<bool>,
}

/// Take a part of what is held
///
/// A pending withdrawal, debit or transfer is captured in any number of parts, never
/// more than it holds. It is completed when nothing remains, or with `final: true`,
/// which gives the rest back.
#[utoipa::path(
    post, path = "/transactions/{id}/capture", operation_id = "capture_transaction",
    tag = "Transactions", params(("id" = Id, Path), IdempotencyHeader),
    request_body = CaptureTransaction,
    responses(
        (status = 200, description = "The transaction as it now stands", body = Transaction),
        (
            status = 422,
            description = "`capture_exceeds_hold`, `nothing_held`, `transaction_not_pending`, \
                `transaction_expired`, `exchange_is_whole`, `account_frozen`",
        ),
    ),
)]
pub(crate) async fn capture(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<TransactionId>,
    Keyed(key, part): Keyed<CaptureTransaction>,
) -> Answer<Transaction> {
    let amount = part.amount.map(|amount| amount.0);
    let last = part.r#final.unwrap_or(false);
    let outcome = orders::capture(&platform, &actor, id, amount, last, key).await?;
    Ok(Reply::outcome("Transaction captured successfully", outcome))
}

/// How much is given back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"amount": 12.50, "description": "Returned goods"}))]
pub(crate) struct ReverseTransaction {
    /// Absent: all that is left. Of an exchange, its sender's currency, and only all.
    amount: Option<Amount>,
    description: Option<Description>,
    metadata: Option<Metadata>,
}

/// Give back a completed transaction
///
/// In full or in parts, never more than it moved. A new transaction does it, which is
/// the answer; the original names how much was given back. An exchange goes back at
/// its old rate, so that takes who may name a rate.
#[utoipa::path(
    post, path = "/transactions/{id}/reverse", operation_id = "reverse_transaction",
    tag = "Transactions", params(("id" = Id, Path), IdempotencyHeader),
    request_body = ReverseTransaction,
    responses(
        (status = 201, description = "The transaction that gives it back", body = Transaction),
        (
            status = 403,
            description = "`reversal_not_yours`, `settlement_not_allowed`, `rate_not_allowed`",
        ),
        (
            status = 422,
            description = "`already_reversed`, `reversal_exceeds_original`, \
                `transaction_not_completed`, `reversal_is_final`, `exchange_is_whole`, \
                `insufficient_funds`, `account_frozen`, `target_account_frozen`",
        ),
    ),
)]
pub(crate) async fn reverse(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<TransactionId>,
    Keyed(key, back): Keyed<ReverseTransaction>,
) -> Answer<Transaction> {
    let amount = back.amount.map(|amount| amount.0);
    let description = back.description.map(|description| description.0);
    let words = (description, back.metadata.map(|metadata| metadata.0).unwrap_or_default());
    let outcome = orders::reverse(&platform, &actor, id, amount, words, key).await?;
    let reply = Reply::outcome("Transaction reversed successfully", outcome);
    Ok(reply
        .created(|transaction: &Transaction| format!("/api/v1/transactions/{}", transaction.id)))
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
