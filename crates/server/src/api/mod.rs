//! The handlers, one file for each slice of the bank: what a request looks like,
//! which use case it is, and what the answer shows.

pub(crate) mod accounts;
pub(crate) mod admin;
pub(crate) mod api_keys;
pub(crate) mod auth;
pub(crate) mod batches;
pub(crate) mod entries;
pub(crate) mod fx;
pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod orders;
pub(crate) mod restraints;
pub(crate) mod schedules;
pub(crate) mod seals;
pub(crate) mod sessions;
pub(crate) mod statements;
pub(crate) mod transactions;
pub(crate) mod users;
pub(crate) mod verification;
