//! The audit trail, read. It is written by [`crate::facts`], and never changed.

mod store;

use crate::{
    Platform,
    actor::{Actor, Permission},
    db::{Param, Utc, time},
    error::Result,
    page::{Cursor, Listing, PageRequest},
};
use jiff::Timestamp;
use ledger::UserId;
use serde_json::Value;
pub(crate) use store::ALL as STATEMENTS;
use tokio_postgres::Row;
use uuid::Uuid;

/// One line of the trail.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns of the documented table, by their names")]
pub struct AuditLog {
    pub id: Uuid,
    pub user_id: Option<UserId>,
    pub action: String,
    pub resource_type: String,
    pub resource_id: Option<Uuid>,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    pub details: Value,
    pub created_at: Timestamp,
}

/// Which lines are looked for; an absent part does not matter.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Done by.
    pub user: Option<UserId>,
    /// What was done.
    pub action: Option<String>,
    /// To what kind of thing.
    pub resource_type: Option<String>,
    /// To which thing.
    pub resource_id: Option<Uuid>,
    /// At or after.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
}

/// The trail, newest first.
///
/// # Errors
/// Only for an administrator.
pub async fn list(
    platform: &Platform,
    actor: &Actor,
    filter: AuditFilter,
    page: PageRequest,
) -> Result<Listing<AuditLog>> {
    actor.require(Permission::ReadAudit)?;
    let connection = platform.connection().await?;
    let user = filter.user.map(|user| user.0);
    let (from, to) = (filter.from.map(Utc), filter.to.map(Utc));
    let wanted: [Param<'_>; 6] =
        [&user, &filter.action, &filter.resource_type, &filter.resource_id, &from, &to];
    let (at, id) = page.after();
    let (fetch, offset) = (page.fetch(), page.offset());
    let place: [Param<'_>; 4] = [&at, &id, &fetch, &offset];
    let rows = connection.query(store::LIST, &[&wanted[..], &place[..]].concat()).await?;
    let lines = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
    let total = match page.counts() {
        true => connection.find(store::COUNT, &wanted).await?,
        false => None,
    };
    let total = total.map(|row| row.try_get(0)).transpose()?;
    Ok(Listing::cut(lines, total, page, |line| Cursor::new(line.created_at, line.id)))
}

fn read(row: &Row) -> Result<AuditLog> {
    Ok(AuditLog {
        id: row.try_get("id")?,
        user_id: row.try_get::<_, Option<Uuid>>("user_id")?.map(UserId),
        action: row.try_get("action")?,
        resource_type: row.try_get("resource_type")?,
        resource_id: row.try_get("resource_id")?,
        ip_address: row.try_get("ip_address")?,
        user_agent: row.try_get("user_agent")?,
        details: row.try_get("details")?,
        created_at: time(row, "created_at")?,
    })
}
