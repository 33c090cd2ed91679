//! `migrate`: the schema, forward, back, or looked at.

use super::{block_on, print};
use crate::{
    cli::Migrate,
    config::Config,
    database::Database,
    failure::{Exit, Failure},
};
use platform::migrations::{self, Applied, Entry};
use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write as _},
    process::ExitCode,
};

/// Does it.
pub fn run(
    what: Migrate,
    load: impl FnOnce() -> Result<Config, Failure>,
) -> Result<ExitCode, Failure> {
    if matches!(what, Migrate::InitSql) {
        return print(&migrations::init_sql());
    }
    let config = load()?;
    if let Migrate::Down { yes: false, to } = what {
        confirm(to)?;
    }
    let database = Database::any(&config)?;
    let text = block_on(async {
        let url = database.url();
        Ok(match what {
            Migrate::Up { to } => steps("applied", &migrations::up(url, to).await?),
            Migrate::Down { to, .. } => steps("undone", &migrations::down(url, to).await?),
            Migrate::Status | Migrate::InitSql => table(&migrations::status(url).await?),
        })
    });
    database.close();
    print(&text?)
}

fn steps(done: &str, steps: &[Applied]) -> String {
    if steps.is_empty() {
        return "nothing to do".to_owned();
    }
    steps.iter().fold(String::new(), |mut text, step| {
        let _ = writeln!(text, "{done}  {:<28} {:>6} ms", step.name, step.took.as_millis());
        text
    })
}

fn table(entries: &[Entry]) -> String {
    let mut text = String::new();
    for entry in entries {
        let state = match entry.applied_at {
            Some(at) if entry.altered => format!("applied {at:.0}, and changed since"),
            Some(at) => format!("applied {at:.0}"),
            None => "pending".to_owned(),
        };
        let _ = writeln!(text, "{:<28} {state}", entry.name);
    }
    let pending = entries.iter().filter(|entry| entry.applied_at.is_none()).count();
    let _ = match pending {
        0 => writeln!(text, "{} migrations, none pending", entries.len()),
        _ => writeln!(
            text,
            "{} migrations, {pending} pending: run `wallstreet migrate up`",
            entries.len()
        ),
    };
    text
}

/// Undoing deletes: somebody must mean it.
fn confirm(to: u32) -> Result<(), Failure> {
    let kept = if to == 0 {
        "EVERYTHING in the database".to_owned()
    } else {
        format!("what the migrations after {to} hold")
    };
    if !io::stdin().is_terminal() {
        return Err(Failure::new(
            Exit::Failed,
            format!("this deletes {kept}, and there is nobody to ask"),
        )
        .next("add --yes if that is meant"));
    }
    eprint!("This deletes {kept}. Type yes to go on: ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if answer.trim() == "yes" {
        Ok(())
    } else {
        Err(Failure::new(Exit::Failed, "nothing was undone"))
    }
}
