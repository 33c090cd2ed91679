//! One key, one effect.
//!
//! Owns `wallstreet.idempotency_keys`. A key's row commits with the effect it
//! stands for and keeps the outcome, also a refusal, so that a retry reads the
//! very same answer. Keys live in the name of a user. What never became an
//! outcome — bad input, a database that was down — leaves no key behind.
//!
//! An answer is kept for a week, a key for a year: after a week its row shrinks in
//! place to a stub, which still refuses a second effect, but cannot tell the first.

use crate::{
    Platform,
    actor::Actor,
    clock::LongSure,
    db::{Connection, Param, Tx, Utc, statements, time},
    error::{Conflict, Error, Original, Result},
    facts::{self, By, Fact},
};
use jiff::Timestamp;
use ledger::{Refusal, UserId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// How long an answer is kept; promised are 24 hours.
const ANSWERED: jiff::SignedDuration = jiff::SignedDuration::from_hours(7 * 24);
/// How long a key is kept: so long it has at most one effect, and "never" stays true.
const KEPT: jiff::SignedDuration = jiff::SignedDuration::from_hours(365 * 24);

/// The client's name for one request, and what the request was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    pub(crate) key: String,
    pub(crate) fingerprint: Vec<u8>,
}

impl IdempotencyKey {
    /// `request` is what must not differ under the same key: method, path, body.
    ///
    /// # Errors
    /// A key is 1 to 255 visible ASCII characters.
    pub fn new(key: &str, request: &[u8]) -> Result<Self> {
        Self::of_parts(key, &[request])
    }

    /// The same of a request that does not lie in one piece.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_parts(key: &str, request: &[&[u8]]) -> Result<Self> {
        let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
        if !visible || !(1..=255).contains(&key.len()) {
            return Err(Error::invalid(
                "Idempotency-Key",
                "invalid",
                "must be 1 to 255 visible ASCII characters",
            ));
        }
        let hash = request.iter().fold(Sha256::new(), Sha256::chain_update);
        Ok(Self { key: key.to_owned(), fingerprint: hash.finalize().to_vec() })
    }

    /// The client's name for the request.
    pub fn into_name(self) -> String {
        self.key
    }

    /// A key of the bank's own. Its name has a blank, so no client can send it, and
    /// it is kept as long as what it stands for: [`shrink`] and [`purge`] leave it alone.
    pub(crate) fn internal(name: String) -> Self {
        debug_assert!(name.contains(' '), "{name}");
        let fingerprint = Sha256::digest(&name).to_vec();
        Self { key: name, fingerprint }
    }
}

/// What came out, and when it first did.
#[derive(Clone, Debug)]
pub struct Outcome<T> {
    /// The result.
    pub value: T,
    /// When it happened; a replay keeps the first time.
    pub at: Timestamp,
    /// Whether this is a replay.
    pub replayed: bool,
}

/// An outcome as the key's row keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Recorded<T> {
    /// It was done.
    Done(T),
    /// The bank said no.
    Refused(Refusal),
    /// It is a batch, whose items have keys of their own.
    Batch,
    /// It had never been seen when somebody asked, and so it never will be.
    Void,
    /// How it came out, when the answer is not kept any more; [`SHRINK`] writes it.
    Stub(Stub),
}

/// What is left of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stub {
    /// It was done; of a transaction, its id.
    Done(Option<Uuid>),
    /// The bank said no.
    Refused,
    /// It names a batch.
    Batch,
    /// See [`Recorded::Void`].
    Void,
}

/// A key's row.
#[derive(Clone)]
pub(crate) struct Earlier {
    pub(crate) user: UserId,
    pub(crate) key: String,
    fingerprint: Vec<u8>,
    outcome: Option<String>,
    original: Original,
}

