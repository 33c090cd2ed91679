//! The end of a connection whose client is still sending: what it sends is thrown
//! away for a moment, so that it can read the answer. A socket that is closed with
//! unread bytes in it resets the connection, and the answer is lost (RFC 9112,
//! section 9.6).

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
    time::{Sleep, sleep},
};

/// How long, at most.
const FOR: Duration = Duration::from_secs(2);
/// How many bytes, at most: the largest body there is.
const MOST: usize = crate::budget::LARGEST;

/// A stream that ends so.
pub(crate) struct Lingering<S> {
    stream: Pin<Box<S>>,
    guest: Arc<Guest>,
    thrown_away: usize,
    until: Option<Pin<Box<Sleep>>>,
}

impl<S> Lingering<S> {
    /// The stream of a guest, who knows whether something is left unread.
    pub(crate) fn of(stream: S, guest: Arc<Guest>) -> Self {
        Self { stream: Box::pin(stream), guest, thrown_away: 0, until: None }
    }
}

impl<S: AsyncRead> Lingering<S> {
    fn poll_throw_away(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let until = self.until.get_or_insert_with(|| Box::pin(sleep(FOR)));
        if until.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let mut place = [0; 8 << 10];
        loop {
            let mut bytes = ReadBuf::new(&mut place);
            let read = ready!(self.stream.as_mut().poll_read(context, &mut bytes));
            self.thrown_away += bytes.filled().len();
            if read.is_err() || bytes.filled().is_empty() || self.thrown_away >= MOST {
                return Poll::Ready(());
            }
        }
    }
}

impl<S: AsyncRead> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_read(context, bytes)
    }
}

impl<S: AsyncRead + AsyncWrite> AsyncWrite for Lingering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.until.is_none() {
            ready!(self.stream.as_mut().poll_shutdown(context))?;
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
        self.stream.as_mut().poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
