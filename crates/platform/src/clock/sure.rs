//! What time alone decides takes one of these, so that new code cannot forget to ask.

use jiff::Timestamp;

/// The right to end what is over and to run what is due, at this moment. Nothing
/// stands against our time.
#[derive(Clone, Copy, Debug)]
pub struct Sure(pub(super) Timestamp);

/// The right to remove what is old: time has been sure for long.
#[derive(Clone, Copy, Debug)]
pub struct LongSure(pub(super) Timestamp);

impl Sure {
    /// The moment.
    pub fn now(self) -> Timestamp {
        self.0
    }
}

impl LongSure {
    /// The moment.
    pub fn now(self) -> Timestamp {
        self.0
    }
}
