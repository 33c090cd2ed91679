//! The way to a database that may be elsewhere: the connection string, and TLS.
//!
//! `sslmode` has libpq's words (PostgreSQL's manual, 34.19.1), and here they mean:
//!
//! | word | TLS | what is verified |
//! |---|---|---|
//! | `disable` | never | |
//! | `allow`, `prefer` | where the server offers it | nothing: whoever is in between can read along |
//! | `verify-ca` | always | that an authority vouches for the certificate |
//! | `require`, `verify-full` | always | that, and that it is for this host |
//!
//! `require` is stricter than libpq's, which verifies nothing unless it finds a file of
//! authorities. Without a word, a connection over a Unix socket or to this machine is
//! plain, and one to any other host is refused. The authorities are those of `sslrootcert`,
//! a file of PEM certificates, else of `SSL_CERT_FILE`, else the system's
//! (`sslrootcert=system` says so).

use crate::error::{Error, Result};
use percent_encoding::percent_decode_str;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use std::{error::Error as StdError, sync::Arc, time::Duration};
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long the other side may leave what we sent unacknowledged.
const SILENCE: Duration = Duration::from_secs(20);

/// Reads a connection string, and makes what speaks TLS as it asks. The authorities are
/// read only where they are needed.
pub(crate) fn address(database: &str) -> Result<(Config, MakeRustlsConnect)> {
    let (config, mode, roots) = read(database)?;
    Ok((config, MakeRustlsConnect::new(client(mode, roots.as_deref())?)))
}

/// Reads a connection string of `key=value` pairs or a `postgres://` URL, and what it says
/// of TLS.
pub(crate) fn read(database: &str) -> Result<(Config, Mode, Option<String>)> {
    let Said { rest, mode, roots } = Said::of(database);
    let mut config: Config = rest.parse().map_err(|error: tokio_postgres::Error| {
        let why = StdError::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        Error::invalid("DATABASE_URL", "invalid", format!("is not a connection string: {why}"))
    })?;
    let mode = mode.map(|word| Mode::parse(&word)).transpose()?;
    let mode = match mode {
        Some(mode) => mode,
        None if is_near(&config) => Mode::Disable,
        None => {
            return Err(refused(
                "names a host elsewhere and does not say whether TLS is wanted: add sslmode=verify-full, \
             or sslmode=disable where nobody else can listen in between",
            ));
        }
    };
    config.ssl_mode(match mode {
        Mode::Disable => SslMode::Disable,
        Mode::Prefer => SslMode::Prefer,
        Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
    });
    // A link that went silent is noticed within half a minute, not in two hours.
    config.tcp_user_timeout(SILENCE).keepalives_idle(SILENCE / 2);
    config.keepalives_interval(SILENCE / 8).keepalives_retries(4);
    Ok((config, mode, roots))
}

fn refused(text: impl Into<String>) -> Error {
    Error::invalid("DATABASE_URL", "tls", text.into())
}

/// How much of TLS there is to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Disable,
    Prefer,
    VerifyCa,
    VerifyFull,
}

impl Mode {
    fn parse(word: &str) -> Result<Self> {
        match word {
            "disable" => Ok(Self::Disable),
            "allow" | "prefer" => Ok(Self::Prefer),
            "verify-ca" => Ok(Self::VerifyCa),
            "require" | "verify-full" => Ok(Self::VerifyFull),
            _ => Err(refused(
                "has an sslmode that is none: use disable, allow, prefer, require, verify-ca or verify-full",
            )),
        }
    }
}

/// Whether every host is this machine.
fn is_near(config: &Config) -> bool {
    let addresses = config.get_hostaddrs();
    let named = config.get_hosts().iter().all(|host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost"
                || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.to_canonical().is_loopback())
        }
    });
    if addresses.is_empty() {
        named
    } else {
        addresses.iter().all(|ip| ip.to_canonical().is_loopback())
    }
}

/// What a connection string says of TLS, and the rest of it.
struct Said {
    rest: String,
    mode: Option<String>,
    roots: Option<String>,
}

