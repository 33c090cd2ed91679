//! A server's life: start, stop, start again, and every way to die.

use crate::product::{Home, Running, eventually};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    path::Path,
    process::Stdio,
    thread,
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const SALT: &str = "fedcba9876543210fedcba9876543210";

/// Whether the process runs; one that nobody has reaped yet does not.
fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"))
        .unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

fn log_in(server: &Running, email: &str, password: &str) -> String {
    let body = format!(r#"{{"email":"{email}","password":"{password}"}}"#);
    server.request("POST", "/api/v1/auth/login", &body).0
}

#[test]
fn a_first_start_answers_and_sigterm_leaves_no_process() {
    let home = Home::new();
    let server = home.serve(&[]);
    let (status, body) = server.request("GET", "/health", "");
    assert!(status.contains("200"), "{status} {body}");
    let said = server.said();
    for part in [
        "PostgreSQL",
        "making a new one",
        "migrations applied",
        "/api/v1",
        "/api-docs",
        "admin@wallstreet.com",
    ] {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
    let postmaster = home.postmaster();
    assert!(runs(postmaster));
    server.stop();
    assert!(!runs(postmaster));
    assert!(!home.has_postgres());
}

#[test]
fn sigint_stops_as_sigterm_does() {
    let home = Home::new();
    let server = home.serve(&[]);
    server.signal(Signal::SIGINT);
    assert_eq!(server.ended().code(), Some(0));
    assert!(!home.has_postgres());
}

#[test]
fn a_second_start_keeps_the_data_and_the_secrets() {
    let home = Home::new();
    let secret = home.data().join("wallstreet.secrets/JWT_SECRET");
    let server = home.serve(&[]);
    let person = r#"{"email":"ada@example.com","password":"Engine-No-1842","firstName":"Ada","lastName":"Lovelace"}"#;
    let (status, body) = server.request("POST", "/api/v1/auth/register", person);
    assert!(status.contains("201"), "{status} {body}");
    let first = fs::read_to_string(&secret).unwrap();
    server.stop();
    let server = home.serve(&[]);
    assert!(server.said().contains("up to date"), "{}", server.said());
    let status = log_in(&server, "ada@example.com", "Engine-No-1842");
    assert!(status.contains("200"), "{status}");
    assert_eq!(fs::read_to_string(&secret).unwrap(), first);
}

#[test]
fn the_sample_administrator_can_log_in_to_a_first_start() {
    let home = Home::new();
    let server = home.serve(&[]);
    assert!(log_in(&server, "admin@wallstreet.com", "Admin123?").contains("401"));
    assert!(log_in(&server, "admin@wallstreet.com", "Admin123!").contains("200"));
}

#[test]
fn kill_9_leaves_no_orphan_and_the_next_start_works() {
    let home = Home::new();
    let server = home.serve(&[]);
    let postmaster = home.postmaster();
    server.signal(Signal::SIGKILL);
    server.ended();
    eventually("PostgreSQL follows its parent", || !runs(postmaster) && !home.has_postgres());
    let server = home.serve(&[]);
    assert!(server.request("GET", "/health", "").0.contains("200"));
}

#[test]
fn a_second_signal_does_not_wait_for_a_request_that_hangs() {
    let home = Home::new();
    let server = home.serve(&[]);
    let mut slow = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    slow.write_all(b"POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{").unwrap();
    // Whoever is answered after it shows that it has been accepted.
    assert!(server.request("GET", "/health", "").0.contains("200"));
    server.signal(Signal::SIGTERM);
    server.until_said("Stopping");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.ended().code(), Some(130));
    eventually("PostgreSQL follows its parent", || !home.has_postgres());
}

#[test]
fn a_terminal_that_has_gone_does_not_spoil_the_end() {
    let home = Home::new();
    let mut child = home.command(&["serve", "--port", "0"]).stderr(Stdio::piped()).spawn().unwrap();
    let ready = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    // The reader, and with it the pipe, goes at the end of the statement.
    assert!({ ready }.any(|line| line.contains("Ready")));
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!home.has_postgres());
}

