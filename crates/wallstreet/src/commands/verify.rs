//! `verify`: the ledger recomputed, or a proof of a balance.
//!
//! Has exit codes of its own, which scripts can tell apart: sound, not sound, not checked, and of a proof: not all proved.

use super::{bank, block_on, print};
use crate::{
    cli::{Ledger, Proof, Verify},
    config::Config,
    database::Database,
    failure::{Exit, Failure},
    terminal::{self, Ink, ink},
};
use platform::{
    Clock, Secret, SystemClock, proof,
    seals::Signer,
    verification::{self, Check, Pace, Pins, Progress, Report},
};
use serde_json::json;
use std::{
    fmt::Write as _,
    fs,
    io::{self, Read},
    process::ExitCode,
    time::{Duration, Instant},
};

/// Does it.
pub fn run(
    what: Verify,
    load: impl FnOnce() -> Result<Config, Failure>,
) -> Result<ExitCode, Failure> {
    let verified = match what {
        Verify::Ledger(how) => load().and_then(|config| ledger(&config, &how)),
        Verify::Proof(which) => proof_of_balance(&which),
    };
    verified.map_err(|failure| Failure { exit: Exit::CouldNot, ..failure })
}

/// Whose seals are wanted: those of the keys given, else of the keys configured and of those that were before them.
/// Without a secret nobody is known, and the report says so.
fn pins(config: &Config, how: &Ledger) -> Result<Pins, Failure> {
    let configured = match config.known_salt() {
        Some(salt) => Signer::of(&config.signing_seeds, &salt)?.public(),
        None if config.signing_seeds.is_empty() => Vec::new(),
        None => Signer::of(&config.signing_seeds, &Secret::new([0]))?.public(),
    };
    let keys = match (how.keys.is_empty(), configured.is_empty()) {
        (false, _) => how.keys.clone(),
        (true, true) => Vec::new(),
        (true, false) => [configured, config.former_keys.clone()].concat(),
    };
    Ok(Pins { seals: how.seals.clone(), keys })
}

fn ledger(config: &Config, how: &Ledger) -> Result<ExitCode, Failure> {
    let pins = pins(config, how)?;
    let database = Database::any(config)?;
    let report = block_on(async {
        let platform = bank(config, database.url()).await?;
        let mut told = Told::default();
        let report =
            verification::check_against(&platform, &pins, Pace::Full, |step| told.tell(step)).await;
        platform.shutdown().await;
        Ok(report?)
    });
    database.close();
    let report = report?;
    print(&if how.json { document(&report) } else { lines(&report) })?;
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { Exit::Failed.into() })
}

/// What was said about the progress: each check once, a long one every few seconds.
#[derive(Default)]
struct Told {
    name: &'static str,
    at: Option<Instant>,
}

impl Told {
    fn tell(&mut self, Progress { name, done, of }: Progress) {
        let again = self.at.is_none_or(|at| at.elapsed() > Duration::from_secs(2));
        if self.name == name && !again {
            return;
        }
        (self.name, self.at) = (name, Some(Instant::now()));
        match done {
            0 => terminal::step("checking", name),
            done => {
                terminal::step("checking", format_args!("{name}: {} %", done * 100 / of.max(1)));
            }
        }
    }
}

fn document(report: &Report) -> String {
    let check = |check: &Check| {
        let first: Vec<_> = check
            .first
            .iter()
            .map(|one| {
                json!({"subject": one.subject, "what": one.what, "stored": one.stored,
                    "recomputed": one.recomputed})
            })
            .collect();
        json!({"name": check.name, "rule": check.rule, "examined": check.examined,
            "differences": check.differences, "tookMs": check.took.as_millis(), "first": first})
    };
    let checks: Vec<_> = report.checks.iter().map(check).collect();
    let size = report.size;
    let document = json!({
        "sound": report.is_sound(),
        "at": format!("{:.3}", report.at),
        "tookMs": report.took.as_millis(),
        "accounts": size.accounts,
        "transactions": size.transactions,
        "entries": size.entries,
        "seals": size.seals,
        "sealedUpTo": size.sealed_up_to,
        "differences": report.differences(),
        "checks": checks,
        "notes": report.notes,
    });
    format!("{document:#}")
}

