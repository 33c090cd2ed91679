//! One transaction a request, as one function call in autocommit: what a careful program does.

use super::Answer;
use crate::{
    rows::{ADDRESS, AGENT, Rows},
    sql,
};
use anyhow::Result;
use deadpool_postgres::Object;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// Posts one transfer.
pub(super) async fn post(connection: &Object, user: Uuid, rows: &Rows) -> Result<Answer> {
    let call = connection.prepare_cached(sql::CALL_FUNCTION).await?;
    let ([out, back], [out_reference, in_reference]) = (&rows.ids, &rows.references);
    let params: [&(dyn ToSql + Sync); 18] = [
        &user,
        &rows.key,
        &rows.fingerprint,
        &rows.outcome,
        &rows.request_id,
        &rows.transfer.source,
        &rows.transfer.target,
        &rows.amount,
        out,
        back,
        out_reference,
        in_reference,
        &rows.audit_id,
        &rows.details,
        &rows.parties,
        &ADDRESS,
        &AGENT,
        &rows.at,
    ];
    let outcome: String = connection.query_one(&call, &params).await?.try_get(0)?;
    Ok(if outcome == "done" { Answer::Done } else { Answer::Refused(outcome) })
}
