//! What has outlived its use is removed, a bounded number of rows at a time:
//! clients' idempotency keys, and sessions long expired. Money and audit rows never are.

use crate::{Platform, error::Result, idempotency, sessions};
use std::time::Duration;

/// How often it is looked after.
const EVERY: Duration = Duration::from_secs(600);

/// Cleans up for ever; safe on several servers at once.
pub async fn run(platform: Platform) {
    loop {
        match sweep(&platform).await {
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
    loop {
        let connection = platform.connection().await?;
        let now = platform.now();
        let round =
            idempotency::purge(&connection, now).await? + sessions::purge(&connection, now).await?;
        removed += round;
        if round == 0 {
            return Ok(removed);
        }
    }
}
