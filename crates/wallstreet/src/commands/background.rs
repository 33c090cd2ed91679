//! What a server does beside its requests: schedules that fall due, seals, the check of the ledger, and housekeeping.

use platform::{Platform, housekeeping, schedules, seals, timekeeping, verification};
use std::time::Duration;
use tokio::{
    sync::oneshot,
    task::{JoinHandle, JoinSet},
    time::timeout,
};

/// How long the runs that have begun are waited for. Cut off, they are finished by
/// the next server that comes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Work that goes on until it is stopped.
pub struct Background {
    schedules: JoinHandle<()>,
    stop: oneshot::Sender<()>,
    /// What may be cut off anywhere: each of its steps is a transaction.
    others: JoinSet<()>,
}

impl Background {
    /// Begins; the ledger is checked every so often, if at all.
    pub fn start(platform: &Platform, check_every: Option<Duration>) -> Self {
        let mut others = JoinSet::new();
        others.spawn(timekeeping::run(platform.clone()));
        others.spawn(housekeeping::run(platform.clone()));
        others.spawn(seals::run(platform.clone()));
        if let Some(every) = check_every {
            others.spawn(verification::run(platform.clone(), every));
        }
        let (stop, stopped) = oneshot::channel::<()>();
        // The sender never sends: that it is gone is the sign.
        let asked = async { drop(stopped.await) };
        Self { schedules: tokio::spawn(schedules::run(platform.clone(), asked)), stop, others }
    }

    /// Begins nothing more, and ends with what has begun.
    pub async fn stop(self) {
        drop(self.stop);
        drop(self.others);
        let schedules = self.schedules.abort_handle();
        if timeout(PATIENCE, self.schedules).await.is_err() {
            schedules.abort();
        }
    }
}
