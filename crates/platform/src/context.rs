//! The context every use case takes first: the pool, the clock, the settings,
//! and the queue that all money goes through.

use crate::{
    accounts, api_keys,
    clock::{self, Clock, LongSure, Standing, Sure},
    db::{self, Connection},
    error::{Error, Result},
    lookup::Lookup,
    migrations,
    posting::{Contention, Queue},
    proof::Salts,
    seals::{self, Signer},
    sessions,
    settings::{PoolSettings, Settings},
    timekeeping,
    turns::Turns,
    verification::{Outcome, Watch},
};
use deadpool_postgres::Pool;
use jiff::Timestamp;
use ledger::NumberKey;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use uuid::{ContextV7, Uuid};

/// A running bank. Clones share everything.
#[derive(Clone)]
pub struct Platform(Arc<Inner>);

struct Inner {
    pool: Pool,
    clock: Arc<dyn Clock>,
    settings: Settings,
    number_key: NumberKey,
    salts: Salts,
    signer: Arc<Signer>,
    ids: Mutex<ContextV7>,
    hashing: Turns,
    queue: Queue,
    keys: Lookup<String, api_keys::Holder>,
    sessions: Lookup<Uuid, sessions::Bearer>,
    pulse: Lookup<(), ()>,
    beside: Pool,
    watch: Watch,
}

/// What works beside the requests, the sealer, the checker and the timekeeper, has
/// connections of its own: it neither waits for requests nor makes them wait.
const BESIDE: usize = 3;

impl Platform {
    /// Opens the bank on a migrated database: a connection string of
    /// `key=value` pairs or a `postgres://` URL.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while the database cannot be reached;
    /// [`Error::Internal`] when its schema is not the one this version needs.
    pub async fn connect(
        database: &str,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        migrations::check(&migrations::connect_apart(database).await?).await?;
        let pool = db::pool(database, settings.pool, &[])?;
        let connection = Connection::lend(&pool).await?;
        let number_key = accounts::number_key(&connection).await?;
        let salts = seals::salts(&connection).await?;
        let signer = Arc::new(Signer::of(&settings.signing_seeds, &settings.api_key_salt)?);
        drop(connection);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let queue = Queue::open(database, &settings, &clock)?;
        let keys = api_keys::lookup(database, settings.pool, Arc::clone(&clock))?;
        let sessions = sessions::lookup(database, settings.pool, Arc::clone(&clock))?;
        let pulse = Lookup::open(database, settings.pool, |flight, _| async move {
            flight.say("SELECT 1").await?;
            Ok(HashMap::new())
        })?;
        let beside = db::pool(database, PoolSettings { max: BESIDE, ..settings.pool }, &[])?;
        let platform = Self(Arc::new(Inner {
            pool,
            clock,
            settings,
            number_key,
            salts,
            signer,
            ids: Mutex::new(ContextV7::new()),
            hashing: Turns::of((cores / 2).max(1)),
            queue,
            keys,
            sessions,
            pulse,
            beside,
            watch: Watch::default(),
        }));
        // Before anything is recorded.
        if let Some(clock) = platform.clock().guarded() {
            timekeeping::ask(&platform, clock).await?;
        }
        Ok(platform)
    }

    /// One round trip to the database, on a connection that does nothing else.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not answer.
    pub async fn ping(&self) -> Result<()> {
        self.0.pulse.find(()).await.map(|_| ())
    }

    /// The present moment, by the bank's clock, in the database's microseconds.
    pub fn now(&self) -> Timestamp {
        let now = self.0.clock.now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.0.clock.as_ref()
    }

    /// The right to end what is over and to run what is due; `None`: time is in
    /// doubt, and it waits.
    pub(crate) fn sure(&self) -> Option<Sure> {
        clock::sure(self.clock())
    }

    /// The right to remove what is old; `None`: it waits.
    pub(crate) fn long_sure(&self) -> Option<LongSure> {
        clock::long_sure(self.clock())
    }

    /// How time stands on this server; `None`: its clock judges nothing.
    pub fn time(&self) -> Option<Arc<Standing>> {
        self.clock().guarded().map(clock::GuardedClock::standing)
    }

    /// What the operator decided.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Lets the last batch of money commit, then closes every connection.
    pub async fn shutdown(&self) {
        self.0.queue.close().await;
        self.0.pool.close();
        self.0.beside.close();
    }

    /// How the last check of the ledger on this server ended; `None` before the first.
    pub fn last_check(&self) -> Option<Outcome> {
        self.0.watch.last()
    }

    pub(crate) async fn connection(&self) -> Result<Connection> {
        Connection::lend(&self.0.pool).await
    }

    /// For what works beside the requests.
    pub(crate) async fn connection_beside(&self) -> Result<Connection> {
        Connection::lend(&self.0.beside).await
    }

    pub(crate) fn watch(&self) -> &Watch {
        &self.0.watch
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.0.queue
    }

    pub(crate) fn number_key(&self) -> NumberKey {
        self.0.number_key
    }

    pub(crate) fn salts(&self) -> &Salts {
        &self.0.salts
    }

    /// Who signs seals and proofs here.
    pub fn signer(&self) -> &Arc<Signer> {
        &self.0.signer
    }

    pub(crate) fn keys(&self) -> &Lookup<String, api_keys::Holder> {
        &self.0.keys
    }

    pub(crate) fn sessions(&self) -> &Lookup<Uuid, sessions::Bearer> {
        &self.0.sessions
    }

    /// What the posting road is doing, on this server.
    pub fn contention(&self) -> Contention {
        self.0.queue.contention()
    }

    pub(crate) fn hashing(&self) -> &Turns {
        &self.0.hashing
    }

    /// A new id: UUID version 7 (RFC 9562), growing with the clock.
    pub(crate) fn new_id(&self) -> Uuid {
        let now = self.now();
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
        let ids = self.0.ids.lock().unwrap_or_else(PoisonError::into_inner);
        Uuid::new_v7(uuid::Timestamp::from_unix(&*ids, seconds, nanos))
    }
}

impl Error {
    /// For a queue or a worker that has gone with the process' end.
    pub(crate) fn shutting_down() -> Self {
        Self::Unavailable {
            what: "The server",
            retry_after: std::time::Duration::from_secs(1),
            cause: "shutting down".to_owned(),
        }
    }
}
