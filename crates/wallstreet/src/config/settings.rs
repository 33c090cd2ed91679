//! Every setting, once: what reads, prints, explains or documents settings goes through this table.

/// What holds when nobody says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// Nothing.
    Unset,
    /// This value.
    Value(&'static str),
    /// A value that depends on something, in words.
    Depends(&'static str),
}

/// How much of a value may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// All of it.
    Plainly,
    /// All but the password inside.
    WithoutPassword,
    /// Nothing. Such a setting can also be given as `<NAME>_FILE`, the path of a file that holds it.
    Never,
}

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Its name, in the environment as in the file.
    pub name: &'static str,
    /// Another name that the environment may use.
    pub alias: Option<&'static str>,
    /// Its default.
    pub fallback: Fallback,
    /// How much of it may be shown.
    pub shown: Shown,
    /// What it decides, in a sentence.
    pub about: &'static str,
}

use Fallback::{Depends, Unset, Value};

const fn setting(name: &'static str, fallback: Fallback, about: &'static str) -> Setting {
    Setting { name, alias: None, fallback, shown: Shown::Plainly, about }
}

const fn secret(name: &'static str, about: &'static str) -> Setting {
    let fallback =
        Depends("in development made once and kept in the data directory, else required");
    Setting { name, alias: None, fallback, shown: Shown::Never, about }
}

/// The settings by subject, in reading order.
pub const SETTINGS: &[(&str, &[Setting])] = &[
    ("Where it runs", WHERE),
    ("HTTP", HTTP),
    ("Database", DATABASE),
    ("Logins, keys and money", LOGINS),
    ("What stands pending", PENDING),
    ("Time", TIME),
    ("Logs", LOGS),
];

const WHERE: &[Setting] = &[
    Setting {
        alias: Some("NODE_ENV"),
        ..setting(
            "WALLSTREET_ENV",
            Value("development"),
            "development, staging or production. Only development has generated secrets and the sample administrator.",
        )
    },
    setting(
        "WALLSTREET_DATA_DIR",
        Depends("/var/lib/wallstreet for root, else wallstreet in the user's data directory"),
        "The directory for everything that is kept: the embedded PostgreSQL, generated secrets, wallstreet.toml.",
    ),
    setting(
        "WALLSTREET_CONFIG",
        Depends("wallstreet.toml in the data directory, if it is there"),
        "The configuration file. Not for the file itself.",
    ),
];

const HTTP: &[Setting] = &[
    setting(
        "HOST",
        Value("127.0.0.1"),
        "The address to listen on; 0.0.0.0 or :: for all of the machine's.",
    ),
    setting("PORT", Value("3000"), "The TCP port to listen on; 0 takes a free one."),
    setting(
        "MAX_CONNECTIONS",
        Value("1000"),
        "How many clients may be connected at once; one address has a quarter of them.",
    ),
    setting(
        "BODY_MEMORY_MIB",
        Value("64"),
        "How many MiB of large request bodies are held at once; one caller has a quarter of them.",
    ),
    setting(
        "HEALTH_PORT",
        Unset,
        "Another TCP port at HOST, for health checks and metrics alone: they answer there however full the first is.",
    ),
    setting(
        "TRUSTED_PROXIES",
        Unset,
        "Addresses or networks, separated by commas, of reverse proxies whose X-Forwarded-For is believed.",
    ),
    setting(
        "CORS_ORIGIN",
        Unset,
        "Origins, separated by commas, whose web pages may call the API; * for any.",
    ),
    setting("ENABLE_SWAGGER", Value("true"), "Whether /api-docs is served."),
    setting(
        "RATE_LIMIT_MAX_REQUESTS",
        Value("100"),
        "Requests that a client may make in a window, and items of batches; 0 for no limit.",
    ),
    setting("RATE_LIMIT_WINDOW_MS", Value("900000"), "The length of that window in milliseconds."),
    setting(
        "RATE_LIMIT_KEYS_MAX",
        Depends("0 in development, 10000 elsewhere"),
        "Requests that all keys of a user may make together in a window, and the most that a user may give one key; 0 \
         for no limit.",
    ),
    setting(
        "RATE_LIMIT_AUTH_MAX",
        Value("5"),
        "Failed logins that a client may make in a window; 0 for no limit.",
    ),
];

const DATABASE: &[Setting] = &[
    Setting {
        shown: Shown::WithoutPassword,
        ..setting(
            "DATABASE_URL",
            Depends("an embedded PostgreSQL in the data directory"),
            "A PostgreSQL 14 or later to use, e.g. postgres://user:password@localhost:5432/wallstreet.",
        )
    },
    setting("DB_WAIT", Value("30s"), "How long a start waits for the database at DATABASE_URL."),
    setting("DB_POOL_MAX", Value("20"), "Most connections to the database at once."),
    setting("DB_POOL_IDLE", Value("30s"), "An idle connection is closed after this time."),
    setting("DB_POOL_CONNECT", Value("2s"), "How long a request waits for a connection."),
    setting(
        "WALLSTREET_PG_BIN",
        Depends("looked for in the usual places"),
        "The directory that holds the programs postgres and initdb for the embedded PostgreSQL.",
    ),
    setting(
        "WALLSTREET_PG_DOWNLOAD",
        Depends("true if this build can download, else false"),
        "Whether to download PostgreSQL when the machine has none.",
    ),
];

