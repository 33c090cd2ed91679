//! `cargo xtask bench`: builds the product and its benchmark as they are released, and runs it.

use crate::root;
use anyhow::{Context, Result, ensure};
use std::{env, process::Command};

/// Runs the benchmark of that name. Says whether every answer was right and every book sound.
///
/// # Errors
/// Something does not build.
pub fn run(name: &str, arguments: &[&str]) -> Result<bool> {
    // One by one: together they would share features, and the product would not be the released one.
    for package in ["wallstreet", "bench"] {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--release", "--package", package]).current_dir(root());
        ensure!(cargo.status()?.success(), "the release build of {package} failed");
    }
    let this = env::current_exe()?;
    let target = this.ancestors().nth(2).context("xtask lies in <target>/<profile>")?;
    let mut bench = Command::new(target.join("release/bench"));
    Ok(bench.arg(name).args(arguments).current_dir(root()).status()?.success())
}
