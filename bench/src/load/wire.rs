//! As much of HTTP/1.1 as one client needs to a server that says how long its answers are.

use std::{io, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A connection that is kept alive.
pub(super) struct Wire {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Wire {
    /// Opens it.
    pub(super) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a request and takes its answer: status and body.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> io::Result<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        self.received.clear();
        let mut head: Option<Head> = None;
        loop {
            let arrived = timeout(PATIENCE, self.stream.read_buf(&mut self.received)).await??;
            if arrived == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if head.is_none() {
                head = Head::parse(&self.received)?;
            }
            if let Some(Head { status, body, end }) = head
                && self.received.len() >= end
            {
                return Ok((status, &self.received[body..end]));
            }
        }
    }
}

/// What the beginning of an answer says about the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Where the body begins and ends.
    body: usize,
    end: usize,
}

impl Head {
    /// `None`: not all of it has arrived.
    fn parse(received: &[u8]) -> io::Result<Option<Self>> {
        const END: &[u8] = b"\r\n\r\n";
        let Some(body) = received.windows(END.len()).position(|window| window == END) else {
            return Ok(None);
        };
        let odd =
            || io::Error::new(io::ErrorKind::InvalidData, "an answer without length or status");
        let head = std::str::from_utf8(&received[..body]).map_err(|_| odd())?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.get(9..12)?.parse().ok());
        let length = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        let body = body + END.len();
        match (status, length) {
            (Some(status), Some(length)) => Ok(Some(Self { status, body, end: body + length })),
            _ => Err(odd()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_a_length_is_refused() {
        assert!(Head::parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(Head::parse(b"HTTP/1.1\r\ncontent-length: 1\r\n\r\n").is_err());
    }

    #[test]
    fn half_a_head_is_waited_for() {
        let half = Head::parse(b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n").ok();
        assert_eq!(half, Some(None));
    }

    #[test]
    fn a_head_tells_status_and_where_the_body_is() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nx: y\r\n\r\n{}";
        let head = Head::parse(answer).ok().flatten();
        assert_eq!(head, Some(Head { status: 201, body: 49, end: 51 }));
        assert_eq!(&answer[49..51], b"{}");
    }
}
