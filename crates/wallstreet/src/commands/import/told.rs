//! What a person sees of an import: one line while it runs, and a summary at its end.
//!
//! On a terminal the line is written over and over; elsewhere there is one every ten seconds.

use super::progress::{Counts, Progress};
use crate::{cli::Import, commands::print, failure::Failure, terminal};
use serde_json::json;
use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write},
    path::Path,
    time::{Duration, Instant},
};

/// How often there is a line where it cannot be written over.
const EVERY: Duration = Duration::from_secs(10);

/// The line while it runs.
pub struct Told {
    size: Option<u64>,
    /// Where this run began: bytes and lines.
    from: (u64, u64),
    began: Instant,
    last: Instant,
    terminal: bool,
}

impl Told {
    /// Of so many bytes, from here on.
    pub fn new(size: Option<u64>, offset: u64, line: u64) -> Self {
        let (began, terminal) = (Instant::now(), io::stderr().is_terminal());
        Self { size, from: (offset, line), began, last: began, terminal }
    }

    /// Says how far it is.
    pub fn tell(&mut self, progress: &Progress, waiting: Option<String>) {
        if !self.terminal && self.last.elapsed() < EVERY {
            return;
        }
        self.last = Instant::now();
        let line = self.line(progress, waiting);
        match self.terminal {
            // The rest of what was there is cleared.
            true => {
                let _ = write!(io::stderr(), "\r{line}\x1b[K");
            }
            false => terminal::step("importing", line),
        }
    }

    /// Leaves the line.
    pub fn end(&self) {
        if self.terminal {
            clear();
        }
    }

    fn line(&self, progress: &Progress, waiting: Option<String>) -> String {
        let took = self.began.elapsed();
        let mut text = format!("{} lines", spaced(progress.line));
        if let Some(size) = self.size.filter(|size| *size > 0) {
            let _ = write!(text, ", {} %", progress.offset.min(size) * 100 / size);
        }
        let rate = rate(progress.line - self.from.1, took);
        let _ = write!(text, ", {} a second", spaced(rate));
        let sent = progress.offset - self.from.0;
        if let Some(left) = self.size.map(|size| size.saturating_sub(progress.offset))
            && sent > 0
        {
            let seconds = took.as_secs_f64() * left as f64 / sent as f64;
            let _ = write!(text, ", {} left", lasting(seconds as u64));
        }
        let _ = write!(text, ", {} refused", spaced(progress.counts.refused));
        if let Some(why) = waiting {
            let _ = write!(text, "; waiting {why}");
        }
        text
    }
}

/// Makes room on a terminal for something else than the line.
pub fn clear() {
    if io::stderr().is_terminal() {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}

/// How it ended.
pub struct Summary<'a> {
    pub file: &'a Path,
    pub progress: &'a Progress,
    /// Where the refused lines are.
    pub errors: Option<&'a Path>,
    /// The line at which this run began.
    pub from: u64,
    /// How long this run took.
    pub took: Duration,
}

impl Summary<'_> {
    /// Prints it.
    pub fn print(&self, as_json: bool) -> Result<(), Failure> {
        print(&if as_json { self.document() } else { self.words() }).map(|_| ())
    }

    fn lines(&self) -> u64 {
        self.progress.line - self.from
    }

    fn document(&self) -> String {
        let Progress { url, key_prefix, line, counts, finished, .. } = self.progress;
        let Counts { done, replayed, refused } = counts;
        let document = json!({
            "file": self.file, "url": url, "keyPrefix": key_prefix, "finished": finished,
            "line": line, "done": done, "replayed": replayed, "refused": refused,
            "errorsFile": self.errors, "linesOfThisRun": self.lines(),
            "tookMs": self.took.as_millis(),
        });
        format!("{document:#}")
    }

    fn words(&self) -> String {
        let Counts { done, replayed, refused } = self.progress.counts;
        let mut text = format!("{}: {} lines are done", self.file.display(), spaced(done));
        if replayed > 0 {
            let _ = write!(text, " ({} of them by an earlier request)", spaced(replayed));
        }
        let _ = write!(text, ", {} refused. ", spaced(refused));
        let _ = match (self.lines(), self.from) {
            (0, 1..) => write!(text, "Nothing was left to do."),
            (lines, _) => write!(
                text,
                "This run: {} lines in {:.1} s, {} a second.",
                spaced(lines),
                self.took.as_secs_f64(),
                spaced(rate(lines, self.took))
            ),
        };
        if let Some(errors) = self.errors {
            let _ = write!(text, "\nThe refused lines, and why: {}", errors.display());
        }
        text
    }
}

/// Prints what a rehearsal found.
pub fn rehearsed(how: &Import, good: u64, bad: u64) -> Result<(), Failure> {
    let text = match how.json {
        true => {
            format!("{:#}", json!({"file": how.file, "dryRun": true, "good": good, "bad": bad}))
        }
        false => format!(
            "{}: {} lines can be sent, {} cannot. Nothing was sent.",
            how.file.display(),
            spaced(good),
            spaced(bad)
        ),
    };
    print(&text).map(|_| ())
}

fn rate(lines: u64, took: Duration) -> u64 {
    (lines as f64 / took.as_secs_f64().max(0.001)) as u64
}

fn lasting(seconds: u64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// With a comma at every thousand.
fn spaced(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
