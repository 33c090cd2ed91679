//! The server against a real database, in process. Every answer that any test
//! receives is checked against the API document.

mod contract;
mod support;

mod authorization;
mod connections;
mod document;
mod health;
mod headers;
mod idempotency;
mod input;
mod limits;
mod lists;
mod people;
mod quick_start;
