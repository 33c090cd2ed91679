//! What the sealer records of itself in the audit trail: that it starts, that it has
//! to wait, that it stops. Nothing else explains a seal that comes late; what explains
//! which is in `explained_in`.

use super::store;
use crate::{
    Platform,
    actor::Origin,
    db::{Connection, Param, Tx, Utc, time},
    error::Result,
    facts::{self, By, Fact},
};
use jiff::{SignedDuration, Timestamp};

/// How long sealing waits before that is recorded.
const PATIENCE: SignedDuration = SignedDuration::from_secs(10);
/// How often it is recorded that it still waits.
const AGAIN: SignedDuration = SignedDuration::from_secs(45);
/// How much may have been recorded unsealed before sealing ended without a word: what
/// a wait that is not yet recorded leaves, and the moment between two ticks.
const UNSEEN: SignedDuration = SignedDuration::from_secs(15);
/// How long a start, or the last record of a wait, explains what is not sealed yet.
pub(crate) const PUNCTUAL: SignedDuration = SignedDuration::from_secs(60);

/// Notes that a server begins to seal, or does so again, and after which seal.
///
/// # Errors
/// [`crate::Error::Unavailable`] while the database does not answer.
pub async fn note_start(platform: &Platform) -> Result<()> {
    let connection = platform.connection_beside().await?;
    let newest = connection.find(store::NEWEST, &[]).await?;
    let newest = newest.as_ref().map(store::read).transpose()?;
    let newest = newest.map(|seal| (seal.number, seal.hash));
    note(platform, connection, Fact::SealingStarted { newest }).await
}

/// Notes that sealing stops as it was asked to.
pub(super) async fn note_stop(platform: &Platform) -> Result<()> {
    let connection = platform.connection_beside().await?;
    note(platform, connection, Fact::SealingStopped).await
}

async fn note(platform: &Platform, mut connection: Connection, fact: Fact) -> Result<()> {
    let tx = connection.begin().await?;
    let by = By { user: None, origin: &Origin::default(), at: platform.now() };
    facts::record_in(&tx, platform.new_id(), by, fact).await?;
    tx.commit().await
}

/// When a wait was last recorded.
#[derive(Default)]
pub(super) struct Delay(Option<Timestamp>);

impl Delay {
    /// Records that nothing could be sealed since then, if that is long, and not
    /// recorded of late. What cannot be recorded is not: the wait is then no better
    /// explained, and sealing goes on.
    pub(super) async fn note(&mut self, platform: &Platform, since: Timestamp) {
        let now = platform.now();
        let of_late = |at: Timestamp| at >= since && now.duration_since(at) < AGAIN;
        if now.duration_since(since) <= PATIENCE || self.0.is_some_and(of_late) {
            return;
        }
        let noted = async {
            // Not one of the sealer's own: they may be what is missing.
            let connection = platform.connection().await?;
            note(platform, connection, Fact::SealingDelayed { since }).await
        };
        match noted.await {
            Ok(()) => self.0 = Some(now),
            Err(error) => tracing::debug!(?error, "a wait of the sealer could not be recorded"),
        }
    }
}

/// Whether the trail explains that what was recorded from then on was sealed only at
/// this moment, by a seal whose first audit row has this number.
///
/// Goes from the oldest row onwards, by what is recorded of the sealer: a wait that
/// began in time leads to the moment at which it was recorded, a start to its own
/// moment if nothing happened in between. What else happened shows that a server ran,
/// which would have sealed.
pub(crate) async fn is_explained_in(
    tx: &Tx<'_>,
    oldest: Timestamp,
    sealed: Timestamp,
    first_audit: i64,
) -> Result<bool> {
    let (mut reached, mut until) = (oldest, later(oldest, UNSEEN));
    for row in tx.query(store::NOTES, &[&Utc(oldest), &Utc(sealed)]).await? {
        let at = time(&row, "created_at")?;
        if row.try_get("waited")? {
            let since: Option<&str> = row.try_get("since")?;
            let since: Option<Timestamp> = since.and_then(|since| since.parse().ok());
            if since.is_some_and(|since| since <= until) {
                (reached, until) = (at, until.max(later(at, PUNCTUAL)));
            }
            continue;
        }
        let params: [Param<'_>; 3] = [&first_audit, &Utc(until), &Utc(at)];
        if tx.query(store::BETWEEN, &params).await?.is_empty() {
            (reached, until) = (at, until.max(later(at, UNSEEN)));
        }
    }
    Ok(sealed.duration_since(reached) <= PUNCTUAL)
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
