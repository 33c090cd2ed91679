//! The accept loop: connections in, each with limits on how slow it may send and
//! read and how large it may be; and the way out, which finishes what has begun.
//! Who gets in is the business of [`crate::places`].

use crate::{
    App, Settings, assemble, assemble_health, envelope, front,
    linger::Lingering,
    places::{Doing, Guest, Place, Places},
    problem::Problem,
};
use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::ConnectInfo,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use http_body_util::BodyExt;
use hyper::{
    Request,
    body::{Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use platform::Platform;
use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// How long a client may take to send a request's head; closes idle connections too.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client in the reserve may take for that.
const RESERVE_HEADER_TIMEOUT: Duration = Duration::from_secs(1);
/// The most header lines a request has.
const MAX_HEADERS: usize = 64;
/// The largest head, in bytes.
const MAX_HEAD: usize = 32 * 1024;
/// How long the requests in flight are waited for at the end.
const DRAIN: Duration = Duration::from_secs(25);
/// A body that is not wanted is read to its end if it has at most so many bytes.
const SHORT: u64 = 16 * 1024;
/// How long its end is waited for.
const BRIEFLY: Duration = Duration::from_millis(20);
/// What is answered also when all places are taken.
const RESERVED: [&str; 4] = ["/livez", "/readyz", "/health", "/metrics"];
/// The most connections to the port of its own for health.
const HEALTH_CONNECTIONS: usize = 64;

/// Where the server listens.
#[derive(Debug)]
pub struct Listeners {
    /// For everything.
    pub api: TcpListener,
    /// For health and metrics alone, if they have a port of their own as well.
    pub health: Option<TcpListener>,
}

/// Serves until `shutdown` is ready, then stops accepting, lets the requests in
/// flight finish, and returns; at the latest after 25 seconds.
///
/// # Errors
/// None at present: a connection that cannot be accepted is logged and the next one tried.
pub async fn serve(
    listeners: Listeners,
    platform: Platform,
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let trusted = settings.trusted_proxies.clone();
    let places = Places::among(settings.max_connections, trusted.clone());
    let app = App::new(platform, settings);
    let graceful = GracefulShutdown::new();
    let api = Server { app: app.clone(), routes: assemble(&app), places };
    let health = Server {
        app: app.clone(),
        routes: assemble_health(&app),
        places: Places::among(HEALTH_CONNECTIONS, trusted),
    };
    let Listeners { api: api_listener, health: health_listener } = listeners;
    let beside = async {
        match &health_listener {
            Some(listener) => health.accept_all(listener, &graceful).await,
            None => std::future::pending().await,
        }
    };
    let mut shutdown = pin!(shutdown);
    tokio::select! {
        () = api.accept_all(&api_listener, &graceful) => {}
        () = beside => {}
        () = &mut shutdown => {}
    }
    app.drain();
    drop((api_listener, health_listener));
    if timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests still in flight after {DRAIN:?} were cut off");
    }
    Ok(())
}

/// What answers at one port.
struct Server {
    app: App,
    routes: Router,
    places: Arc<Places>,
}

impl Server {
    /// Takes every connection, so that it is known who wants in; never ends.
    async fn accept_all(&self, listener: &TcpListener, graceful: &GracefulShutdown) {
        loop {
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, or the peer has gone again: neither is helped by haste.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Some(place) = self.places.take(peer.ip()) else {
                tracing::debug!(%peer, "refused a connection: there is no place left");
                continue;
            };
            stream.set_nodelay(true).ok();
            let (app, routes) = (self.app.clone(), self.routes.clone());
            let visit = Arc::new(Visit { app, routes, peer, place, left: Mutex::default() });
            tokio::spawn(visit.last(stream, graceful.watcher()));
        }
    }
}

/// One connection.
struct Visit {
    app: App,
    routes: Router,
    peer: SocketAddr,
    place: Place,
    /// What nobody read of the last body, if that is worth reading.
    left: Mutex<Option<Incoming>>,
}

impl Visit {
    fn left(&self) -> MutexGuard<'_, Option<Incoming>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what was left of a short body: most of them are here already, and their
    /// clients keep their connections.
    async fn read_rest(&self) {
        let Some(mut rest) = self.left().take() else { return };
        let read = async {
            while let Some(frame) = rest.frame().await {
                frame.ok()?;
            }
            Some(())
        };
        if let Ok(Some(())) = timeout(BRIEFLY, read).await {
            self.place.guest.set_unread(false);
        }
    }

    /// Serves it to its end.
    async fn last(self: Arc<Self>, stream: TcpStream, watcher: Watcher) {
        let stream = Lingering::of(stream, Arc::clone(&self.place.guest));
        let visit = Arc::clone(&self);
        let answer = service_fn(move |request| Arc::clone(&visit).answer(request));
        let reserve = self.place.is_reserve;
        let patience = if reserve { RESERVE_HEADER_TIMEOUT } else { HEADER_TIMEOUT };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .keep_alive(!reserve)
            .header_read_timeout(patience)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), answer);
        let peer = self.peer;
        tokio::select! {
            ended = watcher.watch(connection) => if let Err(error) = ended {
                tracing::debug!(%peer, %error, "connection ended");
            },
            () = self.place.guest.cut_off() => {
                tracing::debug!(%peer, "cut off: all places are taken");
            }
        }
    }

    /// Answers one request of it; not if its place was given to another a moment ago.
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> io::Result<Response<Written>> {
        let guest = &self.place.guest;
        if !guest.note(Doing::Served) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let has_body = !request.body().is_end_stream();
        // Who asks first is not to be told to send what nobody wants.
        let is_short = request.body().size_hint().upper().is_some_and(|most| most <= SHORT)
            && !request.headers().contains_key(header::EXPECT);
        guest.set_unread(has_body);
        let refused =
            self.place.is_reserve && !RESERVED.contains(&request.uri().path()) && !guest.promote();
        let mut request = if has_body {
            let visit = Arc::clone(&self);
            request.map(|body| Body::new(Noted { body: Some(body), is_short, visit }))
        } else {
            request.map(|_| Body::empty())
        };
        request.extensions_mut().insert(ConnectInfo(self.peer));
        if !guest.is_known() {
            request.extensions_mut().insert(Arc::clone(guest));
        }
        let app = self.app.clone();
        let mut response = if refused {
            let full = |_| async { too_many_connections().into_response() };
            envelope::frame(app, request, full).await
        } else {
            front::outside(app, request, self.routes.clone()).await
        };
        if guest.has_unread() {
            self.read_rest().await;
        }
        if guest.has_unread() {
            // What is left of the body would be taken for the next request.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(|body| Written { body, guest: Arc::clone(guest) }))
    }
}

