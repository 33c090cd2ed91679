//! What the checker of this process is doing and what it found last.

use super::report::Report;
use jiff::Timestamp;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// Shared by the background and by whoever asks.
#[derive(Default)]
pub(crate) struct Watch {
    running: AtomicBool,
    last: Mutex<Option<Outcome>>,
}

/// How the last check ended. One that broke off takes the place of what was found
/// before: an old report says nothing of the book as it is.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// What it found.
    Found(Arc<Report>),
    /// When it broke off: the book is not checked.
    Failed(Timestamp),
}

impl Watch {
    /// How the last one ended.
    pub(crate) fn last(&self) -> Option<Outcome> {
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

    fn slot(&self) -> MutexGuard<'_, Option<Outcome>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Watch::begin`].
pub(super) struct Turn<'w>(&'w Watch);

impl Turn<'_> {
    /// Keeps how it ended.
    pub(super) fn keep(&self, outcome: Outcome) {
        *self.0.slot() = Some(outcome);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.running.store(false, Ordering::Release);
    }
}
