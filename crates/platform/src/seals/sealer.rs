//! The sealer: once a second, beside the requests, it seals what is final.
//!
//! **Which rows are final.** An entry gets its number before its transaction
//! commits, so below a visible entry there may be one that is still to come; and
//! so it is with audit rows. Triggers give a transaction its id before any number
//! of either. So the sealer
//!
//! 1. reads the newest visible entry and audit row, `M`, and only then takes a
//!    transaction id `X` of its own. Numbers are given in order (the identities have
//!    no cache), so whoever has one up to `M` took it before, and an id before that:
//!    an id below `X`;
//! 2. waits, from tick to tick, until every transaction with an id below `X` has
//!    ended: until `pg_snapshot_xmin` of a later snapshot is `X` or more. Its own
//!    has ended too, so that no running transaction hides behind the snapshot's
//!    upper end (`pg_snapshot_xmax` is one more than the last *ended* transaction;
//!    compared with that, a younger one that runs would be overlooked);
//! 3. seals up to `M` with a snapshot from after that. Numbers that are missing
//!    then belonged to transactions that were rolled back: nobody gets them again.
//!
//! A very long transaction anywhere in the cluster that writes makes sealing wait,
//! and nothing else; that it waits is recorded, so that the seals which come late
//! are explained. When the server has started anew, the mark is dropped: after
//! a failover that lost the end of the log, ids and numbers may be given again. A
//! crash of the same server ends all transactions and loses no number up to `M`,
//! because `M` was durable before it was visible.
//!
//! The first seal of format 2 begins again at the first row, so that one chain of
//! that format covers all; a large book is then sealed in as many steps as any
//! other backlog, each a short transaction that waits for nobody.
//!
//! Any number of servers may run a sealer: a lock of the transaction that sets a
//! seal lets one through, and who sees the lock taken leaves it to the other.

use super::{
    Signer,
    notes::{self, Delay},
    store,
};
use crate::{
    Platform,
    db::{Tx, Utc, time},
    error::{Error, Result},
    proof::{AuditRow, Digest, Entry, Salts, Seal, merkle},
};
use jiff::{SignedDuration, Timestamp};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// How often there is a look.
const EVERY: Duration = Duration::from_secs(1);
/// After how long without a tick it counts as begun anew.
const AWAY: SignedDuration = SignedDuration::from_secs(10);
/// How often there is a look for whoever waits until everything is sealed.
const SOON: Duration = Duration::from_millis(5);
/// How long the last changes are waited for when the server stops.
const LAST: Duration = Duration::from_secs(10);
/// The most entries, and the most audit rows, under one seal; a bound on what a
/// proof has to read.
pub const MOST_ENTRIES: i64 = 4096;
/// Bytes of a leaf that are kept to tell which row differs.
pub(crate) const MARK_BYTES: usize = 8;

/// Seals until it is asked to stop, and then what is left; safe on several
/// servers at once.
pub async fn run(platform: Platform, asked: impl Future<Output = ()>) {
    let mut sealer = Sealer::new(&platform);
    let (mut well, mut last) = (true, platform.now());
    tokio::pin!(asked);
    loop {
        match sealer.tick_since(last).await {
            Ok(()) => (well, last) = (true, platform.now()),
            Err(error) => {
                if well {
                    tracing::warn!(?error, "sealing will try again every second");
                }
                well = false;
                sealer.delay.note(&platform, last).await;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = &mut asked => break,
        }
    }
    // That it stopped so is recorded: nobody can take what is sealed then for the last
    // moments before a crash.
    let end = async {
        notes::note_stop(&platform).await?;
        sealer.settle().await
    };
    // A long backlog, or somebody's open transaction, does not hold up the end.
    match tokio::time::timeout(LAST, end).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            tracing::warn!(?error, "the last changes are not sealed: the next start seals them");
        }
        Err(_) => tracing::warn!("the last changes are not sealed: the next start seals them"),
    }
}

/// Remembers from one tick to the next.
pub struct Sealer {
    platform: Platform,
    mark: Option<Mark>,
    delay: Delay,
}

/// Up to which rows, once which transactions have ended, on which server.
#[derive(Clone, Copy)]
struct Mark {
    entry: i64,
    audit: i64,
    xid: i64,
    server_since: Timestamp,
    at: Timestamp,
}

