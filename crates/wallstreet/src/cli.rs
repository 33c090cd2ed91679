//! The command line: what can be typed, and the help about it.
//!
//! Knows no defaults: those are settings, in `config`.

use crate::config::Flag;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use platform::proof::{Digest, PublicKey};
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Exit codes:
  0   all went well
  1   it failed; the message says why
  2   the command line is wrong, verify could not check, or import could not go on
  3   verify proof found nothing false, but not all of it is proved
  6   doctor found something
  69  the database is not available
  75  another process has the data directory
  78  the configuration is wrong or incomplete
  130 a signal stopped it before it was done

Settings come from flags, then the environment, then the file wallstreet.toml:
  `wallstreet config` shows them, `wallstreet config --example` explains them.";

macro_rules! verify_exit_codes {
    () => {
        "\
Exit codes:
  0   everything holds, and all of it is proved
  1   something does not hold; the output says what
  2   it could not be checked
  3   of a proof: nothing is false, but not all is proved; the last line says which option proves it"
    };
}
const VERIFY_EXIT_CODES: &str = verify_exit_codes!();

/// A self-hosted platform for financial accounts.
#[derive(Debug, Parser)]
#[command(name = "wallstreet", version, max_term_width = 100, after_help = EXIT_CODES)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Settings")]
pub struct Global {
    /// Read this configuration file
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Keep everything in this directory
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Use this PostgreSQL instead of an embedded one
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// Run as development, staging or production
    #[arg(long, global = true, value_name = "NAME")]
    env: Option<String>,
    /// Give any setting, e.g. --set LOG_LEVEL=debug
    #[arg(long, global = true, value_name = "NAME=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    Serve(Serve),
    #[command(subcommand)]
    Migrate(Migrate),
    #[command(subcommand)]
    Admin(Admin),
    Import(Import),
    #[command(subcommand)]
    Verify(Verify),
    Doctor(Json),
    Config(Show),
    /// Print the API's description (OpenAPI 3.1, JSON)
    #[command(after_help = "Example:\n  wallstreet openapi > openapi.json")]
    Openapi,
    Completions(Completions),
}

/// Start the platform: the database, its migrations, the API
///
/// Without DATABASE_URL a PostgreSQL of its own runs in the data directory. Ctrl-C or SIGTERM stops everything in order,
/// a second one at once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wallstreet serve
  wallstreet serve --port 8080 --data-dir ./data
  wallstreet serve --env production --config /etc/wallstreet.toml")]
pub struct Serve {
    /// Listen on this address
    #[arg(long, value_name = "ADDRESS")]
    host: Option<String>,
    /// Listen on this port; 0 takes a free one
    #[arg(long, value_name = "PORT")]
    port: Option<String>,
}

/// Bring the database's schema forward or back, or look at it
///
/// `serve` brings it forward by itself. These commands work on DATABASE_URL or on the embedded PostgreSQL, also beside a
/// running server.
#[derive(Clone, Copy, Debug, Subcommand)]
#[command(after_help = "\
Examples:
  wallstreet migrate status
  wallstreet migrate up
  wallstreet migrate down --to 7")]
