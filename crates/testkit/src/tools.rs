//! PostgreSQL's own programs, for the tests that compare with them.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// What pg_dump writes of a database, without what differs from one run to the next. `None`: this machine has no pg_dump,
/// or none that is new enough for the server.
pub fn pg_dump(url: &str, arguments: &[&str]) -> Option<String> {
    let output = programs("pg_dump").into_iter().find_map(|program| {
        let mut command = Command::new(program);
        let output = command.args(arguments).args(["-d", url]).env("LC_ALL", "C").output();
        let output = output.expect("pg_dump can be run");
        let complaints = String::from_utf8_lossy(&output.stderr);
        let too_old = complaints.contains("server version mismatch");
        assert!(output.status.success() || too_old, "pg_dump: {complaints}");
        (!too_old).then_some(output)
    })?;
    let dump = String::from_utf8(output.stdout).expect("a dump is UTF-8");
    // Since August 2025, a random word against commands smuggled into a dump.
    let random = |line: &&str| line.starts_with("\\restrict") || line.starts_with("\\unrestrict");
    Some(dump.lines().filter(|line| !random(line)).map(|line| format!("{line}\n")).collect())
}

/// Runs a script with `psql -f`, which is how the schema document loads one. `None`: this machine has no psql.
pub fn psql(url: &str, script: &Path) -> Option<Output> {
    let mut command = Command::new(programs("psql").into_iter().next()?);
    command.args(["--no-psqlrc", "--quiet", "-d", url, "-f"]).arg(script);
    Some(command.output().expect("psql can be run"))
}

/// Beside each server's programs, then on the `PATH`.
fn programs(name: &str) -> Vec<PathBuf> {
    let servers = embedded_postgres::candidates(None, Path::new("/nonexistent"));
    let beside = servers.into_iter().map(|server| server.dir);
    let on_path = env::var_os("PATH").unwrap_or_default();
    beside
        .chain(env::split_paths(&on_path))
        .map(|dir| dir.join(name))
        .filter(|path| path.is_file())
        .collect()
}
