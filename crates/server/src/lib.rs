//! HTTP: translates a request into a use case and its outcome into an answer.
//!
//! Owns the route table, the documented envelope, limits, and the API document,
//! which is generated from the code that answers. Knows no SQL, no rule of the
//! bank, and reads no environment.
//!
//! A request passes, from the outside in: [`envelope`] (id, span, frame),
//! CORS, [`shield`] (Host, a task of its own, timeout), [`caller`] (who),
//! [`limits`] (how often), [`admission`] (may they at all), [`body`] (all of it), and then a handler in [`api`],
//! whose arguments ([`caller`], [`extract`], [`query`]) say what it needs.

mod admission;
mod api;
mod body;
mod budget;
mod caller;
mod catalogue;
mod csv;
mod docs;
mod envelope;
mod extract;
mod fields;
mod front;
mod limits;
mod linger;
mod openapi;
mod origin;
mod paging;
mod places;
mod problem;
mod query;
mod reply;
mod routes;
mod serve;
mod shield;
mod violation;
mod windows;

pub use serve::{Listeners, serve};

use admission::Operations;
use api::metrics::Requests;
use axum::{
    Router,
    extract::FromRef,
    http::{HeaderValue, header},
    middleware,
};
use budget::Budget;
use futures_util::FutureExt;
use limits::Limits;
use platform::{Environment, Platform};
use query::Unqueried;
use std::{
    collections::HashSet,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tower::service_fn;
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

/// What the operator decides about HTTP.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it runs; production asks browsers for HTTPS.
    pub environment: Environment,
    /// The exact origins whose pages may call the API; `*`: any.
    pub cors_origins: Vec<String>,
    /// Whether `/api-docs` is there.
    pub docs: bool,
    /// How often somebody may come.
    pub rate_limits: RateLimits,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// The most connections at once. One address gets a quarter of them and at least
    /// 16, proxies and this machine all; when all are taken, a newcomer gets the place
    /// of one that nobody needs, strangers first.
    pub max_connections: usize,
    /// The most bytes of large bodies held at once; at least 16 MiB. One caller or
    /// address gets a quarter of them, and 8 MiB always.
    pub body_memory: usize,
}

/// How often somebody may come within one window; 0 turns a limit off.
#[derive(Clone, Copy, Debug)]
pub struct RateLimits {
    /// Requests of a user or an address; documented: 100. A key brings its own.
    pub max: u32,
    /// The window; documented: 15 minutes.
    pub window: Duration,
    /// Failed tries at the doors where secrets are tried; documented: 5.
    pub auth_max: u32,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self { max: 100, window: Duration::from_secs(15 * 60), auth_max: 5 }
    }
}

/// What every request can reach. Clones share everything.
#[derive(Clone)]
struct App(Arc<Inner>);

struct Inner {
    platform: Platform,
    settings: Settings,
    limits: Limits,
    budget: Arc<Budget>,
    requests: Requests,
    draining: AtomicBool,
}

impl App {
    fn new(platform: Platform, settings: Settings) -> Self {
        let limits = Limits::new(settings.rate_limits);
        let budget = Budget::of(settings.body_memory);
        let (requests, draining) = (Requests::none(), AtomicBool::new(false));
        Self(Arc::new(Inner { platform, settings, limits, budget, requests, draining }))
    }

    /// From now on, send new requests elsewhere.
    fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

impl std::ops::Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl FromRef<App> for Platform {
    fn from_ref(app: &App) -> Self {
        app.platform.clone()
    }
}

/// The whole API as a service, without connections: for tests.
pub fn router(platform: Platform, settings: Settings) -> Router {
    let app = App::new(platform, settings);
    let routes = assemble(&app);
    Router::new().fallback_service(service_fn(move |request| {
        front::outside(app.clone(), request, routes.clone()).map(Ok::<_, Infallible>)
    }))
}

/// The API document: OpenAPI 3.1, as readable JSON.
pub fn openapi() -> String {
    openapi::document()
}

/// The page of errors: every code, its status and its meaning, in Markdown.
pub fn errors() -> String {
    catalogue::page()
}

/// Health and metrics alone.
fn assemble_health(app: &App) -> Router {
    Router::from(routes::open())
        .route_layer(middleware::from_fn(admission::only_without_body))
        .with_state(app.clone())
}

/// The routes of the API. [`front::outside`] stands before them and not in them: a layer is
/// copied for every request, with everything inside it.
fn assemble(app: &App) -> Router {
    let attempts = middleware::from_fn_with_state(app.clone(), limits::attempts);
    let mut tried = HashSet::new();
    let table = routes::table(|doors| {
        tried.extend(doors.get_openapi().paths.paths.keys().map(|path| format!("/api/v1{path}")));
        doors.route_layer(attempts)
    });
    let operations = Operations::of(table.get_openapi(), &tried);
    let unqueried = Unqueried::of(table.get_openapi());
    let mut router = Router::from(table);
    if app.settings.docs {
        let bodiless = middleware::from_fn(admission::only_without_body);
        router = router.merge(docs::routes().route_layer(bodiless));
    }
    let within = app.clone();
    let inside = middleware::from_fn(move |request, next| {
        front::inside(within.clone(), (unqueried.clone(), operations.clone()), request, next)
    });
    router.layer(inside).layer(cors(&app.settings.cors_origins)).with_state(app.clone())
}

/// Cookies play no part here, so credentials are never allowed.
fn cors(origins: &[String]) -> CorsLayer {
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::from(Any)
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::try_from(origin).ok()))
    };
    let exposed = [envelope::REQUEST_ID, reply::REPLAYED]
        .into_iter()
        .chain(limits::HEADERS)
        .chain([header::RETRY_AFTER, header::LOCATION, header::CONTENT_DISPOSITION]);
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods(
            ["GET", "POST", "PUT", "PATCH", "DELETE"].map(|m| m.parse().expect("a method")),
        )
        .allow_headers(
            [
                "authorization",
                "content-type",
                "x-api-key",
                "idempotency-key",
                "x-request-id",
                "traceparent",
            ]
            .map(axum::http::HeaderName::from_static),
        )
        .expose_headers(exposed.collect::<Vec<_>>())
        .max_age(Duration::from_secs(600))
}
