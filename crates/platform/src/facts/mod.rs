//! Everything that can happen in the bank, and what is told of it.
//!
//! Owns the writes of `audit_logs` and of the outbox `wallstreet.outbox`.
//! Every mutation ends with one call here, inside its own transaction: so there
//! is no change without its audit row and no event without its change.
//! Knows nobody who listens.

mod movement;
mod vocabulary;

use crate::{
    actor::{Actor, Origin},
    db::{Param, Session, Tx, Utc, statements},
    error::{Error, Result},
};
pub(crate) use ALL as STATEMENTS;
use jiff::Timestamp;
use ledger::UserId;
pub use movement::Movement;
use serde_json::Value;
use uuid::Uuid;
pub use vocabulary::{AuditLine, Fact, News, Party};

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
            (id, user_id, action, resource_type, resource_id, ip_address, user_agent, details, created_at)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[],
                             $6::text[], $7::text[], $8::jsonb[], $9::timestamp[])";
    /// The outbox, in the order of the facts.
    INSERT_NEWS = "INSERT INTO wallstreet.outbox (event_types, parties, created_at)
        SELECT event_types, parties::json, created_at
          FROM unnest($1::text[], $2::text[], $3::timestamptz[])
               WITH ORDINALITY AS t (event_types, parties, created_at, place)
         ORDER BY place";
}

/// Records one fact in its change's transaction.
pub(crate) async fn record_in(tx: &Tx<'_>, id: Uuid, by: By<'_>, fact: Fact) -> Result<()> {
    record_all_in(tx, &[(id, by, fact)]).await
}

/// Records the facts of a batch; the id is that of the audit row.
pub(crate) async fn record_all_in(tx: &impl Session, facts: &[(Uuid, By<'_>, Fact)]) -> Result<()> {
    if facts.is_empty() {
        return Ok(());
    }
    let (lines, news) = tokio::join!(biased; insert_audit_in(tx, facts), insert_news_in(tx, facts));
    lines.and(news)
}

async fn insert_audit_in(tx: &impl Session, facts: &[(Uuid, By<'_>, Fact)]) -> Result<()> {
    let lines: Vec<AuditLine> = facts.iter().map(|(_, _, fact)| fact.audit()).collect();
    let ids: Vec<Uuid> = facts.iter().map(|(id, ..)| *id).collect();
    let users: Vec<Option<Uuid>> =
        facts.iter().map(|(_, by, _)| by.user.map(|user| user.0)).collect();
    let actions: Vec<&str> = lines.iter().map(|line| line.action).collect();
    let types: Vec<&str> = lines.iter().map(|line| line.resource_type).collect();
    let resources: Vec<Option<Uuid>> = lines.iter().map(|line| line.resource_id).collect();
    let addresses: Vec<Option<String>> =
        facts.iter().map(|(_, by, _)| by.origin.ip.map(|ip| ip.to_string())).collect();
    let agents: Vec<Option<&str>> =
        facts.iter().map(|(_, by, _)| by.origin.user_agent.as_deref()).collect();
    let details: Vec<&Value> = lines.iter().map(|line| &line.details).collect();
    let times: Vec<Utc> = facts.iter().map(|(_, by, _)| Utc(by.at)).collect();
    let params: [Param<'_>; 9] =
        [&ids, &users, &actions, &types, &resources, &addresses, &agents, &details, &times];
    tx.run(INSERT_AUDIT, &params).await?;
    Ok(())
}

async fn insert_news_in(tx: &impl Session, facts: &[(Uuid, By<'_>, Fact)]) -> Result<()> {
    let news: Vec<(News, Utc)> =
        facts.iter().filter_map(|(_, by, fact)| Some((fact.news()?, Utc(by.at)))).collect();
    if news.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = news.iter().map(|(news, _)| news.names).collect();
    let parties = news
        .iter()
        .map(|(news, _)| serde_json::to_string(&news.parties).map_err(Error::internal))
        .collect::<Result<Vec<String>>>()?;
    let times: Vec<Utc> = news.iter().map(|(_, at)| *at).collect();
    tx.run(INSERT_NEWS, &[&names, &parties, &times]).await?;
    Ok(())
}
