//! What time does. What has outlived its use is removed, a bounded number of rows
//! at a time: idempotency keys, sessions long expired, quotes that nobody used; money
//! and audit rows never are. Transactions whose time is over are ended, and those that
//! complete by themselves are completed when they are due.

use crate::{Platform, error::Result, fx, idempotency, orders, sessions, transactions};
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
            Ok(removed) => tracing::info!(removed, "removed expired sessions and keys"),
            Err(error) => tracing::warn!(%error, "housekeeping will try again later"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Removes everything that has expired by now; says how many rows.
///
/// # Errors
/// [`crate::Error::Unavailable`] while the database does not answer.
pub async fn sweep(platform: &Platform) -> Result<u64> {
    let mut removed = 0;
    // What expires while it is at work is the next one's.
    let now = platform.now();
    loop {
        let began = Instant::now();
        let connection = platform.connection().await?;
        let round = idempotency::purge(&connection, now).await?
            + sessions::purge(&connection, now).await?
            + fx::purge(&connection, now).await?
            + transactions::purge_retries(&connection).await?;
        removed += round;
        if round == 0 {
            return Ok(removed);
        }
        drop(connection);
        // However much there is to remove, customers have at least half of the database.
        tokio::time::sleep(began.elapsed()).await;
    }
}
