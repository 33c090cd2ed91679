//! What stands between a connection and a handler.
//!
//! A handler runs in a task of its own: a client that leaves, a timeout or a
//! shutdown never stops a change half-way, and a panic costs one request, not
//! the connection. So a change that was waited for in vain may still happen, and
//! its client is told that.

use crate::{front::Next, problem::Problem};
use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode, Version, header, uri::Authority},
    response::{IntoResponse, Response},
};
use platform::Error;
use std::time::Duration;
use tracing::Instrument;

/// How long a client waits for a handler.
const HANDLER_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs the handler apart from its client.
pub(crate) async fn apart(request: Request, next: impl Next) -> Response {
    let changes_nothing = request.method().is_safe();
    let handler = tokio::spawn(next.run(request).in_current_span());
    match tokio::time::timeout(HANDLER_TIMEOUT, handler).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => Problem::internal(panic).into_response(),
        Err(_) => {
            let cause = format!("the handler took longer than {HANDLER_TIMEOUT:?}");
            let problem = if changes_nothing {
                Problem::unavailable(Duration::from_secs(1), cause)
            } else {
                Error::OutcomeUnknown { cause }.into()
            };
            problem.into_response()
        }
    }
}

/// Refuses what RFC 9112 wants refused: in section 3.2 no Host, two, or nonsense; in
/// section 6.1 a coding of the body that is not known.
pub(crate) async fn head(request: Request, next: impl Next) -> Response {
    if !is_host_sound(request.version(), request.headers()) {
        let text = "Send exactly one valid Host header";
        return Problem::new(StatusCode::BAD_REQUEST, "invalid_host", text).into_response();
    }
    if !is_coding_known(request.headers()) {
        let text = "Send the body with its Content-Length, or chunked and nothing else";
        let code = "unsupported_transfer_encoding";
        return Problem::new(StatusCode::NOT_IMPLEMENTED, code, text).into_response();
    }
    next.run(request).await
}

fn is_coding_known(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    codings
        .map(|coding| coding.as_bytes().trim_ascii())
        .all(|coding| coding.eq_ignore_ascii_case(b"chunked"))
}

fn is_host_sound(version: Version, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => version < Version::HTTP_11,
        (Some(host), None) => {
            let authority = Authority::try_from(host.as_bytes());
            authority.is_ok_and(|authority| !authority.as_str().contains('@'))
        }
        (Some(_), Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{
        Router,
        body::Body,
        http::Method,
        middleware::{self, from_fn},
        routing::get,
    };
    use http_body_util::BodyExt;
    use jiff::Timestamp;
    use tower::ServiceExt;

    async fn around(request: Request, next: middleware::Next) -> Response {
        apart(request, move |request| next.run(request)).await
    }

    #[tokio::test]
    async fn a_panic_costs_one_request() {
        async fn fall() -> StatusCode {
            panic!("a handler falls")
        }
        let stand = get(|| async { StatusCode::OK });
        let router = Router::new().route("/falls", get(fall)).route("/stands", stand);
        let router = router.layer(from_fn(around));
        let ask = async |path: &str| {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            router.clone().oneshot(request).await.unwrap()
        };
        let fallen = ask("/falls").await;
        assert_eq!(fallen.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(fallen.extensions().get::<Problem>().is_some());
        assert_eq!(ask("/stands").await.status(), StatusCode::OK);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_waited_for_in_vain_may_have_happened_and_a_question_has_not() {
        let never =
            get(std::future::pending::<StatusCode>).post(std::future::pending::<StatusCode>);
        let router = Router::new().route("/", never).layer(from_fn(around));
        for (method, code) in [
            (Method::GET, "unavailable"),
            (Method::HEAD, "unavailable"),
            (Method::POST, "outcome_unknown"),
        ] {
            let request = Request::builder().method(&method).body(Body::empty()).unwrap();
            let mut answer = router.clone().oneshot(request).await.unwrap();
            let problem: Problem = answer.extensions_mut().remove().unwrap();
            let answer = problem.render("id", Timestamp::UNIX_EPOCH);
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(answer.headers()[header::RETRY_AFTER], "1");
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["code"], code, "{method}");
        }
    }
}
