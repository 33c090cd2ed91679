//! What is run, for how long, and how often.

use super::Options;
use crate::{measured::Timing, workload::Workload};
use clap::ValueEnum;
use serde::Serialize;

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Transfers between any accounts
    Uniform,
    /// Most transfers on one account
    Hot,
    /// Ten accounts
    Ten,
    /// By Zipf's law
    Zipf,
    /// Lists and balances
    Reads,
    /// Beside millions of transactions
    Growth,
}

/// Who is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Contestant {
    /// Wallstreet, one transfer a request.
    Product,
    /// Wallstreet, 1,000 transfers a request.
    Bulk,
    /// (a) Statement by statement from the client.
    Naive,
    /// (b) One function call.
    Function,
    /// (c) The batched SQL in a loop, without HTTP.
    Batched,
}

impl Contestant {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Bulk => "product, bulk",
            Self::Naive => "(a) naive",
            Self::Function => "(b) function",
            Self::Batched => "(c) batched SQL",
        }
    }
}

/// One run of a contestant on one workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Shot {
    /// Connections of clients; for the batched SQL, the size of a batch.
    pub connections: usize,
    /// Connections to the database, for the baselines behind HTTP.
    pub pool: usize,
}

/// The whole.
pub struct Plan {
    quick: bool,
    parts: Vec<Part>,
    /// How often everything is run.
    pub rounds: usize,
    /// How long each run takes.
    pub timing: Timing,
}

/// The pool of the usual designs.
const POOL: usize = 20;

impl Plan {
    /// What the options ask for.
    pub fn new(options: &Options) -> Self {
        let parts = match (options.only.as_slice(), options.quick) {
            ([], true) => vec![Part::Uniform, Part::Hot, Part::Reads],
            ([], false) => vec![Part::Uniform, Part::Hot, Part::Ten, Part::Zipf, Part::Reads],
            (only, _) => only.to_vec(),
        };
        let growth = options.growth.then_some(Part::Growth);
        let (rounds, warm_up, measured) = if options.quick { (1, 0.7, 1.5) } else { (3, 1.0, 2.5) };
        Self {
            quick: options.quick,
            parts: parts.into_iter().chain(growth).collect(),
            rounds: options.rounds.unwrap_or(rounds),
            timing: Timing { warm_up, measured: options.seconds.unwrap_or(measured) },
        }
    }

    /// Whether a part is wanted.
    pub fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// The wanted workloads.
    pub fn workloads(&self) -> Vec<Workload> {
        let part = |workload: &Workload| match workload {
            Workload::Uniform => Part::Uniform,
            Workload::Hot => Part::Hot,
            Workload::Ten => Part::Ten,
            Workload::Zipf => Part::Zipf,
        };
        Workload::ALL.into_iter().filter(|workload| self.has(part(workload))).collect()
    }

    /// Who runs on a workload, in turn, and how.
    pub fn contestants(&self, workload: Workload) -> Vec<(Contestant, Vec<Shot>)> {
        let main = matches!(workload, Workload::Uniform | Workload::Hot);
        let pooled = |shots: &[(usize, usize)]| -> Vec<Shot> {
            shots.iter().map(|&(connections, pool)| Shot { connections, pool }).collect()
        };
        let plain = |shots: &[usize]| -> Vec<Shot> {
            shots.iter().map(|&connections| Shot { connections, pool: 0 }).collect()
        };
        let mut contestants = vec![
            (Contestant::Product, plain(if main { &[1, 64, 256] } else { &[64, 256] })),
            (
                Contestant::Naive,
                match (main, self.quick) {
                    (true, false) => {
                        pooled(&[(1, POOL), (8, 8), (20, POOL), (64, POOL), (256, POOL)])
                    }
                    (true, true) => pooled(&[(1, POOL), (8, 8), (64, POOL), (256, POOL)]),
                    (false, _) => pooled(&[(8, 8), (64, POOL), (256, POOL)]),
                },
            ),
            (
                Contestant::Function,
                match (main, self.quick) {
                    (true, false) => pooled(&[
                        (1, POOL),
                        (8, 8),
                        (20, POOL),
                        (32, 32),
                        (64, POOL),
                        (256, POOL),
                        (256, 8),
                    ]),
                    (true, true) => pooled(&[(1, POOL), (8, 8), (32, 32), (64, POOL), (256, POOL)]),
                    (false, _) => pooled(&[(8, 8), (64, POOL), (256, POOL)]),
                },
            ),
            (
                Contestant::Batched,
                plain(match (main, self.quick) {
                    (true, false) => &[200, 500, 1000],
                    (true, true) => &[500, 1000],
                    (false, _) => &[500],
                }),
            ),
        ];
        if workload == Workload::Uniform {
            contestants.push((Contestant::Bulk, plain(&[2, 4])));
        }
        contestants
    }
}
