//! The figures for people and for programs.

use super::{
    figures::Figures,
    goals::{self, Goal},
    machine::Machine,
};
use anyhow::{Context, Result};
use serde_json::json;
use std::{fs, path::Path};

/// Prints the tables.
pub fn print(machine: &Machine, figures: &Figures) {
    let Machine { processor, cores, memory_gib, kernel, postgresql, durable, .. } = machine;
    println!(
        "\n{cores} × {processor}, {memory_gib:.0} GiB, {kernel}, PostgreSQL {postgresql}, {durable}\n"
    );
    println!("{}", table(&goal_rows(&goals::all(figures))));
    if !figures.runs.is_empty() {
        println!("{}", table(&run_rows(figures)));
    }
    if !figures.reads.is_empty() {
        println!("{}", table(&read_rows(figures)));
    }
    for note in &figures.notes {
        println!("note: {note}");
    }
}

/// Writes all of it as JSON.
pub fn write(path: &Path, machine: &Machine, figures: &Figures) -> Result<()> {
    let all = json!({ "machine": machine, "goals": goals::all(figures), "figures": figures });
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let text = serde_json::to_string_pretty(&all)?;
    fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}

fn goal_rows(goals: &[Goal]) -> Vec<Vec<String>> {
    let head = ["figure", "goal", "measured", ""].map(str::to_owned).to_vec();
    let row = |goal: &Goal| {
        let measured =
            goal.measured.map_or("–".to_owned(), |found| format!("{found:.2} {}", goal.unit));
        let verdict = match goal.reached {
            Some(true) => "ok",
            Some(false) => "short",
            None => "not run",
        };
        vec![goal.figure.to_owned(), goal.goal.clone(), measured, verdict.to_owned()]
    };
    [head].into_iter().chain(goals.iter().map(row)).collect()
}

fn run_rows(figures: &Figures) -> Vec<Vec<String>> {
    let head = [
        "workload",
        "contestant",
        "connections",
        "pool",
        "transfers/s",
        "p50 ms",
        "p90 ms",
        "p99 ms",
        "PostgreSQL µs",
        "server µs",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (workload, contestant, shot, median) in figures.medians() {
        let batched = contestant == super::plan::Contestant::Batched;
        let connections = shot.connections;
        rows.push(vec![
            workload.name().to_owned(),
            contestant.name().to_owned(),
            if batched { format!("1, batch {connections}") } else { connections.to_string() },
            if shot.pool == 0 { String::new() } else { shot.pool.to_string() },
            format!("{:.0}", median.per_second),
            format!("{:.2}", median.p50),
            format!("{:.2}", median.p90),
            format!("{:.2}", median.p99),
            format!("{:.0}", median.postgres_cpu),
            format!("{:.0}", median.server_cpu),
        ]);
    }
    rows
}

fn read_rows(figures: &Figures) -> Vec<Vec<String>> {
    let head = ["read, 64 connections", "a second", "p50 ms", "p99 ms", "max ms"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for read in &figures.reads {
        rows.push(vec![
            read.name.clone(),
            format!("{:.0}", read.measured.per_second),
            format!("{:.2}", read.measured.p50),
            format!("{:.2}", read.measured.p99),
            format!("{:.2}", read.measured.max),
        ]);
    }
    rows
}

/// A table as Markdown has it, aligned for people; numbers to the right. The first row is its head.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let is_number = |column: usize| {
        let starts =
            |row: &Vec<String>| row[column].chars().next().is_none_or(|c| c.is_ascii_digit());
        rows.len() > 1 && rows.iter().skip(1).all(starts)
    };
    let mut text = String::new();
    for (place, row) in rows.iter().enumerate() {
        for (column, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths[column] - cell.chars().count());
            let (before, after) =
                if is_number(column) { (pad, String::new()) } else { (String::new(), pad) };
            text.push_str(&format!("| {before}{cell}{after} "));
        }
        text.push_str("|\n");
        if place == 0 {
            for (column, width) in widths.iter().enumerate() {
                let end = if is_number(column) { ":" } else { "-" };
                text.push_str(&format!("|{}{end}", "-".repeat(width + 1)));
            }
            text.push_str("|\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_with_numbers_to_the_right() {
        let rows = [["who", "n"], ["naïve", "7"], ["b", "12"]];
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.map(str::to_owned).to_vec()).collect();
        assert_eq!(
            table(&rows),
            "| who   |  n |\n|-------|---:|\n| naïve |  7 |\n| b     | 12 |\n"
        );
    }

    #[test]
    fn a_missed_goal_is_said_to_be_short() {
        let goal = Goal {
            figure: "speed",
            goal: "≥ 6 ×".to_owned(),
            measured: Some(4.5),
            unit: "×",
            reached: Some(false),
        };
        let open = Goal { measured: None, reached: None, ..goal.clone() };
        let rows = goal_rows(&[goal, open]);
        assert_eq!(rows[1][2..], ["4.50 ×", "short"]);
        assert_eq!(rows[2][2..], ["–", "not run"]);
    }
}
