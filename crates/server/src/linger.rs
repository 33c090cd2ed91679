//! The stream of a connection: how slowly an answer may be read, when all of it is
//! out, and the end.
//!
//! A socket that is closed with unread bytes in it resets the connection, and the
//! answer is lost (RFC 9112, section 9.6): what a client still sends at the end is
//! thrown away for a moment, so that it can read the answer.

use crate::places::Guest;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// How long the end is waited for, at most.
const FOR: Duration = Duration::from_secs(2);
/// How many bytes are thrown away, at most: the largest body there is.
const MOST: usize = crate::budget::LARGEST;
/// How far behind [`SLOWEST`] a client may fall that reads an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many bytes it should read in a second.
const SLOWEST: u64 = 16 << 10;

/// A stream that ends so.
pub(crate) struct Lingering<S> {
    stream: S,
    guest: Arc<Guest>,
    slow: Option<Slow>,
    thrown_away: usize,
    until: Option<Pin<Box<Sleep>>>,
}

/// How far behind is whoever reads an answer. What the server takes to make it does
/// not count.
struct Slow {
    /// How long it may take for the next byte.
    left: Duration,
    /// Since when the kernel takes no more.
    blocked: Option<Instant>,
    until: Pin<Box<Sleep>>,
}

impl Slow {
    fn begin() -> Self {
        Self { left: PATIENCE, blocked: None, until: Box::pin(sleep(PATIENCE)) }
    }

    /// Ready when its time is over.
    fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let since = *self.blocked.get_or_insert_with(Instant::now);
        self.until.as_mut().reset(since + self.left);
        self.until.as_mut().poll(context)
    }

    fn wrote(&mut self, bytes: usize) {
        let waited = self.blocked.take().map(|since| since.elapsed()).unwrap_or_default();
        let earned = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(1_000) / SLOWEST;
        let left = self.left.saturating_sub(waited) + Duration::from_millis(earned);
        self.left = left.min(PATIENCE);
    }
}

impl<S> Lingering<S> {
    /// The stream of a guest, who knows whether something is left unread.
    pub(crate) fn of(stream: S, guest: Arc<Guest>) -> Self {
        Self { stream, guest, slow: None, thrown_away: 0, until: None }
    }

    /// What comes of a try to write. The time begins when the kernel takes no more.
    fn within_patience(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Pending => {
                ready!(self.slow.get_or_insert_with(Slow::begin).poll_over(context));
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            Poll::Ready(Ok(bytes)) => {
                if let Some(slow) = &mut self.slow {
                    slow.wrote(*bytes);
                    self.guest.moved();
                }
            }
            Poll::Ready(Err(_)) => {}
        }
        written
    }
}

impl<S: AsyncRead + Unpin> Lingering<S> {
    fn poll_throw_away(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let until = self.until.get_or_insert_with(|| Box::pin(sleep(FOR)));
        if until.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let mut place = [0; 8 << 10];
        loop {
            let mut bytes = ReadBuf::new(&mut place);
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut bytes));
            self.thrown_away += bytes.filled().len();
            if read.is_err() || bytes.filled().is_empty() || self.thrown_away >= MOST {
                return Poll::Ready(());
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, bytes)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.within_patience(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        if self.guest.flushed() {
            self.slow = None;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.until.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        }
        if self.guest.has_unread() {
            ready!(self.poll_throw_away(context));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.within_patience(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places::Places;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// What comes of an answer of 1 MiB, and after how many seconds, if so many bytes are
    /// read every ten seconds.
    async fn written(bytes: usize) -> (io::Result<()>, u64) {
        let place = Places::among(1, Vec::new()).take([192, 0, 2, 1].into()).unwrap();
        let (server, mut client) = tokio::io::duplex(1 << 10);
        let mut server = Lingering::of(server, Arc::clone(&place.guest));
        let started = Instant::now();
        let reader = tokio::spawn(async move {
            let mut some = vec![0; bytes];
            while client.read_exact(&mut some).await.is_ok() {
                sleep(Duration::from_secs(10)).await;
            }
        });
        let written = server.write_all(&vec![b' '; 1 << 20]).await;
        drop(server);
        reader.abort();
        (written, started.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_a_little_now_and_then_loses_the_connection_and_who_is_slow_does_not() {
        let (trickled, seconds) = written(16 << 10).await;
        assert_eq!(trickled.unwrap_err().kind(), io::ErrorKind::TimedOut);
        // One second in ten is earned.
        assert!((30..=35).contains(&seconds), "{seconds}");
        let (slow, seconds) = written(160 << 10).await;
        assert!(slow.is_ok() && seconds == 60, "{slow:?} {seconds}");
    }
}
