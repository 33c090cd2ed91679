//! The way to a database that may be elsewhere: the connection string, and TLS.
//!
//! `sslmode=require` speaks TLS and verifies the certificate and its name against
//! the system's authorities, which is what libpq calls `verify-full`; both words
//! mean the same here. `SSL_CERT_FILE` names a private authority. Without either
//! word the connection is plain, as over a Unix socket or a private network.

use crate::error::{Error, Result};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use std::{sync::Arc, time::Duration};
use tokio_postgres::{Config, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long the other side may leave what we sent unacknowledged.
const SILENCE: Duration = Duration::from_secs(20);

/// Reads a connection string of `key=value` pairs or a `postgres://` URL.
pub(crate) fn parse(database: &str) -> Result<Config> {
    let strict = database.replace("sslmode=verify-full", "sslmode=require");
    let mut config: Config = strict.parse().map_err(|error| {
        Error::invalid("DATABASE_URL", "invalid", format!("is not a connection string: {error}"))
    })?;
    if config.get_ssl_mode() != SslMode::Require {
        config.ssl_mode(SslMode::Disable);
    }
    // A link that went silent is noticed within half a minute, not in two hours.
    config.tcp_user_timeout(SILENCE).keepalives_idle(SILENCE / 2);
    config.keepalives_interval(SILENCE / 8).keepalives_retries(4);
    Ok(config)
}

/// What speaks TLS for a connection that asks for it. The authorities are read
/// only then.
pub(crate) fn connector(config: &Config) -> Result<MakeRustlsConnect> {
    let mut roots = RootCertStore::empty();
    if config.get_ssl_mode() == SslMode::Require {
        let found = rustls_native_certs::load_native_certs();
        let (known, _) = roots.add_parsable_certificates(found.certs);
        if known == 0 {
            return Err(Error::invalid(
                "DATABASE_URL",
                "no_authorities",
                "asks for TLS, and this machine has no certificate authorities: install \
                 ca-certificates, or name a file of them in SSL_CERT_FILE",
            ));
        }
    }
    let provider = Arc::new(ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(tls))
}