fn too_many_connections() -> Problem {
    let text = "Too many are connected at the moment: try again shortly";
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_connections", text);
    problem.retry_after(Duration::from_secs(1))
}

/// An answer's body, which notes how far it has come.
struct Written {
    body: Body,
    guest: Arc<Guest>,
}

impl Drop for Written {
    fn drop(&mut self) {
        self.guest.note(Doing::Leaving);
    }
}

impl HttpBody for Written {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.guest.note(if polled.is_ready() { Doing::Answered } else { Doing::Served });
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A request's body, which notes how far it has come, and leaves behind what nobody read.
struct Noted {
    body: Option<Incoming>,
    is_short: bool,
    visit: Arc<Visit>,
}

impl Drop for Noted {
    fn drop(&mut self) {
        if self.is_short && self.visit.place.guest.has_unread() {
            *self.visit.left() = self.body.take();
        }
    }
}

impl HttpBody for Noted {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Self { body, visit, .. } = &mut *self;
        let Some(body) = body else { return Poll::Ready(None) };
        let polled = Pin::new(&mut *body).poll_frame(context);
        let guest = &visit.place.guest;
        if polled.is_pending() {
            guest.note(Doing::Sending);
        }
        let frame = ready!(polled);
        if frame.is_none() || body.is_end_stream() {
            guest.set_unread(false);
            // The handler does not see the end of a body whose client is cut off.
            if !guest.note(Doing::Served) {
                return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}
