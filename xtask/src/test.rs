//! `cargo xtask test`: everything that must hold before a change goes in.
//!
//! What the machine lacks is installed where that is allowed, and otherwise skipped by name, never silently. The last line
//! is the test runner's own count.

use crate::root;
use anyhow::{Context, Result};
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, IsTerminal, Read, Write, stderr},
    path::Path,
    process::{Command, Stdio},
    thread,
};

/// Runs everything; `arguments` go to the test runner. Says whether all went well.
///
/// # Errors
/// A tool could not be run at all.
pub fn run(arguments: &[&str]) -> Result<bool> {
    println!("xtask: PostgreSQL, fmt, clippy, tests");
    let mut skipped = BTreeSet::new();
    let mut failed = Vec::new();
    tools();
    if let Err(why) = postgresql() {
        skipped.insert(format!("every test that needs PostgreSQL fails: {why}"));
    }
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    for (component, command) in [("rustfmt", &["fmt", "--all", "--check"][..]), ("clippy", &clippy)]
    {
        if has_component(component, command[0]) {
            say(command);
            if !cargo(command).status()?.success() {
                failed.push(command[0]);
            }
        } else {
            skipped
                .insert(format!("{}: cargo's component {component} is not installed", command[0]));
        }
    }
    let (passed, summary) = tests(arguments, &mut skipped)?;
    if !passed {
        failed.push("tests");
    }

    match failed.as_slice() {
        [] => println!("\nxtask: all went well"),
        failed => println!("\nxtask: FAILED: {}; see above", failed.join(", ")),
    }
    match skipped.len() {
        0 => println!("xtask: nothing was skipped"),
        _ => skipped.iter().for_each(|line| println!("xtask: skipped {line}")),
    }
    summary.iter().for_each(|line| println!("{line}"));
    Ok(failed.is_empty())
}

fn say(arguments: &[&str]) {
    println!("\nxtask: cargo {}", arguments.join(" "));
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).current_dir(root());
    command
}

fn works(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

fn has_component(component: &str, command: &str) -> bool {
    let present = || works(&mut cargo(&[command, "--version"]));
    present() || (works(Command::new("rustup").args(["component", "add", component])) && present())
}

/// Makes sure that there is a PostgreSQL to test with.
fn postgresql() -> Result<(), String> {
    let found = || embedded_postgres::find_binaries(None, Path::new("/nonexistent"));
    let error = match found() {
        Ok(found) => {
            println!("xtask: PostgreSQL {} in {}", found.version, found.dir.display());
            return Ok(());
        }
        Err(error) => error.to_string(),
    };
    if !works(Command::new("apt-get").arg("--version")) || !is_root() {
        return Err(error);
    }
    println!("xtask: installing PostgreSQL with apt-get");
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-y"]).args(arguments);
        let done = command.stdin(Stdio::null()).status().is_ok_and(|status| status.success());
        if done {
            Ok(())
        } else {
            Err(format!("`apt-get {}` failed; {error}", arguments.join(" ")))
        }
    };
    apt(&["update"])?;
    apt(&["install", "postgresql-common"])?;
    // The tests start servers of their own; the package's would only use memory.
    let no_cluster =
        fs::write("/etc/postgresql-common/createcluster.conf", "create_main_cluster = false\n");
    no_cluster.map_err(|error| error.to_string())?;
    apt(&["install", "postgresql"])?;
    found().map(|_| ()).map_err(|error| error.to_string())
}

/// Installs, where that is allowed, what some tests are run against; they say so where it is
/// missing.
fn tools() {
    for (program, package) in [("faketime", "faketime"), ("pgbouncer", "pgbouncer")] {
        let present = works(Command::new(program).arg("--version"));
        if present || !works(Command::new("apt-get").arg("--version")) || !is_root() {
            continue;
        }
        println!("xtask: installing {package} with apt-get");
        for arguments in [&["update"][..], &["install", package]] {
            let mut apt = Command::new("apt-get");
            apt.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-y"]).args(arguments);
            if !works(&mut apt) {
                break;
            }
        }
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Runs the tests. Says whether they passed, and the runner's last words.
fn tests(arguments: &[&str], skipped: &mut BTreeSet<String>) -> Result<(bool, Vec<String>)> {
    let log = root().join("target/skipped-tests.log");
    fs::create_dir_all(root().join("target"))?;
    let _ = fs::remove_file(&log);
    let nextest = works(&mut cargo(&["nextest", "--version"]));
    let runner: &[&str] = if nextest { &["nextest", "run"] } else { &["test", "--no-fail-fast"] };
    let mut command = [runner, &["--workspace"], arguments].concat();
    if nextest {
        let colour = if stderr().is_terminal() { "always" } else { "never" };
        command.extend(["--no-fail-fast", "--color", colour]);
    }
    say(&command);
    let mut command = cargo(&command);
    command.env("WALLSTREET_SKIPPED_LOG", &log).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot run the tests")?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let out = thread::spawn(move || tee(out, std::io::stdout()));
    let err = thread::spawn(move || tee(err, stderr()));
    let lines = [out, err].map(|thread| thread.join().unwrap_or_default()).concat();
    let passed = child.wait()?.success();
    let told = fs::read_to_string(&log).unwrap_or_default();
    skipped.extend(told.lines().filter_map(|line| Some(line.strip_prefix("SKIPPED ")?.to_owned())));
    Ok((passed, if nextest { last_words(&lines) } else { vec![total(&lines)] }))
}

/// Passes lines on as they come, and keeps those that count.
fn tee(from: Option<impl Read>, mut to: impl Write) -> Vec<String> {
    let mut kept = Vec::new();
    for line in
        from.into_iter().flat_map(|from| BufReader::new(from).split(b'\n')).map_while(Result::ok)
    {
        let _ = to.write_all(&line).and_then(|()| to.write_all(b"\n"));
        let line = String::from_utf8_lossy(&line).into_owned();
        if line.contains("Summary [") || line.starts_with("test result:") {
            kept.push(line);
        }
    }
    kept
}

/// nextest's count.
fn last_words(lines: &[String]) -> Vec<String> {
    lines.last().cloned().into_iter().collect()
}

/// cargo test counts each binary on its own; together it is:
fn total(lines: &[String]) -> String {
    let count = |what: &str| -> usize {
        let of = |line: &String| {
            line.split([';', '.'])
                .find_map(|part| part.trim().strip_suffix(what)?.trim().parse::<usize>().ok())
        };
        lines.iter().filter_map(of).sum::<usize>()
    };
    let (passed, failed, ignored) = (count("passed"), count("failed"), count("ignored"));
    let verdict = if failed == 0 && !lines.is_empty() { "ok" } else { "FAILED" };
    format!("test result: {verdict}. {passed} passed; {failed} failed; {ignored} ignored")
}

#[cfg(test)]
mod tests {
    use super::total;

    #[test]
    fn a_run_without_a_count_is_not_a_good_one() {
        assert_eq!(total(&[]), "test result: FAILED. 0 passed; 0 failed; 0 ignored");
    }

    #[test]
    fn the_counts_of_all_binaries_are_added_up() {
        let lines = [
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s".to_owned(),
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.2s".to_owned(),
        ];
        assert_eq!(total(&lines), "test result: FAILED. 15 passed; 2 failed; 1 ignored");
    }
}