impl Said {
    fn of(database: &str) -> Self {
        let mut said = Self { rest: String::new(), mode: None, roots: None };
        if database.contains("://") {
            let (address, query) = database.split_once('?').unwrap_or((database, ""));
            let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
            let others = query.split('&').filter(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                !pair.is_empty() && !said.take(key, || decoded(value))
            });
            let others = others.collect::<Vec<_>>().join("&");
            let mark = if others.is_empty() { "" } else { "?" };
            said.rest = format!("{address}{mark}{others}");
            return said;
        }
        // What is no list of pairs is left to be complained about.
        let Some(pairs) = pairs(database) else {
            return Self { rest: database.to_owned(), ..said };
        };
        let others = pairs.into_iter().filter(|(key, value)| !said.take(key, || unquoted(value)));
        let others: Vec<String> = others.map(|(key, value)| format!("{key}={value}")).collect();
        said.rest = others.join(" ");
        said
    }

    /// Keeps the value if it is of TLS.
    fn take(&mut self, key: &str, value: impl FnOnce() -> String) -> bool {
        let place = match key {
            "sslmode" => &mut self.mode,
            "sslrootcert" => &mut self.roots,
            _ => return false,
        };
        *place = Some(value());
        true
    }
}

/// The keys and the values, as they are written, of a list of `key=value`.
fn pairs(text: &str) -> Option<Vec<(&str, &str)>> {
    let (mut rest, mut pairs) = (text.trim(), Vec::new());
    while !rest.is_empty() {
        let (key, value) = rest.split_once('=')?;
        let value = value.trim_start();
        let quoted = value.starts_with('\'');
        let mut escaped = false;
        let end = value.char_indices().skip(usize::from(quoted)).find(|(_, c)| {
            let ends = !escaped && if quoted { *c == '\'' } else { c.is_whitespace() };
            escaped = !escaped && *c == '\\';
            ends
        });
        let end = match (end, quoted) {
            (Some((place, _)), true) => place + 1,
            (Some((place, _)), false) => place,
            (None, true) => return None,
            (None, false) => value.len(),
        };
        let (value, behind) = value.split_at(end);
        pairs.push((key.trim(), value));
        rest = behind.trim_start();
    }
    Some(pairs)
}

fn unquoted(value: &str) -> String {
    let inside = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
    let (mut text, mut escaped) = (String::new(), false);
    for c in inside.unwrap_or(value).chars() {
        escaped = !escaped && c == '\\';
        if !escaped {
            text.push(c);
        }
    }
    text
}

fn client(mode: Mode, roots: Option<&str>) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?;
    let unverified = |authority| Arc::new(Partly { authority, provider: Arc::clone(&provider) });
    let client = match mode {
        Mode::VerifyFull => client.with_root_certificates(authorities(roots)?),
        Mode::VerifyCa => {
            let roots = Arc::new(authorities(roots)?);
            let verifier =
                WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
            let verifier = verifier.map_err(Error::internal)?;
            client.dangerous().with_custom_certificate_verifier(unverified(Some(verifier)))
        }
        Mode::Prefer | Mode::Disable => {
            client.dangerous().with_custom_certificate_verifier(unverified(None))
        }
    };
    Ok(client.with_no_client_auth())
}

/// Whom certificates are believed from.
fn authorities(file: Option<&str>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let Some(file) = file.filter(|file| *file != "system") else {
        let found = rustls_native_certs::load_native_certs();
        let (known, _) = roots.add_parsable_certificates(found.certs);
        return if known > 0 {
            Ok(roots)
        } else {
            Err(refused(
                "asks for TLS, and this machine has no certificate authorities: install \
                 ca-certificates, or name a file of them in sslrootcert or SSL_CERT_FILE",
            ))
        };
    };
    let unread =
        |error| refused(format!("names sslrootcert={file}, which cannot be read: {error}"));
    let certificates = CertificateDer::pem_file_iter(file).map_err(unread)?;
    for certificate in certificates {
        let added = roots.add(certificate.map_err(unread)?);
        added.map_err(|error| {
            refused(format!("names sslrootcert={file}, which is wrong: {error}"))
        })?;
    }
    if roots.is_empty() {
        return Err(refused(format!("names sslrootcert={file}, which has no certificate in it")));
    }
    Ok(roots)
}

