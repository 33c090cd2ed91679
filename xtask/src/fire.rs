//! `cargo xtask fire`: the tests that try to break the ledger, for as long as one
//! wants. Each is also a short test of the usual run; this only sets how much.

use crate::root;
use anyhow::{Context, Result, bail};
use std::process::Command;

/// A trial: its name, the tests of which package, and what it takes: an option,
/// the variable that the test reads, and how much a long run is.
type Trial = (&'static str, &'static str, &'static str, &'static [Amount]);
type Amount = (&'static str, &'static str, &'static str);

const TRIALS: [Trial; 7] = [
    (
        "model",
        "platform",
        "histories::",
        &[
            ("--operations", "WALLSTREET_FIRE_OPERATIONS", "1000000"),
            ("--seed", "WALLSTREET_FIRE_SEED", "1"),
        ],
    ),
    ("crash", "wallstreet", "crash::kill_9", &[("--rounds", "WALLSTREET_FIRE_ROUNDS", "50")]),
    (
        "cuts",
        "wallstreet",
        "fire::cuts::",
        &[("--transfers", "WALLSTREET_FIRE_CUT_TRANSFERS", "10000")],
    ),
    (
        "duplicates",
        "wallstreet",
        "fire::duplicates::",
        &[
            ("--keys", "WALLSTREET_FIRE_KEYS", "1000"),
            ("--copies", "WALLSTREET_FIRE_COPIES", "100"),
        ],
    ),
    (
        "departures",
        "wallstreet",
        "fire::departures::",
        &[("--clients", "WALLSTREET_FIRE_DEPARTURES", "50000")],
    ),
    (
        "overload",
        "wallstreet",
        "fire::overload::",
        &[("--requests", "WALLSTREET_FIRE_REQUESTS", "10000")],
    ),
    ("disk", "wallstreet", "fire::disk::", &[]),
];

/// Runs one trial, or `all` of them; options say how much. Says whether it was withstood.
///
/// # Errors
/// There is no such trial or option, or the tests do not build.
pub fn run(name: &str, arguments: &[&str]) -> Result<bool> {
    let chosen: Vec<&Trial> =
        TRIALS.iter().filter(|trial| name == "all" || trial.0 == name).collect();
    if chosen.is_empty() {
        let names = TRIALS.map(|trial| trial.0).join(", ");
        bail!("there is no trial \"{name}\": choose one of {names}, or all");
    }
    for option in arguments.iter().step_by(2) {
        let known = |trial: &&Trial| trial.3.iter().any(|(name, ..)| name == option);
        if !chosen.iter().any(known) {
            bail!("there is no option \"{option}\" for the trial \"{name}\"");
        }
    }
    let mut withstood = true;
    for (name, package, tests, amounts) in chosen {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--package", package, "--test", "it", "--", tests, "--nocapture"]);
        for (option, variable, usual) in *amounts {
            let given = arguments.iter().position(|argument| argument == option);
            let amount = match given {
                Some(place) => {
                    arguments.get(place + 1).with_context(|| format!("{option} what?"))?
                }
                None => usual,
            };
            cargo.env(variable, amount);
        }
        println!("xtask: fire {name}");
        withstood &= cargo.current_dir(root()).status()?.success();
    }
    Ok(withstood)
}
