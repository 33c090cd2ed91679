//! The sealer: once a second, beside the road of money, it seals what is final.
//!
//! **Which entries are final.** An entry gets its number before its transaction
//! commits, so below a visible entry there may be one that is still to come. A
//! trigger gives a transaction its id before any number of an entry. So the sealer
//!
//! 1. reads the newest visible entry `M`, and only then takes a transaction id `X`
//!    of its own. Numbers are given in order (the identity has no cache), so whoever
//!    has one up to `M` took it before, and an id before that: an id below `X`;
//! 2. waits, from tick to tick, until every transaction with an id below `X` has
//!    ended: until `pg_snapshot_xmin` of a later snapshot is `X` or more. Its own
//!    has ended too, so that no running transaction hides behind the snapshot's
//!    upper end (`pg_snapshot_xmax` is one more than the last *ended* transaction;
//!    compared with that, a younger one that runs would be overlooked);
//! 3. seals up to `M` with a snapshot from after that. Numbers that are missing
//!    then belonged to transactions that were rolled back: nobody gets them again.
//!
//! A very long transaction anywhere in the cluster that writes makes sealing wait,
//! and nothing else. When the server has started anew, the mark is dropped: after
//! a failover that lost the end of the log, ids and numbers may be given again. A
//! crash of the same server ends all transactions and loses no number up to `M`,
//! because `M` was durable before it was visible.
//!
//! Any number of servers may run a sealer: a lock of the transaction that sets a
//! seal lets one through, and who sees the lock taken leaves it to the other.

use super::store;
use crate::{
    Platform,
    db::{Utc, time},
    error::{Error, Result},
    proof::{Digest, Entry, Seal, merkle},
};
use jiff::Timestamp;
use std::time::Duration;

/// How often there is a look.
const EVERY: Duration = Duration::from_secs(1);
/// The most entries under one seal; a bound on what a proof has to read.
pub const MOST_ENTRIES: i64 = 4096;

/// Seals for ever; safe on several servers at once.
pub async fn run(platform: Platform) {
    let mut sealer = Sealer::new(&platform);
    let mut well = true;
    loop {
        match sealer.tick().await {
            Ok(_) => well = true,
            Err(error) if well => {
                tracing::warn!(?error, "sealing will try again every second");
                well = false;
            }
            Err(_) => {}
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Remembers from one tick to the next.
pub struct Sealer {
    platform: Platform,
    mark: Option<Mark>,
}

/// Up to which entry, once which transactions have ended, on which server.
#[derive(Clone, Copy)]
struct Mark {
    entry: i64,
    xid: i64,
    server_since: Timestamp,
}

impl Sealer {
    /// One that remembers nothing.
    pub fn new(platform: &Platform) -> Self {
        Self { platform: platform.clone(), mark: None }
    }

    /// Seals what has become final; says how many entries.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while the database does not answer.
    pub async fn tick(&mut self) -> Result<u64> {
        let mark = match self.mark {
            Some(mark) => mark,
            None => match self.look().await? {
                Some(mark) => *self.mark.insert(mark),
                None => return Ok(0),
            },
        };
        let connection = self.platform.connection_beside().await?;
        let params = [&mark.xid as _, &Utc(mark.server_since) as _];
        let row = connection.find(store::SETTLED, &params).await?.ok_or_else(lost)?;
        drop(connection);
        let ended: bool = row.try_get("ended")?;
        let same_server: bool = row.try_get("same_server")?;
        if same_server && !ended {
            return Ok(0);
        }
        self.mark = None;
        if !same_server {
            return Ok(0);
        }
        let mut sealed = 0;
        loop {
            match seal(&self.platform, mark.entry).await? {
                0 => return Ok(sealed),
                entries => sealed += entries,
            }
        }
    }

    async fn look(&self) -> Result<Option<Mark>> {
        let connection = self.platform.connection_beside().await?;
        let row = connection.find(store::MARK, &[]).await?;
        row.map(|row| {
            let server_since = time(&row, "server_since")?;
            Ok(Mark { entry: row.try_get("id")?, xid: row.try_get("xid")?, server_since })
        })
        .transpose()
    }
}

/// Sets the next seal, over entries up to this one; says over how many.
async fn seal(platform: &Platform, up_to: i64) -> Result<u64> {
    let mut connection = platform.connection_beside().await?;
    let tx = connection.begin().await?;
    if !tx.get(store::LOCK, &[]).await?.try_get::<_, bool>(0)? {
        return Ok(0);
    }
    // A statement of its own, after the lock: it sees what the lock waited for.
    let newest = tx.find(store::NEWEST, &[]).await?;
    let newest = newest.as_ref().map(store::read).transpose()?;
    let from = newest.as_ref().map_or(0, |seal| seal.last_entry);
    let rows = tx.query(store::ENTRIES, &[&from, &up_to, &MOST_ENTRIES]).await?;
    let entries = rows.iter().map(store::read_entry).collect::<Result<Vec<_>>>()?;
    let at = platform.now();
    // Some milliseconds of hashing must not keep requests waiting.
    let seal = tokio::task::spawn_blocking(move || over(newest.as_ref(), &entries, at));
    let Some(seal) = seal.await.map_err(Error::internal)? else { return Ok(0) };
    let (root, previous) = (seal.root.0.as_slice(), seal.previous.0.as_slice());
    let hash = seal.hash.0.as_slice();
    let Seal { number, first_entry, last_entry, entry_count, .. } = &seal;
    tx.execute(
        store::INSERT,
        &[number, first_entry, last_entry, entry_count, &root, &previous, &hash, &Utc(at)],
    )
    .await?;
    tx.commit().await?;
    Ok(seal.entry_count.unsigned_abs())
}

/// The seal behind `newest` over these entries; over none, none.
fn over(newest: Option<&Seal>, entries: &[Entry], at: Timestamp) -> Option<Seal> {
    let leaves: Vec<Digest> = entries.iter().map(Entry::leaf).collect();
    let seal = Seal {
        number: newest.map_or(1, |seal| seal.number + 1),
        first_entry: entries.first()?.id,
        last_entry: entries.last()?.id,
        entry_count: i64::try_from(entries.len()).ok()?,
        root: merkle::root(&leaves),
        previous: newest.map_or(Digest::ZERO, |seal| seal.hash),
        hash: Digest::ZERO,
        sealed_at: at,
    };
    Some(Seal { hash: seal.recomputed(), ..seal })
}

fn lost() -> Error {
    Error::internal("the database does not know its own transactions")
}
