//! Wallstreet, the one binary: reads the command line, runs one command, and ends with a code that says how it went.
//!
//! Only this crate reads arguments, environment and signals. It knows no rule of the bank.

mod cli;
mod commands;
mod config;
mod database;
mod failure;
mod terminal;

use clap::Parser;
use std::process::ExitCode;

/// A request is some hundred small allocations: they are a quarter of the server's
/// time with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(cli) {
        Ok(code) => code,
        Err(failure) => {
            terminal::report(&failure);
            failure.exit.into()
        }
    }
}
