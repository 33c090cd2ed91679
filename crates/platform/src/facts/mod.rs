//! Everything that can happen in the bank, and what is told of it.
//!
//! Owns the writes of `audit_logs` and of the outbox `wallstreet.outbox`.
//! Every mutation ends with one call here, inside its own transaction: so there
//! is no change without its audit row and no event without its change.
//! Knows nobody who listens.

mod fx;
mod movement;
mod news;
mod vocabulary;

use crate::{
    actor::{Actor, Origin},
    db::{self, Params, Session, Tx, Utc, statements},
    error::{Error, Result},
};
pub use fx::Offer;
use jiff::Timestamp;
use ledger::UserId;
pub use movement::Movement;
pub(crate) use movement::words;
use serde::Serialize;
use serde_json::value::RawValue;
use std::sync::LazyLock;
use tokio_postgres::types::Json;
use uuid::Uuid;
pub use vocabulary::Fact;

/// A row of `audit_logs`, but for who and when.
#[derive(Debug)]
pub struct AuditLine {
    /// `USER_REGISTERED` and so on.
    pub action: &'static str,
    /// The kind of thing it happened to.
    pub resource_type: &'static str,
    /// Which thing.
    pub resource_id: Option<Uuid>,
    /// What else is worth knowing; never a secret.
    pub details: Box<RawValue>,
}

/// A row of the outbox: each party hears of each name.
#[derive(Debug)]
pub struct News {
    /// `transaction.completed` and so on; of several, in order, with a space between.
    pub names: &'static str,
    /// Everybody it is news to.
    pub parties: Vec<Party>,
}

/// Somebody who may know.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Party {
    /// Whose news it is.
    pub user_id: UserId,
    /// Of which thing.
    pub resource_id: Uuid,
    /// What a subscriber reads.
    pub payload: Box<RawValue>,
}

/// Who did it, from where, when.
#[derive(Clone, Debug)]
pub struct By<'a> {
    /// Absent when nobody is known, as in a failed login.
    pub user: Option<UserId>,
    /// From where.
    pub origin: &'a Origin,
    /// When.
    pub at: Timestamp,
}

impl<'a> By<'a> {
    /// An actor, now.
    pub(crate) fn actor(actor: &'a Actor, at: Timestamp) -> Self {
        Self { user: Some(actor.user_id), origin: &actor.origin, at }
    }
}

statements! {
    /// One row of the trail for each fact.
    INSERT_AUDIT = "INSERT INTO audit_logs
            (id, user_id, action, resource_type, resource_id, ip_address, user_agent, created_at, details)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[],
                             $6::text[], $7::text[], $8::timestamp[], $9::jsonb[])";
    /// The outbox, in the order of the facts.
    INSERT_NEWS = "INSERT INTO wallstreet.outbox (event_types, parties, created_at)
        SELECT event_types, parties::json, created_at
          FROM unnest($1::text[], $2::text[], $3::timestamptz[])
               WITH ORDINALITY AS t (event_types, parties, created_at, place)
         ORDER BY place";
}

/// What writes the facts of a change, and takes [`params`].
pub(crate) const WRITES: [&str; 2] = [INSERT_AUDIT, INSERT_NEWS];

/// Records one fact in its change's transaction.
pub(crate) async fn record_in(tx: &Tx<'_>, id: Uuid, by: By<'_>, fact: Fact) -> Result<()> {
    record_all_in(tx, &[(id, by, fact)]).await
}

/// Records the facts of one change; the id is that of the audit row.
pub(crate) async fn record_all_in(tx: &impl Session, facts: &[(Uuid, By<'_>, Fact)]) -> Result<()> {
    static RECORD: LazyLock<String> = LazyLock::new(|| db::together(&WRITES));
    if !facts.is_empty() {
        tx.run(&RECORD, &db::in_a_row(&params(facts)?)).await?;
    }
    Ok(())
}

/// The facts, column by column.
pub(crate) fn params<'f>(facts: &'f [(Uuid, By<'_>, Fact)]) -> Result<[Params<'f>; 2]> {
    Ok([audit(facts), news(facts)?])
}

fn audit<'f>(facts: &'f [(Uuid, By<'_>, Fact)]) -> Params<'f> {
    let lines: Vec<AuditLine> = facts.iter().map(|(_, _, fact)| fact.audit()).collect();
    let users = facts.iter().map(|(_, by, _)| by.user.map(|user| user.0));
    let addresses = facts.iter().map(|(_, by, _)| by.origin.ip.map(|ip| ip.to_string()));
    let agents = facts.iter().map(|(_, by, _)| by.origin.user_agent.as_deref());
    vec![
        Box::new(facts.iter().map(|(id, ..)| *id).collect::<Vec<Uuid>>()),
        Box::new(users.collect::<Vec<Option<Uuid>>>()),
        Box::new(lines.iter().map(|line| line.action).collect::<Vec<_>>()),
        Box::new(lines.iter().map(|line| line.resource_type).collect::<Vec<_>>()),
        Box::new(lines.iter().map(|line| line.resource_id).collect::<Vec<_>>()),
        Box::new(addresses.collect::<Vec<_>>()),
        Box::new(agents.collect::<Vec<_>>()),
        Box::new(facts.iter().map(|(_, by, _)| Utc(by.at)).collect::<Vec<_>>()),
        Box::new(lines.into_iter().map(|line| Json(line.details)).collect::<Vec<_>>()),
    ]
}

fn news<'f>(facts: &'f [(Uuid, By<'_>, Fact)]) -> Result<Params<'f>> {
    let told = facts.iter().filter_map(|(_, by, fact)| Some((fact.news()?, Utc(by.at))));
    let told: Vec<(News, Utc)> = told.collect();
    let parties = told
        .iter()
        .map(|(news, _)| serde_json::to_string(&news.parties).map_err(Error::internal))
        .collect::<Result<Vec<String>>>()?;
    Ok(vec![
        Box::new(told.iter().map(|(news, _)| news.names).collect::<Vec<_>>()),
        Box::new(parties),
        Box::new(told.iter().map(|(_, at)| *at).collect::<Vec<_>>()),
    ])
}
