//! How the service is doing. Public, and never limited.

use crate::{
    App,
    problem::Problem,
    reply::{Answer, Reply},
};
use axum::{extract::State, http::StatusCode};
use platform::Platform;
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
}

/// Each by itself.
#[derive(Serialize, ToSchema)]
pub(crate) struct EachService {
    api: Condition,
    database: Condition,
    redis: Condition,
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
    let services = EachService { api: Condition::Healthy, database, redis: Condition::Disabled };
    let services = Services { status: database, services };
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