impl Earlier {
    pub(crate) fn read(row: &tokio_postgres::Row) -> Result<Self> {
        Ok(Self {
            user: UserId(row.try_get("user_id")?),
            key: row.try_get("key")?,
            fingerprint: row.try_get("fingerprint")?,
            outcome: row.try_get("outcome")?,
            original: Original {
                at: time(row, "created_at")?,
                request_id: row.try_get("request_id")?,
            },
        })
    }

    /// The first outcome again, for the same request.
    pub(crate) fn replay<T: DeserializeOwned>(self, key: &IdempotencyKey) -> Result<Outcome<T>> {
        // A void key and a stub do not know what the request was.
        if !self.fingerprint.is_empty() && self.fingerprint != key.fingerprint {
            return Err(Error::KeyReused);
        }
        let outcome = self.outcome.ok_or(Error::Conflict(Conflict::InFlight))?;
        match serde_json::from_str(&outcome).map_err(Error::internal)? {
            Recorded::Done(value) => Ok(Outcome { value, at: self.original.at, replayed: true }),
            Recorded::Refused(refusal) => {
                let at = Some(self.original.at);
                Err(Error::Refused { refusal, at, original: Some(self.original) })
            }
            Recorded::Batch => Err(Error::KeyReused),
            Recorded::Void | Recorded::Stub(Stub::Void) => Err(Error::Conflict(Conflict::KeyVoid)),
            Recorded::Stub(_) => Err(Error::Conflict(Conflict::KeyExpired)),
        }
    }
}

/// Whether a row is a stub; the indexes by age say it in the same words.
macro_rules! stub {
    () => {
        "starts_with(coalesce(outcome, ''), '{\"stub\"')"
    };
}

