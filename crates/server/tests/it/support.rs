//! A client that is in process with the server, and holds it to its contract.

use crate::contract;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::ConnectInfo,
    http::{HeaderMap, Request, header},
    response::Response,
};
use http_body_util::BodyExt;
use platform::Environment;
use serde_json::{Value, json};
use server::{RateLimits, Settings};
use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use testkit::{Bank, PASSWORD};
use tower::ServiceExt;

/// A server on a bank of its own.
pub struct Api {
    pub bank: Bank,
    pub router: Router,
}

/// No limits, no trusted proxies.
pub fn settings() -> Settings {
    Settings {
        environment: Environment::Development,
        cors_origins: vec!["https://app.example.com".to_owned()],
        docs: true,
        rate_limits: RateLimits { max: 0, window: Duration::from_secs(15 * 60), auth_max: 0 },
        trusted_proxies: Vec::new(),
        max_connections: 64,
        body_memory: 64 << 20,
    }
}

impl Api {
    pub async fn start() -> Self {
        Self::with(settings()).await
    }

    pub async fn with(settings: Settings) -> Self {
        Self::over(testkit::bank().await, settings)
    }

    /// Over a bank with settings of its own.
    pub fn over(bank: Bank, settings: Settings) -> Self {
        let router = server::router(bank.platform.clone(), settings);
        Self { bank, router }
    }

    /// Without credentials.
    pub fn anyone(&self) -> Client {
        Client::anyone(self.router.clone())
    }

    /// A new user, logged in.
    pub async fn user(&self) -> Client {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let email = format!("user{}@example.com", COUNT.fetch_add(1, Ordering::Relaxed));
        self.anyone().register(&email).await
    }

    /// The administrator, logged in.
    pub async fn admin(&self) -> Client {
        self.bank.admin().await;
        self.anyone().log_in("admin@example.com").await
    }
}

/// Somebody who sends requests.
#[derive(Clone)]
pub struct Client {
    router: Router,
    credentials: Option<(&'static str, String)>,
    pub address: SocketAddr,
    /// Who they are, as the login said.
    pub user: Value,
}

impl Client {
    pub fn anyone(router: Router) -> Self {
        let address = SocketAddr::from(([192, 0, 2, 1], 4711));
        Self { router, credentials: None, address, user: Value::Null }
    }

    pub async fn register(&self, email: &str) -> Self {
        let body = json!({"email": email, "password": PASSWORD, "firstName": "Ada", "lastName": "Lovelace"});
        let answer = self.post("/api/v1/auth/register", &body).await;
        answer.expect(201);
        self.with_login(&answer.body["data"])
    }

    pub async fn log_in(&self, email: &str) -> Self {
        let body = json!({"email": email, "password": PASSWORD});
        let answer = self.post("/api/v1/auth/login", &body).await;
        answer.expect(200);
        self.with_login(&answer.body["data"])
    }

    pub fn with_login(&self, login: &Value) -> Self {
        let token = login["token"].as_str().expect("a login has a token");
        let credentials = Some(("authorization", format!("Bearer {token}")));
        Self { credentials, user: login["user"].clone(), ..self.clone() }
    }

    /// The same person through a new API key.
    pub async fn key(&self, permissions: &[&str]) -> Self {
        let body = json!({"name": "key", "permissions": permissions, "rateLimit": 0});
        let answer = self.post("/api/v1/api-keys", &body).await;
        answer.expect(201);
        self.with_key(answer.body["data"]["key"].as_str().expect("a new key is shown"))
    }

    pub fn with_key(&self, key: &str) -> Self {
        Self { credentials: Some(("x-api-key", key.to_owned())), ..self.clone() }
    }

    /// The header that proves who they are.
    pub fn credentials(&self) -> Option<(&'static str, &str)> {
        self.credentials.as_ref().map(|(name, value)| (*name, value.as_str()))
    }

    /// The same person from another address.
    pub fn from(&self, address: [u8; 4]) -> Self {
        Self { address: SocketAddr::from((address, 4711)), ..self.clone() }
    }

    /// A new account with this much money, by its id.
    pub async fn account(&self, amount: &str) -> String {
        let answer = self.post("/api/v1/accounts", &json!({"accountType": "checking"})).await;
        answer.expect(201);
        let id = answer.body["data"]["id"].as_str().expect("an account has an id").to_owned();
        if amount != "0" {
            self.transact(&id, "deposit", amount, true).await.expect(201);
        }
        id
    }

    /// A transaction on the account.
    pub async fn transact(&self, account: &str, kind: &str, amount: &str, process: bool) -> Answer {
        let body = json!({"accountId": account, "transactionType": kind, "amount": amount, "process": process});
        self.post("/api/v1/transactions", &body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], "").await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.json("POST", path, body).await
    }

    pub async fn json(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.text(method, path, &body.to_string()).await
    }

    /// A body that is called JSON, whatever it is.
    pub async fn text(&self, method: &str, path: &str, body: &str) -> Answer {
        self.send(method, path, &[("content-type", "application/json")], body).await
    }

    /// A request with an idempotency key.
    pub async fn keyed(&self, path: &str, key: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        self.send("POST", path, &headers, &body.to_string()).await
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let (parts, body) = self.begin(method, path, headers, body).await.into_parts();
        let bytes = body.collect().await.expect("the body is in memory").to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        let answer = Answer { status: parts.status.as_u16(), headers: parts.headers, text, body };
        contract::check(method, path, &answer);
        answer
    }

    /// The answer as far as its status and headers.
    async fn begin(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response {
        let mut request =
            Request::builder().method(method).uri(path).header(header::HOST, "localhost");
        for (name, value) in headers.iter().copied().chain(self.credentials()) {
            request = request.header(name, value);
        }
        let request =
            request.extension(ConnectInfo(self.address)).body(Body::from(body.to_owned()));
        let response = self.router.clone().oneshot(request.expect("a request")).await;
        response.expect("the server always answers")
    }

    /// The body of an answer, unless it breaks off.
    pub async fn raw(&self, path: &str) -> Result<Bytes, axum::Error> {
        let answer = self.begin("GET", path, &[], "").await;
        answer.into_body().collect().await.map(http_body_util::Collected::to_bytes)
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    pub body: Value,
}

impl Answer {
    #[track_caller]
    pub fn expect(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Status and code of a problem.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> &Self {
        assert_eq!(
            (self.status, self.body["code"].as_str()),
            (status, Some(code)),
            "{}",
            self.text
        );
        self
    }

    /// Field and code of a validation problem with one violation.
    #[track_caller]
    pub fn names(&self, field: &str, code: &str) -> &Self {
        self.refused(400, "validation_failed");
        let error = &self.body["errors"][0];
        let given = (error["field"].as_str(), error["code"].as_str());
        assert_eq!(given, (Some(field), Some(code)), "{}", self.text);
        self
    }

    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(|value| value.to_str().expect("headers are text").to_owned())
    }

    pub fn data(&self) -> &Value {
        &self.body["data"]
    }
}
