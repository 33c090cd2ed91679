//! What each command does, and what they share.

mod admin;
mod background;
mod config;
mod doctor;
mod import;
mod migrate;
mod serve;
mod verify;

use crate::{
    cli::{Cli, Command},
    config::Config,
    failure::{Exit, Failure},
    terminal,
};
use clap::CommandFactory;
use platform::{GuardedClock, Platform, Secret, Settings};
use std::{
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
};

/// How to close the sample administrator's door.
const CLOSE_SAMPLE_ADMIN: &str = "start once with --env development, which listens on 127.0.0.1 alone unless told otherwise, log in as \
     that user, and change the password";

/// Runs one command.
///
/// # Errors
/// What it ended with.
pub fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let flags = cli.flags();
    let load = || -> Result<Config, Failure> {
        let config = Config::load(&flags)?;
        terminal::start_logging(&config);
        config.warnings.iter().for_each(terminal::warn);
        Ok(config)
    };
    match cli.command {
        Command::Serve(_) => serve::run(&load()?),
        Command::Migrate(migrate) => migrate::run(migrate, load),
        Command::Admin(admin) => admin::run(admin, &load()?),
        Command::Import(what) => import::run(&what),
        Command::Verify(what) => verify::run(what, load),
        Command::Doctor(how) => doctor::run(load(), how.json),
        Command::Config(how) => config::run(how, &flags),
        Command::Openapi => print(&server::openapi()),
        Command::Completions(which) => {
            let mut script = Vec::new();
            clap_complete::generate(which.shell, &mut Cli::command(), "wallstreet", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
    }
}

/// Writes a command's result.
fn print(text: &str) -> Result<ExitCode, Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| if text.ends_with('\n') { Ok(()) } else { stdout.write_all(b"\n") });
    match written.and_then(|()| stdout.flush()) {
        // The reader has seen enough, e.g. `| head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(Failure::new(Exit::Failed, format!("cannot write the result: {error}"))),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

/// Runs the asynchronous part of a short command.
fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}

/// Opens the bank for one command that signs nothing: it has secrets of the moment, so it does not ask for the real ones.
async fn bank(config: &Config, database: &str) -> Result<Platform, Failure> {
    let mut secret = [0_u8; 32];
    getrandom::fill(&mut secret).map_err(io::Error::other)?;
    let secret = Secret::new(secret);
    let mut settings = settings(config, secret.clone(), secret);
    settings.pool.max = 2;
    Ok(Platform::connect(database, settings, Arc::new(GuardedClock::start(config.clock))).await?)
}

/// The bank's part of the configuration.
fn settings(config: &Config, jwt_secret: Secret, api_key_salt: Secret) -> Settings {
    Settings {
        environment: config.environment,
        jwt_secret,
        access_ttl: config.logins.access_ttl,
        refresh_ttl: config.logins.refresh_ttl,
        api_key_salt,
        signing_seeds: config.signing_seeds.clone(),
        former_keys: config.former_keys.clone(),
        bcrypt_cost: config.logins.bcrypt_cost,
        users_settle: config.logins.users_settle,
        pending: config.pending,
        shares: config.shares,
        fx_pending_expiry: config.logins.fx_pending_expiry,
        fx_quote_expiry: config.logins.fx_quote_expiry,
        pool: config.pool,
    }
}