const LOGINS: &[Setting] = &[
    secret("JWT_SECRET", "Signs access tokens; at least 32 bytes. Changing it ends every login."),
    secret(
        "API_KEY_SALT",
        "Keys the stored hashes of API keys; at least 32 bytes. Changing it voids every key.",
    ),
    Setting {
        shown: Shown::Never,
        ..setting(
            "LEDGER_SIGNING_KEY",
            Depends("derived from API_KEY_SALT"),
            "Signs seals and proofs (Ed25519): 64 hexadecimal digits. Several, separated by commas: the first signs, all are the server's own.",
        )
    },
    setting(
        "LEDGER_FORMER_KEYS",
        Depends("none"),
        "Public keys that signed seals before the present one, separated by commas: the check of the ledger accepts them too.",
    ),
    setting("JWT_EXPIRATION", Value("24h"), "How long an access token lives."),
    setting(
        "JWT_REFRESH_EXPIRATION",
        Value("7d"),
        "How long a refresh token, and so an unused login, lives.",
    ),
    setting(
        "BCRYPT_ROUNDS",
        Value("10"),
        "The cost of password hashes, 10 to 14; one more doubles the time.",
    ),
    setting(
        "USERS_SETTLE",
        Depends("true in development, else false"),
        "Whether users complete their own deposits, credits and debits; otherwise only administrators do.",
    ),
    setting(
        "FX_PENDING_EXPIRY",
        Value("60s"),
        "How long a pending exchange of currencies stands at its rate, unless an administrator names its expiry.",
    ),
    setting("FX_QUOTE_EXPIRY", Value("30s"), "How long a quote for an exchange rate can be used."),
    setting(
        "LEDGER_CHECK_INTERVAL",
        Value("1h"),
        "How often a running server checks the whole ledger, as `wallstreet verify ledger` does; 0 for never.",
    ),
];

const PENDING: &[Setting] = &[
    setting(
        "MAX_ACCOUNTS_PER_USER",
        Value("1000"),
        "Accounts of one user that may be open at once; 0 for no limit.",
    ),
    setting(
        "MAX_PENDING_PER_ACCOUNT",
        Value("1000"),
        "Orders of one account that may stand pending at once; 0 for no limit.",
    ),
    setting(
        "MAX_PENDING_BYTES_PER_ACCOUNT",
        Value("1048576"),
        "Bytes that the descriptions and metadata of these may take together; 0 for no limit.",
    ),
    setting(
        "PENDING_EXPIRY",
        Value("30d"),
        "After which time a pending order ends by itself that has no expiresAt of its own; 0 for never.",
    ),
];

const TIME: &[Setting] = &[
    setting(
        "CLOCK_TOLERANCE",
        Value("10s"),
        "How far the clocks of this machine and of the database may be apart; beyond it, what time decides waits.",
    ),
    setting(
        "CLOCK_SETTLE",
        Value("5m"),
        "How long both clocks must agree until a jump is followed; after a doubt, deletions wait twice as long.",
    ),
];

const LOGS: &[Setting] = &[
    setting(
        "LOG_LEVEL",
        Value("info"),
        "error, warn, info, debug or trace; also by module, e.g. info,platform=debug.",
    ),
    setting(
        "LOG_FORMAT",
        Depends("text on a terminal and in development, else json"),
        "text or json.",
    ),
];

/// Names that belong to features this version does not have. A name that ends in `*` is a prefix.
const UNSUPPORTED: &[&str] = &["REDIS_URL", "ENCRYPTION_KEY", "SMTP_*"];

/// Every setting.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().flat_map(|(_, settings)| *settings)
}

/// The setting with this name.
pub fn find(name: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.name == name)
}

/// The setting that `<NAME>_FILE` gives.
pub fn of_file(name: &str) -> Option<&'static Setting> {
    let setting = find(name.strip_suffix("_FILE")?)?;
    (setting.shown != Shown::Plainly).then_some(setting)
}

/// Whether the documents know the name, but this version does nothing with it.
pub fn is_unsupported(name: &str) -> bool {
    UNSUPPORTED.iter().any(|known| match known.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == *known,
    })
}

/// The known name that somebody probably meant.
pub fn meant(name: &str) -> Option<&'static str> {
    let upper = name.to_ascii_uppercase().replace('-', "_");
    let distance = |known: &str| strsim::damerau_levenshtein(&upper, known);
    let nearest = all().map(|setting| setting.name).min_by_key(|known| distance(known))?;
    (distance(nearest) <= 3).then_some(nearest)
}