/// Verifies less than all: with an authority everything but the name, without one only
/// that the other side has the key of the certificate it shows.
#[derive(Debug)]
struct Partly {
    authority: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Partly {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        use rustls::Error::InvalidCertificate;
        let Some(authority) = &self.authority else { return Ok(ServerCertVerified::assertion()) };
        match authority.verify_server_cert(certificate, intermediates, name, response, now) {
            Err(InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(database: &str) -> (String, Option<String>, Option<String>) {
        let Said { rest, mode, roots } = Said::of(database);
        (rest, mode, roots)
    }

    fn mode(database: &str) -> std::result::Result<SslMode, String> {
        let refused = |error| match error {
            Error::Invalid(violations) => violations[0].message.clone(),
            other => panic!("{other:?}"),
        };
        address(database).map(|(config, _)| config.get_ssl_mode()).map_err(refused)
    }

    #[test]
    fn what_is_said_of_tls_is_taken_out_and_the_rest_stays() {
        let ca = || Some("/a b/ca.pem".to_owned());
        let word = |word: &str| Some(word.to_owned());
        for (database, rest, expected, roots) in [
            (
                "postgres://u:p@h/d?sslmode=verify-ca&sslrootcert=%2Fa%20b/ca.pem",
                "postgres://u:p@h/d",
                word("verify-ca"),
                ca(),
            ),
            (
                "postgres://h/d?connect_timeout=3&sslmode=allow",
                "postgres://h/d?connect_timeout=3",
                word("allow"),
                None,
            ),
            ("postgresql://h", "postgresql://h", None, None),
            ("host=h sslmode = 'prefer' dbname='a b'", "host=h dbname='a b'", word("prefer"), None),
            (
                r"sslrootcert='/a b/ca.pem' password='it\'s sslmode=disable'",
                r"password='it\'s sslmode=disable'",
                None,
                ca(),
            ),
            (r"sslrootcert=/a\ b/ca.pem host=h", "host=h", None, ca()),
            ("nonsense", "nonsense", None, None),
            ("host='open", "host='open", None, None),
        ] {
            assert_eq!(said(database), (rest.to_owned(), expected, roots), "{database}");
        }
    }

    #[test]
    fn another_machine_is_reached_in_plain_text_only_if_that_is_said() {
        for near in [
            "host=/run/postgresql user=a",
            "postgres://a@localhost/b",
            "postgres://a@127.0.0.1/b",
            "postgres://a@[::1]/b",
            "host=db.example.com hostaddr=127.0.0.2",
            "host=/run,localhost",
        ] {
            assert_eq!(mode(near), Ok(SslMode::Disable), "{near}");
        }
        for far in [
            "postgres://a@db.example.com/b",
            "host=10.0.0.1",
            "host=localhost,db",
            "host=localhost hostaddr=10.0.0.1",
        ] {
            assert!(mode(far).unwrap_err().contains("sslmode=verify-full"), "{far}");
            assert_eq!(mode(&format!("{}sslmode=disable", joined(far))), Ok(SslMode::Disable));
            assert_eq!(mode(&format!("{}sslmode=allow", joined(far))), Ok(SslMode::Prefer));
        }
    }

    fn joined(database: &str) -> String {
        format!("{database}{}", if database.contains("://") { "?" } else { " " })
    }

    #[test]
    fn a_word_or_a_file_that_is_wrong_is_named() {
        assert!(mode("host=h sslmode=maybe").unwrap_err().contains("verify-full"));
        let missing = mode("host=h sslmode=verify-ca sslrootcert=/nonexistent").unwrap_err();
        assert!(missing.contains("/nonexistent, which cannot be read"), "{missing}");
        let empty = mode("host=h sslmode=verify-ca sslrootcert=/dev/null").unwrap_err();
        assert!(empty.contains("no certificate"), "{empty}");
        // Nobody asks for the authorities where nothing is verified.
        assert_eq!(mode("host=h sslmode=prefer sslrootcert=/nonexistent"), Ok(SslMode::Prefer));
    }
}
