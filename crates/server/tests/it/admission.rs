//! What will be refused anyway is refused before its body is there: over every
//! operation of the API document, each with a body of which only one byte comes.

use crate::{
    connections::{Listening, assert_answer, listen, rest},
    contract::{Operation, operations},
    support::{Client, settings},
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use server::{RateLimits, Settings};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

const JSON: &str = "Content-Type: application/json\r\nContent-Length: 1000\r\n";

fn in_process(server: &Listening) -> Client {
    Client::anyone(server::router(server.bank.platform.clone(), settings()))
}

fn credentials(client: &Client) -> String {
    let (name, value) = client.credentials().expect("somebody");
    format!("{name}: {value}\r\n")
}

/// What is answered to a head and the first byte of its body.
async fn begin(server: &Listening, operation: Operation, headers: &str) -> String {
    let path = operation.path.replace("{number}", "1");
    let path = path.replace("{id}", "01890a5d-ac96-774b-bcce-b302099a8057");
    let path = path.replace("{accountId}", "01890a5d-ac96-774b-bcce-b302099a8057");
    begin_at(server, &operation.method.to_uppercase(), &path, headers).await
}

async fn begin_at(server: &Listening, method: &str, path: &str, headers: &str) -> String {
    let mut stream = server.connect().await;
    let head = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n{{");
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(10), rest(&mut stream)).await;
    let answer = answer.unwrap_or_else(|_| panic!("{method} {path} waits for the body: {headers}"));
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    answer
}

/// Whether a body belongs to it.
fn takes_body(operation: &Operation) -> bool {
    operation.described["requestBody"].is_object()
}

#[tokio::test]
async fn nobody_and_who_may_not_are_refused_by_the_head() {
    let server = listen(settings()).await;
    server.bank.admin().await;
    let admin = in_process(&server).log_in("admin@example.com").await;
    let ada = in_process(&server).register("ada@example.com").await;
    let key = admin.key(&[]).await;
    let check = async |operation: Operation, headers: String| {
        let answer = begin(&server, operation, &headers).await;
        assert_answer(&answer, 401, "authentication_required");
        let wrong = format!("{headers}x-api-key: wsk_dev_nonsense\r\n");
        assert_answer(&begin(&server, operation, &wrong).await, 401, "invalid_api_key");
        let answer = begin(&server, operation, &(credentials(&key) + &headers)).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{}: {answer}", operation.id());
        if operation.path.starts_with("/api/v1/admin") {
            let answer = begin(&server, operation, &(credentials(&ada) + &headers)).await;
            assert_answer(&answer, 403, "admin_required");
        }
    };
    let closed: Vec<_> =
        operations().into_iter().filter(|operation| !operation.is_public()).collect();
    for some in closed.chunks(16) {
        for more in ["", "Expect: 100-continue\r\n"] {
            join_all(some.iter().map(|operation| check(*operation, format!("{JSON}{more}")))).await;
        }
    }
}

#[tokio::test]
async fn what_is_no_json_or_too_large_is_refused_by_the_head() {
    let server = listen(settings()).await;
    server.bank.admin().await;
    let admin = credentials(&in_process(&server).log_in("admin@example.com").await);
    let with_body: Vec<_> = operations().into_iter().filter(takes_body).collect();
    assert!(with_body.len() > 15);
    for operation in with_body {
        let most = operation.described["x-max-body-bytes"].as_u64().unwrap_or(1 << 20);
        let too_large = most + 1;
        for more in ["", "Expect: 100-continue\r\n"] {
            for (headers, status, code) in [
                (
                    "Content-Type: text/plain\r\nContent-Length: 9\r\n".to_owned(),
                    415,
                    "unsupported_media_type",
                ),
                ("Content-Length: 9\r\n".to_owned(), 415, "unsupported_media_type"),
                (
                    "Content-Type: text/xml\r\nTransfer-Encoding: chunked\r\n".to_owned(),
                    415,
                    "unsupported_media_type",
                ),
                (format!("{JSON}Content-Encoding: gzip\r\n"), 415, "unsupported_encoding"),
                (
                    format!("Content-Type: application/json\r\nContent-Length: {too_large}\r\n"),
                    413,
                    "body_too_large",
                ),
            ] {
                let headers = format!("{admin}{headers}{more}");
                assert_answer(&begin(&server, operation, &headers).await, status, code);
            }
        }
    }
    assert_eq!(
        largest(),
        json!({"create_transactions": 8 << 20, "login": 16 << 10, "refresh": 16 << 10,
        "register": 16 << 10, "change_password": 16 << 10})
    );
}

/// What the document says of large and small bodies.
fn largest() -> Value {
    let said = |operation: Operation| {
        let most = operation.described["x-max-body-bytes"].as_u64()?;
        Some((operation.id().to_owned(), json!(most)))
    };
    operations().into_iter().filter_map(said).collect::<serde_json::Map<_, _>>().into()
}

#[tokio::test]
async fn what_is_not_there_and_what_was_tried_too_often_is_refused_by_the_head() {
    let limits = RateLimits { max: 0, auth_max: 2, ..RateLimits::default() };
    let server = listen(Settings { rate_limits: limits, ..settings() }).await;
    for (method, path, status, code) in [
        ("POST", "/api/v1/nowhere", 404, "route_not_found"),
        ("POST", "/nowhere", 404, "route_not_found"),
        ("PATCH", "/api/v1/auth/login", 405, "method_not_allowed"),
    ] {
        for more in ["", "Expect: 100-continue\r\n"] {
            let answer = begin_at(&server, method, path, &format!("{JSON}{more}")).await;
            assert_answer(&answer, status, code);
        }
    }
    let wrong = r#"{"email":"ada@example.com","password":"Wrong-Horse-1"}"#;
    for _ in 0..2 {
        let mut stream = server.connect().await;
        let length = wrong.len();
        let request = format!(
            "POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{wrong}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_answer(&rest(&mut stream).await, 401, "invalid_credentials");
    }
    for path in ["login", "register", "refresh"] {
        let answer = begin_at(&server, "POST", &format!("/api/v1/auth/{path}"), JSON).await;
        assert_answer(&answer, 429, "rate_limit_exceeded");
    }
}

#[tokio::test]
async fn who_is_still_sending_when_refused_can_read_why() {
    let server = listen(settings()).await;
    let mut stream = server.connect().await;
    let length = 4 << 20;
    let head = format!(
        "POST /api/v1/transactions/batch HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // Whoever does not look for the answer before all is sent.
    for _ in 0..length / 1024 {
        stream.write_all(&[b' '; 1024]).await.unwrap();
    }
    let answer = rest(&mut stream).await;
    assert_answer(&answer, 401, "authentication_required");
}

#[tokio::test]
async fn who_never_stops_sending_is_not_listened_to_for_long() {
    let server = listen(settings()).await;
    let mut stream = server.connect().await;
    let head = "POST /api/v1/transactions HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let started = std::time::Instant::now();
    while stream.write_all(b" ").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(started.elapsed() < Duration::from_secs(10), "still listened to");
    }
}
