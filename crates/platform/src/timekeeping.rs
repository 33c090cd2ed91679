//! What the database knows of time: its own clock, the newest record, and how far the
//! machine's counter was when an earlier process was sure. Owns `wallstreet.clocks`.

use crate::{
    Platform,
    clock::{GuardedClock, Heard},
    db::{Utc, maybe_time, statements, time},
    error::{Error, Result},
};
use jiff::Timestamp;
use std::time::Duration;

/// How often the database is asked.
const EVERY: Duration = Duration::from_secs(1);
/// Every so many questions, our time is noted for the next process.
const NOTING: u32 = 60;

statements! {
    /// What the database knows of time. A moment without end tells nothing.
    ASK = "SELECT clock_timestamp() AS database,
               (SELECT CASE WHEN isfinite(max(created_at)) THEN max(created_at) END FROM audit_logs) AS newest,
               (SELECT began_at FROM wallstreet.clocks WHERE counter = $1) AS began";
    /// Notes when a counter began; forgets counters of long ago.
    NOTE = "WITH forgotten AS (DELETE FROM wallstreet.clocks WHERE counter <> $1 AND noted_at < $4)
        INSERT INTO wallstreet.clocks (counter, began_at, noted_at) VALUES ($1, $2, $3)
        ON CONFLICT (counter) DO UPDATE SET began_at = excluded.began_at, noted_at = excluded.noted_at";
}

/// Keeps a guarded clock informed for ever; of another one, it has nothing to do.
pub async fn run(platform: Platform) {
    let Some(clock) = platform.clock().guarded() else { return };
    let (mut well, mut asked) = (true, 0_u32);
    loop {
        match attend(&platform, clock, asked).await {
            Ok(()) => well = true,
            Err(error) if well => {
                tracing::warn!(%error, "the database will be asked again for its time");
                well = false;
            }
            Err(_) => {}
        }
        asked = asked.wrapping_add(1);
        tokio::time::sleep(EVERY).await;
    }
}

async fn attend(platform: &Platform, clock: &GuardedClock, asked: u32) -> Result<()> {
    ask(platform, clock).await?;
    if asked.is_multiple_of(NOTING) { note(platform, clock).await } else { Ok(()) }
}

/// Asks the database once, and lets the clock hear it.
pub(crate) async fn ask(platform: &Platform, clock: &GuardedClock) -> Result<()> {
    let connection = platform.connection_beside().await?;
    let before = clock.counted();
    let row = connection.find(ASK, &[&clock.counter()]).await?;
    let after = clock.counted();
    let row = row.ok_or_else(|| Error::internal("the database has no time"))?;
    let micros = |at: Option<Timestamp>| at.map(Timestamp::as_microsecond);
    clock.hear(Heard {
        before,
        after,
        database: time(&row, "database")?.as_microsecond(),
        newest: micros(maybe_time(&row, "newest")?),
        began: micros(maybe_time(&row, "began")?),
    });
    Ok(())
}

async fn note(platform: &Platform, clock: &GuardedClock) -> Result<()> {
    let Some((counter, began)) = clock.counter().zip(clock.began()) else { return Ok(()) };
    let now = platform.now();
    let long_ago = now.saturating_sub(jiff::SignedDuration::from_hours(366 * 24));
    let long_ago = long_ago.map_err(Error::internal)?;
    let connection = platform.connection_beside().await?;
    connection.execute(NOTE, &[&counter, &Utc(began), &Utc(now), &Utc(long_ago)]).await?;
    Ok(())
}
