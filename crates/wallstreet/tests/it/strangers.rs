//! What strangers cost: memory while they send bodies, and the places of others
//! while they hold all connections.

use crate::product::{Home, Running};
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

const MIB: u64 = 1 << 20;
/// Buffers of connections, answers on their way, and what the allocator keeps.
const BESIDE: u64 = 40 * MIB;
/// How many times the memory for bodies is taken to read, to do and to answer them.
const TIMES: u64 = 8;

fn start(home: &Home, settings: &[&str]) -> Running {
    let unlimited = ["RATE_LIMIT_MAX_REQUESTS=0", "RATE_LIMIT_AUTH_MAX=0", "LOG_LEVEL=error"];
    let mut command = home.command(&["serve", "--port", "0"]);
    let all = unlimited.iter().chain(settings).filter_map(|setting| setting.split_once('='));
    Running::start(command.envs(all))
}

/// What the process has in memory, in bytes.
fn resident(server: &Running) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// By how much memory grows at most while `count` send, each by itself.
fn growth(server: &Running, count: usize, send: impl Fn(usize) + Sync) -> u64 {
    let (before, done) = (resident(server), AtomicBool::new(false));
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = before;
            while !done.load(Ordering::Relaxed) {
                most = most.max(resident(server));
                thread::sleep(Duration::from_millis(20));
            }
            most - before
        });
        let senders: Vec<_> = (0..count)
            .map(|number| {
                let send = &send;
                scope.spawn(move || send(number))
            })
            .collect();
        let ended: Vec<_> = senders.into_iter().map(thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Relaxed);
        let grown = watch.join().unwrap();
        assert!(ended.iter().all(Result::is_ok));
        grown
    })
}

/// Sends a head and so many bytes of a body, as far as they are taken; the status
/// of the answer, if one comes within `patience`.
fn send(server: &Running, head: &str, bytes: u64, patience: Duration) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    stream.set_read_timeout(Some(patience)).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let some = [b' '; 16 << 10];
    for _ in 0..bytes / (16 << 10) {
        if stream.write_all(&some).is_err() {
            break;
        }
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).ok()?;
    String::from_utf8_lossy(&answer[9..]).parse().ok()
}

#[test]
fn two_hundred_strangers_who_send_megabytes_are_refused_and_cost_no_memory() {
    let home = Home::new();
    let server = start(&home, &[]);
    let json = "Host: a\r\nContent-Type: application/json\r\n";
    let grown = growth(&server, 200, |number| {
        let (head, bytes) = match number % 5 {
            0 => ("POST /api/v1/transactions/batch", "Content-Length: 8388608"),
            1 => ("POST /api/v1/transactions", "Content-Length: 1048576"),
            2 => ("PUT /api/v1/auth/profile", "Transfer-Encoding: chunked"),
            3 => ("POST /api/v1/auth/register", "Content-Length: 16384"),
            _ => ("POST /api/v1/nowhere", "Content-Length: 8388608\r\nExpect: 100-continue"),
        };
        let most = if number % 5 == 3 { 15 << 10 } else { 2 * MIB };
        let head = format!("{head} HTTP/1.1\r\n{json}{bytes}\r\n\r\n");
        let status = send(&server, &head, most, Duration::from_secs(10));
        let expected: &[u16] = match number % 5 {
            // It is not complete, and of one address only so many are waited for.
            3 => &[408, 503],
            4 => &[404],
            _ => &[401],
        };
        assert!(status.is_none_or(|status| expected.contains(&status)), "{head}: {status:?}");
    });
    assert!(grown < BESIDE, "{} MiB more", grown / MIB);
}

/// A new user's token.
fn register(server: &Running, name: &str) -> String {
    let body = format!(
        r#"{{"email":"{name}@example.com","password":"Engine-No-1842","firstName":"Ada","lastName":"Lovelace"}}"#
    );
    let (status, body) = server.request("POST", "/api/v1/auth/register", &body);
    assert!(status.contains("201"), "{status} {body}");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    body["data"]["token"].as_str().unwrap().to_owned()
}

#[test]
fn sixty_users_who_send_batches_take_at_most_three_times_the_memory_for_bodies() {
    let home = Home::new();
    let server = start(&home, &["BODY_MEMORY_MIB=32"]);
    let tokens: Vec<String> =
        (0..6).map(|number| register(&server, &format!("user{number}"))).collect();
    let grown = growth(&server, 60, |number| {
        let head = format!(
            "POST /api/v1/transactions/batch HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            tokens[number % tokens.len()],
            8 * MIB
        );
        // All but the end of it.
        send(&server, &head, 7 * MIB, Duration::from_secs(6));
    });
    // The allocator keeps what one thread gave back for a while, and another takes new.
    assert!(grown < 3 * 32 * MIB + BESIDE, "{} MiB more", grown / MIB);
    let account = r#"{"accountType":"checking"}"#;
    let header = format!("Authorization: Bearer {}\r\n", tokens[0]);
    let (status, body) = server.request_with("POST", "/api/v1/accounts", &header, account);
    assert!(status.contains("201"), "{status} {body}");
}

