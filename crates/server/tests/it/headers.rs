//! What every answer carries, and what is answered where there is no endpoint.

use crate::support::{Answer, Api, settings};
use platform::Environment;
use serde_json::json;
use server::Settings;

fn listed(answer: &Answer) -> String {
    let mut lines: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| !["x-request-id", "content-length"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    lines.join("\n")
}

#[tokio::test]
async fn an_answer_of_the_bank_is_private_and_inert_in_a_browser() {
    let api = Api::start().await;
    let answer = api.user().await.get("/api/v1/accounts").await;
    insta::assert_snapshot!(listed(answer.expect(200)), @"
    access-control-expose-headers: x-request-id,idempotent-replayed,x-ratelimit-limit,x-ratelimit-remaining,x-ratelimit-reset,retry-after,location,content-disposition
    cache-control: no-store
    content-security-policy: default-src 'none'; frame-ancestors 'none'
    content-type: application/json
    cross-origin-opener-policy: same-origin
    permissions-policy: camera=(), geolocation=(), microphone=(), payment=(), usb=()
    referrer-policy: no-referrer
    vary: origin
    x-content-type-options: nosniff
    ");
    assert_eq!(
        listed(&api.anyone().get("/health").await),
        listed(&answer).replace("cache-control: no-store\n", "")
    );
    let refused = api.anyone().get("/api/v1/accounts").await;
    let challenge = "\nwww-authenticate: Bearer realm=\"wallstreet\"\nx-content-type-options";
    assert_eq!(
        listed(refused.expect(401)),
        listed(&answer).replace("\nx-content-type-options", challenge)
    );
}

#[tokio::test]
async fn production_asks_browsers_for_https() {
    let api = Api::with(Settings { environment: Environment::Production, ..settings() }).await;
    let answer = api.anyone().get("/health").await;
    assert_eq!(
        answer.header("strict-transport-security").unwrap(),
        "max-age=31536000; includeSubDomains"
    );
}

#[tokio::test]
async fn a_sane_request_id_is_kept_and_another_is_replaced() {
    let api = Api::start().await;
    let sent = async |id: &str| {
        let answer =
            api.anyone().send("GET", "/api/v1/accounts", &[("x-request-id", id)], "").await;
        assert_eq!(answer.body["requestId"], answer.header("x-request-id").unwrap());
        answer.header("x-request-id").unwrap()
    };
    assert_eq!(sent("my-request_1.2").await, "my-request_1.2");
    assert_eq!(sent(&"x".repeat(64)).await, "x".repeat(64));
    for id in ["", "a b", "a\"b", "ü", &"x".repeat(65)] {
        assert_eq!(sent(id).await.len(), 36);
    }
}

#[tokio::test]
async fn a_trace_is_continued_and_nonsense_is_not() {
    let api = Api::start().await;
    let sent = async |trace: &str| {
        let answer = api.anyone().send("GET", "/livez", &[("traceparent", trace)], "").await;
        answer.expect(200).header("traceparent")
    };
    let given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let continued = sent(given).await.unwrap();
    assert_eq!((&continued[..36], &continued[52..]), (&given[..36], &given[52..]));
    assert_ne!(continued, given);
    for nonsense in [
        "nonsense",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ] {
        assert_eq!(sent(nonsense).await, None, "{nonsense}");
    }
}

#[tokio::test]
async fn a_path_that_is_not_there_and_a_method_that_is_not_known_say_so() {
    let api = Api::start().await;
    let anyone = api.anyone();
    for path in [
        "/nowhere",
        "/api",
        "/api/v1",
        "/api/v2/accounts",
        "/api/v1/accounts/",
        "/api/v1/accounts/1/2/3",
    ] {
        anyone.get(path).await.refused(404, "route_not_found");
    }
    for (method, path, allow) in [
        ("TRACE", "/api/v1/accounts", "GET,HEAD,POST"),
        ("PATCH", "/api/v1/auth/login", "POST"),
        ("DELETE", "/health", "GET,HEAD"),
        ("BREW", "/api/v1/users/profile", "GET,HEAD,PUT,DELETE"),
    ] {
        let answer = anyone.send(method, path, &[], "").await;
        answer.refused(405, "method_not_allowed");
        assert_eq!(answer.header("allow").unwrap(), allow);
    }
}

#[tokio::test]
async fn pages_of_an_allowed_origin_may_call_and_no_others() {
    let api = Api::start().await;
    let preflight = async |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,idempotency-key"),
        ];
        api.anyone().send("OPTIONS", "/api/v1/accounts", &headers, "").await
    };
    let preflighted = preflight("https://app.example.com").await;
    insta::assert_snapshot!(listed(preflighted.expect(200)), @"
    access-control-allow-headers: authorization,content-type,x-api-key,idempotency-key,x-request-id,traceparent
    access-control-allow-methods: GET,POST,PUT,PATCH,DELETE
    access-control-allow-origin: https://app.example.com
    access-control-max-age: 600
    allow: GET,HEAD,POST
    cache-control: no-store
    content-security-policy: default-src 'none'; frame-ancestors 'none'
    cross-origin-opener-policy: same-origin
    permissions-policy: camera=(), geolocation=(), microphone=(), payment=(), usb=()
    referrer-policy: no-referrer
    vary: origin
    x-content-type-options: nosniff
    ");
    for origin in [
        "https://evil.example.com",
        "https://app.example.com.evil.com",
        "http://app.example.com",
        "null",
    ] {
        assert_eq!(preflight(origin).await.header("access-control-allow-origin"), None, "{origin}");
    }
    let call = [("origin", "https://app.example.com")];
    let answer = api.anyone().send("GET", "/api/v1/accounts", &call, "").await;
    assert_eq!(
        answer.expect(401).header("access-control-allow-origin").unwrap(),
        "https://app.example.com"
    );
    let exposed = answer.header("access-control-expose-headers").unwrap();
    assert!(
        exposed.contains("x-ratelimit-remaining") && exposed.contains("x-request-id"),
        "{exposed}"
    );

    let open = Api::with(Settings { cors_origins: vec!["*".to_owned()], ..settings() }).await;
    let answer = open.anyone().send("GET", "/health", &call, "").await;
    assert_eq!(answer.header("access-control-allow-origin").unwrap(), "*");
    assert_eq!(answer.header("access-control-allow-credentials"), None);
}

#[tokio::test]
async fn the_documentation_is_served_from_here_alone_and_can_be_switched_off() {
    let api = Api::start().await;
    let page = api.anyone().get("/api-docs").await;
    let policy = page.expect(200).header("content-security-policy").unwrap();
    let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert!(page.text.contains(&format!("content=\"{nonce}\"")));
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self' 'nonce-"),
        "{policy}"
    );
    assert!(!page.text.contains("//"), "the page names another host: {}", page.text);
    assert!(page.text.contains("<noscript>"));
    let script = page.text.split("<script src=\"").nth(1).unwrap().split('"').next().unwrap();
    let script = api.anyone().get(script).await;
    assert!(script.expect(200).text.len() > 1_000_000);
    let document = api.anyone().get("/api-docs/openapi.json").await;
    assert_eq!(document.expect(200).text, server::openapi());

    let closed = Api::with(Settings { docs: false, ..settings() }).await;
    for path in ["/api-docs", "/api-docs/openapi.json", "/api-docs/scalar.js"] {
        closed.anyone().get(path).await.refused(404, "route_not_found");
    }
}

#[tokio::test]
async fn the_root_says_what_this_is() {
    let answer = Api::start().await.anyone().get("/").await;
    let version = json!({"message": "Wallstreet API", "version": env!("CARGO_PKG_VERSION"), "documentation": "/api-docs"});
    assert_eq!(*answer.expect(200).data(), version);
}
