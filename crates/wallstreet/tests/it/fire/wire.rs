//! A client that is quick and keeps its connection, for loads; and the way to leave in the middle.

use serde_json::{Value, json};
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub replayed: bool,
    pub retry_after: bool,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Who asks, and where.
#[derive(Clone)]
pub struct Wire {
    port: u16,
    token: String,
}

/// A connection that is kept.
pub struct Line(BufReader<TcpStream>);

impl Wire {
    pub fn new(port: u16, token: &str) -> Self {
        Self { port, token: token.to_owned() }
    }

    pub fn connect(&self) -> io::Result<Line> {
        let stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Line(BufReader::new(stream)))
    }

    /// The bytes of a request.
    pub fn request(&self, method: &str, path: &str, key: &str, body: &str) -> Vec<u8> {
        let key =
            if key.is_empty() { String::new() } else { format!("Idempotency-Key: {key}\r\n") };
        format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Authorization: Bearer {}\r\nContent-Length: {}\r\n{key}\r\n{body}",
            self.token,
            body.len()
        )
        .into_bytes()
    }

    /// The bytes of a transfer under a key.
    pub fn transfer(&self, key: &str, from: &str, to: &str, amount: &str) -> Vec<u8> {
        let body = json!({ "accountId": from, "transactionType": "transfer", "toAccountId": to,
            "amount": amount, "process": true });
        self.request("POST", "/api/v1/transactions", key, &body.to_string())
    }

    /// One request on a connection of its own.
    pub fn once(&self, request: &[u8]) -> io::Result<Reply> {
        self.connect()?.ask(request)
    }
}

impl Line {
    pub fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(request)
    }

    pub fn ask(&mut self, request: &[u8]) -> io::Result<Reply> {
        self.send(request)?;
        self.hear()
    }

    pub fn hear(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.ok_or(io::ErrorKind::UnexpectedEof)?;
        let (mut replayed, mut retry_after, mut length) = (false, false, 0);
        loop {
            line.clear();
            self.0.read_line(&mut line)?;
            let lower = line.trim().to_ascii_lowercase();
            match lower.split_once(':') {
                Some(("idempotent-replayed", value)) => replayed = value.trim() == "true",
                Some(("retry-after", _)) => retry_after = true,
                Some(("content-length", value)) => {
                    length = value.trim().parse().map_err(|_| io::ErrorKind::InvalidData)?;
                }
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        let body = String::from_utf8(body).map_err(|_| io::ErrorKind::InvalidData)?;
        Ok(Reply { status, replayed, retry_after, body })
    }
}
