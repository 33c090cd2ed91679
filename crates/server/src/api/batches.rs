//! Many transactions in one request, and what became of a request.

use super::{orders::BatchItem, transactions::Transaction};
use crate::{
    caller::Caller,
    extract::{Json, Unread, item, parse},
    fields::Time,
    limits::Tally,
    problem::{FieldError, Problem},
    query::Query,
    reply::{Answer, Reply},
    violation,
};
use axum::{extract::State, http::StatusCode};
use platform::{
    Error, Fate, IdempotencyKey, Outcome, Platform,
    error::Violation,
    orders::{self, Draft, MOST},
    transactions,
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::fmt;
use utoipa::ToSchema;

/// How many items there may be, as the end of a sentence.
const LENGTHS: &str = "1 to 1000 items: send more in several requests";
/// The longest key to which `#` and a place can be added.
const LONGEST_KEY: usize = 250;

/// The header that makes a retry of a batch safe.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "describes the header that `extract` reads")]
pub(crate) struct BatchKey {
    /// Your name for this request, as anywhere else, but of at most 250 characters: an item
    /// without a key of its own is known by this one, `#` and its place.
    #[param(
        nullable = false,
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 250,
        pattern = "^[!-~]+$"
    )]
    idempotency_key: Option<String>,
}

/// Transactions to be made together.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"atomic": true, "transactions": [{
    "accountId": "01890a5d-ac96-774b-bcce-b302099a8057", "transactionType": "deposit",
    "amount": 12.50, "process": true, "idempotencyKey": "payroll-2026-11-0001",
}]}))]
pub(crate) struct CreateBatch<'a> {
    /// All of them, or none. Otherwise each stands or falls by itself.
    atomic: Option<bool>,
    #[schema(value_type = Vec<BatchItem>, min_items = 1, max_items = 1000)]
    #[serde(borrow)]
    transactions: Items<'a>,
}

/// The items as they were sent, no more of them than may be: a list can be as long as
/// its body, and each item takes more to hold than to send.
struct Items<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Few).map(Self)
    }
}

struct Few;

impl<'de> Visitor<'de> for Few {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while items.len() < MOST {
            let Some(item) = list.next_element()? else { break };
            items.push(item);
        }
        if items.len() == MOST && list.next_element::<IgnoredAny>()?.is_some() {
            return Err(A::Error::invalid_length(MOST + 1, &LENGTHS));
        }
        Ok(items)
    }
}

/// What was read of a batch.
struct Read {
    atomic: bool,
    whole: Option<IdempotencyKey>,
    drafts: Vec<(Draft, Option<IdempotencyKey>)>,
    /// What could not be read, by its place.
    unread: Vec<(usize, Error)>,
}

impl Read {
    /// Reads it, and says as how many requests it counts: a list that is too long cost
    /// as much to read as a full one.
    fn of(whole: Option<IdempotencyKey>, body: &[u8]) -> (usize, Result<Self, Problem>) {
        match parse::<CreateBatch<'_>>(body) {
            Ok(batch) => (batch.transactions.0.len(), Self::of_items(whole, batch)),
            Err(problem) => {
                (if problem.is_because(violation::WRONG_LENGTH) { MOST } else { 1 }, Err(problem))
            }
        }
    }

    fn of_items(whole: Option<IdempotencyKey>, batch: CreateBatch<'_>) -> Result<Self, Problem> {
        let key = whole.clone().map(IdempotencyKey::into_name);
        if key.as_ref().is_some_and(|key| key.len() > LONGEST_KEY) {
            let text = "must have at most 250 characters here: each item's place is added";
            return Err(Problem::field("Idempotency-Key", "too_long", text));
        }
        let Items(items) = batch.transactions;
        if items.is_empty() {
            return Err(Problem::field(
                "transactions",
                violation::WRONG_LENGTH,
                format!("must have {LENGTHS}"),
            ));
        }
        let (mut drafts, mut unread) = (Vec::with_capacity(items.len()), Vec::new());
        for (place, raw) in items.into_iter().enumerate() {
            match read(raw, key.as_deref(), place) {
                Ok(draft) => drafts.push(draft),
                Err(error) => unread.push((place, error)),
            }
        }
        Ok(Self { atomic: batch.atomic.unwrap_or(false), whole, drafts, unread })
    }
}

/// What became of each, in the order of the request.
#[derive(Serialize, ToSchema)]
pub(crate) struct Batch {
    /// How many were done, now or earlier.
    succeeded: usize,
    /// How many were not.
    failed: usize,
    results: Vec<ItemResult>,
}

