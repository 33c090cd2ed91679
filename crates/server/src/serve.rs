//! The accept loop: connections in, a bounded number of them and of each address,
//! each with limits on how slow it may send and read and how large it may be; and the way out, which finishes what has
//! begun.

use crate::{App, Settings, assemble, places::Places};
use axum::{body::Body, extract::ConnectInfo};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use platform::Platform;
use std::{future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

/// How long a client may take to send a request's head; closes idle connections too.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may read nothing of what is sent to it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// The most header lines a request has.
const MAX_HEADERS: usize = 64;
/// The largest head, in bytes.
const MAX_HEAD: usize = 32 * 1024;
/// How long the requests in flight are waited for at the end.
const DRAIN: Duration = Duration::from_secs(25);

/// Serves until `shutdown` is ready, then stops accepting, lets the requests in
/// flight finish, and returns; at the latest after 25 seconds.
///
/// # Errors
/// None at present: a connection that cannot be accepted is logged and the next one tried.
pub async fn serve(
    listener: TcpListener,
    platform: Platform,
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let connections = Arc::new(Semaphore::new(settings.max_connections));
    let places = Places::among(settings.max_connections, settings.trusted_proxies.clone());
    let app = App::new(platform, settings);
    let router = assemble(&app);
    let graceful = GracefulShutdown::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &connections) => accepted,
            () = &mut shutdown => break,
        };
        let Some((stream, peer, permit)) = accepted else { continue };
        let Some(place) = places.take(peer.ip()) else {
            tracing::debug!(%peer, "refused a connection: this address holds its share");
            continue;
        };
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(WRITE_TIMEOUT));
        let router = router.clone();
        let answer = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            router.clone().oneshot(request.map(Body::new))
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(Box::pin(stream)), answer);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let _held = (permit, place);
            if let Err(error) = connection.await {
                tracing::debug!(%peer, %error, "connection ended");
            }
        });
    }
    app.drain();
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests still in flight after {DRAIN:?} were cut off");
    }
    Ok(())
}

/// The next connection, once there is room for it; until then the kernel queues.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            stream.set_nodelay(true).ok();
            Some((stream, peer, permit))
        }
        Err(error) => {
            // Out of descriptors, or the peer has gone again: neither is helped by haste.
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}