#[test]
fn production_starts_with_secrets_and_logs_json_alone() {
    let home = Home::new();
    let mut command = home.command(&["serve", "--port", "0", "--env", "production"]);
    let server = Running::start(command.env("JWT_SECRET", SECRET).env("API_KEY_SALT", SALT));
    let said = server.said();
    server.stop();
    assert!(!said.contains("admin@wallstreet.com"), "{said}");
    for line in said.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "not JSON: {line}");
    }
    assert!(!home.data().join("wallstreet.secrets").exists(), "given secrets are not kept");
}

#[tokio::test]
async fn with_a_database_url_no_postgresql_of_our_own_is_started() {
    let database = testkit::empty_database().await;
    let home = Home::new();
    tokio::task::spawn_blocking(move || {
        let server = home.serve(&["--database-url", &database.url]);
        assert!(server.request("GET", "/health", "").0.contains("200"));
        assert!(!home.data().join("pg").exists());
        server.stop();
        drop(database);
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn two_first_starts_on_one_database_and_directory_agree_on_schema_and_secrets() {
    let database = testkit::empty_database().await;
    let home = Home::new();
    tokio::task::spawn_blocking(move || {
        let start = || home.serve(&["--database-url", &database.url]);
        let (one, two) = thread::scope(|scope| {
            let two = scope.spawn(start);
            (start(), two.join().unwrap())
        });
        let credentials = r#"{"email":"admin@wallstreet.com","password":"Admin123!"}"#;
        let (_, body) = one.request("POST", "/api/v1/auth/login", credentials);
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        let token = body["data"]["token"].as_str().unwrap();
        let header = format!("Authorization: Bearer {token}\r\n");
        let (status, body) = two.request_with("GET", "/api/v1/auth/profile", &header, "");
        assert!(status.contains("200"), "a token of one is good for the other: {status} {body}");
        one.stop();
        two.stop();
        drop(database);
    })
    .await
    .unwrap();
}

#[test]
fn a_server_ends_by_itself_what_has_outlived_its_time() {
    let home = Home::new();
    let mut command = home.command(&["serve", "--port", "0"]);
    let server = Running::start(command.env("RATE_LIMIT_MAX_REQUESTS", "0"));
    let credentials = r#"{"email":"admin@wallstreet.com","password":"Admin123!"}"#;
    let (_, login) = server.request("POST", "/api/v1/auth/login", credentials);
    let login: serde_json::Value = serde_json::from_str(&login).unwrap();
    let token = login["data"]["token"].as_str().unwrap();
    let header = format!("Authorization: Bearer {token}\r\n");
    let ask = |method: &str, path: &str, body: &str| -> serde_json::Value {
        let (_, answer) = server.request_with(method, path, &header, body);
        serde_json::from_str(&answer).unwrap()
    };
    let account = ask("POST", "/api/v1/accounts", r#"{"accountType":"checking"}"#);
    let account = account["data"]["id"].as_str().unwrap().to_owned();
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
    let order = |kind: &str, more: String| {
        format!(r#"{{"accountId":"{account}","transactionType":"{kind}","amount":10{more}}}"#)
    };
    ask("POST", "/api/v1/transactions", &order("deposit", r#","process":true"#.to_owned()));
    let expires = format!(r#","expiresAt":"{soon}""#);
    let held = ask("POST", "/api/v1/transactions", &order("withdrawal", expires));
    assert_eq!(held["data"]["status"], "pending", "{held}");
    let path = format!("/api/v1/transactions/{}", held["data"]["id"].as_str().unwrap());
    eventually("the hold is given back", || {
        let seen = ask("GET", &path, "");
        seen["data"]["status"] == "failed" && seen["data"]["failureReason"] == "expired"
    });
    let balance = ask("GET", &format!("/api/v1/accounts/{account}/balance"), "");
    assert_eq!(balance["data"]["availableBalance"], 10.0);
    server.stop();
}
