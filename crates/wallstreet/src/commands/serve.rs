//! `serve`: from nothing to a listening bank, and back down in order.
//!
//! Order of a start: settings, port, database, schema, sample administrator, HTTP. What fails cheaply fails first. Order of
//! a stop: no new requests, open ones end, due schedules that have begun end, the last money commits, the database stops.

use super::{CLOSE_SAMPLE_ADMIN, background::Background, settings};
use crate::{
    config::Config,
    database::{self, Database},
    failure::{Exit, Failure},
    terminal,
};
use embedded_postgres::State;
use platform::{Error, GuardedClock, Platform, login, migrations};
use server::RateLimits;
use std::{
    io,
    net::{SocketAddr, TcpListener},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

/// 128 and the number of SIGINT, as a shell would report it.
const FORCED: i32 = 130;

/// Serves until a signal.
pub fn run(config: &Config) -> Result<ExitCode, Failure> {
    let since = Instant::now();
    config.require_secrets()?;
    terminal::say(format_args!("Wallstreet {}, {}", env!("CARGO_PKG_VERSION"), config.environment));
    let listener = listen(config.address)?;
    let database = Database::own(config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let platform = open(config, &database).await?;
        let signals = Signals::catch()?;
        welcome(config, &platform, listener.local_addr()?, since).await?;
        let stop = signals.asked();
        let background = Background::start(&platform, config.check_interval);
        let served = serve(config, &database, platform.clone(), listener, stop).await;
        background.stop().await;
        platform.shutdown().await;
        served
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    database.close();
    served?;
    terminal::say("Stopped.");
    Ok(ExitCode::SUCCESS)
}

/// Takes the port before a database is started for nothing.
fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address).map_err(|error| {
        let port = address.port();
        let (why, next) = match error.kind() {
            io::ErrorKind::AddrInUse => (
                "another process has that port".to_owned(),
                format!("stop it (`ss -ltnp 'sport = :{port}'` shows which), or choose another port: --port {}", other(port)),
            ),
            io::ErrorKind::PermissionDenied => (
                "ports below 1024 need a privilege".to_owned(),
                "choose another port, e.g. --port 3000".to_owned(),
            ),
            io::ErrorKind::AddrNotAvailable => (
                "this machine does not have that address".to_owned(),
                "choose another with --host: 127.0.0.1 for this machine alone, 0.0.0.0 for all".to_owned(),
            ),
            _ => (error.to_string(), "choose another address with --host and --port".to_owned()),
        };
        Failure::new(Exit::Failed, format!("cannot listen on {address}: {why}")).next(next)
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn other(port: u16) -> u16 {
    port.checked_add(1).unwrap_or(3000)
}

/// The bank on an up-to-date schema.
async fn open(config: &Config, database: &Database) -> Result<Platform, Failure> {
    database::answer(config, database).await?;
    let applied = migrations::up(database.url(), None).await?;
    match applied.len() {
        0 => terminal::step("schema", "up to date"),
        1 => terminal::step("schema", format_args!("1 migration applied: {}", applied[0].name)),
        many => terminal::step("schema", format_args!("{many} migrations applied")),
    }
    // Here the data directory is known to be ours, so that it can keep secrets.
    let (jwt_secret, api_key_salt) = config.secrets()?;
    let settings = settings(config, jwt_secret, api_key_salt);
    let clock = Arc::new(GuardedClock::start(config.clock));
    Ok(Platform::connect(database.url(), settings, clock).await?)
}

/// Sees to the sample administrator, and tells where everything is.
async fn welcome(
    config: &Config,
    platform: &Platform,
    address: SocketAddr,
    since: Instant,
) -> Result<(), Failure> {
    let sample = login::ensure_sample_admin(platform).await.map_err(|error| match error {
        open @ Error::Invalid(_) => {
            Failure { exit: Exit::Configuration, ..open.into() }.next(CLOSE_SAMPLE_ADMIN)
        }
        other => other.into(),
    })?;
    let seen = if address.ip().is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    };
    terminal::step("API", format_args!("http://{seen}/api/v1"));
    if config.http.docs {
        terminal::step("API docs", format_args!("http://{seen}/api-docs"));
    }
    if sample {
        terminal::step(
            "log in as",
            "admin@wallstreet.com, password Admin123! (in development only)",
        );
    }
    terminal::say(format_args!(
        "Ready after {:.1} s. Ctrl-C stops.",
        since.elapsed().as_secs_f32()
    ));
    Ok(())
}

/// Serves until a signal, or until the database is lost for good.
async fn serve(
    config: &Config,
    database: &Database,
    platform: Platform,
    listener: TcpListener,
    asked: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let (lose, lost) = oneshot::channel();
    let watched = match database {
        Database::Embedded(server) => Some(Arc::clone(server)),
        Database::Remote(_) | Database::Neighbour { .. } => None,
    };
    let stop = async move {
        tokio::select! {
            () = asked => {}
            why = failed(watched) => drop(lose.send(why)),
        }
    };
    let listener = tokio::net::TcpListener::from_std(listener)?;
    server::serve(listener, platform, http(config), stop).await?;
    match lost.await {
        Ok(why) => Err(Failure::new(Exit::DatabaseUnavailable, why)),
        // Nobody lost it: the sender is gone.
        Err(_) => Ok(()),
    }
}

/// What asks a process to stop. Until they are caught they end it at once, and the embedded PostgreSQL with it.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn catch() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Ends at the first. The second does not wait for anybody.
    async fn asked(mut self) {
        self.next().await;
        terminal::say("Stopping: open requests may finish. Again to stop at once.");
        tokio::spawn(async move {
            self.next().await;
            std::process::exit(FORCED);
        });
    }
}

/// Ends when the embedded PostgreSQL has given up.
async fn failed(server: Option<Arc<embedded_postgres::Server>>) -> String {
    let Some(server) = server else {
        return std::future::pending().await;
    };
    loop {
        if let State::Failed(why) = server.state() {
            return why;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn http(config: &Config) -> server::Settings {
    let http = config.http.clone();
    server::Settings {
        environment: config.environment,
        cors_origins: http.cors_origins,
        docs: http.docs,
        rate_limits: RateLimits {
            max: http.max_requests,
            window: http.window,
            auth_max: http.auth_max,
        },
        trusted_proxies: http.trusted_proxies,
        max_connections: http.max_connections,
    }
}
