//! `doctor`: what is there, what is wrong, and the command that mends it.
//!
//! Invariant: it changes no setting and no data. An embedded database that nobody runs is started for the look and stopped
//! again; one that does not exist is not made.

mod database;
mod machine;

use super::print;
use crate::{
    config::Config,
    failure::{Exit, Failure},
    terminal::{Ink, ink},
};
use serde_json::json;
use std::{fmt::Write, io, process::ExitCode};

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// As it should be.
    Fine,
    /// Nothing to judge.
    Note,
    /// Something to do.
    Finding,
}

/// One line of the answer.
#[derive(Debug)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    detail: String,
    remedy: Option<String>,
}

impl Check {
    fn fine(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Fine, detail: detail.into(), remedy: None }
    }

    fn note(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Note, detail: detail.into(), remedy: None }
    }

    fn finding(name: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Finding, detail: detail.into(), remedy: Some(remedy.into()) }
    }

    /// A finding that another command would have ended with.
    fn failure(name: &'static str, failure: Failure) -> Self {
        Self { name, verdict: Verdict::Finding, detail: failure.what, remedy: failure.next }
    }
}

/// Looks at everything.
pub fn run(config: Result<Config, Failure>, as_json: bool) -> Result<ExitCode, Failure> {
    let checks = match config {
        Ok(config) => examine(&config),
        Err(failure) => vec![Check::failure("configuration", failure)],
    };
    print(&if as_json { document(&checks) } else { list(&checks) })?;
    let found = checks.iter().any(|check| check.verdict == Verdict::Finding);
    Ok(if found { Exit::Findings.into() } else { ExitCode::SUCCESS })
}

fn examine(config: &Config) -> Vec<Check> {
    let mut checks = vec![machine::configuration(config)];
    checks.extend(machine::secrets(config));
    checks.push(machine::directory(config));
    checks.push(machine::disk(config));
    let (holder, found) = database::examine(config);
    checks.push(machine::port(config, holder.as_deref()));
    checks.extend(found);
    checks
}

fn document(checks: &[Check]) -> String {
    let findings = checks.iter().filter(|check| check.verdict == Verdict::Finding).count();
    let checks: Vec<_> = checks
        .iter()
        .map(|check| {
            let verdict = match check.verdict {
                Verdict::Fine => "fine",
                Verdict::Note => "note",
                Verdict::Finding => "finding",
            };
            json!({"check": check.name, "verdict": verdict, "detail": check.detail, "remedy": check.remedy})
        })
        .collect();
    format!("{:#}", json!({"findings": findings, "checks": checks}))
}

fn list(checks: &[Check]) -> String {
    let stdout = io::stdout();
    let mut text = String::new();
    for check in checks {
        let mark = match check.verdict {
            Verdict::Fine => ink(&stdout, Ink::Good, "fine "),
            Verdict::Note => ink(&stdout, Ink::Faint, "note "),
            Verdict::Finding => ink(&stdout, Ink::Bad, "WRONG"),
        };
        let _ = writeln!(
            text,
            "{mark}  {:<14}  {}",
            check.name,
            check.detail.replace('\n', "\n                       ")
        );
        if let Some(remedy) = &check.remedy {
            let _ = writeln!(
                text,
                "                       {} {remedy}",
                ink(&stdout, Ink::Strong, "do:")
            );
        }
    }
    let findings = checks.iter().filter(|check| check.verdict == Verdict::Finding).count();
    let _ = match findings {
        0 => writeln!(text, "\nNothing is wrong."),
        1 => writeln!(text, "\n1 thing is wrong."),
        many => writeln!(text, "\n{many} things are wrong."),
    };
    text
}
