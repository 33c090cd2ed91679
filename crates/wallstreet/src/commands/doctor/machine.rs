//! What can be seen from outside the database: settings, secrets, directory, disk, port.

use super::Check;
use crate::config::{Config, Effective, Origin, secret_place, settings::Shown};
use nix::{
    sys::statvfs::statvfs,
    unistd::{Uid, User},
};
use std::{
    fs,
    io::ErrorKind,
    net::TcpListener,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Below it, PostgreSQL's write-ahead log alone may fill the disk.
const LEAST_FREE_BYTES: u64 = 1 << 30;

pub(super) fn configuration(config: &Config) -> Check {
    let file = match &config.file {
        Some(path) => path.display().to_string(),
        None => "no file".to_owned(),
    };
    let given = config.effective.iter().filter(|one| one.origin != Origin::Default).count();
    let detail = format!("{}, {file}, {given} settings given", config.environment);
    match config.warnings.as_slice() {
        [] => Check::fine("configuration", detail),
        warnings => Check::finding("configuration", warnings.join("; "), "see to each of them"),
    }
}

pub(super) fn secrets(config: &Config) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Err(failure) = config.require_secrets() {
        checks.push(Check::failure("secrets", failure));
    } else {
        let missing = config.missing_secrets();
        let kept = missing.iter().filter(|name| secret_place(config, name).exists()).count();
        checks.push(Check::fine(
            "secrets",
            match missing.len() {
                0 => "given".to_owned(),
                many if many == kept => "made earlier, kept in the data directory".to_owned(),
                _ => "will be made by the first start".to_owned(),
            },
        ));
    }
    let kept = config.missing_secrets().into_iter().map(|name| secret_place(config, name));
    checks
        .extend(kept.chain(file_with_secret(config)).filter_map(|path| readable_by_others(&path)));
    checks
}

/// The configuration file, if it holds a secret itself and not only the path of one.
fn file_with_secret(config: &Config) -> Option<PathBuf> {
    let path = config.file.clone()?;
    let text = fs::read_to_string(&path).ok()?;
    let holds = |one: &Effective| {
        let Origin::File(_, line) = one.origin else { return false };
        let by_path = format!("{}_FILE", one.setting.name);
        let written = text.lines().nth(line - 1).unwrap_or_default();
        one.setting.shown != Shown::Plainly && !written.trim_start().starts_with(&by_path)
    };
    config.effective.iter().any(holds).then_some(path)
}

/// What holds a secret must be its owner's alone.
fn readable_by_others(path: &Path) -> Option<Check> {
    let mode = fs::metadata(path).ok()?.mode() & 0o777;
    let detail =
        format!("{} holds a secret, and other users can read it (mode {mode:o})", path.display());
    (mode & 0o044 != 0)
        .then(|| Check::finding("secrets", detail, format!("chmod 600 {}", path.display())))
}

pub(super) fn directory(config: &Config) -> Check {
    let dir = &config.data_dir;
    let found = match fs::metadata(dir) {
        Ok(found) if found.is_dir() => found,
        Ok(_) => {
            let detail = format!("{} is not a directory", dir.display());
            return Check::finding("data directory", detail, "choose another with --data-dir");
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Check::note(
                "data directory",
                format!("{} is not there yet; the first start makes it", dir.display()),
            );
        }
        Err(error) => {
            let detail = format!("{}: {error}", dir.display());
            return Check::finding(
                "data directory",
                detail,
                "run as its owner, or choose another with --data-dir",
            );
        }
    };
    let detail = format!(
        "{}, owner {}, mode {:o}",
        dir.display(),
        name_of(found.uid()),
        found.mode() & 0o777
    );
    let me = Uid::effective();
    if !me.is_root() && found.uid() != me.as_raw() {
        let remedy = format!("run as {}, or choose another with --data-dir", name_of(found.uid()));
        return Check::finding(
            "data directory",
            format!("{detail}: it belongs to another user"),
            remedy,
        );
    }
    if found.mode() & 0o022 != 0 {
        let remedy = format!("chmod go-w {}", dir.display());
        return Check::finding(
            "data directory",
            format!("{detail}: other users can write it"),
            remedy,
        );
    }
    Check::fine("data directory", detail)
}

fn name_of(uid: u32) -> String {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    user.map_or_else(|| uid.to_string(), |user| user.name)
}

pub(super) fn disk(config: &Config) -> Check {
    let place = config.data_dir.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"));
    let found = match statvfs(place) {
        Ok(found) => found,
        Err(error) => return Check::note("disk space", format!("cannot be read: {error}")),
    };
    // The types differ between systems.
    #[allow(clippy::useless_conversion)]
    let free = u64::from(found.blocks_available()).saturating_mul(u64::from(found.fragment_size()));
    let detail = format!("{} MiB free at {}", free >> 20, place.display());
    if free < LEAST_FREE_BYTES {
        return Check::finding(
            "disk space",
            detail,
            "free at least 1 GiB, or move the data directory",
        );
    }
    Check::fine("disk space", detail)
}

/// `holder` is the process that serves from this data directory.
pub(super) fn port(config: &Config, holder: Option<&str>) -> Check {
    let address = config.address;
    match TcpListener::bind(address) {
        Ok(_) => Check::fine("port", format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => match holder {
            Some(pid) => Check::fine(
                "port",
                format!("{address} is in use, and process {pid} serves from this data directory"),
            ),
            None => Check::finding(
                "port",
                format!("{address} is in use by another process"),
                format!(
                    "see which with `ss -ltnp 'sport = :{}'` and stop it, or choose another with --port",
                    address.port()
                ),
            ),
        },
        Err(error) => Check::finding(
            "port",
            format!("{address}: {error}"),
            "choose others with HOST and PORT",
        ),
    }
}
