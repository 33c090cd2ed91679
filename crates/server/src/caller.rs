//! Who is calling.
//!
//! A layer proves the credentials and leaves the result in the request, and
//! [`crate::body`] has it renewed after a slow body; an extractor in a handler's signature says who may call: [`Caller`] somebody
//! proven, [`Anyone`] the whole world. What the caller may do is the platform's
//! business.

use crate::{App, front::Next, places::Guest, problem::Problem};
use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, header, request::Parts},
    response::Response,
};
use platform::{Actor, Error, Origin, api_keys, error::Unauthenticated, sessions};
use std::sync::Arc;

/// Somebody, proven by a token or an API key.
pub(crate) struct Caller(pub(crate) Actor);

/// Anyone at all; the endpoint is public.
pub(crate) struct Anyone(pub(crate) Origin);

/// What proving the credentials came to.
#[derive(Clone)]
pub(crate) struct Proof(pub(crate) Result<Actor, Problem>);

enum Credential<'a> {
    Token(&'a str),
    Key(&'a str),
}

/// The layer: proves the credentials of a request, if it has any. Outside the API
/// nobody is asked, so that health is told without the database.
pub(crate) async fn identify(app: App, mut request: Request, next: impl Next) -> Response {
    prove(&app, &mut request).await;
    next.run(request).await
}

/// Proves the credentials as they are at this moment.
pub(crate) async fn prove(app: &App, request: &mut Request) {
    if !request.uri().path().starts_with("/api/v1") {
        return;
    }
    let origin = request.extensions().get::<Origin>().cloned().unwrap_or_default();
    let proven = match credential(request.headers()) {
        Ok(Credential::Token(token)) => sessions::authenticate(&app.platform, origin, token).await,
        Ok(Credential::Key(key)) => api_keys::authenticate(&app.platform, origin, key).await,
        Err(reason) => Err(Error::Unauthenticated(reason)),
    };
    if let Ok(actor) = &proven
        && let Some(guest) = request.extensions_mut().remove::<Arc<Guest>>()
    {
        guest.is_proven(actor.user_id.0);
    }
    request.extensions_mut().insert(Proof(proven.map_err(Problem::from)));
}

/// A token goes before a key, and a header that came twice is no credential.
fn credential(headers: &HeaderMap) -> Result<Credential<'_>, Unauthenticated> {
    if let Some(value) =
        single(headers, header::AUTHORIZATION.as_str(), Unauthenticated::InvalidToken)?
    {
        let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
        // RFC 9110, section 11.6.2: one or more blanks.
        let token = token.trim_start_matches(' ');
        let bearer = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty();
        return if bearer {
            Ok(Credential::Token(token))
        } else {
            Err(Unauthenticated::InvalidToken)
        };
    }
    single(headers, "x-api-key", Unauthenticated::InvalidKey)?
        .map(Credential::Key)
        .ok_or(Unauthenticated::Missing)
}

fn single<'a>(
    headers: &'a HeaderMap,
    name: &str,
    refusal: Unauthenticated,
) -> Result<Option<&'a str>, Unauthenticated> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| refusal),
        (Some(_), Some(_)) => Err(refusal),
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    /// Takes the proof: a request has one caller.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match parts.extensions.remove::<Proof>() {
            Some(Proof(proof)) => proof.map(Self),
            None => Err(Error::Unauthenticated(Unauthenticated::Missing).into()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Anyone {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(parts.extensions.get::<Origin>().cloned().unwrap_or_default()))
    }
}
