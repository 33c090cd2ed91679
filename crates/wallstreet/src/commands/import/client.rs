//! The server, as an import sees it: one request, and what its answer means for it.
//!
//! Knows HTTP; how often something is tried is [`super::sending`]'s business.

use crate::failure::{Exit, Failure};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, Response, StatusCode, Uri,
    body::Bytes,
    header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as Http, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

const PATH: &str = "/api/v1/transactions/batch";
/// The server itself answers within 30 seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// More than a thousand transactions can take, in bytes.
const LARGEST_ANSWER: usize = 64 << 20;

/// Where to, and in whose name.
pub struct Client {
    http: Http<HttpsConnector<HttpConnector>, Full<Bytes>>,
    uri: Uri,
    key: HeaderValue,
}

/// What became of one item.
#[derive(Debug, Deserialize)]
pub struct Outcome {
    /// As a request of its own would have been answered.
    pub status: u16,
    /// Whether it had been answered before.
    pub replayed: bool,
    /// Why it was not done.
    pub error: Option<Reason>,
}

/// Why something was not done.
#[derive(Clone, Debug, Deserialize)]
pub struct Reason {
    /// Stable.
    pub code: String,
    /// For people.
    pub message: String,
    /// The fields at fault; of a batch, the items.
    #[serde(default)]
    pub errors: Vec<Rule>,
}

/// A broken rule.
#[derive(Clone, Debug, Deserialize)]
pub struct Rule {
    /// A path.
    pub field: String,
    /// Stable.
    pub code: String,
    /// For people.
    pub message: String,
}

#[derive(Deserialize)]
struct Answer {
    data: Results,
}

#[derive(Deserialize)]
struct Results {
    results: Vec<Outcome>,
}

/// Why a request has no outcome.
#[derive(Debug)]
pub enum Trouble {
    /// It may pass.
    Passing {
        /// For people.
        why: String,
        /// When to come again, if the server said so.
        wait: Option<Duration>,
        /// How far it came.
        contact: Contact,
    },
    /// We came too often; come again after.
    Throttled(Duration),
    /// Of an atomic batch: nothing was done.
    Refused(Reason),
    /// It would be the same every time.
    Final(Failure),
}

/// How far a request came that has no outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contact {
    /// Nobody was there: it was not sent.
    #[default]
    Nobody,
    /// It was sent, and no answer came.
    Silence,
    /// The answer was that it does not work now.
    Answer,
}

impl Client {
    /// Connects later, when something is sent.
    pub fn new(url: &str, key: &str) -> Result<Self, Failure> {
        let wrong = || {
            Failure::new(Exit::CouldNot, format!("--url {url} is not the address of a server"))
                .next("give it like http://127.0.0.1:3000 or https://bank.example.com")
        };
        let base = url.trim_end_matches('/').trim_end_matches("/api/v1");
        let uri: Uri = format!("{base}{PATH}").parse().map_err(|_| wrong())?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let key = HeaderValue::from_str(key).map_err(|_| {
            Failure::new(Exit::CouldNot, "the API key has characters that no key has")
        })?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(secure)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Self { http: Http::builder(TokioExecutor::new()).build(connector), uri, key })
    }

    /// Sends a batch of so many items.
    pub async fn post(&self, body: String, items: usize) -> Result<Vec<Outcome>, Trouble> {
        let request = Request::post(&self.uri)
            .header("x-api-key", &self.key)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body))
            .map_err(|error| Trouble::Final(Failure::new(Exit::CouldNot, error.to_string())))?;
        let silence = Contact::Silence;
        let passing = |why: String, contact| Trouble::Passing { why, wait: None, contact };
        let received = timeout(ANSWER_TIMEOUT, async {
            let response = self.http.request(request).await.map_err(|error| {
                let contact = if error.is_connect() { Contact::Nobody } else { silence };
                passing(all(&error), contact)
            })?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, LARGEST_ANSWER).collect().await;
            let broken = |error| passing(format!("the answer broke off: {error}"), silence);
            let body = body.map_err(broken)?;
            Ok(Response::from_parts(head, body.to_bytes()))
        });
        let late = || passing("no answer within 60 seconds".to_owned(), silence);
        let response = received.await.map_err(|_| late())??;
        self.judge(&response, items)
    }

    fn judge(&self, response: &Response<Bytes>, items: usize) -> Result<Vec<Outcome>, Trouble> {
        let status = response.status();
        if status == StatusCode::OK {
            let answer = serde_json::from_slice::<Answer>(response.body());
            let results = answer.ok().map(|answer| answer.data.results);
            let results = results.filter(|results| results.len() == items);
            return results.ok_or_else(|| Trouble::Final(self.stranger(status)));
        }
        let reason = serde_json::from_slice::<Reason>(response.body()).ok();
        let why =
            reason.as_ref().map_or_else(String::new, |reason| format!(": {}", reason.message));
        let why = format!("{} answers {}{why}", self.uri, status.as_u16());
        let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let wait = wait.and_then(|text| text.parse().ok()).map(Duration::from_secs);
        let stop = |advice: &str| {
            Err(Trouble::Final(Failure::new(Exit::CouldNot, why.clone()).next(advice)))
        };
        match (status.as_u16(), reason) {
            (429, _) => Err(Trouble::Throttled(wait.unwrap_or(Duration::from_secs(1)))),
            (408 | 500.., _) => Err(Trouble::Passing { why, wait, contact: Contact::Answer }),
            (401 | 403, _) => stop(
                "give a valid API key with the permission write:transactions, in \
                 WALLSTREET_API_KEY or by --api-key-file; then run the same command again",
            ),
            (413, _) => stop("something on the way takes less than 8 MiB: use a smaller --batch"),
            (400 | 422, Some(reason)) => Err(Trouble::Refused(reason)),
            _ => Err(Trouble::Final(self.stranger(status))),
        }
    }

    /// Not what the bank would answer.
    fn stranger(&self, status: StatusCode) -> Failure {
        let what = format!("{} answers {}, which is not Wallstreet's", self.uri, status.as_u16());
        Failure::new(Exit::CouldNot, what).next("look at --url: it is the address without /api/v1")
    }
}

/// The system's authorities; read only where they are needed.
fn tls(secure: bool) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    if secure {
        let (known, _) =
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if known == 0 {
            return Err(Failure::new(
                Exit::CouldNot,
                "this machine has no certificate authorities",
            )
            .next("install ca-certificates, or name a file of them in SSL_CERT_FILE"));
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(Exit::CouldNot, error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// An error with all its causes.
fn all(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
