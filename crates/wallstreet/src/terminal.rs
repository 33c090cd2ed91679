//! What a person sees. Results of a command go to standard output; everything else goes to standard error, so that a pipe
//! holds the result alone. Colour only on a terminal, and not where `NO_COLOR` is set.

use crate::{
    config::{self, Config, LogFormat},
    failure::Failure,
};
use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering},
};
use tracing_subscriber::EnvFilter;

/// The few colours there are, by meaning.
#[derive(Clone, Copy)]
pub enum Ink {
    /// What is fine.
    Good,
    /// What is wrong.
    Bad,
    /// What is worth a look.
    Odd,
    /// What is less important.
    Faint,
    /// What is more important.
    Strong,
}

/// The text in that ink, if `stream` is a terminal that wants it.
pub fn ink(stream: &impl IsTerminal, ink: Ink, text: impl Display) -> String {
    if !stream.is_terminal() || config::plain_output() {
        return text.to_string();
    }
    let code = match ink {
        Ink::Good => 32,
        Ink::Bad => 31,
        Ink::Odd => 33,
        Ink::Faint => 2,
        Ink::Strong => 1,
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// Whether standard error is a stream of JSON, which a line for people would break.
static AS_JSON: AtomicBool = AtomicBool::new(false);

fn as_json() -> bool {
    AS_JSON.load(Ordering::Relaxed)
}

/// Log lines go to standard error.
pub fn start_logging(config: &Config) {
    // It tells of a new database; so do we, in the steps of the start.
    let filter = EnvFilter::new(format!("{},embedded_postgres::server=warn", config.log_level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // Whether or not anybody still reads the log, the service goes on.
    let builder = builder.log_internal_errors(false);
    match config.log_format {
        LogFormat::Json => {
            AS_JSON.store(true, Ordering::Relaxed);
            builder.json().flatten_event(true).init();
        }
        LogFormat::Text => {
            let colour = io::stderr().is_terminal() && !config::plain_output();
            builder.with_ansi(colour).with_target(false).init();
        }
    }
}

/// Tells why a command ended.
pub fn report(Failure { what, next, .. }: &Failure) {
    if as_json() {
        return tracing::error!(next, "{what}");
    }
    line(format_args!("{} {what}", ink(&io::stderr(), Ink::Bad, "error:")));
    if let Some(next) = next {
        line(format_args!("{} {next}", ink(&io::stderr(), Ink::Strong, "next:")));
    }
}

/// Something to look at that does not stop us.
pub fn warn(text: impl Display) {
    if as_json() {
        return tracing::warn!("{text}");
    }
    line(format_args!("{} {text}", ink(&io::stderr(), Ink::Odd, "warning:")));
}

/// One step of a start, under a word.
pub fn step(word: &str, text: impl Display) {
    if as_json() {
        return tracing::info!(step = word, "{text}");
    }
    let word = ink(&io::stderr(), Ink::Faint, format_args!("{word:<11}"));
    line(format_args!("  {word} {text}"));
}

/// Where a start or a stop has come to.
pub fn say(text: impl Display) {
    if as_json() {
        return tracing::info!("{text}");
    }
    line(ink(&io::stderr(), Ink::Strong, text));
}

/// Unlike `eprintln!`, does not end the process where the terminal has gone.
fn line(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}
