//! Where the caller is logged in.

use crate::{
    caller::Caller,
    extract::PathId,
    fields::{Id, Time},
    paging::{self, page_of},
    query::{List, Unfiltered},
    reply::{Answer, Reply},
};
use axum::extract::State;
use platform::{Platform, sessions};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A login.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    id: Uuid,
    created_at: Time,
    refreshed_at: Time,
    expires_at: Time,
    #[schema(required)]
    ip_address: Option<String>,
    #[schema(required)]
    user_agent: Option<String>,
    /// Whether it is the one that asks.
    current: bool,
}

impl From<sessions::Session> for Session {
    fn from(session: sessions::Session) -> Self {
        Self {
            id: session.id,
            created_at: Time(session.created_at),
            refreshed_at: Time(session.refreshed_at),
            expires_at: Time(session.expires_at),
            ip_address: session.ip_address,
            user_agent: session.user_agent,
            current: session.current,
        }
    }
}

page_of! {
    /// A page of logins.
    Sessions { sessions: Session }
}

/// Your sessions
#[utoipa::path(
    get, path = "/auth/sessions", operation_id = "list_sessions", tag = "Auth",
    security(("bearer" = [])), params(paging::Pages),
    responses((status = 200, description = "The live ones", body = Sessions)),
)]
pub(crate) async fn list(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    List(Unfiltered {}, page): List<Unfiltered>,
) -> Answer<Sessions> {
    let sessions = sessions::list(&platform, &actor).await?;
    Ok(Reply::ok("Sessions retrieved successfully", paging::cut(sessions, page)?.into()))
}

/// End one of your sessions
#[utoipa::path(
    delete, path = "/auth/sessions/{id}", operation_id = "end_session", tag = "Auth",
    security(("bearer" = [])), params(("id" = Id, Path)),
    responses((status = 200, description = "Ended", body = ())),
)]
pub(crate) async fn end(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<Uuid>,
) -> Answer {
    sessions::end(&platform, &actor, id).await?;
    Ok(Reply::ok("Session ended successfully", ()))
}
