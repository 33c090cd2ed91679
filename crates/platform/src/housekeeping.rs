//! What time does. What has outlived its use is removed, a bounded number of rows
//! at a time: answers under idempotency keys, keys, sessions long expired, quotes
//! that nobody used; money and audit rows never are. Transactions whose time is over
//! are ended, and those that complete by themselves are completed when they are due.
//! All of it waits while time is in doubt.

use crate::{Platform, error::Result, fx, idempotency, mandates, orders, sessions, transactions};
use std::time::{Duration, Instant};

/// How often it is cleaned up.
const EVERY: Duration = Duration::from_secs(600);
/// How often it is asked whose time is over or has come.
const TICK: Duration = Duration::from_secs(1);

/// Keeps house for ever; safe on several servers at once.
pub async fn run(platform: Platform) {
    tokio::join!(clean(&platform), expire(&platform), complete(&platform));
}

async fn expire(platform: &Platform) {
    loop {
        match orders::expire(platform).await {
            // There may be more that is due.
            Ok(ended) if ended > 0 => continue,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "expired transactions will be ended later"),
        }
        tokio::time::sleep(TICK).await;
    }
}

async fn complete(platform: &Platform) {
    loop {
        match orders::complete_due(platform).await {
            Ok(completed) if completed > 0 => continue,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "transactions that are due will be completed later");
            }
        }
        tokio::time::sleep(TICK).await;
    }
}

async fn clean(platform: &Platform) {
    loop {
        match sweep(platform).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "removed what is old of logins and keys"),
            Err(error) => tracing::warn!(%error, "housekeeping will try again later"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Removes everything that has expired by now; says how many rows. Until time has
/// been sure for long it waits.
///
/// # Errors
/// [`crate::Error::Unavailable`] while the database does not answer.
pub async fn sweep(platform: &Platform) -> Result<u64> {
    let mut removed = 0;
    // What expires while it is at work is the next one's.
    let Some(until) = platform.long_sure() else { return Ok(0) };
    loop {
        let began = Instant::now();
        let connection = platform.connection().await?;
        let round = idempotency::shrink(&connection, until).await?
            + idempotency::purge(&connection, until).await?
            + sessions::purge(&connection, until).await?
            + fx::purge(&connection, until).await?
            + transactions::purge_retries(&connection).await?
            + mandates::purge(&connection).await?;
        removed += round;
        // Time may have come into doubt while it was at work.
        if round == 0 || platform.long_sure().is_none() {
            return Ok(removed);
        }
        drop(connection);
        // However much there is to remove, customers have at least half of the database.
        tokio::time::sleep(began.elapsed()).await;
    }
}
