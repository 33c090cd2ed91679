//! The box as its users meet it: real servers, in scratch directories, killed in every way.
//!
//! Works as root and as anyone else; needs a PostgreSQL on the machine.

#![cfg(test)]

mod refusals;
mod scratch;
mod shared;
mod start;
mod supervision;
