//! The server against a real database, in process. Every answer that any test
//! receives is checked against the API document.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test that meets a surprise should stop")]

mod contract;
mod support;

mod authorization;
mod connections;
mod document;
mod headers;
mod health;
mod idempotency;
mod input;
mod limits;
mod lists;
mod people;
mod proof;
mod quick_start;
mod statements;
mod schedules;
