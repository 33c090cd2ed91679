//! How the service is doing. Public, and never limited.

use crate::{
    App,
    fields::Time,
    problem::Problem,
    reply::{Answer, Reply},
};
use axum::{extract::State, http::StatusCode};
use platform::{Platform, verification::Outcome};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// What this is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Root {
    #[schema(example = "Wallstreet API")]
    message: &'static str,
    /// Of the software.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// Where the documentation is.
    #[schema(example = "/api-docs")]
    documentation: &'static str,
}

/// That the process answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    status: Condition,
    #[schema(example = "development")]
    environment: &'static str,
    /// Of the API.
    #[schema(example = "v1")]
    version: &'static str,
}

/// How one thing is.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Condition {
    /// It answers.
    Healthy,
    /// It does not.
    Unhealthy,
    /// It is not configured.
    Disabled,
    /// The clocks disagree. Money moves; what time alone decides waits.
    #[serde(rename = "in_doubt")]
    InDoubt,
    /// The last check of the ledger broke off. Money moves.
    Unchecked,
}

/// How one service is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Service {
    status: Condition,
}

/// How everything is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Services {
    status: Condition,
    services: EachService,
    /// How time stands; absent where it is not judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    time: Option<Standing>,
}

/// How time stands on this server: see `docs/clocks.md`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Standing {
    status: Condition,
    /// Since when.
    since: Time,
    /// What disagrees, and by how much.
    doubts: Vec<String>,
    /// What waits until time is sure.
    #[schema(schema_with = waiting)]
    waiting: Vec<&'static str>,
    /// By how many seconds the machine's clock is ahead of the server's time.
    machine_ahead: f64,
    /// By how many seconds the database's clock is ahead of it.
    #[schema(required)]
    database_ahead: Option<f64>,
    /// Something was recorded while a clock was ahead: on its accounts, new entries
    /// bear the moment of the newest one, until this time is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    recorded_until: Option<Time>,
}

fn waiting() -> utoipa::openapi::Array {
    let words = crate::openapi::one_of(&["deletions", "expiry", "schedules"]);
    utoipa::openapi::ArrayBuilder::new().items(words).build()
}

impl From<&platform::clock::Standing> for Standing {
    fn from(standing: &platform::clock::Standing) -> Self {
        let acts: &[_] = if standing.acts_wait { &["expiry", "schedules"] } else { &[] };
        let deletions: &[_] = if standing.deletions_wait { &["deletions"] } else { &[] };
        let doubt = !standing.doubts.is_empty();
        Self {
            status: if doubt { Condition::InDoubt } else { Condition::Healthy },
            since: Time(standing.since),
            doubts: standing.doubts.iter().map(ToString::to_string).collect(),
            waiting: [deletions, acts].concat(),
            machine_ahead: standing.machine_ahead,
            database_ahead: standing.database_ahead,
            recorded_until: standing.recorded_until.map(Time),
        }
    }
}

/// Each by itself.
#[derive(Serialize, ToSchema)]
pub(crate) struct EachService {
    api: Condition,
    database: Condition,
    redis: Condition,
    /// Absent where time is not judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    clock: Option<Condition>,
    /// What the last check of the ledger came to; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    ledger: Option<Condition>,
}

/// What this is
///
/// `version` and `documentation` also stand beside `data`.
#[utoipa::path(
    get, path = "/", operation_id = "get_root", tag = "Health", security(()),
    responses((status = 200, description = "Name and version", body = Root)),
)]
pub(crate) async fn root() -> Reply<Root> {
    let version = env!("CARGO_PKG_VERSION");
    let message = "Wallstreet API";
    let documentation = "/api-docs";
    Reply::ok(message, Root { message, version, documentation })
        .beside("version", version)
        .beside("documentation", documentation)
}

/// Whether the API answers
///
/// `environment` and `version` also stand beside `data`.
#[utoipa::path(
    get, path = "/health", operation_id = "get_health", tag = "Health", security(()),
    responses((status = 200, description = "It does", body = Health)),
)]
pub(crate) async fn health(State(app): State<App>) -> Reply<Health> {
    let environment = app.settings.environment.as_str();
    let version = "v1";
    Reply::ok("API is healthy", Health { status: Condition::Healthy, environment, version })
        .beside("environment", environment)
        .beside("version", version)
}

