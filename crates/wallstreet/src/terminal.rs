//! What a person sees. Results of a command go to standard output; everything else goes to standard error, so that a pipe
//! holds the result alone. Colour only on a terminal, and not where `NO_COLOR` is set.

use crate::{
    config::{self, Config, LogFormat},
    failure::Failure,
};
use std::{
    fmt::Display,
    io::{self, IsTerminal},
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

/// Whether standard error has become a stream of JSON.
static AS_JSON: AtomicBool = AtomicBool::new(false);

/// Tells why a command ended.
pub fn report(Failure { what, next, .. }: &Failure) {
    if AS_JSON.load(Ordering::Relaxed) {
        tracing::error!(next, "{what}");
        return;
    }
    let stderr = io::stderr();
    eprintln!("{} {what}", ink(&stderr, Ink::Bad, "error:"));
    if let Some(next) = next {
        eprintln!("{} {next}", ink(&stderr, Ink::Strong, "next:"));
    }
}

/// Something to look at that does not stop us.
pub fn warn(text: impl Display) {
    if AS_JSON.load(Ordering::Relaxed) {
        tracing::warn!("{text}");
        return;
    }
    eprintln!("{} {text}", ink(&io::stderr(), Ink::Odd, "warning:"));
}

/// Log lines go to standard error.
pub fn start_logging(config: &Config) {
    // It tells of a new database; so do we, in the steps of the start.
    let filter = EnvFilter::new(format!("{},embedded_postgres::server=warn", config.log_level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
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

/// The steps of a start, told as they happen: to a person in lines, to a log collector as events.
#[derive(Clone, Copy)]
pub struct Progress(LogFormat);

impl Progress {
    /// In the form of the log, so that a stream of JSON stays one.
    pub fn new(config: &Config) -> Self {
        Self(config.log_format)
    }

    /// One step, under a word.
    pub fn step(self, word: &str, text: impl Display) {
        match self.0 {
            LogFormat::Text => {
                eprintln!(
                    "  {} {text}",
                    ink(&io::stderr(), Ink::Faint, format_args!("{word:<11}"))
                );
            }
            LogFormat::Json => tracing::info!(step = word, "{text}"),
        }
    }

    /// A line of its own.
    pub fn say(self, text: impl Display) {
        match self.0 {
            LogFormat::Text => eprintln!("{}", ink(&io::stderr(), Ink::Strong, text)),
            LogFormat::Json => tracing::info!("{text}"),
        }
    }
}
