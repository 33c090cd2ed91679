//! Every code an error answer can carry: one closed list, for the API document
//! and for the page of errors.
//!
//! A test that receives a code which is not on this list fails, because the
//! document says so.

use platform::error::{Conflict, Forbidden, Resource, Unauthenticated};

/// A code, its status, and what it means.
pub(crate) struct Entry {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) meaning: String,
}

/// What has no list of its own elsewhere.
const SINGLE: [(u16, &str, &str); 64] = [
    (
        400,
        "validation_failed",
        "The input breaks a rule: `errors` names each field and what would be right",
    ),
    (400, "malformed_json", "The body is not JSON: the message says where it breaks off"),
    (400, "incomplete_body", "The body broke off"),
    (400, "invalid_host", "There must be exactly one valid Host header"),
    (400, "bad_request", "The request cannot be understood"),
    (404, "route_not_found", "There is no such endpoint"),
    (405, "method_not_allowed", "The endpoint does not know this method: see `Allow`"),
    (
        408,
        "request_timeout",
        "The body did not arrive within 15 seconds, or stood still while others waited for its room",
    ),
    (
        413,
        "body_too_large",
        "The body is larger than the operation takes; the message says how much that is",
    ),
    (415, "unsupported_media_type", "Send `application/json`"),
    (415, "unsupported_encoding", "Send the body without `Content-Encoding`"),
    (
        501,
        "unsupported_transfer_encoding",
        "Send the body with its Content-Length, or with `Transfer-Encoding: chunked` alone",
    ),
    (422, "idempotency_key_reused", "The `Idempotency-Key` was used with a different request"),
    (422, "insufficient_funds", "Less is available than the amount; the message says how much"),
    (422, "account_suspended", "An account of the order is suspended: restore it first"),
    (422, "account_closed", "An account of the order is closed, which is for good"),
    (422, "currency_mismatch", "Accounts and order must be in one currency"),
    (422, "fraction_of_unit", "The currency has no decimals: the amount must be whole"),
    (422, "same_account", "A transfer needs two different accounts"),
    (
        422,
        "transaction_foreign",
        "The transaction was written without the platform, and nothing was held for it",
    ),
    (422, "transaction_not_pending", "The transaction has already ended"),
    (
        422,
        "account_not_empty",
        "The account still holds money or is overdrawn: bring it to zero before closing",
    ),
    (
        422,
        "overdraft_in_use",
        "More of the overdraft is in use than is to be allowed; the message says how much",
    ),
    (
        422,
        "account_has_pending",
        "The account has pending transactions: process or cancel them before closing",
    ),
    (
        422,
        "user_has_money",
        "An account of the user still holds, owes or expects money, or is frozen: settle that before closing",
    ),
    (
        422,
        "too_many_pending",
        "As many orders of the account stand pending as may: process or cancel some, or wait until they expire",
    ),
    (
        422,
        "pending_too_large",
        "The descriptions and metadata of the account's pending orders would take too many bytes; the message says how many",
    ),
    (
        422,
        "half_too_large",
        "The words on the receiver's half of a pending transfer would outgrow its order: send less, or write them when it is completed",
    ),
    (422, "balance_too_large", "The balance would exceed 9999999999999.99"),
    (
        422,
        "transaction_limit_exceeded",
        "The account's limit for one order is lower: see the message",
    ),
    (
        422,
        "daily_limit_exceeded",
        "The account's limit for one day (UTC) is reached: see the message",
    ),
    (422, "account_frozen", "The account is frozen for this: the message says why and until when"),
    (422, "target_account_frozen", "The other account does not take money at the moment"),
    (422, "capture_exceeds_hold", "Less is still held than the amount; the message says how much"),
    (
        422,
        "nothing_held",
        "Only what is held can be captured: a pending withdrawal, debit or transfer",
    ),
    (422, "transaction_expired", "Its time was over: order it anew"),
    (422, "transaction_not_expired", "Its time is not over yet"),
    (422, "already_reversed", "All of it was given back already"),
    (422, "reversal_exceeds_original", "Less is left to give back; the message says how much"),
    (
        422,
        "transaction_not_completed",
        "Only what is completed can be given back: cancel it instead",
    ),
    (422, "reversal_is_final", "What gives something back is not given back itself: order anew"),
    (422, "effective_in_future", "A business date lies in the past: schedule what is to come"),
    (422, "exchange_is_whole", "An exchange is captured and given back only as a whole"),
    (422, "exchange_too_small", "The amount buys less than the smallest coin"),
    (
        422,
        "rounding_too_large",
        "Rounding down would cost more than 1 % of the amount: exchange more; the message says from how much on it is always enough",
    ),
    (
        422,
        "rate_unavailable",
        "The bank has no current rate for the two currencies: try again later, or ask the bank",
    ),
    (422, "quote_used", "The quote was used by another transaction: ask for a new one"),
    (422, "quote_expired", "The quote has expired: ask for a new one"),
    (422, "quote_mismatch", "The quote is for other currencies, or for the other direction"),
    (422, "quote_amount_exceeded", "The quote is for a smaller amount; the message says how much"),
    (422, "completion_in_past", "The time to complete at lies in the past"),
    (
        422,
        "completion_after_expiry",
        "The transaction expires before it would complete; a pending exchange expires after a minute",
    ),
    (422, "transaction_not_due", "The transaction does not complete by itself, or not yet"),
    (422, "rate_without_exchange", "Both accounts are in one currency: leave out `exchange`"),
    (
        422,
        "batch_refused",
        "One of an atomic batch was refused, and nothing was done: `errors` says which and why",
    ),
    (422, "batch_undone", "Another order of the same atomic batch was refused: nothing was done"),
    (
        429,
        "rate_limit_exceeded",
        "Too many requests, or items of batches: wait for the seconds of `Retry-After`",
    ),
    (500, "internal_error", "A fault of the server: report `requestId`"),
    (
        503,
        "unavailable",
        "The database or the server cannot do it now; nothing has changed: try again after `Retry-After`",
    ),
    (
        503,
        "outcome_unknown",
        "It took longer than 30 seconds, or the database went away at the moment of the commit: the same request with the same `Idempotency-Key` tells what became of it",
    ),
    (
        503,
        "derivation_too_long",
        "More than 10,000 entries of the account are not sealed yet, or more than 10,000 holds are open: try again in a minute, or end the holds",
    ),
    (
        503,
        "too_many_bodies",
        "More large bodies are on their way than there is room for: try again after `Retry-After`",
    ),
    (
        503,
        "too_many_connections",
        "The server has as many connections as it may have: try again after `Retry-After`",
    ),
    (503, "unhealthy", "A part of the service is down: `data` tells which"),
];

