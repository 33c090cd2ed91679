//! What a server does beside its requests: schedules that fall due, seals, the check of the ledger, and housekeeping.

use platform::{Platform, housekeeping, schedules, seals, timekeeping, verification};
use std::time::Duration;
use tokio::{
    sync::oneshot,
    task::{JoinHandle, JoinSet},
    time::timeout,
};

/// How long the runs that have begun, and the last seals, are waited for. Cut off,
/// they are finished by the next server that comes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Work that goes on until it is stopped.
pub struct Background {
    schedules: JoinHandle<()>,
    stop: oneshot::Sender<()>,
    /// Ends last: what the others did is to be sealed.
    sealer: JoinHandle<()>,
    stop_sealing: oneshot::Sender<()>,
    /// What may be cut off anywhere: each of its steps is a transaction.
    others: JoinSet<()>,
}

impl Background {
    /// Begins; the ledger is checked every so often, if at all.
    pub fn start(platform: &Platform, check_every: Option<Duration>) -> Self {
        let mut others = JoinSet::new();
        others.spawn(timekeeping::run(platform.clone()));
        others.spawn(housekeeping::run(platform.clone()));
        if let Some(every) = check_every {
            others.spawn(verification::run(platform.clone(), every));
        }
        let (stop, asked) = sign();
        let (stop_sealing, asked_to_end) = sign();
        Self {
            schedules: tokio::spawn(schedules::run(platform.clone(), asked)),
            stop,
            sealer: tokio::spawn(seals::run(platform.clone(), asked_to_end)),
            stop_sealing,
            others,
        }
    }

    /// Begins nothing more, and ends with what has begun.
    pub async fn stop(self) {
        drop(self.stop);
        drop(self.others);
        end(self.schedules).await;
        drop(self.stop_sealing);
        end(self.sealer).await;
    }
}

/// Waits for a while, then cuts it off.
async fn end(work: JoinHandle<()>) {
    let abort = work.abort_handle();
    if timeout(PATIENCE, work).await.is_err() {
        abort.abort();
    }
}

/// What asks to stop by being dropped, and who waits for that.
fn sign() -> (oneshot::Sender<()>, impl Future<Output = ()>) {
    let (stop, stopped) = oneshot::channel::<()>();
    (stop, async { drop(stopped.await) })
}
