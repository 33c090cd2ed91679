//! The bank: its use cases, on PostgreSQL. The only crate with SQL.
//!
//! The order of the modules below is the reading order and the dependency
//! order: a module imports only what is declared above it. In a slice named
//! after its table, `mod.rs` holds types and use cases, and `store.rs`, private
//! to the slice, holds the statements. A function whose name ends in `_in` runs
//! inside the caller's transaction.
//!
//! Knows no HTTP and reads no environment.

// Tools: they know nothing of the bank.
pub mod error;
pub mod clock;
pub mod meter;
pub mod secret;
pub mod proof;
pub mod settings;
mod tls;
mod db;
mod lookup;
mod turns;
pub mod postgres;
pub mod migrations;
pub mod page;
mod text;
// Who is acting.
pub mod actor;
// What happened, written in the transaction of the change itself.
pub mod facts;
pub mod idempotency;
// What a schedule may still do: all that takes rights away asks it.
pub(crate) mod mandates;
// The bank, from the ground up.
mod password;
mod token;
pub mod sessions;
pub mod users;
pub mod login;
pub mod api_keys;
pub mod accounts;
pub mod transactions;
pub mod fx;
pub mod entries;
// The one road for money: orders go through the posting queue.
pub mod posting;
pub mod orders;
// Orders that the bank gives when they are due.
pub mod schedules;
// What the bank can say about its past, and prove.
pub mod audit_logs;
pub mod seals;
pub mod verification;
// What is done beside the requests.
pub mod timekeeping;
pub mod housekeeping;
// Every statement of the crate, for the test that prepares them all.
pub mod statements;
// Where it all comes together: the context that every use case takes first. It
// is part of the crate's root, so `crate::Platform` may be named from anywhere.
mod context;

pub use actor::{Actor, Credential, Origin, Permission, Role};
pub use clock::{Clock, ClockSettings, GuardedClock, ManualClock, SystemClock};
pub use context::Platform;
pub use error::{Error, Result};
pub use idempotency::{Fate, IdempotencyKey, Outcome};
pub use page::{Cursor, ListTag, Listing, PageRequest, Position};
pub use secret::Secret;
pub use settings::{Environment, PendingSettings, PoolSettings, Quota, Settings, Shares};
