//! The benchmark: a judge that starts everything, and what it starts as processes of their own:
//! the baselines' HTTP server, the load, the batched loop. Each is a sub-command of this binary and
//! tells its result as one line of JSON on standard output.

mod baseline;
mod batched;
mod histogram;
mod ledger;
mod load;
mod measured;
mod random;
mod rows;
mod sql;
mod workload;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "bench", about = "The benchmark of Wallstreet")]
struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// Compare the ledger with the usual designs, and judge it by its goals
    Ledger(ledger::Options),
    /// A baseline's HTTP server; prints its address
    #[command(hide = true)]
    Serve(baseline::Options),
    /// Make load, as a specification in JSON says
    #[command(hide = true)]
    Load { specification: String },
    /// The batched SQL in a loop, as a specification in JSON says
    #[command(hide = true)]
    Batched { specification: String },
}

fn main() -> ExitCode {
    match run(Arguments::parse().part) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(part: Part) -> Result<bool> {
    match part {
        Part::Ledger(options) => return ledger::run(&options),
        Part::Serve(options) => baseline::serve(&options)?,
        Part::Load { specification } => {
            let measured = load::run(serde_json::from_str(&specification)?)?;
            println!("{}", serde_json::to_string(&measured)?);
        }
        Part::Batched { specification } => {
            let measured = batched::run(&serde_json::from_str(&specification)?)?;
            println!("{}", serde_json::to_string(&measured)?);
        }
    }
    Ok(true)
}
