//! The judge: makes a cluster and a seeded database, lets the contestants run in turn on copies of it, verifies every
//! book, and compares.
//!
//! Round by round, workload by workload, contestant by contestant: whoever is slower because the machine is busy is so
//! together with its neighbours. Each contestant begins every workload on a fresh copy that has seen some transfers since the last checkpoint.

mod book;
mod contestants;
mod cpu;
mod database;
mod figures;
mod goals;
mod growth;
mod machine;
mod plan;
mod reads;
mod report;
mod seed;
mod setting;

use anyhow::Result;
use clap::Args;
use figures::Figures;
use plan::{Part, Plan};
use setting::Setting;
use std::path::PathBuf;

/// What to run.
#[derive(Debug, Args)]
pub struct Options {
    /// Two minutes instead of a quarter of an hour: one short round, the two workloads with goals
    #[arg(long)]
    quick: bool,
    /// Seconds that each run is measured
    #[arg(long)]
    seconds: Option<f64>,
    /// Rounds; every figure is the median of them
    #[arg(long)]
    rounds: Option<usize>,
    /// Only this part; may be given again
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Also the cost of a transfer beside many others (takes some minutes)
    #[arg(long)]
    growth: bool,
    /// How many transactions those are
    #[arg(long, default_value_t = 5_000_000)]
    preload: usize,
    /// Where the figures are written, as JSON
    #[arg(long, default_value = "target/bench/ledger.json")]
    json: PathBuf,
    /// A directory on a disk for the database, which is removed at the end
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Runs everything. Says whether no answer was wrong and every book sound; a goal that is missed is no failure.
pub fn run(options: &Options) -> Result<bool> {
    let plan = Plan::new(options);
    let mut setting = Setting::up(options.dir.as_deref())?;
    let mut figures = Figures::default();
    for round in 1..=plan.rounds {
        for workload in plan.workloads() {
            contestants::run(&mut setting, &plan, round, workload, &mut figures)?;
        }
    }
    if plan.has(Part::Reads) {
        figures.reads = reads::run(&mut setting, &plan)?;
    }
    if plan.has(Part::Growth) {
        figures.growth = Some(growth::run(&mut setting, &plan, options.preload)?);
    }
    let machine = machine::describe(&setting)?;
    drop(setting);
    report::print(&machine, &figures);
    report::write(&options.json, &machine, &figures)?;
    println!("\nfigures: {}", options.json.display());
    for fault in &figures.faults {
        println!("FAULT: {fault}");
    }
    Ok(figures.faults.is_empty())
}
