//! Every answer that is not a success: which status and code go with which
//! error, and what of it the client may read.
//!
//! Owns the documented error form, and is the only place that logs the cause of
//! a 5xx; the client reads a fixed text and the request id. Knows no endpoint.

use crate::fields::Time;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use platform::error::{Conflict, Error, Original, Unauthenticated, Violation};
use serde::Serialize;
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt, time::Duration};
use utoipa::ToSchema;

/// When to ask again for what is about to be settled.
const SOON: Duration = Duration::from_secs(1);
/// When to ask again for what has to be worked off first.
const A_WHILE: Duration = Duration::from_secs(60);

/// Why a request failed, on its way out to the client.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    more: Box<More>,
}

/// What only some problems have.
#[derive(Clone, Debug, Default)]
struct More {
    errors: Vec<Violation>,
    data: Option<Box<RawValue>>,
    retry_after: Option<Duration>,
    /// When it was decided; otherwise it is told when that happens.
    at: Option<Timestamp>,
    original: Option<Original>,
    cause: Option<String>,
}

impl Problem {
    /// A problem with a text for the client.
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, code, message: message.into(), more: Box::default() }
    }

    /// With a time to come back.
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.more.retry_after = Some(wait);
        self
    }

    /// With something to show beside the error.
    pub(crate) fn with_data(mut self, data: Box<RawValue>) -> Self {
        self.more.data = Some(data);
        self
    }

    /// With the rules that were broken.
    pub(crate) fn because_of(mut self, rules: Vec<Violation>) -> Self {
        self.more.errors = rules;
        self
    }

    /// As the answer to one item of many; logs what the client must not see.
    pub(crate) fn into_item(self) -> (StatusCode, &'static str, String, Vec<FieldError>) {
        let (status, code) = (self.status, self.code);
        if let Some(cause) = self.more.cause {
            tracing::error!(status = status.as_u16(), code, %cause, "an item failed");
        }
        let errors = self.more.errors.into_iter().map(FieldError::from).collect();
        (status, code, self.message.into_owned(), errors)
    }

    /// With what only the log may see.
    fn because(mut self, cause: impl fmt::Display) -> Self {
        self.more.cause = Some(cause.to_string());
        self
    }

    /// One field of the request breaks a rule.
    pub(crate) fn field(field: &str, code: &'static str, message: impl Into<String>) -> Self {
        Error::invalid(field, code, message).into()
    }

    /// A fault of ours.
    pub(crate) fn internal(cause: impl fmt::Display) -> Self {
        let text = "Something went wrong on our side: report the request id if it happens again";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", text).because(cause)
    }

    /// Something is missing for the moment.
    pub(crate) fn unavailable(retry_after: Duration, cause: impl fmt::Display) -> Self {
        let text = "The service is not available at the moment: try again shortly";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text);
        problem.retry_after(retry_after).because(cause)
    }

    /// Too many requests; come back after.
    pub(crate) fn throttled(retry_after: Duration) -> Self {
        let text = "Too many requests: wait for the seconds that Retry-After says";
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", text);
        problem.retry_after(retry_after)
    }

    /// What axum answers by itself, with a status and no words.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let (code, text) = match status {
            StatusCode::NOT_FOUND => ("route_not_found", "There is no such endpoint"),
            StatusCode::METHOD_NOT_ALLOWED => {
                ("method_not_allowed", "This endpoint does not know this method: see Allow")
            }
            status if status.is_server_error() => return Self::internal(status),
            _ => ("bad_request", "The request cannot be understood"),
        };
        Self::new(status, code, text)
    }

    /// Whether a field broke the rule with this code.
    pub(crate) fn is_because(&self, code: &str) -> bool {
        self.more.errors.iter().any(|error| error.code == code)
    }

    /// A wrong secret, or an address found to be taken. Who brought no secret, or
    /// input that could not be read, tried nothing.
    pub(crate) fn is_failed_try(&self) -> bool {
        match self.status {
            StatusCode::UNAUTHORIZED => self.code != Unauthenticated::Missing.code(),
            StatusCode::CONFLICT => true,
            _ => self.is_because("incorrect"),
        }
    }

    /// The answer itself; logs what the client must not see.
    pub(crate) fn render(self, request_id: &str, now: Timestamp) -> Response {
        let More { errors, data, retry_after, at, original, cause } = *self.more;
        let (status, code) = (self.status, self.code);
        if let Some(cause) = cause {
            tracing::error!(status = status.as_u16(), code, request_id, %cause, "request failed");
        }
        let replayed = original.is_some();
        let at = at.unwrap_or(now);
        let request_id = original.map_or_else(|| request_id.to_owned(), |first| first.request_id);
        let body = ErrorBody {
            success: false,
            message: self.message.into_owned(),
            code: code.to_owned(),
            request_id,
            timestamp: Time(at),
            errors: errors.into_iter().map(FieldError::from).collect(),
            data,
        };
        let mut response = (status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(wait) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        }
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"wallstreet\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if replayed {
            headers.insert(crate::reply::REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

/// Rounded up: who comes back on time must not be early.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let code = error.code();
        let message = error.to_string();
        let of = |status| Self::new(status, code, message);
        match error {
            Error::Invalid(errors) => {
                let mut problem = of(StatusCode::BAD_REQUEST);
                problem.more.errors = errors;
                problem
            }
            Error::Unauthenticated(_) => of(StatusCode::UNAUTHORIZED),
            Error::Forbidden(_) => of(StatusCode::FORBIDDEN),
            Error::NotFound(_) => of(StatusCode::NOT_FOUND),
            Error::Conflict(Conflict::InFlight) => of(StatusCode::CONFLICT).retry_after(SOON),
            Error::Conflict(_) => of(StatusCode::CONFLICT),
            Error::KeyReused | Error::Undone => of(StatusCode::UNPROCESSABLE_ENTITY),
            Error::Refused { at, original, .. } => {
                let mut problem = of(StatusCode::UNPROCESSABLE_ENTITY);
                problem.more.at = at;
                problem.more.original = original;
                problem
            }
            Error::Unavailable { what, retry_after, cause } => {
                Self::unavailable(retry_after, format_args!("{what}: {cause}"))
            }
            Error::OutcomeUnknown { cause } => {
                of(StatusCode::SERVICE_UNAVAILABLE).retry_after(SOON).because(cause)
            }
            Error::DerivationTooLong { .. } => {
                of(StatusCode::SERVICE_UNAVAILABLE).retry_after(A_WHILE)
            }
            Error::Internal(cause) => Self::internal(chain(cause.as_ref())),
        }
    }
}

