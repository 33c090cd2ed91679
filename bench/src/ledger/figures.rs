//! Everything that was measured, and medians and ratios of it.

use super::plan::{Contestant, Shot};
use crate::{measured::Measured, workload::Workload};
use anyhow::{Context, Result};
use serde::Serialize;
use std::{collections::BTreeMap, fs};

/// One run.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    pub round: usize,
    pub workload: Workload,
    pub contestant: Contestant,
    #[serde(flatten)]
    pub shot: Shot,
    #[serde(flatten)]
    pub measured: Measured,
}

/// What the product's process took, in MiB.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// At the end of a workload.
    pub resident: f64,
    /// At its most.
    pub peak: f64,
}

/// One kind of read.
#[derive(Clone, Debug, Serialize)]
pub struct Reading {
    pub name: String,
    #[serde(flatten)]
    pub measured: Measured,
}

/// The product beside many transactions and beside few.
#[derive(Clone, Debug, Serialize)]
pub struct Growth {
    pub transactions: usize,
    /// One for each round: transfers a second beside few, then beside many.
    pub pairs: Vec<(f64, f64)>,
}

/// Everything.
#[derive(Debug, Default, Serialize)]
pub struct Figures {
    pub runs: Vec<Run>,
    pub memory: Vec<Memory>,
    pub reads: Vec<Reading>,
    pub growth: Option<Growth>,
    /// The rows of a transfer of the product, without what differs from one to the next.
    #[serde(skip)]
    pub shapes: Vec<String>,
    pub notes: Vec<String>,
    pub faults: Vec<String>,
}

/// The median of the rounds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Median {
    pub per_second: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub postgres_cpu: f64,
    pub server_cpu: f64,
}

impl Memory {
    /// Of a living process.
    pub fn of(pid: u32) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let of = |name: &str| -> Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
            Ok(number.context("no such line in /proc/<pid>/status")? / 1024.0)
        };
        Ok(Self { resident: of("VmRSS:")?, peak: of("VmHWM:")? })
    }
}

impl Figures {
    /// Keeps what a reader should know, once.
    pub fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Keeps and tells what must not be.
    pub fn fault(&mut self, fault: String) {
        eprintln!("bench: FAULT: {fault}");
        self.faults.push(fault);
    }

    /// The medians, in the order of the report.
    pub fn medians(&self) -> Vec<(Workload, Contestant, Shot, Median)> {
        let mut groups: BTreeMap<_, Vec<&Measured>> = BTreeMap::new();
        for run in &self.runs {
            let place = Workload::ALL.iter().position(|workload| *workload == run.workload);
            let key = (place, run.contestant, run.shot);
            groups.entry(key).or_default().push(&run.measured);
        }
        let medians = groups.into_iter().filter_map(|((place, contestant, shot), runs)| {
            let of = |figure: fn(&Measured) -> f64| median(runs.iter().map(|run| figure(run)));
            let median = Median {
                per_second: of(|run| run.per_second)?,
                p50: of(|run| run.p50)?,
                p90: of(|run| run.p90)?,
                p99: of(|run| run.p99)?,
                postgres_cpu: of(|run| run.postgres_cpu)?,
                server_cpu: of(|run| run.server_cpu)?,
            };
            Some((Workload::ALL[place?], contestant, shot, median))
        });
        medians.collect()
    }

    /// The median over the rounds of a ratio: what `figure` says of one contestant's best run, by throughput, at these
    /// connections (0: at any), to what it says of another's. Neighbours in time are compared.
    pub fn ratio(
        &self,
        workload: Workload,
        (ours, our_connections): (Contestant, usize),
        (theirs, their_connections): (Contestant, usize),
        figure: fn(&Measured) -> f64,
    ) -> Option<f64> {
        let rounds = self.runs.iter().map(|run| run.round).max()?;
        let ratios = (1..=rounds).filter_map(|round| {
            let ours = self.best(round, workload, ours, our_connections)?;
            let theirs = self.best(round, workload, theirs, their_connections)?;
            Some(figure(ours) / figure(theirs))
        });
        median(ratios)
    }

    fn best(
        &self,
        round: usize,
        workload: Workload,
        contestant: Contestant,
        connections: usize,
    ) -> Option<&Measured> {
        let wanted = |run: &&Run| {
            run.round == round
                && run.workload == workload
                && run.contestant == contestant
                && (connections == 0 || run.shot.connections == connections)
        };
        let runs = self.runs.iter().filter(wanted).map(|run| &run.measured);
        runs.max_by(|one, other| one.per_second.total_cmp(&other.per_second))
    }
}

/// The middle one; of two the mean.
pub fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    Some((values[last / 2] + values[last - last / 2]) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(round: usize, contestant: Contestant, connections: usize, per_second: f64) -> Run {
        let measured = Measured { per_second, p50: 1000.0 / per_second, ..Measured::default() };
        let shot = Shot { connections, pool: 0 };
        let workload = Workload::Hot;
        Run { round, workload, contestant, shot, measured }
    }

    #[test]
    fn nothing_has_no_median() {
        assert_eq!(median([].into_iter()), None);
    }

    #[test]
    fn the_median_is_the_middle_and_of_two_their_mean() {
        assert_eq!(median([3.0].into_iter()), Some(3.0));
        assert_eq!(median([9.0, 1.0].into_iter()), Some(5.0));
        assert_eq!(median([9.0, 1.0, 2.0].into_iter()), Some(2.0));
    }

    #[test]
    fn what_was_not_run_has_no_ratio() {
        let figures =
            Figures { runs: vec![run(1, Contestant::Product, 256, 10.0)], ..Figures::default() };
        let (ours, theirs) = ((Contestant::Product, 256), (Contestant::Naive, 0));
        assert_eq!(figures.ratio(Workload::Hot, ours, theirs, |run| run.per_second), None);
        assert_eq!(figures.ratio(Workload::Uniform, ours, ours, |run| run.per_second), None);
    }

    #[test]
    fn a_ratio_compares_with_the_best_of_the_same_round() {
        let runs = vec![
            run(1, Contestant::Product, 256, 100.0),
            run(1, Contestant::Product, 64, 999.0),
            run(1, Contestant::Naive, 8, 10.0),
            run(1, Contestant::Naive, 64, 5.0),
            run(2, Contestant::Product, 256, 60.0),
            run(2, Contestant::Naive, 8, 3.0),
            run(2, Contestant::Naive, 64, 5.0),
            run(3, Contestant::Product, 256, 70.0),
            run(3, Contestant::Naive, 8, 7.0),
        ];
        let figures = Figures { runs, ..Figures::default() };
        let (ours, theirs) = ((Contestant::Product, 256), (Contestant::Naive, 0));
        let ratio = figures.ratio(Workload::Hot, ours, theirs, |run| run.per_second);
        assert_eq!(ratio, Some(10.0));
    }
}
