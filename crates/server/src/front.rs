//! The way to a handler and back: every step a request passes, on one screen.
//!
//! The steps are nested functions and not layers of the router. A layer copies all
//! that lies within it for each request; eight of them took a third of the
//! server's time under load.

use crate::{
    App,
    admission::{self, Operations},
    caller, envelope, limits,
    query::{self, Unqueried},
    shield,
};
use axum::{
    Router,
    extract::{MatchedPath, Request},
    middleware,
    response::Response,
};
use futures_util::FutureExt;
use tower::ServiceExt;

/// What comes after a step.
pub(crate) trait Next: Send + 'static {
    /// Goes there.
    fn run(self, request: Request) -> impl Future<Output = Response> + Send + 'static;
}

impl<F, A> Next for F
where
    F: FnOnce(Request) -> A + Send + 'static,
    A: Future<Output = Response> + Send + 'static,
{
    fn run(self, request: Request) -> impl Future<Output = Response> + Send + 'static {
        self(request)
    }
}

/// The outermost: what every request is given and every answer carries.
pub(crate) async fn outside(app: App, request: Request, routes: Router) -> Response {
    let next = |request| routes.oneshot(request).map(|Ok(response)| response);
    envelope::frame(app, request, next).await
}

/// All that stands between the frame and the handler.
pub(crate) async fn inside(
    app: App,
    (unqueried, operations): (Unqueried, Operations),
    request: Request,
    next: middleware::Next,
) -> Response {
    if let Some(path) = request.extensions().get::<MatchedPath>() {
        tracing::Span::current().record("path", path.as_str());
    }
    let operation = operations.find(&request);
    let (who, counted, sent) = (app.clone(), app.clone(), app);
    let handler = move |request| next.run(request);
    let admit = move |request| admission::admit(sent, operation, request, handler);
    let refuse = move |request| query::refuse_unknown(unqueried, request, admit);
    let count = move |request| limits::requests(counted, request, refuse);
    let identify = move |request| caller::identify(who, request, count);
    shield::head(request, move |request| shield::apart(request, identify)).await
}