/// Posts a whole batch; the status of the answer, which is read to its end.
fn post(server: &Running, token: &str, body: &str) -> u16 {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let head = format!(
        "POST /api/v1/transactions/batch HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // Whoever is refused may have been refused before all was sent.
    let _ = stream.write_all(body.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer[9..12]).parse().unwrap()
}

#[test]
fn lists_without_end_cost_no_memory_beside_their_bodies_and_hold_nobody_up() {
    let home = Home::new();
    let server = start(&home, &["BODY_MEMORY_MIB=32"]);
    let tokens: Vec<String> =
        (0..4).map(|number| register(&server, &format!("user{number}"))).collect();
    let mut body = String::from(r#"{"transactions":["#);
    body.push_str(&"1,".repeat(((8 * MIB) as usize - body.len() - 3) / 2));
    body.push_str("1]}");
    let done = AtomicBool::new(false);
    let grown = growth(&server, 5, |number| {
        if number < 4 {
            for _ in 0..2 {
                assert_eq!(post(&server, &tokens[number], &body), 400);
            }
            done.store(number == 3, Ordering::Relaxed);
            return;
        }
        while !done.load(Ordering::Relaxed) {
            let since = Instant::now();
            server.request("GET", "/livez", "");
            assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
        }
    });
    assert!(grown < 32 * MIB + BESIDE, "{} MiB more", grown / MIB);
}

#[test]
fn whole_batches_take_at_most_so_many_times_the_memory_for_bodies() {
    let home = Home::new();
    let server = start(&home, &["BODY_MEMORY_MIB=16"]);
    let batches: Vec<(String, String)> = (0..4)
        .map(|number| {
            let token = register(&server, &format!("user{number}"));
            let header = format!("Authorization: Bearer {token}\r\n");
            let account = r#"{"accountType":"checking"}"#;
            let (_, opened) = server.request_with("POST", "/api/v1/accounts", &header, account);
            let opened: serde_json::Value = serde_json::from_str(&opened).unwrap();
            let account = opened["data"]["id"].as_str().unwrap();
            let item = format!(
                r#"{{"accountId":"{account}","transactionType":"deposit","amount":1,"process":true,"metadata":{{"text":"{}"}}}}"#,
                "x".repeat(16_000)
            );
            (token, format!(r#"{{"transactions":[{}]}}"#, vec![item; 500].join(",")))
        })
        .collect();
    let grown = growth(&server, batches.len(), |number| {
        let (token, body) = &batches[number];
        let status = post(&server, token, body);
        // Two have room at once; who waits for more than five seconds is told.
        assert!([200, 503].contains(&status), "{status}");
    });
    println!("{} MiB more", grown / MIB);
    assert!(grown < TIMES * 16 * MIB + BESIDE, "{} MiB more", grown / MIB);
}

#[test]
fn a_thousand_connections_keep_nobody_else_out_and_a_port_of_its_own_tells_health() {
    let home = Home::new();
    let server = start(&home, &["MAX_CONNECTIONS=200", "HEALTH_PORT=0"]);
    let said = server.said();
    let health = said.lines().find(|line| line.contains("/readyz")).unwrap();
    let health: u16 =
        health.split("/readyz").next().unwrap().rsplit(':').next().unwrap().parse().unwrap();
    let mut crowd = Vec::new();
    for number in 0..1000 {
        let from = format!("127.0.0.{}:0", 2 + number % 4).parse().unwrap();
        crowd.extend(connect(from, server.port));
    }
    let since = Instant::now();
    let from = "127.0.0.6:0".parse().unwrap();
    for (port, path) in [(server.port, "/"), (server.port, "/readyz"), (health, "/readyz")] {
        let mut stream = connect(from, port).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
    }
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
}

/// A connection from this address.
fn connect(from: std::net::SocketAddr, port: u16) -> Option<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(from).unwrap();
        socket.connect(([127, 0, 0, 1], port).into()).await
    });
    let stream = stream.ok()?.into_std().ok()?;
    stream.set_nonblocking(false).ok()?;
    Some(stream)
}
