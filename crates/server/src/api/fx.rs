//! Exchange rates, which administrators set, and quotes, which customers ask for.

use crate::{
    caller::Caller,
    extract::{Json, Keyed, PathId},
    fields::{Amount, Currency, Id, Money, Rate, RateSource, Spread, Time},
    openapi::IdempotencyHeader,
    reply::{Answer, Reply},
};
use axum::extract::State;
use ledger::QuoteId;
use platform::{
    Platform,
    fx::{self, NewRate},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The middle rate of a pair of currencies, for both directions.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "sourceCurrency": "USD", "targetCurrency": "EUR", "rate": "0.9217", "spread": "0.005",
    "rateSource": "ECB 2026-11-23",
}))]
pub(crate) struct SetFxRate {
    source_currency: Currency,
    target_currency: Currency,
    rate: Rate,
    spread: Spread,
    rate_source: RateSource,
    /// From when on nobody is offered it; absent: until it is set again.
    valid_until: Option<Time>,
}

/// The middle rate of a pair of currencies.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FxRate {
    id: Uuid,
    source_currency: Currency,
    target_currency: Currency,
    /// Target for one of source.
    #[schema(example = "0.9217")]
    rate: String,
    /// By which share of it a customer's rate is worse, in either direction.
    #[schema(example = "0.005000", pattern = r"^0\.[0-9]{6}$")]
    spread: String,
    rate_source: String,
    #[schema(required)]
    valid_until: Option<Time>,
    updated_at: Time,
}

impl From<fx::FxRate> for FxRate {
    fn from(rate: fx::FxRate) -> Self {
        Self {
            id: rate.id,
            source_currency: Currency(rate.source),
            target_currency: Currency(rate.target),
            rate: rate.rate.to_string(),
            spread: rate.spread.to_string(),
            rate_source: rate.rate_source,
            valid_until: rate.valid_until.map(Time),
            updated_at: Time(rate.updated_at),
        }
    }
}

/// Every rate.
#[derive(Serialize, ToSchema)]
pub(crate) struct FxRates {
    rates: Vec<FxRate>,
}

/// Which rate is asked for.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"sourceCurrency": "USD", "targetCurrency": "EUR", "amount": 250.00}))]
pub(crate) struct AskQuote {
    source_currency: Currency,
    target_currency: Currency,
    /// The most that may be given, in the source currency; absent: any amount.
    amount: Option<Amount>,
}

/// A rate that is offered to you, for one exchange.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Quote {
    id: Uuid,
    source_currency: Currency,
    target_currency: Currency,
    /// Target for one of source: the middle rate made worse by the spread, rounded down.
    #[schema(example = "0.9170915")]
    rate: String,
    /// Where the middle rate came from.
    #[schema(example = "ECB 2026-11-23")]
    rate_source: String,
    /// The most that may be given.
    #[schema(required)]
    amount: Option<Money>,
    /// What all of the amount buys.
    #[schema(required)]
    target_amount: Option<Money>,
    created_at: Time,
    /// From when on it can no longer be used.
    expires_at: Time,
    /// The transaction that used it.
    #[schema(required)]
    transaction_id: Option<Uuid>,
}

impl From<fx::Quote> for Quote {
    fn from(quote: fx::Quote) -> Self {
        Self {
            target_amount: quote.target_amount().map(Money::from),
            id: quote.id.0,
            source_currency: Currency(quote.source),
            target_currency: Currency(quote.target),
            rate: quote.rate.to_string(),
            rate_source: quote.rate_source,
            amount: quote.amount.map(Money::from),
            created_at: Time(quote.created_at),
            expires_at: Time(quote.expires_at),
            transaction_id: quote.transaction_id.map(|id| id.0),
        }
    }
}

/// Set an exchange rate
///
/// The middle rate of a pair of currencies. It serves both directions, and takes the
/// place of the one that the pair had, in whichever direction that was named. A rate
/// source is a program that sets it again and again, with an administrator's key.
#[utoipa::path(
    put, path = "/admin/fx/rates", operation_id = "admin_set_fx_rate", tag = "Admin",
    request_body = SetFxRate,
    responses((status = 200, description = "The rate", body = FxRate)),
)]
pub(crate) async fn set_rate(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Json(new): Json<SetFxRate>,
) -> Answer<FxRate> {
    let new = NewRate {
        source: new.source_currency.0,
        target: new.target_currency.0,
        rate: new.rate.0,
        spread: new.spread.0,
        rate_source: new.rate_source.0,
        valid_until: new.valid_until.map(|time| time.0),
    };
    let rate = fx::set_rate(&platform, &actor, new).await?;
    Ok(Reply::ok("Exchange rate set successfully", rate.into()))
}

/// List exchange rates
#[utoipa::path(
    get, path = "/admin/fx/rates", operation_id = "admin_list_fx_rates", tag = "Admin",
    responses((status = 200, description = "All of them, by currency", body = FxRates)),
)]
pub(crate) async fn rates(
    State(platform): State<Platform>,
    Caller(actor): Caller,
) -> Answer<FxRates> {
    let rates = fx::rates(&platform, &actor).await?;
    let rates = FxRates { rates: rates.into_iter().map(FxRate::from).collect() };
    Ok(Reply::ok("Exchange rates retrieved successfully", rates))
}

/// Remove an exchange rate
///
/// From now on nobody is offered it. Quotes that were made stand.
#[utoipa::path(
    delete, path = "/admin/fx/rates/{id}", operation_id = "admin_remove_fx_rate", tag = "Admin",
    params(("id" = Id, Path)),
    responses((status = 200, description = "It is gone", body = ())),
)]
pub(crate) async fn remove_rate(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<Uuid>,
) -> Answer {
    fx::remove_rate(&platform, &actor, id).await?;
    Ok(Reply::ok("Exchange rate removed successfully", ()))
}

/// Ask for a quote
///
/// The rate at which you can make one transfer between the two currencies: name the
/// quote as `quoteId` of the transaction before it expires.
#[utoipa::path(
    post, path = "/fx/quotes", operation_id = "create_quote", tag = "Transactions",
    params(IdempotencyHeader), request_body = AskQuote,
    responses(
        (status = 201, description = "The quote", body = Quote),
        (
            status = 422,
            description = "`rate_unavailable`, `fraction_of_unit`, `exchange_too_small`, \
                `rounding_too_large`, `balance_too_large`",
        ),
    ),
)]
pub(crate) async fn quote(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Keyed(key, asked): Keyed<AskQuote>,
) -> Answer<Quote> {
    let pair = (asked.source_currency.0, asked.target_currency.0);
    let amount = asked.amount.map(|amount| amount.0);
    let outcome = fx::quote(&platform, &actor, pair, amount, key).await?;
    let reply = Reply::outcome("Quote created successfully", outcome);
    Ok(reply.created(|quote: &Quote| format!("/api/v1/fx/quotes/{}", quote.id)))
}

/// Get a quote
#[utoipa::path(
    get, path = "/fx/quotes/{id}", operation_id = "get_quote", tag = "Transactions",
    params(("id" = Id, Path)),
    responses((status = 200, description = "The quote", body = Quote)),
)]
pub(crate) async fn get_quote(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<QuoteId>,
) -> Answer<Quote> {
    let quote = fx::get(&platform, &actor, id).await?;
    Ok(Reply::ok("Quote retrieved successfully", quote.into()))
}
