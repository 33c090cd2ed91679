//! Files that are kept in the repository and come from the code. The product prints them itself; tests compare.

use crate::root;
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    process::{Command, Stdio},
};

/// Writes the API's description.
///
/// # Errors
/// The product does not build, or the file cannot be written.
pub fn openapi() -> Result<()> {
    write("docs/openapi.json", &["openapi"])
}

/// Writes the whole schema as one script.
///
/// # Errors
/// As [`openapi`].
pub fn init_sql() -> Result<()> {
    write("scripts/database/init.sql", &["migrate", "init-sql"])
}

fn write(file: &str, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--package", "wallstreet", "--"]).args(arguments);
    let output = command.current_dir(root()).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "`wallstreet {}` failed", arguments.join(" "));
    let path = root().join(file);
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    fs::write(&path, output.stdout).with_context(|| format!("cannot write {file}"))?;
    println!("wrote {file}");
    Ok(())
}