statements! {
    /// Takes the key, or waits for whoever holds it and then leaves it.
    CLAIM = "INSERT INTO wallstreet.idempotency_keys (user_id, key, fingerprint, request_id, created_at)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (user_id, key) DO NOTHING";
    /// What a key stands for.
    FIND = "SELECT user_id, key, fingerprint, outcome, request_id, created_at
          FROM wallstreet.idempotency_keys WHERE user_id = $1 AND key = $2";
    /// Settles a claimed key.
    FINISH = "UPDATE wallstreet.idempotency_keys SET outcome = $3 WHERE user_id = $1 AND key = $2";
    /// Makes a key that was never used unusable. Has no fingerprint: whatever
    /// comes under it, comes too late.
    VOID = "INSERT INTO wallstreet.idempotency_keys (user_id, key, fingerprint, outcome, request_id, created_at)
        VALUES ($1, $2, '', $3, $4, $5) ON CONFLICT (user_id, key) DO NOTHING";
    /// Names a batch.
    NAME_BATCH = "INSERT INTO wallstreet.idempotency_keys (user_id, key, fingerprint, outcome, request_id, created_at)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (user_id, key) DO NOTHING";
    /// Leaves stubs of clients' old keys, a bounded number at a time.
    SHRINK = concat!("UPDATE wallstreet.idempotency_keys
           SET fingerprint = '', request_id = '', outcome = CASE
                   WHEN outcome = '\"void\"' THEN '{\"stub\":\"void\"}'
                   WHEN outcome = '\"batch\"' THEN '{\"stub\":\"batch\"}'
                   WHEN outcome LIKE '{\"refused\":%' THEN '{\"stub\":\"refused\"}'
                   ELSE json_build_object('stub', json_build_object('done',
                       CASE WHEN outcome::json #> '{done,reference_number}' IS NOT NULL
                            THEN outcome::json #> '{done,id}' END))::text END
         WHERE ctid = ANY (ARRAY(SELECT ctid FROM wallstreet.idempotency_keys
                WHERE created_at < $1 AND strpos(key, ' ') = 0 AND NOT ", stub!(), "
                ORDER BY created_at LIMIT 1000 FOR UPDATE SKIP LOCKED))");
    /// Forgets stubs, a bounded number at a time.
    PURGE = concat!("DELETE FROM wallstreet.idempotency_keys WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM wallstreet.idempotency_keys
         WHERE created_at < $1 AND ", stub!(), " ORDER BY created_at LIMIT 1000))");
}

/// Takes the key for the caller's transaction, or replays its outcome.
pub(crate) async fn claim_in<T: DeserializeOwned>(
    tx: &Tx<'_>,
    actor: &Actor,
    key: Option<&IdempotencyKey>,
    at: Timestamp,
) -> Result<Option<Outcome<T>>> {
    let Some(key) = key else { return Ok(None) };
    let user = actor.user_id.0;
    let claim = tx
        .execute(CLAIM, &[&user, &key.key, &key.fingerprint, &actor.origin.request_id, &Utc(at)])
        .await?;
    if claim == 1 {
        return Ok(None);
    }
    let row = tx.find(FIND, &[&user, &key.key]).await?;
    let row = row.ok_or(Error::Conflict(Conflict::InFlight))?;
    Earlier::read(&row)?.replay(key).map(Some)
}

/// Settles the key with what came out.
pub(crate) async fn finish_in<T: Serialize>(
    tx: &Tx<'_>,
    actor: &Actor,
    key: Option<&IdempotencyKey>,
    outcome: T,
) -> Result<()> {
    let Some(key) = key else { return Ok(()) };
    let outcome = serde_json::to_string(&Recorded::Done(outcome)).map_err(Error::internal)?;
    tx.execute(FINISH, &[&actor.user_id.0, &key.key, &outcome]).await?;
    Ok(())
}

/// Notes that `key` names a batch, before any of its items is posted: so asking what
/// became of `key` never says that nothing did, and a key that was declared void
/// stops the batch. Its items have keys of their own.
pub(crate) async fn open_batch(
    platform: &Platform,
    actor: &Actor,
    key: &IdempotencyKey,
) -> Result<()> {
    let (user, at) = (actor.user_id.0, platform.now());
    let batch = serde_json::to_string(&Recorded::<()>::Batch).map_err(Error::internal)?;
    let connection = platform.connection().await?;
    let request = &actor.origin.request_id;
    let params: [Param<'_>; 6] = [&user, &key.key, &key.fingerprint, &batch, request, &Utc(at)];
    if connection.execute(NAME_BATCH, &params).await? == 1 {
        return Ok(());
    }
    let row = connection.find(FIND, &[&user, &key.key]).await?;
    let earlier = Earlier::read(&row.ok_or(Error::Conflict(Conflict::InFlight))?)?;
    match earlier.outcome.as_deref().map(serde_json::from_str::<Recorded<serde::de::IgnoredAny>>) {
        Some(Ok(Recorded::Void | Recorded::Stub(Stub::Void))) => {
            Err(Error::Conflict(Conflict::KeyVoid))
        }
        Some(Ok(Recorded::Stub(_))) => Err(Error::Conflict(Conflict::KeyExpired)),
        Some(Ok(Recorded::Batch)) if earlier.fingerprint == key.fingerprint => Ok(()),
        _ => Err(Error::KeyReused),
    }
}

/// What has become of a request, as far as its key tells.
#[derive(Clone, Debug)]
pub enum Fate<T> {
    /// It was done.
    Committed {
        /// The result, as it was first answered.
        value: T,
        /// When.
        at: Timestamp,
    },
    /// The bank said no.
    Refused {
        /// Why; not known any more after a week.
        refusal: Option<Refusal>,
        /// When.
        at: Timestamp,
    },
    /// It was never seen, and is impossible since somebody made sure of that.
    Void {
        /// Since when.
        at: Timestamp,
    },
    /// It has not been seen; it may still be on its way.
    Unseen {
        /// When it was looked for.
        at: Timestamp,
    },
}

/// What has become of the request under `key`, as far as anybody has seen it.
/// Changes nothing: what is unseen may still come.
///
/// # Errors
/// [`Error::KeyReused`] when the key stands for something else than a `T`.
pub(crate) async fn seen<T: DeserializeOwned>(
    platform: &Platform,
    actor: &Actor,
    key: &str,
) -> Result<Told<T>> {
    let key = IdempotencyKey::new(key, &[])?;
    let connection = platform.connection().await?;
    match connection.find(FIND, &[&actor.user_id.0, &key.key]).await? {
        Some(row) => told(Earlier::read(&row)?),
        None => Ok(Told::All(Fate::Unseen { at: platform.now() })),
    }
}

/// What a key knows.
pub(crate) enum Told<T> {
    /// All that there is to know.
    All(Fate<T>),
    /// That it was done, and as what transaction.
    Done {
        /// The transaction.
        id: Uuid,
        /// When.
        at: Timestamp,
    },
}

/// What has become of the request under `key`. If it has not been seen, the key
/// is made unusable in the same breath: what still waits or travels under it will
/// be refused. A request at work at this moment is waited for.
///
/// # Errors
/// [`Error::KeyReused`] when the key stands for something else than a `T`.
pub(crate) async fn fate<T: DeserializeOwned>(
    platform: &Platform,
    actor: &Actor,
    key: &str,
) -> Result<Told<T>> {
    let key = IdempotencyKey::new(key, &[])?;
    let user = actor.user_id.0;
    let at = platform.now();
    let void = serde_json::to_string(&Recorded::<()>::Void).map_err(Error::internal)?;
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    let params: [Param<'_>; 5] = [&user, &key.key, &void, &actor.origin.request_id, &Utc(at)];
    if tx.execute(VOID, &params).await? == 1 {
        let fact = Fact::KeyVoided { user: actor.user_id, key: key.key };
        facts::record_in(&tx, platform.new_id(), By::actor(actor, at), fact).await?;
        tx.commit().await?;
        return Ok(Told::All(Fate::Void { at }));
    }
    let row = tx.find(FIND, &[&user, &key.key]).await?;
    told(Earlier::read(&row.ok_or(Error::Conflict(Conflict::InFlight))?)?)
}

fn told<T: DeserializeOwned>(earlier: Earlier) -> Result<Told<T>> {
    let at = earlier.original.at;
    let outcome = earlier.outcome.ok_or(Error::Conflict(Conflict::InFlight))?;
    match serde_json::from_str(&outcome) {
        Ok(Recorded::Done(value)) => Ok(Told::All(Fate::Committed { value, at })),
        Ok(Recorded::Refused(refusal)) => {
            Ok(Told::All(Fate::Refused { refusal: Some(refusal), at }))
        }
        Ok(Recorded::Stub(Stub::Done(Some(id)))) => Ok(Told::Done { id, at }),
        Ok(Recorded::Stub(Stub::Refused)) => Ok(Told::All(Fate::Refused { refusal: None, at })),
        Ok(Recorded::Void | Recorded::Stub(Stub::Void)) => Ok(Told::All(Fate::Void { at })),
        Ok(Recorded::Batch | Recorded::Stub(Stub::Batch)) => {
            let text =
                "names a batch: ask for each of its items, by their own keys or #0, #1 … added";
            Err(Error::invalid("key", "names_a_batch", text))
        }
        Ok(Recorded::Stub(Stub::Done(None))) | Err(_) => Err(Error::KeyReused),
    }
}

/// Leaves stubs of clients' keys older than [`ANSWERED`]; says of how many.
pub(crate) async fn shrink(connection: &Connection, sure: LongSure) -> Result<u64> {
    let before = sure.now().saturating_sub(ANSWERED).map_err(Error::internal)?;
    connection.execute(SHRINK, &[&Utc(before)]).await
}

/// Forgets clients' keys older than [`KEPT`]; says how many.
pub(crate) async fn purge(connection: &Connection, sure: LongSure) -> Result<u64> {
    let before = sure.now().saturating_sub(KEPT).map_err(Error::internal)?;
    connection.execute(PURGE, &[&Utc(before)]).await
}
