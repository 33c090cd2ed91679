//! The body of a request: received in one place, before the handler, within
//! bounds of size, time and memory.
//!
//! Whoever sends it slowly could be logged out, suspended or demoted meanwhile:
//! credentials older than a second are proven again once the body is there.
//! What can be told from the head is refused before a byte is read. A small body
//! takes no room of the budget: each connection has one at most, and it waits for
//! nobody. Whether a body was needed, and what it says, is [`crate::extract`]'s
//! business.

use crate::{
    App,
    admission::Operation,
    budget::{CutOff, Full, Holding},
    caller::{self, Proof},
    extract,
    front::Next,
    limits,
    problem::Problem,
    windows::Identity,
};
use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use http_body_util::BodyExt;
use hyper::body::Frame;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long a client may take to send it.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);
/// How long proven credentials are good for while the body arrives.
const PROVEN_FOR: Duration = Duration::from_secs(1);
/// A body of at most so many bytes is small: less than the buffers of its connection.
pub(crate) const SMALL: usize = 16 << 10;

/// What came.
#[derive(Clone)]
pub(crate) struct Arrived(pub(crate) Result<Bytes, Problem>);

/// The layer: receives the body, and proves the credentials again if that took long.
pub(crate) async fn arrive(
    app: App,
    operation: Operation,
    request: Request,
    next: impl Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let started = Instant::now();
    let received = match body.is_end_stream() {
        true => Ok((Bytes::new(), None)),
        false => receive(&app, &operation, &parts, body).await,
    };
    // What was parsed takes room as well: it is given back after the handler.
    let (bytes, _held) = match received {
        Ok(received) => received,
        Err(problem) => return problem.into_response(),
    };
    // A member that nobody reads is not to be taken for obeyed.
    if !operation.takes_body()
        && !bytes.is_empty()
        && let Err(problem) = extract::no_body(&bytes)
    {
        return problem.into_response();
    }
    let mut request = Request::from_parts(parts, Body::empty());
    request.extensions_mut().insert(Arrived(Ok(bytes)));
    if started.elapsed() > PROVEN_FOR {
        caller::prove(&app, &mut request).await;
    }
    next.run(request).await
}

async fn receive(
    app: &App,
    operation: &Operation,
    parts: &Parts,
    body: Body,
) -> Result<(Bytes, Option<Holding>), Problem> {
    let wanted = Wanted::of(&parts.headers, &body, operation.most())?;
    let mut holding = match wanted.size() {
        0..=SMALL => None,
        size => Some(app.budget.open(sender(parts, operation), size).await?),
    };
    let collecting = wanted.collect(body, holding.as_mut());
    let bytes = timeout(BODY_TIMEOUT, collecting).await.unwrap_or_else(|_| {
        let text = "The body did not arrive within 15 seconds";
        Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", text))
    })?;
    Ok((bytes, holding))
}

/// For whom the bytes count.
fn sender(parts: &Parts, operation: &Operation) -> Identity {
    match parts.extensions.get::<Proof>() {
        Some(Proof(Ok(actor))) if !operation.is_public() => Identity::User(actor.user_id.0),
        _ => limits::address(&parts.extensions),
    }
}

/// A body that nothing speaks against so far.
struct Wanted {
    is_json: bool,
    promised: Option<usize>,
    most: usize,
}

impl Wanted {
    /// What the head tells.
    fn of(headers: &HeaderMap, body: &Body, most: usize) -> Result<Self, Problem> {
        let encoding = headers.get(header::CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| encoding != "identity") {
            let (status, text) = (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Send the body as it is, without Content-Encoding",
            );
            return Err(Problem::new(status, "unsupported_encoding", text));
        }
        let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = media_type.and_then(|text| text.split(';').next()).map(str::trim);
        let is_json =
            essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
        let promised = body.size_hint().exact();
        let is_expected = promised.is_some()
            || headers.contains_key(header::CONTENT_TYPE)
            || headers.contains_key(header::EXPECT);
        // Of chunks nobody knows whether there will be any.
        if !is_json && is_expected {
            return Err(no_json());
        }
        let promised = promised.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        match promised {
            Some(bytes) if bytes > most => Err(too_large(most)),
            _ => Ok(Self { is_json, promised, most }),
        }
    }

    /// The most bytes that it may have.
    fn size(&self) -> usize {
        self.promised.unwrap_or(self.most)
    }

    /// All of it, unless its room is given to another meanwhile.
    ///
    /// The buffer has its full size from the start: what is not written is no memory
    /// yet, and a buffer that grew would leave each of its former sizes to the allocator.
    async fn collect(
        &self,
        mut body: Body,
        mut holding: Option<&mut Holding>,
    ) -> Result<Bytes, Problem> {
        let mut bytes = Vec::with_capacity(self.size());
        while let Some(frame) = next_frame(&mut body, holding.as_deref()).await? {
            let broken =
                |_| Problem::new(StatusCode::BAD_REQUEST, "incomplete_body", "The body broke off");
            let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
            if !self.is_json && !data.is_empty() {
                return Err(no_json());
            }
            if bytes.len() + data.len() > self.most {
                return Err(too_large(self.most));
            }
            bytes.extend_from_slice(&data);
            if let Some(holding) = &mut holding {
                holding.note(bytes.len());
            }
        }
        if let Some(holding) = holding {
            holding.complete(bytes.len())?;
        }
        Ok(bytes.into())
    }
}

/// What comes next, unless the body is cut off.
async fn next_frame(
    body: &mut Body,
    holding: Option<&Holding>,
) -> Result<Option<Result<Frame<Bytes>, axum::Error>>, CutOff> {
    let Some(holding) = holding else { return Ok(body.frame().await) };
    tokio::select! {
        biased;
        frame = body.frame() => Ok(frame),
        () = holding.cut_off() => Err(CutOff),
    }
}

fn too_large(most: usize) -> Problem {
    let most = match most >> 20 {
        0 => format!("{} KiB", most >> 10),
        mib => format!("{mib} MiB"),
    };
    let text = format!("The body must be at most {most}");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", text)
}

fn no_json() -> Problem {
    let text = "Send the body as application/json, and say so in Content-Type";
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", text)
}

impl From<Full> for Problem {
    fn from(_: Full) -> Self {
        let text = "More large bodies are on their way than there is room for: try again shortly";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_bodies", text);
        problem.retry_after(Duration::from_secs(1))
    }
}

impl From<CutOff> for Problem {
    fn from(_: CutOff) -> Self {
        let text = "The body stood still while others waited for its room";
        Self::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", text)
    }
}
