//! A success on its way out: `{"success": true, "message", "data", "timestamp"}`.
//!
//! A handler says message and data; [`crate::envelope`] adds the time. The
//! outcome of an idempotent request brings its own time along, so that a replay
//! reads like the first answer, byte for byte.

use crate::{fields::Time, problem::Problem};
use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use platform::Outcome;
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

/// More than the frame of an answer takes, in bytes.
const FRAME: usize = 256;
/// More headers than an answer has.
const MOST_HEADERS: usize = 24;

/// Says that this answer was given before.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// What a handler returns.
pub(crate) type Answer<T = ()> = Result<Reply<T>, Problem>;

/// A success.
#[derive(Debug)]
pub(crate) struct Reply<T> {
    message: &'static str,
    data: T,
    beside: Map<String, Value>,
    created_at: Option<String>,
    first: Option<(Timestamp, bool)>,
}

impl<T> Reply<T> {
    /// 200.
    pub(crate) fn ok(message: &'static str, data: T) -> Self {
        Self { message, data, beside: Map::new(), created_at: None, first: None }
    }

    /// 200, now or already earlier.
    pub(crate) fn outcome<V: Into<T>>(message: &'static str, outcome: Outcome<V>) -> Self {
        let first = Some((outcome.at, outcome.replayed));
        Self { first, ..Self::ok(message, outcome.value.into()) }
    }

    /// With a field beside `data`, where the documented clients look for it.
    pub(crate) fn beside(mut self, name: &str, value: &str) -> Self {
        self.beside.insert(name.to_owned(), value.into());
        self
    }

    /// 201 instead, with the path of the new thing.
    pub(crate) fn created(self, path: impl FnOnce(&T) -> String) -> Self {
        Self { created_at: Some(path(&self.data)), ..self }
    }
}

/// A success that lacks nothing but its frame.
#[derive(Clone, Debug)]
pub(crate) struct Success {
    message: &'static str,
    data: Box<RawValue>,
    beside: Map<String, Value>,
    first: Option<(Timestamp, bool)>,
}

#[derive(Serialize)]
struct SuccessBody<'a, T: ?Sized> {
    success: bool,
    message: &'static str,
    data: &'a T,
    #[serde(flatten)]
    beside: Map<String, Value>,
    timestamp: Time,
}

/// A success as its text, for an answer too long to be held as a whole.
pub(crate) fn written(
    message: &'static str,
    data: &impl Serialize,
    at: Timestamp,
) -> serde_json::Result<String> {
    let (beside, timestamp) = (Map::new(), Time(at));
    serde_json::to_string(&SuccessBody { success: true, message, data, beside, timestamp })
}

impl Success {
    /// Puts the frame around it, keeping the status and the headers given.
    pub(crate) fn render(self, response: &mut Response, now: Timestamp) {
        let (at, replayed) = self.first.unwrap_or((now, false));
        let (message, timestamp) = (self.message, Time(at));
        let mut text = Vec::with_capacity(FRAME + self.data.get().len());
        let body = SuccessBody {
            success: true,
            message,
            data: &*self.data,
            beside: self.beside,
            timestamp,
        };
        if serde_json::to_writer(&mut text, &body).is_err() {
            *response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
            return;
        }
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        if replayed {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        // The router has measured the body that this one replaces.
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = text.into();
    }
}

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        let data = match serde_json::value::to_raw_value(&self.data) {
            Ok(data) => data,
            Err(error) => return Problem::internal(error).into_response(),
        };
        let created = self.created_at.is_some();
        let status = if created { StatusCode::CREATED } else { StatusCode::OK };
        let mut response = status.into_response();
        response.headers_mut().reserve(MOST_HEADERS);
        let location = self.created_at.and_then(|path| HeaderValue::try_from(path).ok());
        if let Some(location) = location {
            response.headers_mut().insert(header::LOCATION, location);
        }
        let (message, beside, first) = (self.message, self.beside, self.first);
        response.extensions_mut().insert(Success { message, data, beside, first });
        response
    }
}