/// The list, by status.
pub(crate) fn entries() -> Vec<Entry> {
    let single = SINGLE.map(|(status, code, meaning)| (status, code, meaning.to_owned()));
    let nobody = Unauthenticated::ALL.iter().map(|why| (401, why.code(), why.to_string()));
    let forbidden = Forbidden::ALL.iter().map(|why| (403, why.code(), why.to_string()));
    let missing = Resource::ALL.iter().map(|what| {
        (404, what.code(), format!("{what}: there is none, or it is not the caller's to see"))
    });
    let conflicts = Conflict::ALL.iter().map(|what| (409, what.code(), what.to_string()));
    let all = single.into_iter().chain(nobody).chain(forbidden).chain(missing).chain(conflicts);
    let mut entries: Vec<Entry> =
        all.map(|(status, code, meaning)| Entry { status, code, meaning }).collect();
    entries.sort_by_key(|entry| entry.status);
    entries
}

/// The page of errors, in Markdown.
pub(crate) fn page() -> String {
    let rows = entries()
        .iter()
        .map(|entry| format!("| {} | `{}` | {} |\n", entry.status, entry.code, entry.meaning))
        .collect::<String>();
    format!(
        "# Errors\n\n\
         Every error answer has the same form. `code` is stable: switch on it. `message` is for people and may change.\n\
         `requestId` names the request in the server's log. `errors` is there when fields are at fault.\n\n\
         ```json\n\
         {{\"success\":false,\"message\":\"Validation failed\",\"code\":\"validation_failed\",\"requestId\":\"…\",\"timestamp\":\"…\",\
         \"errors\":[{{\"field\":\"amount\",\"message\":\"must be greater than zero\",\"code\":\"invalid\"}}]}}\n\
         ```\n\n\
         This page is generated from the code (`UPDATE_EXPECT=1 cargo test -p server document`), and a test holds it equal.\n\n\
         | status | code | meaning |\n|---|---|---|\n{rows}"
    )
}
