//! Secrets that a development machine makes for itself: once, readable by their owner alone.
//!
//! Invariant: of two processes that make the same secret at the same time, both use the one that was there first.

use super::{Config, settings::Shown, settings::all, values::Expected};
use crate::failure::{Exit, Failure};
use platform::{
    Environment, Secret,
    proof::{Digest, PublicKey},
};
use std::{
    collections::HashSet,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// HMAC-SHA-256 keys shorter than its output weaken it (RFC 2104, section 3).
const LEAST_BYTES: usize = 32;
/// Of how many different bytes a secret consists at least; 64 random hexadecimal digits have fewer than once in
/// a hundred million.
const LEAST_DIFFERENT: usize = 8;
/// A text of so many bytes that is repeated is no longer secret than itself.
const LONGEST_REPEATED: usize = 8;

/// Takes any secret in development, elsewhere only one that is long enough and looks random.
pub(super) fn parse(environment: Environment) -> impl Fn(&str) -> Result<Secret, Expected> {
    move |text| {
        let why = match text.as_bytes() {
            _ if environment == Environment::Development => None,
            bytes if bytes.len() < LEAST_BYTES => Some(format!("it has {}", bytes.len())),
            bytes if is_plain(bytes) => Some("this one is easy to guess".to_owned()),
            _ => None,
        };
        let Some(why) = why else { return Ok(Secret::new(text)) };
        Err(format!(
            "at least {LEAST_BYTES} bytes that nobody can guess in {environment}, and {why}; make one with \
             `openssl rand -hex 32`"
        ))
    }
}

/// Whether it has few different bytes, or is a short text again and again.
fn is_plain(bytes: &[u8]) -> bool {
    let different = bytes.iter().collect::<HashSet<_>>().len();
    let repeats =
        |length: &usize| bytes.iter().zip(&bytes[*length..]).all(|(one, next)| one == next);
    different < LEAST_DIFFERENT || (1..=LONGEST_REPEATED).any(|length| repeats(&length))
}

/// Seeds of keys, separated by commas.
pub(super) fn seeds(text: &str) -> Result<Vec<Secret>, Expected> {
    let seed = |one: &str| one.trim().parse().ok().map(|Digest(bytes)| Secret::new(bytes));
    let seeds: Option<Vec<Secret>> = text.split(',').map(seed).collect();
    seeds.ok_or_else(|| {
        "64 hexadecimal digits, several separated by commas; make one with `openssl rand -hex 32`"
            .to_owned()
    })
}

/// Public keys, separated by commas.
pub(super) fn public_keys(text: &str) -> Result<Vec<PublicKey>, Expected> {
    let keys: Option<Vec<PublicKey>> = text.split(',').map(|one| one.trim().parse().ok()).collect();
    keys.ok_or_else(|| {
        "public keys of 64 hexadecimal digits, several separated by commas; they are at GET /api/v1/ledger/seals"
            .to_owned()
    })
}

/// Where a secret that was made here is kept. The name's beginning tells the embedded PostgreSQL that it is ours.
pub fn place(config: &Config, name: &str) -> PathBuf {
    config.data_dir.join("wallstreet.secrets").join(name)
}

/// What is wrong with two secrets that are one: whoever learns it from one use has the other too.
pub(super) fn refuse_equal(one: Option<&Secret>, other: Option<&Secret>) -> Option<&'static str> {
    let equal = one.is_some_and(|one| other == Some(one));
    equal.then_some(
        "JWT_SECRET and API_KEY_SALT are the same: expected a secret of its own for each; make one with \
         `openssl rand -hex 32`",
    )
}

impl Config {
    /// Refuses to go on where secrets must be given and are not.
    ///
    /// # Errors
    /// One that names them all.
    pub fn require_secrets(&self) -> Result<(), Failure> {
        let missing = self.missing_secrets();
        if missing.is_empty() || self.in_development() {
            return Ok(());
        }
        let (names, is) = (missing.join(" and "), if missing.len() == 1 { "is" } else { "are" });
        let exports: Vec<_> =
            missing.iter().map(|name| format!("export {name}=$(openssl rand -hex 32)")).collect();
        let what = format!(
            "{names} {is} not set, and {} requires what development makes for itself",
            self.environment
        );
        Err(Failure::new(Exit::Configuration, what).next(format!(
            "give each a value that stays the same from start to start, at least {LEAST_BYTES} random bytes, \
             e.g. `{}`; or set {}_FILE to the path of a file that holds it",
            exports.join("; "),
            missing[0]
        )))
    }

    /// The secrets that nobody gave.
    pub fn missing_secrets(&self) -> Vec<&'static str> {
        let given = [("JWT_SECRET", &self.jwt_secret), ("API_KEY_SALT", &self.api_key_salt)];
        let names =
            all().filter(|setting| setting.shown == Shown::Never).map(|setting| setting.name);
        names
            .filter(|name| given.iter().any(|(known, secret)| known == name && secret.is_none()))
            .collect()
    }

    /// The secret that keys the hashes of API keys, if it was given or made already.
    pub fn known_salt(&self) -> Option<Secret> {
        let made = || made_already(&place(self, "API_KEY_SALT"));
        self.api_key_salt.clone().or_else(|| self.in_development().then(made).flatten())
    }

    /// The secret that signs tokens and the one that keys the hashes of API keys; made now where development lacks them.
    ///
    /// # Errors
    /// The data directory cannot be written, or see [`Self::require_secrets`].
    pub fn secrets(&self) -> Result<(Secret, Secret), Failure> {
        self.require_secrets()?;
        let kept = |given: &Option<Secret>, name| match given {
            Some(secret) => Ok(secret.clone()),
            None => keep(&place(self, name)).map(Secret::new).map_err(|error| {
                let path = place(self, name);
                Failure::new(
                    Exit::Failed,
                    format!("cannot keep {name} in {}: {error}", path.display()),
                )
                .next(format!(
                    "let this user write {}, or set {name} yourself",
                    self.data_dir.display()
                ))
            }),
        };
        Ok((kept(&self.jwt_secret, "JWT_SECRET")?, kept(&self.api_key_salt, "API_KEY_SALT")?))
    }
}

/// Reads the secret at `path`, if there is one.
fn made_already(path: &Path) -> Option<Secret> {
    let text = fs::read_to_string(path).ok()?;
    whole(&text).ok().map(Secret::new)
}

/// Reads the secret at `path`; makes it first if it is not there.
fn keep(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path)?,
        Err(error) => return Err(error),
        Ok(text) => return whole(&text),
    }
    whole(&fs::read_to_string(path)?)
}

/// A secret that somebody emptied or cut would sign tokens that anyone can forge.
fn whole(text: &str) -> io::Result<String> {
    let secret = text.trim();
    if secret.len() < LEAST_BYTES {
        return Err(io::Error::other(
            "the file holds less than a secret; remove it to have a new one made",
        ));
    }
    Ok(secret.to_owned())
}

fn make(path: &Path) -> io::Result<()> {
    let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let data_dir = dir.parent().ok_or(io::ErrorKind::InvalidInput)?;
    DirBuilder::new().recursive(true).mode(embedded_postgres::data_dir_mode()).create(data_dir)?;
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let mut bytes = [0_u8; LEAST_BYTES];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();

    let draft = path.with_extension(format!("draft.{}", std::process::id()));
    let _ = fs::remove_file(&draft);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    // A link, unlike a rename, does not replace what another process put there a moment ago.
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}
