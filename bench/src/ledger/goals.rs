//! What the ledger is to reach, and whether it does.

use super::{
    figures::{Figures, median},
    plan::Contestant,
};
use crate::{measured::Measured, workload::Workload};
use serde::Serialize;

/// A goal and what was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Goal {
    /// What is compared with what.
    pub figure: &'static str,
    /// The limit in words.
    pub goal: String,
    /// `None`: not measured this time.
    pub measured: Option<f64>,
    /// In which unit.
    pub unit: &'static str,
    /// Whether it was reached.
    pub reached: Option<bool>,
}

#[derive(Clone, Copy)]
enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

use Contestant::{Batched, Bulk, Function, Naive, Product};
use Limit::{AtLeast, AtMost};
use Workload::{Hot, Uniform};

/// All of them.
pub fn all(figures: &Figures) -> Vec<Goal> {
    let speed =
        |workload, ours, theirs| figures.ratio(workload, ours, theirs, |run| run.per_second);
    let median_time = |run: &Measured| run.p50;
    let at256 = (Product, 256);
    let spread = spread(figures, Uniform);
    vec![
        goal(
            "uniform, 256 connections, against (a) at its best",
            AtLeast(6.0),
            "×",
            speed(Uniform, at256, (Naive, 0)),
        ),
        goal(
            "80 % on one account, against (a) at its best",
            AtLeast(15.0),
            "×",
            speed(Hot, at256, (Naive, 0)),
        ),
        goal(
            "uniform, against (b) at its best",
            AtLeast(3.5),
            "×",
            speed(Uniform, at256, (Function, 0)),
        ),
        goal(
            "80 % on one account, against (b) at its best",
            AtLeast(10.0),
            "×",
            speed(Hot, at256, (Function, 0)),
        ),
        goal(
            "uniform, against (c), the batched SQL without HTTP",
            AtLeast(1.0),
            "×",
            speed(Uniform, at256, (Batched, 0)),
        ),
        goal("p99 at 256 connections, against the median", AtMost(1.7), "×", spread),
        goal(
            "one connection: latency against (a)",
            AtMost(0.55),
            "×",
            figures.ratio(Uniform, (Product, 1), (Naive, 1), median_time),
        ),
        goal(
            "bulk of 1,000 a request, against (c)",
            AtLeast(1.5),
            "×",
            speed(Uniform, (Bulk, 0), (Batched, 0)),
        ),
        goal(
            "cost of a transfer beside millions, against beside few",
            AtMost(1.3),
            "×",
            growth(figures),
        ),
        goal(
            "50 newest by cursor: deepest page against the first, median",
            AtMost(1.3),
            "×",
            flatness(figures),
        ),
        goal(
            "50 newest by cursor at any depth, 64 connections: p99",
            AtMost(5.0),
            "ms",
            slowest(figures, "page"),
        ),
        goal("balance, 64 connections: p99", AtMost(5.0), "ms", slowest(figures, "balance")),
        goal("memory of the server at its most", AtMost(100.0), "MiB", memory(figures)),
    ]
}

fn goal(figure: &'static str, limit: Limit, unit: &'static str, measured: Option<f64>) -> Goal {
    let (words, reached): (_, fn(f64, f64) -> bool) = match limit {
        AtLeast(_) => ("≥", |found, limit| found >= limit),
        AtMost(_) => ("≤", |found, limit| found <= limit),
    };
    let (AtLeast(limit) | AtMost(limit)) = limit;
    let reached = measured.map(|found| reached(found, limit));
    Goal { figure, goal: format!("{words} {limit} {unit}"), measured, unit, reached }
}

/// The median over the rounds of p99 by p50.
fn spread(figures: &Figures, workload: Workload) -> Option<f64> {
    let runs = figures.runs.iter().filter(|run| {
        run.workload == workload && run.contestant == Product && run.shot.connections == 256
    });
    median(runs.map(|run| run.measured.p99 / run.measured.p50))
}

fn growth(figures: &Figures) -> Option<f64> {
    median(figures.growth.as_ref()?.pairs.iter().map(|(few, many)| few / many))
}

fn flatness(figures: &Figures) -> Option<f64> {
    let mut pages = figures.reads.iter().filter(|read| read.name.starts_with("page"));
    let first = pages.next()?.measured.p50;
    Some(pages.map(|page| page.measured.p50).fold(0.0, f64::max) / first)
}

fn slowest(figures: &Figures, kind: &str) -> Option<f64> {
    let reads = figures.reads.iter().filter(|read| read.name.starts_with(kind));
    reads.map(|read| read.measured.p99).reduce(f64::max)
}

fn memory(figures: &Figures) -> Option<f64> {
    figures.memory.iter().map(|memory| memory.peak).reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::figures::{Growth, Memory};

    #[test]
    fn what_was_not_measured_is_neither_reached_nor_missed() {
        let goals = all(&Figures::default());
        assert_eq!(goals.len(), 13);
        assert!(goals.iter().all(|goal| goal.measured.is_none() && goal.reached.is_none()));
    }

    #[test]
    fn a_limit_itself_is_reached_and_just_beyond_it_is_missed() {
        let reached = |limit, found| goal("", limit, "×", Some(found)).reached;
        assert_eq!(reached(AtLeast(6.0), 6.0), Some(true));
        assert_eq!(reached(AtLeast(6.0), 5.99), Some(false));
        assert_eq!(reached(AtMost(1.3), 1.3), Some(true));
        assert_eq!(reached(AtMost(1.3), 1.31), Some(false));
    }

    #[test]
    fn growth_is_the_loss_of_speed_and_memory_the_most_of_all() {
        let growth = Growth { transactions: 10, pairs: vec![(300.0, 200.0)] };
        let memory = [50.0, 70.0, 60.0].map(|peak| Memory { resident: 1.0, peak });
        let figures = Figures { growth: Some(growth), memory: memory.into(), ..Figures::default() };
        let goals = all(&figures);
        assert_eq!(goals[8].measured, Some(1.5));
        assert_eq!(goals[12].measured, Some(70.0));
    }
}
