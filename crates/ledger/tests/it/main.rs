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

mod formats;
mod model;
mod money;
mod rules;
mod world;
