//! The money rules, told as sentences and hunted with random operations.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "a test that meets a surprise should stop"
)]

mod captures;
mod completions;
mod exchanges;
mod formats;
mod histories;
mod limits;
mod model;
mod money;
mod quotas;
mod quotes;
mod reversals;
mod rules;
mod times;
mod world;
