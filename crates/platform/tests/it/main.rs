//! What the bank promises, against a real PostgreSQL.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test that meets a surprise should stop")]

mod authority;
mod batches;
mod book;
mod chain;
mod clocks;
mod completions;
mod contention;
mod exchange;
mod fx;
mod guards;
mod histories;
mod history;
mod keys;
mod later;
mod life;
mod limits;
mod migrations;
mod money;
mod occurrences;
mod outage;
mod outcome;
mod past;
mod people;
mod pooler;
mod programs;
mod proofs;
mod quotas;
mod schedules;
mod schema;
mod seals;
mod shares;
mod stored;
mod trail;
mod verification;
mod vocabulary;
