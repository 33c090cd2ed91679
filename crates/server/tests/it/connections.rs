//! Real connections: what is not HTTP as it should be, what is too slow, and the
//! way out. Time stands still here and jumps to the next deadline when nothing
//! else is left to do, so a timeout is exact and costs no time.

use crate::support::{Client, settings};
use serde_json::Value;
use server::{Listeners, Settings};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use testkit::Bank;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::Instant,
};

/// A server that listens.
pub struct Listening {
    pub bank: Bank,
    pub address: SocketAddr,
    /// For health alone.
    pub health: SocketAddr,
    stop: oneshot::Sender<()>,
    done: JoinHandle<io::Result<()>>,
}

pub async fn listen(settings: Settings) -> Listening {
    let bank = testkit::bank().await;
    let api = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], api.local_addr().unwrap().port()));
    let health = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listeners = (health.local_addr().unwrap(), Listeners { api, health: Some(health) });
    let (health, listeners) = listeners;
    let (stop, stopped) = oneshot::channel();
    let shutdown = async { drop(stopped.await) };
    let done = tokio::spawn(server::serve(listeners, bank.platform.clone(), settings, shutdown));
    Listening { bank, address, health, stop, done }
}

impl Listening {
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// From 127.0.0.`last`.
    async fn connect_from(&self, last: u8) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0))).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    /// Everything that comes back for these bytes until the server closes.
    async fn raw(&self, bytes: &str) -> String {
        self.raw_at(self.address, bytes).await
    }

    /// The same at one of its ports.
    pub async fn raw_at(&self, address: SocketAddr, bytes: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        rest(&mut stream).await
    }
}

pub async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A connection that is reset has said what it had to say.
    drop(stream.read_to_end(&mut bytes).await);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[track_caller]
pub fn assert_answer(text: &str, status: u16, code: &str) {
    assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
    let body = text.split("\r\n\r\n").nth(1).unwrap_or_default();
    let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(body["code"], code, "{text}");
}

#[tokio::test]
async fn a_body_in_a_coding_that_is_not_known_is_not_read() {
    let server = listen(settings()).await;
    let post = |coding: &str| {
        format!(
            "POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Transfer-Encoding: {coding}\r\nConnection: close\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"
        )
    };
    for coding in ["gzip, chunked", "gzip\r\nTransfer-Encoding: chunked", "identity, chunked"] {
        let answer = server.raw(&post(coding)).await;
        assert_answer(&answer, 501, "unsupported_transfer_encoding");
    }
    assert_answer(&server.raw(&post("Chunked")).await, 400, "validation_failed");
}

