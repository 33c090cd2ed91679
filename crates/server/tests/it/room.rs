//! The room for large bodies when there is not enough: over real connections, in
//! real time.

use crate::{
    connections::{Listening, assert_answer, listen, rest},
    support::{Client, settings},
};
use futures_util::future::join_all;
use server::Settings;
use std::time::Duration;
use testkit::PASSWORD;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, sleep},
};

const MIB: usize = 1 << 20;
const BATCH: &str = "/api/v1/transactions/batch";

async fn listen_with(mib: usize) -> Listening {
    listen(Settings { max_connections: 400, body_memory: mib * MIB, ..settings() }).await
}

fn in_process(server: &Listening) -> Client {
    Client::anyone(server::router(server.bank.platform.clone(), settings()))
}

/// A new user with an account.
async fn user(server: &Listening, name: &str) -> (Client, String) {
    let client = in_process(server).register(&format!("{name}@example.com")).await;
    let account = client.account("0").await;
    (client, account)
}

/// A batch with one order, and spaces until it has so many bytes.
fn batch(account: &str, bytes: usize) -> String {
    let item = format!(r#"{{"accountId":"{account}","transactionType":"deposit","amount":1}}"#);
    let text = format!(r#"{{"transactions":[{item}]}}"#);
    let spaces = " ".repeat(bytes - text.len());
    text + &spaces
}

fn head(path: &str, who: Option<&Client>, length: usize) -> String {
    let who = who.and_then(Client::credentials);
    let who = who.map(|(name, value)| format!("{name}: {value}\r\n")).unwrap_or_default();
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\n{who}Content-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    )
}

/// A connection on which all but the last byte of a body was sent.
async fn all_but_a_byte(
    server: &Listening,
    path: &str,
    who: Option<&Client>,
    body: &str,
) -> TcpStream {
    let mut stream = server.connect().await;
    stream.write_all(head(path, who, body.len()).as_bytes()).await.unwrap();
    stream.write_all(&body.as_bytes()[..body.len() - 1]).await.unwrap();
    stream
}

/// What is answered to a whole request.
async fn ask(server: &Listening, path: &str, who: Option<&Client>, body: &str) -> String {
    let mut stream = all_but_a_byte(server, path, who, body).await;
    stream.write_all(&body.as_bytes()[body.len() - 1..]).await.unwrap();
    rest(&mut stream).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_lets_the_last_byte_miss_keeps_nobody_waiting() {
    let server = listen_with(16).await;
    let (ada, account) = user(&server, "ada").await;
    let mut crowd = Vec::new();
    for name in ["bob", "cyd"] {
        let (client, account) = user(&server, name).await;
        crowd.push(all_but_a_byte(&server, BATCH, Some(&client), &batch(&account, 8 * MIB)).await);
    }
    for _ in 0..100 {
        let small = " ".repeat(4096);
        crowd.push(all_but_a_byte(&server, "/api/v1/auth/login", None, &small).await);
    }
    let whole = batch(&account, 8 * MIB);
    let started = Instant::now();
    let order = format!(r#"{{"accountId":"{account}","transactionType":"deposit","amount":1}}"#);
    let answer = ask(&server, "/api/v1/transactions", Some(&ada), &order).await;
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    let login = format!(r#"{{"email":"ada@example.com","password":"{PASSWORD}"}}"#);
    let answer = ask(&server, "/api/v1/auth/login", None, &login).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
    let answer = ask(&server, BATCH, Some(&ada), &whole).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    let cut = rest(&mut crowd[0]).await;
    assert_answer(&cut, 408, "request_timeout");
    assert!(cut.contains("connection: close\r\n"), "{cut}");
    // The other one was in nobody's way.
    crowd[1].write_all(b" ").await.unwrap();
    assert!(rest(&mut crowd[1]).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_of_one_user_in_parallel_are_all_taken() {
    for mib in [16, 64] {
        let server = listen_with(mib).await;
        let (ada, account) = user(&server, "ada").await;
        let body = batch(&account, 7 * MIB);
        let send = async || {
            let mut stream = server.connect().await;
            stream.write_all(head(BATCH, Some(&ada), body.len()).as_bytes()).await.unwrap();
            for part in body.as_bytes().chunks(MIB) {
                stream.write_all(part).await.unwrap();
                sleep(Duration::from_millis(20)).await;
            }
            rest(&mut stream).await
        };
        for answer in join_all((0..4).map(|_| send())).await {
            assert!(answer.starts_with("HTTP/1.1 200 "), "{mib} MiB: {answer}");
        }
    }
}
