//! What the checker of this process is doing and what it found last.

use super::report::Report;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// Shared by the background and by whoever asks.
#[derive(Default)]
pub(crate) struct Watch {
    running: AtomicBool,
    last: Mutex<Option<Arc<Report>>>,
}

impl Watch {
    /// What was found last.
    pub(crate) fn last(&self) -> Option<Arc<Report>> {
        self.slot().clone()
    }

    /// Whether a check is under way here.
    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    /// The right to run one, until it is dropped; `None` while another does.
    pub(super) fn begin(&self) -> Option<Turn<'_>> {
        (!self.running.swap(true, Ordering::AcqRel)).then_some(Turn(self))
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<Report>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Watch::begin`].
pub(super) struct Turn<'w>(&'w Watch);

impl Turn<'_> {
    /// Keeps what was found.
    pub(super) fn keep(&self, report: Report) {
        *self.0.slot() = Some(Arc::new(report));
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.running.store(false, Ordering::Release);
    }
}
