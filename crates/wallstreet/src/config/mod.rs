//! The configuration: what the operator decided, checked as a whole before anything starts.
//!
//! Invariants: every problem is told at once, with its origin and what would be right; a secret is never shown.

mod example;
mod layers;
mod secrets;
pub mod settings;
mod values;

use crate::failure::{Exit, Failure};
use ipnet::IpNet;
use platform::{
    ClockSettings, Environment, PendingSettings, PoolSettings, Quota, Secret, Shares,
    proof::PublicKey,
};
use settings::{Fallback, Setting, Shown};
use std::{
    io::{IsTerminal, stderr},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

pub use example::example;
pub use layers::{Flag, Origin, api_key, plain_output};
pub use secrets::place as secret_place;
pub use values::without_password;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

impl std::str::FromStr for LogFormat {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

/// A setting's value and where it came from, as it may be shown.
#[derive(Clone, Debug)]
pub struct Effective {
    /// Which.
    pub setting: &'static Setting,
    /// What may be shown of its value; `None`: unset.
    pub shown: Option<String>,
    /// From where.
    pub origin: Origin,
}

/// All decisions.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it runs.
    pub environment: Environment,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// Where to listen.
    pub address: SocketAddr,
    /// How the HTTP side behaves.
    pub http: Http,
    /// A database somewhere else; `None`: an embedded one.
    pub database: Option<String>,
    /// How long a start waits for it.
    pub database_wait: Duration,
    /// The connection pool.
    pub pool: PoolSettings,
    /// Where the embedded PostgreSQL's programs are; `None`: to be found.
    pub pg_bin: Option<PathBuf>,
    /// Whether they may be downloaded.
    pub pg_download: bool,
    /// Signs tokens; `None`: not given.
    pub jwt_secret: Option<Secret>,
    /// Keys the hashes of API keys; `None`: not given.
    pub api_key_salt: Option<Secret>,
    /// Seeds of the keys that sign seals and proofs; none: derived from the salt.
    pub signing_seeds: Vec<Secret>,
    /// The public keys of those who signed them before.
    pub former_keys: Vec<PublicKey>,
    /// Lifetimes of tokens, cost of hashes, who completes deposits.
    pub logins: Logins,
    /// How much may stand pending, and for how long.
    pub pending: PendingSettings,
    /// What one user may have and do.
    pub shares: Shares,
    /// How often the ledger is checked; `None`: never.
    pub check_interval: Option<Duration>,
    /// How time is judged.
    pub clock: ClockSettings,
    /// A directive of `tracing`.
    pub log_level: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Every setting's value and origin, in the table's order.
    pub effective: Vec<Effective>,
    /// What should be looked at.
    pub warnings: Vec<String>,
}

/// Decisions about HTTP.
#[derive(Clone, Debug)]
pub struct Http {
    /// Most clients at once.
    pub max_connections: usize,
    /// Most bytes of bodies at once.
    pub body_memory: usize,
    /// A port for health and metrics alone.
    pub health_port: Option<u16>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whose pages may call.
    pub cors_origins: Vec<String>,
    /// Whether the documentation is served.
    pub docs: bool,
    /// Requests in a window; 0: no limit.
    pub max_requests: u32,
    /// The window.
    pub window: Duration,
    /// Failed logins in a window; 0: no limit.
    pub auth_max: u32,
}

/// Decisions about logins and money.
#[derive(Clone, Copy, Debug)]
pub struct Logins {
    /// How long an access token lives.
    pub access_ttl: Duration,
    /// How long a refresh token lives.
    pub refresh_ttl: Duration,
    /// bcrypt's cost.
    pub bcrypt_cost: u32,
    /// Users complete their own deposits.
    pub users_settle: bool,
    /// How long a pending exchange stands.
    pub fx_pending_expiry: Duration,
    /// How long a quote can be used.
    pub fx_quote_expiry: Duration,
}

impl Config {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// One that tells all problems at once.
    pub fn load(flags: &[Flag]) -> Result<Self, Failure> {
        let layers = layers::gather(flags);
        let mut reader = Reader { layers, effective: Vec::new() };
        let config = reader.read();
        let Layers { problems, warnings, file, .. } = reader.layers;
        if problems.is_empty() {
            return Ok(Self { effective: reader.effective, warnings, file, ..config });
        }
        let what = match problems.as_slice() {
            [one] => format!("the configuration cannot be used: {one}"),
            many => format!("the configuration cannot be used:\n  - {}", many.join("\n  - ")),
        };
        Err(Failure::new(Exit::Configuration, what)
            .next("`wallstreet config --example` explains every setting"))
    }

    /// Whether this is one's own machine.
    pub fn in_development(&self) -> bool {
        self.environment == Environment::Development
    }
}

use layers::Layers;

struct Reader {
    layers: Layers,
    effective: Vec<Effective>,
}

impl Reader {
    fn read(&mut self) -> Config {
        let words = "development, staging or production";
        let environment = self.value("WALLSTREET_ENV", values::word::<Environment>(words));
        let development = environment == Environment::Development;
        let data_dir = self.depends("WALLSTREET_DATA_DIR", &default_data_dir(), values::path);
        self.configuration_file();
        let ip = self.value("HOST", values::address);
        let port = self.value("PORT", values::number(0, u16::MAX));
        let address = SocketAddr::from((ip, port));
        let http = self.http();
        let database = self.optional("DATABASE_URL", values::database);
        let database_wait = self.value("DB_WAIT", values::duration);
        let pool = PoolSettings {
            max: self.value("DB_POOL_MAX", values::number(1, 1_000)),
            idle: self.value("DB_POOL_IDLE", values::duration),
            connect: self.value("DB_POOL_CONNECT", values::duration),
        };
        let pg_bin = self.optional("WALLSTREET_PG_BIN", values::path);
        let pg_download = self.depends(
            "WALLSTREET_PG_DOWNLOAD",
            if values::CAN_DOWNLOAD { "true" } else { "false" },
            values::download,
        );
        let (jwt_secret, api_key_salt) = self.secrets(environment);
        let signing_seeds = self.optional("LEDGER_SIGNING_KEY", secrets::seeds).unwrap_or_default();
        let former_keys =
            self.optional("LEDGER_FORMER_KEYS", secrets::public_keys).unwrap_or_default();
        let logins = self.logins(development);
        let check_interval = self.value("LEDGER_CHECK_INTERVAL", values::interval);
        let pending = self.pending();
        let shares = self.shares(development);
        let clock = ClockSettings {
            tolerance: self.value("CLOCK_TOLERANCE", values::duration),
            settle: self.value("CLOCK_SETTLE", values::duration),
        };
        if development && !address.ip().is_loopback() {
            self.layers.warnings.push(format!(
                "HOST {ip} lets other machines in, and development has an administrator with a published password: \
                 use --env production, or HOST 127.0.0.1"
            ));
        }
        let log_level = self.value("LOG_LEVEL", values::log_level);
        let text = development || stderr().is_terminal();
        let format = if text { "text" } else { "json" };
        let log_format = self.depends("LOG_FORMAT", format, values::word("text or json"));
        Config {
            environment,
            data_dir,
            file: None,
            address,
            http,
            database,
            database_wait,
            pool,
            pg_bin,
            pg_download,
            jwt_secret,
            api_key_salt,
            signing_seeds,
            former_keys,
            logins,
            pending,
            shares,
            check_interval,
            clock,
            log_level,
            log_format,
            effective: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// It has been read already; this is its line in the list.
    fn configuration_file(&mut self) {
        let found = self.layers.found.get("WALLSTREET_CONFIG").map(|found| found.origin.clone());
        let shown = self.layers.file.as_ref().map(|path| path.display().to_string());
        let setting = setting("WALLSTREET_CONFIG");
        self.effective.push(Effective { setting, shown, origin: found.unwrap_or(Origin::Default) });
    }

    fn http(&mut self) -> Http {
        Http {
            max_connections: self.value("MAX_CONNECTIONS", values::number(1, 1_000_000)),
            body_memory: self.value("BODY_MEMORY_MIB", values::number(16_usize, 65_536)) << 20,
            health_port: self.optional("HEALTH_PORT", values::number(0, u16::MAX)),
            trusted_proxies: self.optional("TRUSTED_PROXIES", values::networks).unwrap_or_default(),
            cors_origins: self.optional("CORS_ORIGIN", values::origins).unwrap_or_default(),
            docs: self.value("ENABLE_SWAGGER", values::switch),
            max_requests: self.value("RATE_LIMIT_MAX_REQUESTS", values::number(0, 1_000_000_000)),
            window: Duration::from_millis(
                self.value("RATE_LIMIT_WINDOW_MS", values::number(1_000, 7 * 24 * 60 * 60 * 1_000)),
            ),
            auth_max: self.value("RATE_LIMIT_AUTH_MAX", values::number(0, 1_000_000_000)),
        }
    }

    fn logins(&mut self, development: bool) -> Logins {
        let access_ttl = self.value("JWT_EXPIRATION", values::duration);
        let refresh_ttl = self.value("JWT_REFRESH_EXPIRATION", values::duration);
        if refresh_ttl < access_ttl {
            let problem = "JWT_REFRESH_EXPIRATION is shorter than JWT_EXPIRATION: a refresh token must outlive the \
                           access token that it replaces";
            self.layers.problems.push(problem.to_owned());
        }
        let settle = if development { "true" } else { "false" };
        Logins {
            access_ttl,
            refresh_ttl,
            bcrypt_cost: self.value("BCRYPT_ROUNDS", values::number(10, 14)),
            users_settle: self.depends("USERS_SETTLE", settle, values::switch),
            fx_pending_expiry: self.value("FX_PENDING_EXPIRY", values::duration),
            fx_quote_expiry: self.value("FX_QUOTE_EXPIRY", values::duration),
        }
    }

    fn pending(&mut self) -> PendingSettings {
        let most = values::number(0, i64::MAX);
        let limit = |most: i64| Some(most).filter(|most| *most > 0);
        let quota = Quota {
            count: limit(self.value("MAX_PENDING_PER_ACCOUNT", &most)),
            bytes: limit(self.value("MAX_PENDING_BYTES_PER_ACCOUNT", &most)),
        };
        PendingSettings { quota, expiry: self.value("PENDING_EXPIRY", values::interval) }
    }

    fn shares(&mut self, development: bool) -> Shares {
        let key_requests = if development { "0" } else { "10000" };
        Shares {
            accounts: self.value("MAX_ACCOUNTS_PER_USER", values::number(0, i64::MAX)),
            key_requests: self.depends(
                "RATE_LIMIT_KEYS_MAX",
                key_requests,
                values::number(0, 1_000_000_000),
            ),
        }
    }

    /// A setting whose default is in the table.
    fn value<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, values::Expected>) -> T {
        let Fallback::Value(fallback) = setting(name).fallback else {
            unreachable!("{name} has no default in the table");
        };
        self.depends(name, fallback, parse)
    }

    /// `JWT_SECRET` and `API_KEY_SALT`.
    fn secrets(&mut self, environment: Environment) -> (Option<Secret>, Option<Secret>) {
        let signing = self.optional("JWT_SECRET", secrets::parse(environment));
        let salt = self.optional("API_KEY_SALT", secrets::parse(environment));
        if environment != Environment::Development
            && let Some(problem) = secrets::refuse_equal(signing.as_ref(), salt.as_ref())
        {
            self.layers.problems.push(problem.to_owned());
        }
        (signing, salt)
    }

    /// A setting whose default is worked out.
    fn depends<T>(
        &mut self,
        name: &str,
        fallback: &str,
        parse: impl Fn(&str) -> Result<T, values::Expected>,
    ) -> T {
        let given = self.optional(name, &parse);
        given.unwrap_or_else(|| {
            if let Some(last) =
                self.effective.last_mut().filter(|last| last.origin == Origin::Default)
            {
                last.shown = Some(fallback.to_owned());
            }
            parse(fallback).expect("a default is a right value")
        })
    }

    /// A setting that may be absent.
    fn optional<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, values::Expected>,
    ) -> Option<T> {
        let setting = setting(name);
        let Some(found) = self.layers.found.get(name) else {
            self.effective.push(Effective { setting, shown: None, origin: Origin::Default });
            return None;
        };
        let shown = match setting.shown {
            Shown::Plainly => found.text.clone(),
            Shown::WithoutPassword => without_password(&found.text),
            Shown::Never => "***".to_owned(),
        };
        self.effective.push(Effective {
            setting,
            shown: Some(shown.clone()),
            origin: found.origin.clone(),
        });
        match parse(&found.text) {
            Ok(value) => Some(value),
            Err(expected) => {
                let is = if setting.shown == Shown::Plainly {
                    format!(" is \"{shown}\"")
                } else {
                    String::new()
                };
                self.layers
                    .problems
                    .push(format!("{name}{is} ({}): expected {expected}", found.origin));
                None
            }
        }
    }
}

fn setting(name: &str) -> &'static Setting {
    settings::find(name).expect("the reader asks only for settings of the table")
}

fn default_data_dir() -> String {
    embedded_postgres::default_data_dir().display().to_string()
}