/// How every part is
///
/// A clock that is in doubt is told here and is no reason to send requests elsewhere.
#[utoipa::path(
    get, path = "/health/detailed", operation_id = "get_detailed_health", tag = "Health",
    security(()),
    responses(
        (status = 200, description = "All is well", body = Services),
        (status = 503, description = "Something is not: `data` tells what"),
    ),
)]
pub(crate) async fn detailed(State(platform): State<Platform>) -> Answer<Services> {
    let database = condition(&platform).await;
    let time = platform.time().map(|standing| Standing::from(&*standing));
    let clock = time.as_ref().map(|time| time.status);
    let ledger = platform.last_check().map(|outcome| match outcome {
        Outcome::Found(report) if report.is_sound() => Condition::Healthy,
        Outcome::Found(_) => Condition::Unhealthy,
        Outcome::Failed(_) => Condition::Unchecked,
    });
    let redis = Condition::Disabled;
    let services = EachService { api: Condition::Healthy, database, redis, clock, ledger };
    let services = Services { status: database, services, time };
    match database {
        Condition::Unhealthy => {
            let data = serde_json::value::to_raw_value(&services).map_err(Problem::internal)?;
            Err(unhealthy("A service is unhealthy: see data").with_data(data))
        }
        _ => Ok(Reply::ok("All services are healthy", services)),
    }
}

/// Whether the database answers
#[utoipa::path(
    get, path = "/health/db", operation_id = "get_database_health", tag = "Health", security(()),
    responses(
        (status = 200, description = "It does", body = Service),
        (status = 503, description = "It does not"),
    ),
)]
pub(crate) async fn database(State(platform): State<Platform>) -> Answer<Service> {
    match condition(&platform).await {
        Condition::Unhealthy => Err(unhealthy("The database does not answer")),
        status => Ok(Reply::ok("Database is healthy", Service { status })),
    }
}

/// Whether Redis answers
///
/// Without `REDIS_URL` there is none, and none is needed.
#[utoipa::path(
    get, path = "/health/redis", operation_id = "get_redis_health", tag = "Health", security(()),
    responses((status = 200, description = "How it is", body = Service)),
)]
pub(crate) async fn redis() -> Reply<Service> {
    Reply::ok("Redis is not configured", Service { status: Condition::Disabled })
}

/// Whether the process lives
///
/// For an orchestrator that restarts what does not.
#[utoipa::path(
    get, path = "/livez", operation_id = "get_liveness", tag = "Health", security(()),
    responses((status = 200, description = "It does", body = Service)),
)]
pub(crate) async fn live() -> Reply<Service> {
    Reply::ok("The process is alive", Service { status: Condition::Healthy })
}

/// Whether requests may be sent here
///
/// For a load balancer: not while the database is away, nor once the server has
/// been told to stop.
#[utoipa::path(
    get, path = "/readyz", operation_id = "get_readiness", tag = "Health", security(()),
    responses(
        (status = 200, description = "They may", body = Service),
        (status = 503, description = "Send them elsewhere"),
    ),
)]
pub(crate) async fn ready(State(app): State<App>) -> Answer<Service> {
    if app.is_draining() {
        return Err(unhealthy("The server is shutting down"));
    }
    database(State(app.platform.clone())).await
}

async fn condition(platform: &Platform) -> Condition {
    match tokio::time::timeout(PATIENCE, platform.ping()).await {
        Ok(Ok(())) => Condition::Healthy,
        Ok(Err(error)) => {
            tracing::warn!(%error, "the database does not answer");
            Condition::Unhealthy
        }
        Err(_) => {
            tracing::warn!("the database does not answer within {PATIENCE:?}");
            Condition::Unhealthy
        }
    }
}

fn unhealthy(message: &'static str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unhealthy", message).retry_after(PATIENCE)
}