#[tokio::test]
async fn a_request_names_exactly_one_sound_host() {
    let server = listen(settings()).await;
    for hosts in ["", "Host: a\r\nHost: b\r\n", "Host: a b\r\n", "Host: user@a\r\n", "Host:\r\n"] {
        let answer =
            server.raw(&format!("GET /livez HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n")).await;
        assert_answer(&answer, 400, "invalid_host");
    }
    for host in ["localhost", "localhost:3000", "[::1]:3000", "192.0.2.1"] {
        let answer = server
            .raw(&format!("GET /livez HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
            .await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let old = server.raw("GET /livez HTTP/1.0\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 200 "), "{old}");
}

#[tokio::test]
async fn what_could_smuggle_a_second_request_is_refused() {
    let server = listen(settings()).await;
    for headers in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: -1\r\n",
        "Transfer-Encoding: identity\r\n",
        "Host : a\r\n",
        "X-Folded: a\r\n b\r\n",
    ] {
        let request = format!("POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\n{headers}\r\nhello");
        let answer = server.raw(&request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{headers}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = listen(settings()).await;
    let many = "X-A: b\r\n".repeat(100);
    let long = format!("X-A: {}\r\n", "b".repeat(64 * 1024));
    for headers in [many, long] {
        let answer = server.raw(&format!("GET /livez HTTP/1.1\r\nHost: a\r\n{headers}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
}

#[tokio::test]
async fn who_sends_nothing_or_dribbles_is_cut_off_after_ten_seconds() {
    let server = listen(settings()).await;
    tokio::time::pause();
    for beginning in ["", "GET /livez HT", "GET /livez HTTP/1.1\r\nHost: a\r\nX-Slow: "] {
        let started = Instant::now();
        server.raw(beginning).await;
        assert_eq!(started.elapsed().as_secs(), 10, "{beginning}");
    }
    let mut idle = server.connect().await;
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let started = Instant::now();
    assert!(rest(&mut idle).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_waited_for_fifteen_seconds() {
    let server = listen(settings()).await;
    tokio::time::pause();
    let started = Instant::now();
    let answer = server
        .raw("POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\nConnection: close\r\n\r\n{\"em")
        .await;
    assert_answer(&answer, 408, "request_timeout");
    assert_eq!(started.elapsed().as_secs(), 15);
}

/// Asks to suspend the account; the body follows, after `meanwhile` and two seconds,
/// when the credentials have long been proven.
async fn suspend_slowly(
    server: &Listening,
    (ada, account): &(Client, String),
    meanwhile: impl Future<Output = ()>,
) -> String {
    let mut stream = server.connect().await;
    let body = r#"{"status":"suspended"}"#;
    let (name, value) = ada.credentials().expect("a logged-in user");
    let length = body.len();
    let head = format!(
        "PUT /api/v1/accounts/{account} HTTP/1.1\r\nHost: a\r\n{name}: {value}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\
         Expect: 100-continue\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut asked_for = [0; 25];
    stream.read_exact(&mut asked_for).await.unwrap();
    assert_eq!(&asked_for, b"HTTP/1.1 100 Continue\r\n\r\n");
    meanwhile.await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    stream.write_all(body.as_bytes()).await.unwrap();
    rest(&mut stream).await
}

#[tokio::test]
async fn whoever_logs_out_while_a_body_is_on_its_way_is_nobody_when_it_is_there() {
    let server = listen(settings()).await;
    let owner = owner(&server).await;
    let log_out = async {
        owner.0.send("POST", "/api/v1/auth/logout", &[], "").await.expect(200);
    };
    let answer = suspend_slowly(&server, &owner, log_out).await;
    assert_answer(&answer, 401, "session_ended");
    assert_eq!(status(&server.bank, &owner.1).await, "active");
}

#[tokio::test]
async fn whoever_is_slow_and_stays_is_served() {
    let server = listen(settings()).await;
    let owner = owner(&server).await;
    let answer = suspend_slowly(&server, &owner, async {}).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(status(&server.bank, &owner.1).await, "suspended");
}

const HEALTH: &str = "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const ROOT: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn beyond_the_limit_a_few_are_told_so_and_health_is_answered() {
    let server = listen(Settings { max_connections: 1, ..settings() }).await;
    let owner = owner(&server).await;
    let lock = server.bank.client().await;
    lock.batch_execute(LOCK).await.unwrap();
    let first = suspend(&server, &owner).await;
    let refused = server.raw(ROOT).await;
    assert_answer(&refused, 503, "too_many_connections");
    assert!(refused.contains("retry-after: 1\r\n"), "{refused}");
    for path in ["/livez", "/readyz", "/health", "/metrics"] {
        let answer = server.raw(&HEALTH.replace("/livez", path)).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    drop(first);
    until_served(&server).await;
}

/// Until a place is free; the server notices in its own time.
async fn until_served(server: &Listening) {
    while !server.raw(ROOT).await.starts_with("HTTP/1.1 200 ") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn who_says_nothing_holds_a_place_of_the_reserve_for_one_second() {
    let server = listen(Settings { max_connections: 1, ..settings() }).await;
    let _first = server.connect().await;
    tokio::time::pause();
    let started = Instant::now();
    assert_eq!(server.raw("GET /livez HT").await, "");
    assert_eq!(started.elapsed().as_secs(), 1);
}

#[tokio::test]
async fn four_addresses_that_fill_everything_do_not_keep_a_fifth_out() {
    let server = listen(settings()).await;
    for beginning in
        ["", "GET /livez HTTP/1.1\r\nHost: a\r\nX-Slow: ", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"]
    {
        let mut crowd = Vec::new();
        for last in [2, 3, 4, 5].repeat(100) {
            let mut stream = server.connect_from(last).await;
            stream.write_all(beginning.as_bytes()).await.unwrap();
            crowd.push(stream);
        }
        let started = std::time::Instant::now();
        let mut fifth = server.connect_from(6).await;
        fifth.write_all(ROOT.as_bytes()).await.unwrap();
        let answer = rest(&mut fifth).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{beginning:?}: {answer}");
        let mut probe = server.connect_from(2).await;
        probe.write_all(HEALTH.as_bytes()).await.unwrap();
        let answer = rest(&mut probe).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{beginning:?}: {answer}");
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn who_is_being_served_is_not_cut_off_for_a_newcomer() {
    let server = listen(Settings { max_connections: 1, ..settings() }).await;
    let owner = owner(&server).await;
    let lock = server.bank.client().await;
    lock.batch_execute(LOCK).await.unwrap();
    let mut stream = suspend(&server, &owner).await;
    let mut newcomer = server.connect_from(9).await;
    newcomer.write_all(ROOT.as_bytes()).await.unwrap();
    assert_answer(&rest(&mut newcomer).await, 503, "too_many_connections");
    lock.batch_execute("COMMIT").await.unwrap();
    // On a busy machine the wait for the lock may have had its end: it is answered.
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 ");
}

#[tokio::test]
async fn the_port_for_health_answers_for_health_alone_and_when_the_other_is_full() {
    let server = listen(Settings { max_connections: 1, ..settings() }).await;
    let mut crowd = Vec::new();
    for last in 2..102 {
        crowd.push(server.connect_from(last).await);
    }
    for (path, status) in
        [("/livez", 200), ("/readyz", 200), ("/metrics", 200), ("/api/v1/accounts", 404)]
    {
        let mut stream = TcpStream::connect(server.health).await.unwrap();
        stream.write_all(HEALTH.replace("/livez", path).as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

#[tokio::test]
async fn readiness_does_not_wait_for_the_requests() {
    let server = listen(settings()).await;
    let owner = owner(&server).await;
    let lock = server.bank.client().await;
    lock.batch_execute(LOCK).await.unwrap();
    // As many as have a connection to the database, and more.
    let mut waiting = Vec::new();
    for _ in 0..40 {
        let mut stream = server.connect().await;
        let (name, value) = owner.0.credentials().expect("a logged-in user");
        let request =
            format!("GET /api/v1/accounts HTTP/1.1\r\nHost: a\r\n{name}: {value}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        waiting.push(stream);
    }
    wait_until_blocked(&server.bank).await;
    let started = std::time::Instant::now();
    let answer = server.raw(&HEALTH.replace("/livez", "/readyz")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

/// What a transaction of a test's own does to keep changes of accounts waiting.
const LOCK: &str = "BEGIN; LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE";

/// A user and her account.
async fn owner(server: &Listening) -> (Client, String) {
    let router = server::router(server.bank.platform.clone(), settings());
    let ada = Client::anyone(router).register("ada@example.com").await;
    let account = ada.account("0").await;
    (ada, account)
}

/// A request to suspend the account, sent, and waiting for the lock.
async fn suspend(server: &Listening, (ada, account): &(Client, String)) -> TcpStream {
    let mut stream = server.connect().await;
    let body = r#"{"status":"suspended"}"#;
    let (name, value) = ada.credentials().expect("a logged-in user");
    let length = body.len();
    let request = format!(
        "PUT /api/v1/accounts/{account} HTTP/1.1\r\nHost: a\r\n{name}: {value}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    wait_until_blocked(&server.bank).await;
    stream
}

async fn wait_until_blocked(bank: &Bank) {
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let client = bank.client().await;
    while client.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::task::yield_now().await;
    }
}

async fn status(bank: &Bank, account: &str) -> String {
    let statement = format!("SELECT status FROM accounts WHERE id = '{account}'");
    bank.client().await.query_one(&statement, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_shutdown_lets_the_requests_in_flight_finish_and_takes_no_more() {
    let server = listen(settings()).await;
    let owner = owner(&server).await;
    let lock = server.bank.client().await;
    lock.batch_execute(LOCK).await.unwrap();
    let mut stream = suspend(&server, &owner).await;
    let Listening { bank, address, stop, done, .. } = server;
    let mut idle = TcpStream::connect(address).await.unwrap();
    stop.send(()).unwrap();
    assert_eq!(rest(&mut idle).await, "");
    assert!(TcpStream::connect(address).await.is_err(), "still accepting");
    assert!(!done.is_finished());
    lock.batch_execute("COMMIT").await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200 "));
    done.await.unwrap().unwrap();
    assert_eq!(status(&bank, &owner.1).await, "suspended");
}

#[tokio::test]
async fn a_change_goes_on_when_its_client_has_left() {
    let server = listen(settings()).await;
    let owner = owner(&server).await;
    let lock = server.bank.client().await;
    lock.batch_execute(LOCK).await.unwrap();
    let stream = suspend(&server, &owner).await;
    drop(stream);
    // The server notices, and answers others meanwhile.
    let other = server.raw("GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(other.starts_with("HTTP/1.1 200 "));
    lock.batch_execute("COMMIT").await.unwrap();
    while status(&server.bank, &owner.1).await != "suspended" {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_handler_that_takes_thirty_seconds_is_answered_for_and_goes_on() {
    let server = listen(settings()).await;
    let owner = owner(&server).await;
    let lock = server.bank.client().await;
    lock.batch_execute(LOCK).await.unwrap();
    let mut stream = suspend(&server, &owner).await;
    tokio::time::pause();
    let started = Instant::now();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 503");
    // The request was on its way before time stood still.
    let waited = started.elapsed().as_secs_f64();
    assert!((20.0..=30.1).contains(&waited), "{waited}");
    let answer = format!("HTTP/1.1 503{}", rest(&mut stream).await);
    assert_answer(&answer, 503, "outcome_unknown");
    tokio::time::resume();
    lock.batch_execute("COMMIT").await.unwrap();
    while status(&server.bank, &owner.1).await != "suspended" {
        tokio::task::yield_now().await;
    }
}
