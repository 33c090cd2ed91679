//! What a server does beside its requests: schedules that fall due, and housekeeping.

use platform::{Platform, housekeeping, schedules};
use std::time::Duration;
use tokio::{sync::oneshot, task::JoinHandle, time::timeout};

/// How long the runs that have begun are waited for. Cut off, they are finished by
/// the next server that comes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Work that goes on until it is stopped.
pub struct Background {
    schedules: JoinHandle<()>,
    stop: oneshot::Sender<()>,
    housekeeping: JoinHandle<()>,
}

impl Background {
    /// Begins.
    pub fn start(platform: &Platform) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        // The sender never sends: that it is gone is the sign.
        let asked = async { drop(stopped.await) };
        Self {
            schedules: tokio::spawn(schedules::run(platform.clone(), asked)),
            stop,
            housekeeping: tokio::spawn(housekeeping::run(platform.clone())),
        }
    }

    /// Begins nothing more, and ends with what has begun.
    pub async fn stop(self) {
        drop(self.stop);
        self.housekeeping.abort();
        let schedules = self.schedules.abort_handle();
        if timeout(PATIENCE, self.schedules).await.is_err() {
            schedules.abort();
        }
    }
}
