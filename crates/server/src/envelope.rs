//! The outermost layer: what every request is given and every answer carries.
//!
//! Gives a request its id, its origin and its log span; gives an answer the
//! documented frame, the request id and the browser headers. Nothing leaves the
//! server without having passed here.

use crate::{App, front::Next, origin, problem::Problem, reply::Success};
use axum::{
    body::{Body, HttpBody},
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    response::Response,
};
use platform::{Environment, Origin};
use std::time::Instant;
use tracing::Instrument;

/// Names one request, in and out.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// For answers that are data: a browser must neither run nor frame them.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// See the module.
pub(crate) async fn frame(app: App, mut request: Request, next: impl Next) -> Response {
    let origin = origin::of(&request, &app.settings.trusted_proxies);
    let trace = origin::traceparent(request.headers());
    let span = tracing::debug_span!(
        "request",
        method = %request.method(),
        path = tracing::field::Empty,
        request_id = origin.request_id,
        trace_id = trace.as_deref().and_then(|trace| trace.get(3..35)),
    );
    let is_head = request.method() == Method::HEAD;
    let private = request.uri().path().starts_with("/api/v1");
    request.extensions_mut().insert(origin.clone());
    let started = Instant::now();
    let answer = next.run(request).instrument(span.clone()).await;
    let _inside = span.entered();
    let mut response = dress(&app, &origin, answer);
    if is_head {
        without_body(&mut response);
    }
    let elapsed = started.elapsed();
    app.requests.note(response.status().as_u16(), elapsed);
    tracing::debug!(status = response.status().as_u16(), ?elapsed, "answered");

    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::try_from(&origin.request_id) {
        headers.insert(REQUEST_ID, id);
    }
    if let Some(trace) = trace.and_then(|trace| HeaderValue::try_from(trace).ok()) {
        headers.insert("traceparent", trace);
    }
    protect(headers, app.settings.environment, private);
    response
}

/// Puts the documented frame around what a handler, or axum itself, answered.
fn dress(app: &App, origin: &Origin, mut response: Response) -> Response {
    let now = app.platform.now();
    if let Some(success) = response.extensions_mut().remove::<Success>() {
        success.render(&mut response, now);
        return response;
    }
    let problem = response.extensions_mut().remove::<Problem>();
    let status = response.status();
    let wordless = status.is_client_error() || status.is_server_error();
    let Some(problem) = problem.or_else(|| wordless.then(|| Problem::of_status(status))) else {
        return response;
    };
    // Layers further in may have set headers: Allow, rate limits, CORS.
    let mut framed = problem.render(&origin.request_id, now);
    let given = std::mem::take(response.headers_mut());
    for (name, value) in &given {
        if name != header::CONTENT_LENGTH && !framed.headers().contains_key(name) {
            framed.headers_mut().append(name, value.clone());
        }
    }
    framed
}

/// Leaves the length of a body, and not the body. The router took the body of a handler
/// away before it was framed.
fn without_body(response: &mut Response) {
    let length = response.body().size_hint().exact().filter(|length| *length > 0);
    *response.body_mut() = Body::empty();
    if let Some(length) = length {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
}

/// About how many headers an answer gets here and on its way out.
const HEADERS: usize = 12;

/// The browser headers. What a handler has set itself stays.
fn protect(headers: &mut HeaderMap, environment: Environment, private: bool) {
    headers.reserve(HEADERS);
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    set(header::REFERRER_POLICY, "no-referrer");
    set(CROSS_ORIGIN_OPENER_POLICY, "same-origin");
    set(PERMISSIONS_POLICY, "camera=(), geolocation=(), microphone=(), payment=(), usb=()");
    if private {
        set(header::CACHE_CONTROL, "no-store");
    }
    if environment == Environment::Production {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains");
    }
}
