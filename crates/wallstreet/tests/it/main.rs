//! The binary, as an operator meets it: every test runs the real program.

#![cfg(test)]

mod clocks;
mod commands;
mod configuration;
mod crash;
mod fire;
mod help;
mod import;
mod life;
mod product;
mod refusals;
mod schedules;
mod tls;
mod users;
mod verify;
