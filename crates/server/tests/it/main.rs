//! The server against a real database, in process. Every answer that any test
//! receives is checked against the API document.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test that meets a surprise should stop")]

mod contract;
mod support;

mod admission;
mod authorization;
mod batches;
mod bodies;
mod connections;
mod document;
mod exchange;
mod full_connections;
mod headers;
mod health;
mod idempotency;
mod input;
mod leaks;
mod life;
mod metrics;
mod limits;
mod lists;
mod outcome;
mod people;
mod proof;
mod quick_start;
mod restraints;
mod room;
mod statements;
mod schedules;
