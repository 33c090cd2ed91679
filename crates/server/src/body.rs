//! The body of a request: received in one place, before the handler, within
//! bounds of size and time.
//!
//! Whoever sends it slowly could be logged out, suspended or demoted meanwhile:
//! credentials older than a second are proven again once the body is there.
//! Whether a body was needed, and what it says, is [`crate::extract`]'s business;
//! so is telling the client what is wrong with it, after who may not call at all.

use crate::{App, caller, front::Next, problem::Problem};
use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The largest body, in bytes.
const MAX_BODY: usize = 1 << 20;
/// The largest body with many transactions.
const MAX_BATCH_BODY: usize = 8 << 20;
/// Where that may be sent.
const BATCH: &str = "/api/v1/transactions/batch";
/// How long a client may take to send it.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);
/// How long proven credentials are good for while the body arrives.
const PROVEN_FOR: Duration = Duration::from_secs(1);

/// What came.
#[derive(Clone)]
pub(crate) struct Arrived(pub(crate) Result<Bytes, Problem>);

/// The layer: receives the body, and proves the credentials again if that took long.
pub(crate) async fn arrive(app: App, request: Request, next: impl Next) -> Response {
    let (parts, body) = request.into_parts();
    let started = Instant::now();
    let arrived = Arrived(receive(&parts.headers, body, most(parts.uri.path())).await);
    let mut request = Request::from_parts(parts, Body::empty());
    request.extensions_mut().insert(arrived);
    if started.elapsed() > PROVEN_FOR {
        caller::prove(&app, &mut request).await;
    }
    next.run(request).await
}

fn most(path: &str) -> usize {
    if path == BATCH { MAX_BATCH_BODY } else { MAX_BODY }
}

async fn receive(headers: &HeaderMap, body: Body, most: usize) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("The body must be at most {} MiB", most >> 20),
        )
    };
    let encoding = headers.get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| encoding != "identity") {
        let text = "Send the body as it is, without Content-Encoding";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", text));
    }
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = media_type.and_then(|text| text.split(';').next()).map(str::trim);
    let is_json = essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length = length.and_then(|text| text.parse::<usize>().ok());
    if length.is_some_and(|length| length > most) {
        return Err(too_large());
    }
    let collected = timeout(BODY_TIMEOUT, Limited::new(body, most).collect()).await;
    let collected = collected.map_err(|_| {
        let text = "The body did not arrive within 15 seconds";
        Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", text)
    })?;
    let bytes = collected.map_err(|error| {
        let broken = Problem::new(StatusCode::BAD_REQUEST, "incomplete_body", "The body broke off");
        if error.is::<LengthLimitError>() { too_large() } else { broken }
    })?;
    let bytes = bytes.to_bytes();
    if !bytes.is_empty() && !is_json {
        let text = "Send the body as application/json, and say so in Content-Type";
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            text,
        ));
    }
    Ok(bytes)
}
