//! What the bank promises, against a real PostgreSQL.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test that meets a surprise should stop")]

mod batches;
mod book;
mod contention;
mod exchange;
mod guards;
mod keys;
mod life;
mod limits;
mod migrations;
mod money;
mod outage;
mod outcome;
mod people;
mod programs;
mod schema;
mod trail;
mod vocabulary;