/// What became of one of them: exactly one of `transaction` and `error`.
#[derive(Serialize, ToSchema)]
pub(crate) struct ItemResult {
    /// What a request of its own would have been answered.
    #[schema(example = 201, minimum = 200, maximum = 599)]
    status: u16,
    /// Whether this is the outcome of an earlier request with the same key.
    replayed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    transaction: Option<Transaction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<ItemError>,
}

/// Why one of them was not done.
#[derive(Serialize, ToSchema)]
pub(crate) struct ItemError {
    /// Stable; switch on this.
    #[schema(pattern = "^[a-z0-9_]+$", example = "insufficient_funds")]
    code: &'static str,
    /// For people.
    message: String,
    /// The fields at fault, if it is about fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
}

/// Make many transactions
///
/// Up to 1,000, in as few database transactions as there can be. Each is answered as a request of its
/// own would be, and can have an idempotency key of its own; one without is known
/// by the request's `Idempotency-Key` and its place. With `atomic`, all are done in
/// one or none at all, and the answer says why. Towards the rate limit a batch counts as
/// many requests as it has items; it is let in while the window has any room.
#[utoipa::path(
    post, path = "/transactions/batch", operation_id = "create_transactions", tag = "Transactions",
    params(BatchKey), request_body = CreateBatch<'_>,
    responses(
        (status = 200, description = "What became of each", body = Batch),
        (
            status = 422,
            description = "`batch_refused`: one of an atomic batch was refused, and nothing was \
                done; `errors` says which and why",
        ),
    ),
)]
pub(crate) async fn create(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    tally: Tally,
    body: Unread,
) -> Answer<Batch> {
    let (things, read) = body.read(|whole, body| Ok(Read::of(whole, body))).await?;
    tally.count(things)?;
    let Read { atomic, whole, drafts, unread } = read?;
    if atomic && !unread.is_empty() {
        return Err(unreadable(unread));
    }
    if let Some(whole) = &whole {
        orders::open_batch(&platform, &actor, whole).await?;
    }
    let mut answers = orders::create_all(&platform, &actor, drafts, atomic).await?;
    for (place, error) in unread {
        answers.insert(place, Err(error));
    }
    if atomic && answers.iter().any(Result::is_err) {
        return Err(undone(answers));
    }
    let results: Vec<ItemResult> = answers.into_iter().map(ItemResult::from).collect();
    let succeeded = results.iter().filter(|result| result.transaction.is_some()).count();
    let failed = results.len() - succeeded;
    Ok(Reply::ok("Batch processed", Batch { succeeded, failed, results }))
}

fn read(
    raw: &RawValue,
    key: Option<&str>,
    place: usize,
) -> Result<(Draft, Option<IdempotencyKey>), Error> {
    let (name, new) = item::<BatchItem>(raw.get())?.split();
    let name = name.or_else(|| key.map(|key| format!("{key}#{place}")));
    let request = [b"POST /api/v1/transactions/batch\n", raw.get().as_bytes()];
    let key = name.map(|name| IdempotencyKey::of_parts(&name, &request)).transpose();
    let key = key.map_err(|error| match error {
        Error::Invalid(rules) => {
            let field = "idempotencyKey".to_owned();
            let renamed = |rule| Violation { field: field.clone(), ..rule };
            Error::Invalid(rules.into_iter().map(renamed).collect())
        }
        other => other,
    })?;
    Ok((new.try_into()?, key))
}

/// The broken rules of items, as fields of the whole.
fn unreadable(items: Vec<(usize, Error)>) -> Problem {
    let mut all = Vec::new();
    for (place, error) in items {
        match error {
            Error::Invalid(rules) => all.extend(rules.into_iter().map(|rule| within(place, rule))),
            other => return other.into(),
        }
    }
    Error::Invalid(all).into()
}

fn within(place: usize, rule: Violation) -> Violation {
    let field = match rule.field.as_str() {
        "body" => format!("transactions[{place}]"),
        field => format!("transactions[{place}].{field}"),
    };
    Violation { field, ..rule }
}

/// Why an atomic batch was not done: those that were refused for their own sake.
fn undone(answers: Vec<Result<Outcome<transactions::Transaction>, Error>>) -> Problem {
    let mut reasons = Vec::new();
    for (place, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(_) | Err(Error::Undone) => {}
            Err(Error::Invalid(rules)) => {
                reasons.extend(rules.into_iter().map(|rule| within(place, rule)));
            }
            // It concerns all of them alike, and is no refusal.
            Err(error @ (Error::Unavailable { .. } | Error::OutcomeUnknown { .. })) => {
                return error.into();
            }
            Err(error) => reasons.push(Violation {
                field: format!("transactions[{place}]"),
                code: error.code(),
                message: error.to_string(),
            }),
        }
    }
    let text = "Nothing was done, because not all of the batch can be: see errors";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "batch_refused", text).because_of(reasons)
}