fn lines(report: &Report) -> String {
    let stdout = io::stdout();
    let mut text = String::new();
    for check in &report.checks {
        let mark = match check.differences {
            0 => ink(&stdout, Ink::Good, "✓"),
            _ => ink(&stdout, Ink::Bad, "✗"),
        };
        let Check { name, examined, differences, took, .. } = check;
        let took = took.as_secs_f64();
        let _ = writeln!(
            text,
            "{mark} {name:<13}{examined:>12} examined {differences:>8} differ {took:>8.2} s"
        );
        if *differences > 0 {
            let _ = writeln!(text, "    not so: {}", check.rule);
        }
        for one in &check.first {
            let _ = writeln!(
                text,
                "    {}: {} is {}, recomputed {}",
                one.subject, one.what, one.stored, one.recomputed
            );
        }
        let shown = i64::try_from(check.first.len()).unwrap_or(i64::MAX);
        if *differences > shown {
            let _ = writeln!(text, "    and {} more", differences - shown);
        }
    }
    for note in &report.notes {
        let _ = writeln!(text, "note: {note}");
    }
    let (entries, took) = (report.size.entries, report.took.as_secs_f64());
    let _ = match report.differences() {
        0 => writeln!(text, "\nThe ledger is sound. Entries: {entries}; time: {took:.2} s."),
        1 => writeln!(text, "\nThe ledger is NOT sound: 1 difference."),
        many => writeln!(text, "\nThe ledger is NOT sound: {many} differences."),
    };
    text
}

fn proof_of_balance(Proof { file, seal, key }: &Proof) -> Result<ExitCode, Failure> {
    let shown = file.display();
    let unread = |why: String| {
        Failure::new(Exit::CouldNot, format!("{shown} is no proof of a balance: {why}"))
            .next("save the answer of GET /api/v1/accounts/{id}/balance/explain, as it came")
    };
    let mut json = String::new();
    let read = match file.as_os_str() == "-" {
        true => io::stdin().read_to_string(&mut json).map(|_| ()),
        false => fs::read_to_string(file).map(|text| json = text),
    };
    read.map_err(|error| unread(error.to_string()))?;
    let derivation = proof::read(&json).map_err(|error| unread(error.to_string()))?;
    let pins = proof::Pins { seal: *seal, key: *key };
    let verdict = proof::check(&derivation, &pins, SystemClock.now());
    print(&said(&verdict))?;
    Ok(match (verdict.holds(), &verdict.unproved) {
        (false, _) => Exit::Failed.into(),
        (true, Some(_)) => Exit::Unproved.into(),
        (true, None) => ExitCode::SUCCESS,
    })
}

fn said(verdict: &proof::Verdict) -> String {
    let stdout = io::stdout();
    let mut text = String::new();
    for finding in &verdict.findings {
        let mark = match finding.holds {
            true => ink(&stdout, Ink::Good, "✓"),
            false => ink(&stdout, Ink::Bad, "✗"),
        };
        let _ = writeln!(text, "{mark} {}", finding.sentence);
    }
    if !verdict.holds() {
        let _ = writeln!(text, "\nThe proof does NOT hold.");
        return text;
    }
    let proved = |claim: &proof::Claim| if claim.proved { "proved" } else { "not proved" };
    let _ = match &verdict.sealed {
        Some(claim) => writeln!(text, "\nBy the seal ({}): {}.", proved(claim), claim.sentence),
        None => writeln!(text, "\nBy a seal: nothing, no entry of the account is sealed yet."),
    };
    let beyond = &verdict.beyond;
    let _ = writeln!(text, "By the server's word ({}): {}.", proved(beyond), beyond.sentence);
    let _ = match &verdict.unproved {
        Some(what) => writeln!(text, "{what}"),
        None => writeln!(text, "The proof holds."),
    };
    text
}
