//! What a handler may take from a request. Whatever is wrong is refused here,
//! with a problem that names the field, before any use case runs.

use crate::{
    body::{Arrived, SMALL},
    fields::Id,
    problem::Problem,
    violation,
};
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, RawPathParams, Request},
    http::{StatusCode, request::Parts},
};
use platform::IdempotencyKey;
use serde::de::{Deserialize, DeserializeOwned};

/// The body, read as JSON.
pub(crate) struct Json<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned + Send + 'static> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (mut parts, _) = request.into_parts();
        apart(take_body(&mut parts)?, |body| parse(body)).await.map(Self)
    }
}

/// The body and the `Idempotency-Key` of a request that creates something.
pub(crate) struct Keyed<T>(pub(crate) Option<IdempotencyKey>, pub(crate) T);

impl<S: Sync, T: DeserializeOwned + Send + 'static> FromRequest<S> for Keyed<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let unread = Unread::from_request(request, state).await?;
        unread.read(|key, body| Ok(Self(key, parse(body)?))).await
    }
}

/// The body of a request that creates something, for a handler that reads it in its
/// own way.
pub(crate) struct Unread(Parts, Bytes);

impl<S: Sync> FromRequest<S> for Unread {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (mut parts, _) = request.into_parts();
        let bytes = take_body(&mut parts)?;
        Ok(Self(parts, bytes))
    }
}

impl Unread {
    /// What `how` makes of the `Idempotency-Key` and the body, which ends here.
    pub(crate) async fn read<T: Send + 'static>(
        self,
        how: impl FnOnce(Option<IdempotencyKey>, &[u8]) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let Self(parts, bytes) = self;
        apart(bytes, move |body| how(idempotency_key(&parts, body)?, body)).await
    }
}

/// Reads a body and drops it. A large one takes a while, in which nobody else's
/// request may have to wait.
async fn apart<T: Send + 'static>(
    bytes: Bytes,
    read: impl FnOnce(&[u8]) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    if bytes.len() <= SMALL {
        return read(&bytes);
    }
    let reading = tokio::task::spawn_blocking(move || read(&bytes));
    reading.await.unwrap_or_else(|panic| Err(Problem::internal(panic)))
}

/// The body of an operation that takes none: no member is known.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Passes an empty body and an empty object.
pub(crate) fn no_body(body: &[u8]) -> Result<(), Problem> {
    match body.trim_ascii().is_empty() {
        true => Ok(()),
        false => parse(body).map(|Nothing {}| ()),
    }
}

/// The `Idempotency-Key` of a request without a body.
pub(crate) struct Key(pub(crate) Option<IdempotencyKey>);

impl<S: Sync> FromRequestParts<S> for Key {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        idempotency_key(parts, &[]).map(Self)
    }
}

/// One item of a body that is read item by item.
pub(crate) fn item<'a, T: Deserialize<'a>>(raw: &'a str) -> Result<T, platform::Error> {
    let mut json = serde_json::Deserializer::from_str(raw);
    violation::read(&mut json).map_err(|(violation, _)| platform::Error::Invalid(vec![violation]))
}

/// The one id in the path.
pub(crate) struct PathId<T>(pub(crate) T);

impl<S: Send + Sync, T: From<Id>> FromRequestParts<S> for PathId<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let unreadable = || Problem::field("path", "invalid", "must be valid UTF-8");
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(|_| unreadable())?;
        let (name, text) = params.iter().next().ok_or_else(unreadable)?;
        let id = Id::parse(text).map_err(|message| Problem::field(name, "invalid", message))?;
        Ok(Self(id.into()))
    }
}

/// The one number in the path.
pub(crate) struct PathNumber(pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for PathNumber {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let wrong = || Problem::field("number", "invalid", "must be a whole number from 1");
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| wrong())?;
        let (_, text) = params.iter().next().ok_or_else(wrong)?;
        let digits = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        let number = text.parse().ok().filter(|_| digits);
        number.map(Self).ok_or_else(wrong)
    }
}

fn idempotency_key(parts: &Parts, body: &[u8]) -> Result<Option<IdempotencyKey>, Problem> {
    const NAME: &str = "Idempotency-Key";
    let mut values = parts.headers.get_all(NAME).iter();
    let (Some(key), None) = (values.next(), values.next()) else {
        let many = parts.headers.contains_key(NAME);
        let twice = || Problem::field(NAME, "duplicate_field", "is given twice");
        return if many { Err(twice()) } else { Ok(None) };
    };
    let line = format!("{} {}\n", parts.method, parts.uri.path());
    let key = String::from_utf8_lossy(key.as_bytes());
    Ok(Some(IdempotencyKey::of_parts(&key, &[line.as_bytes(), body])?))
}

/// What [`crate::body`] received.
fn take_body(parts: &mut Parts) -> Result<Bytes, Problem> {
    let missing = || Problem::internal("no layer has received the body");
    parts.extensions.remove().map_or_else(|| Err(missing()), |Arrived(body)| body)
}

/// The whole body, as JSON.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    if body.trim_ascii().is_empty() {
        return Err(Problem::field("body", "required", "is required: send a JSON object"));
    }
    // Serde would take a list for the fields in their order.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::field("body", "invalid_type", "must be an object"));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let malformed = |error: &serde_json::Error| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed_json",
            format!("The body is not valid JSON: {error}"),
        )
    };
    let value = violation::read(&mut json).map_err(|(violation, error)| {
        if error.is_data() {
            Problem::from(platform::Error::Invalid(vec![violation]))
        } else {
            malformed(&error)
        }
    })?;
    json.end().map_err(|error| malformed(&error))?;
    Ok(value)
}