impl From<Result<Outcome<transactions::Transaction>, Error>> for ItemResult {
    fn from(answer: Result<Outcome<transactions::Transaction>, Error>) -> Self {
        match answer {
            Ok(outcome) => Self {
                status: StatusCode::CREATED.as_u16(),
                replayed: outcome.replayed,
                transaction: Some(outcome.value.into()),
                error: None,
            },
            Err(error) => {
                let replayed = matches!(&error, Error::Refused { original: Some(_), .. });
                let problem = Problem::from(error);
                let (status, code, message, errors) = problem.into_item();
                let error = Some(ItemError { code, message, errors });
                Self { status: status.as_u16(), replayed, transaction: None, error }
            }
        }
    }
}

/// Whose outcome.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OutcomeQuery {
    /// The `Idempotency-Key` of the request; of a batch, of one of its items.
    #[param(min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    key: String,
}

/// Whose outcome is to be final.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"key": "payroll-2026-11-0001"}))]
pub(crate) struct SettleOutcome {
    /// The `Idempotency-Key` of the request; of a batch, of one of its items.
    #[schema(min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    key: String,
}

/// What has become of a request.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Known {
    /// `committed`: it was done, see `transaction`. `refused`: the bank said no, see
    /// `error`. `never`: it was not seen, and is impossible from then on. `unseen`: it
    /// has not been seen yet, and may still come.
    #[schema(schema_with = outcomes)]
    outcome: &'static str,
    /// Since when that is so.
    at: Time,
    /// As it was first answered; more than a week later, as it now stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    transaction: Option<Transaction>,
    /// Why the bank said no; not kept for longer than a week.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<ItemError>,
}

fn outcomes() -> utoipa::openapi::Object {
    crate::openapi::one_of(&["committed", "refused", "never", "unseen"])
}

impl From<Fate<transactions::Transaction>> for Known {
    fn from(fate: Fate<transactions::Transaction>) -> Self {
        let known = |outcome, at| Self { outcome, at: Time(at), transaction: None, error: None };
        match fate {
            Fate::Committed { value, at } => {
                Self { transaction: Some(value.into()), ..known("committed", at) }
            }
            Fate::Refused { refusal, at } => {
                let error = refusal.map(|refusal| ItemError {
                    code: refusal.code(),
                    message: refusal.to_string(),
                    errors: Vec::new(),
                });
                Self { error, ..known("refused", at) }
            }
            Fate::Void { at } => known("never", at),
            Fate::Unseen { at } => known("unseen", at),
        }
    }
}

/// Look up what became of a transaction after a time-out
///
/// By the `Idempotency-Key` of its request. Changes nothing: a request that is `unseen`
/// may still arrive and be done. Send `POST` to make sure that it will not be. A key is
/// kept for a year, the answer under it for a week.
#[utoipa::path(
    get, path = "/transactions/outcome", operation_id = "get_transaction_outcome",
    tag = "Transactions", params(OutcomeQuery),
    responses(
        (status = 200, description = "What became of it", body = Known),
        (
            status = 422,
            description = "`idempotency_key_reused`: the key stands for something else",
        ),
    ),
)]
pub(crate) async fn outcome(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Query(query): Query<OutcomeQuery>,
) -> Answer<Known> {
    let fate = orders::outcome(&platform, &actor, &query.key).await?;
    Ok(Reply::ok("Outcome retrieved successfully", fate.into()))
}

/// Settle what became of a transaction after a time-out
///
/// By the `Idempotency-Key` of its request. One that has never been seen is made
/// impossible: if it still arrives, it gets `idempotency_key_void`. So whoever reads
/// `never` can stop, or order anew under another key. What was seen is told and stays.
/// A key is kept for a year, the answer under it for a week.
#[utoipa::path(
    post, path = "/transactions/outcome", operation_id = "settle_transaction_outcome",
    tag = "Transactions", request_body = SettleOutcome,
    responses(
        (status = 200, description = "What became of it, for good", body = Known),
        (
            status = 422,
            description = "`idempotency_key_reused`: the key stands for something else",
        ),
    ),
)]
pub(crate) async fn settle(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Json(SettleOutcome { key }): Json<SettleOutcome>,
) -> Answer<Known> {
    let fate = orders::settle(&platform, &actor, &key).await?;
    Ok(Reply::ok("Outcome settled successfully", fate.into()))
}
