//! What a newcomer gets when all places are taken, by what those do who hold them;
//! and how slowly an answer may be read.

use crate::{
    connections::{Listening, listen, rest},
    support::{Client, settings},
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{Instant, sleep},
};

const ROOT: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// As many as there are places.
const ALL: u8 = 64;

/// From this address of the machine.
async fn connect(server: &Listening, address: [u8; 4]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::from(address), 0))).unwrap();
    socket.connect(server.address).await.unwrap()
}

/// One connection from each of so many addresses as there are places, and what each sends.
async fn fill(server: &Listening, request: &str) -> Vec<TcpStream> {
    let mut all = Vec::new();
    for last in 1..=ALL {
        let mut stream = connect(server, [127, 0, 50, last]).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        all.push(stream);
    }
    all
}

/// Reads one answer whose length is told; its head, or what there was of it.
async fn answer(stream: &mut TcpStream) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(char::from(byte)),
            Err(error) => return format!("{head}: {error}"),
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    if let Err(error) = stream.read_exact(&mut body).await {
        return format!("broken off: {error}");
    }
    head
}

async fn assert_a_newcomer_is_served(server: &Listening) {
    let mut newcomer = connect(server, [127, 0, 200, 9]).await;
    newcomer.write_all(ROOT.as_bytes()).await.unwrap();
    let answer = rest(&mut newcomer).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// Somebody's request that shows who they are.
async fn profile(server: &Listening, email: &str) -> String {
    let router = server::router(server.bank.platform.clone(), settings());
    let somebody = Client::anyone(router).register(email).await;
    let (name, value) = somebody.credentials().expect("a logged-in user");
    format!("GET /api/v1/auth/profile HTTP/1.1\r\nHost: a\r\n{name}: {value}\r\n\r\n")
}

#[tokio::test]
async fn strangers_who_send_their_bodies_slowly_keep_nobody_out() {
    let server = listen(settings()).await;
    let begun = "POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\n\
                 Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    let mut slow = fill(&server, begun).await;
    for _ in 0..4 {
        sleep(Duration::from_millis(400)).await;
        for stream in &mut slow {
            // Whoever was cut off has no more to say.
            drop(stream.write_all(b" ").await);
        }
    }
    assert_a_newcomer_is_served(&server).await;
}

#[tokio::test]
async fn strangers_who_have_read_a_long_answer_keep_nobody_out() {
    let server = listen(settings()).await;
    let question = "GET /api-docs/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n";
    // The document is made for the first who asks, which can take longer than a head may.
    let mut first = server.connect().await;
    first.write_all(question.as_bytes()).await.unwrap();
    answer(&mut first).await;
    drop(first);
    let mut idle = fill(&server, question).await;
    for stream in &mut idle {
        let answer = answer(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    assert_a_newcomer_is_served(&server).await;
}

#[tokio::test]
async fn strangers_who_ask_again_and_again_keep_nobody_out() {
    let server = listen(settings()).await;
    let question = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut all = fill(&server, question).await;
    for stream in &mut all {
        let answer = answer(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    assert_a_newcomer_is_served(&server).await;
}

#[tokio::test]
async fn a_user_at_many_addresses_who_does_nothing_keeps_nobody_out() {
    let server = listen(settings()).await;
    let mut idle = fill(&server, &profile(&server, "ada@example.com").await).await;
    for stream in &mut idle {
        let answer = answer(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    sleep(Duration::from_millis(2100)).await;
    assert_a_newcomer_is_served(&server).await;
}

#[tokio::test]
async fn whoever_is_known_and_in_use_is_not_cut_off_for_the_silent() {
    let server = listen(settings()).await;
    let request = profile(&server, "ada@example.com").await;
    let mut clients = Vec::new();
    for number in 0..ALL - 2 {
        clients.push(connect(&server, [127, 0, 1, 1 + number % 2]).await);
    }
    let since = Instant::now();
    let mut silent = Vec::new();
    let mut last = 0_u8;
    while since.elapsed() < Duration::from_secs(4) {
        for stream in &mut clients {
            stream.write_all(request.as_bytes()).await.unwrap();
        }
        for stream in &mut clients {
            let answer = answer(stream).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{:?}: {answer}", since.elapsed());
        }
        for _ in 0..15 {
            silent.push(connect(&server, [127, 1, last / 250, 1 + last % 250]).await);
            last = last.wrapping_add(1);
            sleep(Duration::from_millis(30)).await;
        }
    }
}

/// More answers than the kernel keeps for the two of them; how many bytes come of
/// them to whoever reads nothing for so many seconds.
async fn read_late(server: &Listening, seconds: u64) -> usize {
    let mut stream = server.connect().await;
    let last = "GET /api-docs/scalar.js HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let most = last.replace("Connection: close\r\n", "").repeat(5);
    stream.write_all((most + last).as_bytes()).await.unwrap();
    stream.readable().await.unwrap();
    // The server writes until the kernel takes no more.
    sleep(Duration::from_millis(300)).await;
    tokio::time::pause();
    sleep(Duration::from_secs(seconds)).await;
    tokio::time::resume();
    rest(&mut stream).await.len()
}

#[tokio::test]
async fn an_answer_may_be_read_late_and_not_after_thirty_seconds() {
    let server = listen(settings()).await;
    let (late, too_late) = (read_late(&server, 25).await, read_late(&server, 31).await);
    assert!(too_late < late, "{too_late} of {late}");
}
