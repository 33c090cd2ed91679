//! Orders that complete by themselves: with what each was given, and when that lapses.
//!
//! What has lapsed still stands pending: it completes by word, is called off, or expires.

use super::{PauseReason, ids_of, key_of, lapsed_in, session_of, store};
use crate::{
    Platform,
    actor::{Actor, Origin},
    db::{Connection, Param, Tx, word},
    error::Result,
    facts::{self, By, Fact},
};
use ledger::{NewTransaction, Price, TransactionId, UserId};
use tokio_postgres::Row;
use uuid::Uuid;

/// An order that completes by itself, and with what it was given.
#[derive(Clone, Debug)]
pub(crate) struct Ordered {
    transaction: TransactionId,
    user: UserId,
    api_key: Option<Uuid>,
    session: Option<Uuid>,
    settles: bool,
}

impl Ordered {
    /// Of an order that was accepted; `None` where it does not complete by itself.
    pub(crate) fn by(actor: &Actor, new: &NewTransaction) -> Option<Self> {
        new.completes?;
        // As creating it does: a rate, and an earlier date, are money by word as well.
        let settles = super::settles(new.kind)
            || matches!(new.price, Some(Price::Rate(_)))
            || new.effective.is_some();
        let (api_key, session) = (key_of(actor), session_of(actor));
        Some(Self { transaction: new.id, user: actor.user_id, api_key, session, settles })
    }
}

/// Remembers them in the transaction that writes the orders.
pub(crate) async fn insert(session: &Connection, ordered: &[Ordered]) -> Result<()> {
    if ordered.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = ordered.iter().map(|one| one.transaction.0).collect();
    let users: Vec<Uuid> = ordered.iter().map(|one| one.user.0).collect();
    let keys: Vec<Option<Uuid>> = ordered.iter().map(|one| one.api_key).collect();
    let sessions: Vec<Option<Uuid>> = ordered.iter().map(|one| one.session).collect();
    let settles: Vec<bool> = ordered.iter().map(|one| one.settles).collect();
    let params: [Param<'_>; 5] = [&ids, &users, &keys, &sessions, &settles];
    session.execute(store::INSERT_COMPLETIONS, &params).await?;
    Ok(())
}

/// Judges all of a user's.
pub(super) async fn lapse_of_user_in(
    tx: &Tx<'_>,
    platform: &Platform,
    by: &By<'_>,
    user: UserId,
) -> Result<()> {
    let rows = tx.query(store::LOCK_COMPLETIONS_OF_USER, &[&user.0]).await?;
    judge_in(tx, platform, by, rows).await
}

/// Judges some that were refused when they were due: time takes a right away as well, and
/// so does what was changed while the order was on its way.
///
/// # Errors
/// [`crate::Error::Unavailable`] while the database does not answer.
pub(crate) async fn lapse_due(platform: &Platform, refused: &[TransactionId]) -> Result<()> {
    if refused.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = refused.iter().map(|id| id.0).collect();
    let by = By { user: None, origin: &Origin::default(), at: platform.now() };
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    let rows = tx.query(store::LOCK_COMPLETIONS, &[&ids]).await?;
    judge_in(&tx, platform, &by, rows).await?;
    tx.commit().await
}

async fn judge_in(tx: &Tx<'_>, platform: &Platform, by: &By<'_>, locked: Vec<Row>) -> Result<()> {
    let ids = ids_of(&locked)?;
    let lapsed = lapsed_in(tx, platform, store::READ_COMPLETIONS, &ids, by.at).await?;
    lapse_in(tx, platform, by, &lapsed).await.map(drop)
}

/// Takes it from them, and tells; says from how many.
pub(super) async fn lapse_in(
    tx: &Tx<'_>,
    platform: &Platform,
    by: &By<'_>,
    lapsed: &[(Uuid, PauseReason)],
) -> Result<usize> {
    if lapsed.is_empty() {
        return Ok(0);
    }
    let ids: Vec<Uuid> = lapsed.iter().map(|(id, _)| *id).collect();
    let reasons: Vec<&str> = lapsed.iter().map(|(_, why)| why.as_str()).collect();
    let mut told = Vec::new();
    for row in tx.query(store::LAPSE, &[&ids, &reasons]).await? {
        let reason: PauseReason = word(&row, "reason")?;
        let fact = Fact::CompletionLapsed {
            transaction: TransactionId(row.try_get("id")?),
            owner: UserId(row.try_get("user_id")?),
            reason: reason.as_str(),
        };
        told.push((platform.new_id(), by.clone(), fact));
    }
    facts::record_all_in(tx, &told).await?;
    Ok(told.len())
}

/// Forgets about what has ended; says how many.
pub(crate) async fn purge(connection: &Connection) -> Result<u64> {
    connection.execute(store::PURGE_COMPLETIONS, &[]).await
}