/// What a look came to.
enum Step {
    /// Everything is sealed.
    Done,
    /// Something is not final yet, or another server is sealing.
    Waiting,
    /// So many rows were sealed.
    Sealed(u64),
}

impl Sealer {
    /// One that remembers nothing.
    pub fn new(platform: &Platform) -> Self {
        Self { platform: platform.clone(), mark: None, delay: Delay::default() }
    }

    /// Seals what has become final; says how many rows.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while the database does not answer.
    pub async fn tick(&mut self) -> Result<u64> {
        Ok(match self.step().await? {
            Step::Sealed(rows) => rows,
            Step::Done | Step::Waiting => 0,
        })
    }

    /// One tick after the last one that went well. Where that is long ago, the
    /// database was away, or this machine slept: that is noted first.
    async fn tick_since(&mut self, last: Timestamp) -> Result<()> {
        if self.platform.now().duration_since(last) > AWAY {
            notes::note_start(&self.platform).await?;
        }
        self.tick().await.map(|_| ())
    }

    /// Seals until nothing is left, waiting for open transactions; says how many rows.
    ///
    /// # Errors
    /// See [`Self::tick`].
    pub async fn settle(&mut self) -> Result<u64> {
        let mut sealed = 0;
        loop {
            match self.step().await? {
                Step::Done => return Ok(sealed),
                Step::Waiting => tokio::time::sleep(SOON).await,
                Step::Sealed(rows) => sealed += rows,
            }
        }
    }

    async fn step(&mut self) -> Result<Step> {
        let mark = match self.mark {
            Some(mark) => mark,
            None => match self.look().await? {
                Some(mark) => *self.mark.insert(mark),
                None => return Ok(Step::Done),
            },
        };
        let connection = self.platform.connection_beside().await?;
        let params = [&mark.xid as _, &Utc(mark.server_since) as _];
        let row = connection.find(store::SETTLED, &params).await?.ok_or_else(lost)?;
        drop(connection);
        let ended: bool = row.try_get("ended")?;
        let same_server: bool = row.try_get("same_server")?;
        if same_server && !ended {
            self.delay.note(&self.platform, mark.at).await;
            return Ok(Step::Waiting);
        }
        self.mark = None;
        if !same_server {
            return Ok(Step::Waiting);
        }
        let mut sealed = 0;
        loop {
            let began = Instant::now();
            match seal(&self.platform, mark).await? {
                0 if sealed == 0 => return Ok(Step::Waiting),
                0 => return Ok(Step::Sealed(sealed)),
                rows => sealed += rows,
            }
            // What is recorded during a long backlog waits for its end.
            self.delay.note(&self.platform, mark.at).await;
            // However much there is to seal, others have most of a core.
            tokio::time::sleep(2 * began.elapsed()).await;
        }
    }

    async fn look(&self) -> Result<Option<Mark>> {
        let at = self.platform.now();
        let connection = self.platform.connection_beside().await?;
        let row = connection.find(store::MARK, &[]).await?;
        row.map(|row| {
            Ok(Mark {
                entry: row.try_get("entry")?,
                audit: row.try_get("audit")?,
                xid: row.try_get("xid")?,
                server_since: time(&row, "server_since")?,
                at,
            })
        })
        .transpose()
    }
}

/// Sets the next seal, over rows up to this mark; says over how many.
async fn seal(platform: &Platform, mark: Mark) -> Result<u64> {
    let mut connection = platform.connection_beside().await?;
    let tx = connection.begin().await?;
    if !tx.get(store::LOCK, &[]).await?.try_get::<_, bool>(0)? {
        return Ok(0);
    }
    // A statement of its own, after the lock: it sees what the lock waited for.
    let newest = tx.find(store::NEWEST, &[]).await?;
    let newest = newest.as_ref().map(store::read).transpose()?;
    let (entry, audit) = newest.as_ref().map_or((0, 0), ends);
    let rows = tx.query(store::ENTRIES, &[&entry, &mark.entry, &MOST_ENTRIES]).await?;
    let entries = rows.iter().map(store::read_entry).collect::<Result<Vec<_>>>()?;
    let rows = tx.query(store::AUDIT, &[&audit, &mark.audit, &MOST_ENTRIES]).await?;
    let trail = rows.iter().map(store::read_audit).collect::<Result<Vec<_>>>()?;
    let sealed = u64::try_from(entries.len() + trail.len()).map_err(Error::internal)?;
    if sealed == 0 {
        return Ok(0);
    }
    let number = tx.get(store::NUMBER, &[]).await?.try_get("newest")?;
    let next = Next { number, newest, entries, trail, at: mark.at };
    let (salts, signer) = (platform.salts().clone(), Arc::clone(platform.signer()));
    // Some milliseconds of hashing must not keep requests waiting.
    let set = tokio::task::spawn_blocking(move || next.set(&salts, &signer));
    set.await.map_err(Error::internal)??.insert(&tx).await?;
    tx.commit().await?;
    Ok(sealed)
}

