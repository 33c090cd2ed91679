//! How often somebody may come: two layers over [`crate::windows`].
//!
//! [`requests`] counts every request under `/api/v1`, and [`Tally`] each further thing
//! that one request asks for. [`attempts`] counts only
//! what failed at the doors where passwords and tokens are tried, by address
//! alone: sessions and keys are made at will. It lets no more tries run at once than may still fail: whoever comes in parallel waits
//! for the outcome of the others, so the limit is exact.

use crate::{
    App, RateLimits,
    caller::Proof,
    front::Next,
    problem::Problem,
    windows::{Identity, Windows},
};
use axum::{
    extract::{FromRequestParts, Request, State},
    http::{Extensions, HeaderName, HeaderValue, request::Parts},
    middleware,
    response::{IntoResponse, Response},
};
use jiff::{SignedDuration, Timestamp};
use platform::{Credential, Origin, Role};
use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;

/// The documented headers.
pub(crate) const HEADERS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit"),
    HeaderName::from_static("x-ratelimit-remaining"),
    HeaderName::from_static("x-ratelimit-reset"),
];

/// The counters of one process.
pub(crate) struct Limits {
    settings: RateLimits,
    requests: Mutex<Windows<u32>>,
    attempts: Mutex<Windows<Option<Attempts>>>,
}

/// Tries that failed, and leave for as many as may still fail.
#[derive(Clone)]
struct Attempts {
    failed: u32,
    leave: Arc<Semaphore>,
}

/// Where somebody stands within a limit.
#[derive(Clone, Copy, Debug)]
struct Standing {
    limit: u32,
    /// `None`: beyond the limit.
    remaining: Option<u32>,
    ends: Timestamp,
}

impl Limits {
    /// Nobody has come yet.
    pub(crate) fn new(settings: RateLimits) -> Self {
        let length = SignedDuration::try_from(settings.window).unwrap_or(SignedDuration::MAX);
        let (requests, attempts) = (Windows::of(length), Windows::of(length));
        Self { settings, requests: Mutex::new(requests), attempts: Mutex::new(attempts) }
    }

    /// Counts `more` things for everybody whom they count for, if each window has room
    /// for `needed`. Tells where the narrowest window stands; `None` without a limit.
    fn count(&self, whom: &CountsFor, needed: u32, more: u32, now: Timestamp) -> Option<Standing> {
        let mut windows = lock(&self.requests);
        let limited = || whom.iter().filter(|(_, limit)| *limit > 0);
        let standings = limited().map(|(identity, limit)| {
            let window = windows.at(*identity, now);
            let room = limit.checked_sub(window.kept.saturating_add(needed));
            let left = limit.saturating_sub(window.kept.saturating_add(more));
            Standing { limit: *limit, remaining: room.map(|_| left), ends: window.ends }
        });
        let narrowest = standings.min_by_key(|standing| standing.remaining)?;
        if narrowest.remaining.is_some() {
            for (identity, _) in limited() {
                let window = windows.at(*identity, now);
                window.kept = window.kept.saturating_add(more);
            }
        }
        Some(narrowest)
    }

    fn tries(&self, identity: Identity, now: Timestamp) -> (Attempts, Standing) {
        let limit = self.settings.auth_max;
        let mut windows = lock(&self.attempts);
        let window = windows.at(identity, now);
        let leave = || Arc::new(Semaphore::new(limit as usize));
        let tries = window.kept.get_or_insert_with(|| Attempts { failed: 0, leave: leave() });
        let remaining = limit.checked_sub(tries.failed).filter(|left| *left > 0);
        (tries.clone(), Standing { limit, remaining, ends: window.ends })
    }

