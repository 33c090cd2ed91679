//! When keys were last used: written beside their lookup, by one writer with a
//! connection of its own, so that nobody's authentication waits for it.
//!
//! Only for people to read, so it may be lost: what a slow database does not take
//! is dropped, and a key is noted again a minute later.

use super::store;
use crate::{
    db::{self, Flight, Utc},
    error::{Error, Result},
    settings::PoolSettings,
};
use deadpool_postgres::Pool;
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::timeout;
use uuid::Uuid;

/// How often a key is noted.
const EVERY: SignedDuration = SignedDuration::from_secs(60);
/// The most keys that are remembered.
const CAPACITY: usize = 4096;
/// How long the database may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where uses are noted. Clones share everything.
#[derive(Clone)]
pub(super) struct Uses(Arc<Inner>);

struct Inner {
    pool: Pool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Keys noted lately, and when.
    noted: HashMap<Uuid, Timestamp>,
    /// Those of them that are not written yet.
    waiting: Vec<Uuid>,
    has_writer: bool,
}

impl Uses {
    /// Nothing is noted yet.
    pub(super) fn open(database: &str, pool: PoolSettings) -> Result<Self> {
        let pool = db::pool(database, PoolSettings { max: 1, ..pool }, &[])?;
        Ok(Self(Arc::new(Inner { pool, state: Mutex::default() })))
    }

    /// Notes that these keys were used; does not wait for it.
    pub(super) fn note(&self, keys: Vec<Uuid>, now: Timestamp) {
        if keys.is_empty() {
            return;
        }
        let begins = {
            let mut state = self.state();
            if state.noted.len() + keys.len() > CAPACITY {
                state.noted.retain(|_, at| is_recent(*at, now));
            }
            for key in keys {
                let known = state.noted.get(&key).is_some_and(|at| is_recent(*at, now));
                if !known && state.noted.len() < CAPACITY {
                    state.noted.insert(key, now);
                    state.waiting.push(key);
                }
            }
            let begins = !state.waiting.is_empty() && !state.has_writer;
            state.has_writer |= begins;
            begins
        };
        if begins {
            tokio::spawn(self.clone().write(now));
        }
    }

    /// Writes what waits, until nothing does.
    async fn write(self, now: Timestamp) {
        loop {
            let keys = {
                let mut state = self.state();
                let keys = std::mem::take(&mut state.waiting);
                state.has_writer = !keys.is_empty();
                keys
            };
            if keys.is_empty() {
                return;
            }
            let touch = async {
                let flight = Flight::lend(&self.0.pool, &[]).await?;
                flight.session()?.execute(store::TOUCH, &[&keys, &Utc(now)]).await?;
                flight.land();
                Ok::<_, Error>(())
            };
            match timeout(PATIENCE, touch).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "the use of keys was not noted"),
                Err(_) => tracing::debug!("the use of keys was not noted within {PATIENCE:?}"),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_recent(at: Timestamp, now: Timestamp) -> bool {
    let since = now.duration_since(at);
    !since.is_negative() && since < EVERY
}