/// An error with all its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

impl IntoResponse for Problem {
    /// Leaves the words to [`crate::envelope`], which knows request and time.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The documented error form.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Error)]
pub(crate) struct ErrorBody {
    /// Always false.
    #[schema(schema_with = crate::openapi::always_false)]
    success: bool,
    /// For people.
    message: String,
    /// Stable; switch on this.
    #[schema(pattern = "^[a-z0-9_]+$", example = "validation_failed")]
    code: String,
    /// Names this request in the server's log.
    #[schema(min_length = 1, max_length = 64)]
    request_id: String,
    timestamp: Time,
    /// The fields at fault, if it is about fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
    /// What could be found out nevertheless.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::api::health::Services>, nullable = false)]
    data: Option<Box<RawValue>>,
}

/// One broken rule.
#[derive(Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// The field, as a path: `email`, `permissions[0]`, `Idempotency-Key`.
    #[schema(example = "email")]
    field: String,
    /// What is wrong with it and what would be right.
    message: String,
    /// Stable.
    #[schema(pattern = "^[a-z0-9_]+$", example = "required")]
    code: String,
}

impl From<Violation> for FieldError {
    fn from(violation: Violation) -> Self {
        let Violation { field, code, message } = violation;
        Self { field, message, code: code.to_owned() }
    }
}