    fn failed(&self, identity: Identity, tries: &Attempts, now: Timestamp) {
        let mut windows = lock(&self.attempts);
        let current = windows.at(identity, now).kept.as_mut();
        // A try that began in an earlier window says nothing about this one.
        let Some(current) = current.filter(|now| Arc::ptr_eq(&now.leave, &tries.leave)) else {
            return;
        };
        current.failed += 1;
        if current.failed >= self.settings.auth_max {
            current.leave.close();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The layer that counts every request under `/api/v1`.
pub(crate) async fn requests(app: App, mut request: Request, next: impl Next) -> Response {
    if !request.uri().path().starts_with("/api/v1") {
        return next.run(request).await;
    }
    let (whom, now) = (counts_for(&app, &request), app.platform.now());
    let Some(standing) = app.limits.count(&whom, 1, 1, now) else {
        return next.run(request).await;
    };
    if standing.remaining.is_none() {
        let mut response = standing.refuse(now);
        standing.tell(&mut response);
        return response;
    }
    let counted = Arc::new(Counted { app, whom, standing: Mutex::new(standing) });
    request.extensions_mut().insert(Tally(Some(Arc::clone(&counted))));
    let mut response = next.run(request).await;
    lock(&counted.standing).tell(&mut response);
    response
}

/// Where a handler says how many things a request asks for; of one without a limit
/// nothing is counted.
#[derive(Clone)]
pub(crate) struct Tally(Option<Arc<Counted>>);

/// Whom a request was counted for, and where they stand by now.
struct Counted {
    app: App,
    whom: CountsFor,
    standing: Mutex<Standing>,
}

impl Tally {
    /// Counts so many things, of which the first was counted with the request. Refuses
    /// them if others have used up the window meanwhile: to be asked before anything
    /// is done. The window may end above its limit by what was let in last: so whoever
    /// asks for more than the limit is served, once a window.
    pub(crate) fn count(&self, things: usize) -> Result<(), Problem> {
        let more = u32::try_from(things.saturating_sub(1)).unwrap_or(u32::MAX);
        let Some(Counted { app, whom, standing }) = self.0.as_deref().filter(|_| more > 0) else {
            return Ok(());
        };
        let now = app.platform.now();
        let Some(stands) = app.limits.count(whom, 0, more, now) else { return Ok(()) };
        *lock(standing) = stands;
        match stands.remaining {
            Some(_) => Ok(()),
            None => Err(stands.problem(now)),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Tally {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or(Self(None)))
    }
}

/// The layer around the doors where secrets are tried.
pub(crate) async fn attempts(
    State(app): State<App>,
    request: Request,
    next: middleware::Next,
) -> Response {
    if app.limits.settings.auth_max == 0 {
        return next.run(request).await;
    }
    let identity = at(&request);
    let now = app.platform.now();
    let (tries, standing) = app.limits.tries(identity, now);
    let Ok(leave) = tries.leave.acquire().await else {
        let mut response = standing.refuse(now);
        Standing { remaining: None, ..standing }.tell(&mut response);
        return response;
    };
    let response = next.run(request).await;
    if response.extensions().get().is_some_and(Problem::is_failed_try) {
        leave.forget();
        app.limits.failed(identity, &tries, app.platform.now());
    }
    response
}

/// Refuses an address whose tries have all failed, before it sends another.
pub(crate) fn too_many_tries(app: &App, request: &Request) -> Option<Response> {
    if app.limits.settings.auth_max == 0 {
        return None;
    }
    let now = app.platform.now();
    let (_, standing) = app.limits.tries(at(request), now);
    standing.remaining.is_none().then(|| {
        let mut response = standing.refuse(now);
        standing.tell(&mut response);
        response
    })
}

/// Whom a request counts for, and how many they may send; 0: as many as they like.
type CountsFor = [(Identity, u32); 2];

/// A key counts for itself, and where its owner is no administrator, for all their keys
/// together: a new key is no new window.
fn counts_for(app: &App, request: &Request) -> CountsFor {
    let (identity, limit) = match request.extensions().get::<Proof>() {
        Some(Proof(Ok(actor))) => match &actor.credential {
            Credential::ApiKey { rate_limit, .. } => {
                let all = app.platform.settings().shares.key_requests;
                let is_free = actor.role == Role::Admin || *rate_limit == 0;
                let together = (Identity::Keys(actor.user_id.0), if is_free { 0 } else { all });
                return [(Identity::of(actor), *rate_limit), together];
            }
            Credential::Session(_) | Credential::Schedule(_) => {
                (Identity::of(actor), app.limits.settings.max)
            }
        },
        _ => (at(request), app.limits.settings.max),
    };
    [(identity, limit), (identity, 0)]
}

/// Where a request comes from.
fn at(request: &Request) -> Identity {
    address(request.extensions())
}

/// The address that a request's extensions tell.
pub(crate) fn address(extensions: &Extensions) -> Identity {
    Identity::at(extensions.get::<Origin>().and_then(|origin| origin.ip))
}

impl Standing {
    fn problem(&self, now: Timestamp) -> Problem {
        Problem::throttled(Duration::try_from(self.ends.duration_since(now)).unwrap_or_default())
    }

    fn refuse(&self, now: Timestamp) -> Response {
        self.problem(now).into_response()
    }

    /// Sets the headers, unless a narrower limit has spoken.
    fn tell(&self, response: &mut Response) {
        let resets = self.ends.as_second() + i64::from(self.ends.subsec_nanosecond() > 0);
        let remaining = i64::from(self.remaining.unwrap_or(0));
        let values = [i64::from(self.limit), remaining, resets];
        for (name, value) in HEADERS.into_iter().zip(values) {
            response.headers_mut().entry(name).or_insert(HeaderValue::from(value));
        }
    }
}