pub enum Migrate {
    /// Apply what is pending
    Up {
        /// Stop after this migration
        #[arg(long, value_name = "NUMBER")]
        to: Option<u32>,
    },
    /// Undo migrations; what they added is deleted
    Down {
        /// Keep up to this migration; 0 undoes everything
        #[arg(long, value_name = "NUMBER")]
        to: u32,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Show what is applied and what is pending
    Status,
    /// Print the whole schema as one script for `psql -f`
    InitSql,
}

/// Create administrators
///
/// Works on DATABASE_URL or on the embedded PostgreSQL, also beside a running server.
#[derive(Debug, Subcommand)]
pub enum Admin {
    Create(Create),
}

/// Create an administrator
///
/// Asks for the password, or reads it from standard input.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wallstreet admin create --email ada@example.com --first-name Ada --last-name Lovelace
  pass show bank | wallstreet admin create --email ada@example.com \\
      --first-name Ada --last-name Lovelace --password-stdin")]
pub struct Create {
    /// The address to log in with
    #[arg(long)]
    pub email: String,
    /// First name
    #[arg(long, value_name = "NAME")]
    pub first_name: String,
    /// Last name
    #[arg(long, value_name = "NAME")]
    pub last_name: String,
    /// Read the password from standard input: its first line
    #[arg(long)]
    pub password_stdin: bool,
}

/// Send a file of transactions to a server: one JSON object a line
///
/// Each line is an item of POST /api/v1/transactions/batch and has an idempotency key: its own, or one made of a prefix and
/// the line's number. So the same command again goes on where it ended, and nothing is done twice. What is refused is written
/// to another file, with the reason, and the import goes on. FILE.progress remembers what is done.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  WALLSTREET_API_KEY=… wallstreet import payroll.ndjson
  wallstreet import payroll.ndjson --url https://bank.example.com --api-key-file ~/.wallstreet-key
  zcat 2025.ndjson.gz | wallstreet import - --key-prefix history-2025 --parallel 1

Exit codes:
  0   every line is done
  1   some lines were refused; the rest is done
  2   it could not go on; the message says why and what to do
  130 Ctrl-C or SIGTERM stopped it; the same command goes on")]
pub struct Import {
    /// The transactions, one JSON object a line; - is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The server
    #[arg(long, default_value = "http://127.0.0.1:3000")]
    pub url: String,
    /// Read the API key from this file [default: the environment variable WALLSTREET_API_KEY]
    #[arg(long, value_name = "FILE")]
    pub api_key_file: Option<PathBuf>,
    /// Send up to this many lines in one request, at most 1000
    #[arg(long, value_name = "LINES", default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub batch: u16,
    /// Do all lines of a request or none of them
    #[arg(long)]
    pub atomic: bool,
    /// Have this many requests under way; 1 keeps the order of the lines
    #[arg(long, value_name = "REQUESTS", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub parallel: u8,
    /// Write what is refused to this file [default: FILE.errors.ndjson]
    #[arg(long, value_name = "FILE")]
    pub errors: Option<PathBuf>,
    /// Begin the keys of the lines with this [default: made of the file's first line]
    #[arg(long, value_name = "TEXT")]
    pub key_prefix: Option<String>,
    /// Only read the lines, and send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print the summary as one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Recompute the ledger, or a proof of a balance
#[derive(Debug, Subcommand)]
#[command(after_help = VERIFY_EXIT_CODES)]
pub enum Verify {
    Ledger(Ledger),
    Proof(Proof),
}

/// Recompute everything that is stored about money from the entries of the book
///
/// Balances, sequences, running balances, transactions, transfers, reversals, holds, limits, the sum of each currency, and
/// every entry and audit row against the seals: all of one moment, while others go on posting. Changes nothing, and names what differs.
/// Works on DATABASE_URL or on the embedded PostgreSQL, also beside a running server.
#[derive(Clone, Debug, Args)]
#[command(after_help = concat!("\
Examples:
  wallstreet verify ledger
  wallstreet verify ledger --json
  wallstreet verify ledger --seal 12:4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4

", verify_exit_codes!()))]
pub struct Ledger {
    /// A seal and the hash that you kept of it; may be given several times
    #[arg(long = "seal", value_name = "NUMBER:HASH", value_parser = kept_seal)]
    pub seals: Vec<(i64, Digest)>,
    /// A key that may have signed the seals, and no other; may be given several times [default: the configured ones, and LEDGER_FORMER_KEYS]
    #[arg(long = "key", value_name = "HEX")]
    pub keys: Vec<PublicKey>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Check a proof of a balance, without a server, a database or a configuration
///
/// FILE is the answer of GET /api/v1/accounts/{id}/balance/explain; - is standard input. There are two results: what the seal
/// proves, and what the server claims beyond it. --seal proves the first, --key both; both are at GET /api/v1/ledger/seals.
#[derive(Debug, Args)]
#[command(after_help = concat!("\
Examples:
  wallstreet verify proof balance.json
  wallstreet verify proof balance.json --key d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a
  wallstreet verify proof balance.json --seal 4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4

", verify_exit_codes!()))]
pub struct Proof {
    /// The proof
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The hash that you kept of the seal which the proof names
    #[arg(long, value_name = "HASH")]
    pub seal: Option<Digest>,
    /// The key that you know as the server's
    #[arg(long, value_name = "HEX")]
    pub key: Option<PublicKey>,
}

/// Look for what is wrong, and say how to mend it
///
/// Changes nothing, and works beside a running server. Ends with exit code 6 when there is something to do.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wallstreet doctor
  wallstreet doctor --env production --json")]
pub struct Json {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Show the settings and where each comes from; secrets are masked
#[derive(Clone, Copy, Debug, Args)]
#[command(after_help = "\
Examples:
  wallstreet config
  wallstreet config --example > wallstreet.toml")]
pub struct Show {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Print a configuration file that explains every setting
    #[arg(long, conflicts_with = "json")]
    pub example: bool,
}

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wallstreet completions bash > /etc/bash_completion.d/wallstreet
  wallstreet completions zsh > \"${fpath[1]}/_wallstreet\"
  wallstreet completions fish > ~/.config/fish/completions/wallstreet.fish")]
pub struct Completions {
    /// Which shell
    pub shell: Shell,
}

impl Cli {
    /// The settings given by flags.
    pub fn flags(&self) -> Vec<Flag> {
        let Global { config, data_dir, database_url, env, set } = &self.global;
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let (host, port) = match &self.command {
            Command::Serve(Serve { host, port }) => (host.clone(), port.clone()),
            _ => (None, None),
        };
        let named = [
            ("--config", "WALLSTREET_CONFIG", path(config)),
            ("--data-dir", "WALLSTREET_DATA_DIR", path(data_dir)),
            ("--database-url", "DATABASE_URL", database_url.clone()),
            ("--env", "WALLSTREET_ENV", env.clone()),
            ("--host", "HOST", host),
            ("--port", "PORT", port),
        ];
        let named = named.into_iter().filter_map(|(flag, name, text)| {
            Some(Flag { flag: flag.to_owned(), name: name.to_owned(), text: text? })
        });
        let set = set.iter().map(|(name, text)| Flag {
            flag: "--set".to_owned(),
            name: name.clone(),
            text: text.clone(),
        });
        set.chain(named).collect()
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

fn kept_seal(text: &str) -> Result<(i64, Digest), String> {
    let (number, hash) = text.split_once(':').ok_or("write NUMBER:HASH")?;
    let number = number.parse().ok().filter(|number| *number > 0);
    let number = number.ok_or("the number of a seal is a whole number from 1")?;
    Ok((number, hash.parse().map_err(|wrong| format!("the hash {wrong}"))?))
}
