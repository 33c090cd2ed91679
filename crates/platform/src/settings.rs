//! What the operator decides. The binary reads it from flags, environment and
//! file; here it is only data.

use crate::{proof::PublicKey, secret::Secret};
pub use ledger::Quota;
use ledger::words;
use std::{fmt, time::Duration};

words! {
    /// Where the platform runs; decides how much it trusts.
    Environment {
        /// One's own machine: sample admin, generated secrets.
        Development = "development",
        /// As production.
        Staging = "staging",
        /// Other people's money.
        Production = "production",
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The decisions the bank itself needs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it runs.
    pub environment: Environment,
    /// Signs tokens (HMAC-SHA-256).
    pub jwt_secret: Secret,
    /// How long an access token lives; documented: 24 h.
    pub access_ttl: Duration,
    /// How long a refresh token, and so an unused session, lives; documented: 7 d.
    pub refresh_ttl: Duration,
    /// Keys the hashes of API keys.
    pub api_key_salt: Secret,
    /// Seeds of the keys that sign seals and proofs (Ed25519, 32 bytes each): the
    /// first signs. None: one is derived from `api_key_salt`.
    pub signing_seeds: Vec<Secret>,
    /// Keys that signed seals before, and do so no more.
    pub former_keys: Vec<PublicKey>,
    /// bcrypt rounds; documented: 10.
    pub bcrypt_cost: u32,
    /// Users complete their own deposits, credits and debits.
    pub users_settle: bool,
    /// How much may stand pending, and for how long.
    pub pending: PendingSettings,
    /// What one user may have and do.
    pub shares: Shares,
    /// How long a pending exchange stands, unless who may name its rate says otherwise.
    pub fx_pending_expiry: Duration,
    /// How long a quote can be used.
    pub fx_quote_expiry: Duration,
    /// The connection pool.
    pub pool: PoolSettings,
}

/// What stands pending, which costs nothing: how much, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct PendingSettings {
    /// The most of one account; by default 1,000 orders with 1 MiB written on them.
    pub quota: Quota,
    /// When an order ends that names no `expiresAt`; by default after 30 days. Absent: never.
    pub expiry: Option<Duration>,
}

impl Default for PendingSettings {
    fn default() -> Self {
        let quota = Quota { count: Some(1_000), bytes: Some(1 << 20) };
        Self { quota, expiry: Some(Duration::from_secs(30 * 24 * 60 * 60)) }
    }
}

/// What one user may have and do, who is no administrator.
#[derive(Clone, Copy, Debug)]
pub struct Shares {
    /// The most open accounts; 0 for no limit.
    pub accounts: i64,
    /// The most requests of all their keys together in a window, and of one key; 0 for
    /// no limit.
    pub key_requests: u32,
}

impl Default for Shares {
    fn default() -> Self {
        Self { accounts: 1_000, key_requests: 10_000 }
    }
}

/// The connection pool; the defaults are the documented ones.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// Most connections at once.
    pub max: usize,
    /// An idle connection is closed after this.
    pub idle: Duration,
    /// How long to wait for a connection.
    pub connect: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self { max: 20, idle: Duration::from_secs(30), connect: Duration::from_secs(2) }
    }
}