/// The last entry and audit row that a chain of format 2 covers.
fn ends(newest: &Seal) -> (i64, i64) {
    match newest.format {
        1 => (0, 0),
        _ => (newest.last_entry, newest.last_audit.unwrap_or(0)),
    }
}

/// What the next seal is over.
struct Next {
    number: i64,
    newest: Option<Seal>,
    entries: Vec<Entry>,
    trail: Vec<AuditRow>,
    at: Timestamp,
}

/// A seal, and what tells which row under it differs.
struct Set {
    seal: Seal,
    entry_marks: Vec<u8>,
    audit_marks: Vec<u8>,
}

impl Next {
    fn set(self, salts: &Salts, signer: &Signer) -> Result<Set> {
        let Self { number, newest, entries, trail, at } = self;
        let (entry, audit) = newest.as_ref().map_or((0, 0), ends);
        let entry_leaves: Vec<Digest> = entries.iter().map(|entry| entry.leaf(salts)).collect();
        let audit_leaves: Vec<Digest> = trail.iter().map(|row| row.leaf(salts)).collect();
        let count = |leaves: &[Digest]| i64::try_from(leaves.len()).map_err(Error::internal);
        let seal = Seal {
            number,
            format: 2,
            first_entry: entries.first().map_or(entry + 1, |entry| entry.id),
            last_entry: entries.last().map_or(entry, |entry| entry.id),
            entry_count: count(&entry_leaves)?,
            root: merkle::root(&entry_leaves),
            first_audit: Some(trail.first().map_or(audit + 1, |row| row.number)),
            last_audit: Some(trail.last().map_or(audit, |row| row.number)),
            audit_count: Some(count(&audit_leaves)?),
            audit_root: Some(merkle::root(&audit_leaves)),
            previous: newest.map_or(Digest::ZERO, |seal| seal.hash),
            hash: Digest::ZERO,
            sealed_at: at,
            key: None,
            signature: None,
        };
        Ok(Set {
            seal: seal.signed(signer.key()?),
            entry_marks: marks(&entry_leaves),
            audit_marks: marks(&audit_leaves),
        })
    }
}

impl Set {
    async fn insert(&self, tx: &Tx<'_>) -> Result<()> {
        let Self { seal, entry_marks, audit_marks } = self;
        let audit_root = seal.audit_root.map(|root| root.0);
        let key = seal.key.map(|key| key.0);
        let signature = seal.signature.map(|signature| signature.0);
        tx.execute(
            store::INSERT,
            &[
                &seal.number,
                &seal.format,
                &seal.first_entry,
                &seal.last_entry,
                &seal.entry_count,
                &seal.root.0.as_slice(),
                &seal.first_audit,
                &seal.last_audit,
                &seal.audit_count,
                &audit_root.as_ref().map(<[u8; 32]>::as_slice),
                &seal.previous.0.as_slice(),
                &seal.hash.0.as_slice(),
                &Utc(seal.sealed_at),
                &key.as_ref().map(<[u8; 32]>::as_slice),
                &signature.as_ref().map(<[u8; 64]>::as_slice),
                entry_marks,
                audit_marks,
            ],
        )
        .await?;
        Ok(())
    }
}

/// The first bytes of each leaf.
pub(crate) fn marks(leaves: &[Digest]) -> Vec<u8> {
    leaves.iter().flat_map(|leaf| &leaf.0[..MARK_BYTES]).copied().collect()
}

fn lost() -> Error {
    Error::internal("the database does not know its own transactions")
}
