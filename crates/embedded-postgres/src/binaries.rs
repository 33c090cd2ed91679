//! Which PostgreSQL to run: where programs are looked for, and which of those found is taken.
//!
//! A cluster can only be run by its own major version; a new one is made with the newest. Places
//! are asked in order: beside our executable, the operating system's, `PATH`, an earlier download.
//! One given by hand is the only one asked.

use crate::{Error, OLDEST_MAJOR, install};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Where packages put the server's programs; one `*` in a component.
const SYSTEM: [&str; 7] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/libexec/postgresql*",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// The PostgreSQL that was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    /// Holds `postgres` and `initdb`.
    pub dir: PathBuf,
    /// e.g. "15.18".
    pub version: String,
    /// e.g. 15.
    pub major: u32,
}

/// A place with a `postgres` in it, usable or not.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The real directory, links resolved.
    pub dir: PathBuf,
    /// How we came to look there, e.g. "PATH".
    pub place: &'static str,
    /// What is there, or why it will not do.
    pub binaries: Result<Binaries, String>,
}

/// Everything considered, in order of preference: the answer to "why that one?".
pub fn candidates(explicit: Option<&Path>, data_dir: &Path) -> Vec<Candidate> {
    if let Some(dir) = explicit {
        return vec![Candidate { dir: dir.into(), place: "given", binaries: probe(dir) }];
    }
    let exe = env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.canonicalize().ok()?.parent()?.to_path_buf()));
    let beside =
        exe.iter().flat_map(|dir| [dir.join("../lib/wallstreet/pg/bin"), dir.join("pg/bin")]);
    let path = env::var_os("PATH").unwrap_or_default();
    let in_path = env::split_paths(&path).filter(|dir| dir.is_absolute());
    let cache = cache(data_dir).join("*/bin");
    let places = beside
        .map(|dir| ("beside the executable", vec![dir]))
        .chain(SYSTEM.iter().map(|pattern| ("operating system", expand(Path::new(pattern)))))
        .chain(in_path.map(|dir| ("PATH", vec![dir])))
        .chain([("downloaded earlier", expand(&cache))]);

    let mut found: Vec<Candidate> = Vec::new();
    for (place, dirs) in places {
        let from = found.len();
        for dir in dirs {
            // PATH often holds a link to the one program; its neighbours are where the link points.
            let Ok(program) = dir.join("postgres").canonicalize() else {
                continue;
            };
            let dir = program.parent().unwrap_or(&dir).to_path_buf();
            if !found.iter().any(|seen| seen.dir == dir) {
                found.push(Candidate { binaries: probe(&dir), dir, place });
            }
        }
        found[from..]
            .sort_by_key(|one| std::cmp::Reverse(one.binaries.as_ref().map_or(0, |it| it.major)));
    }
    found
}

/// The PostgreSQL that a start on `data_dir` would use. Never downloads.
pub fn find_binaries(explicit: Option<&Path>, data_dir: &Path) -> Result<Binaries, Error> {
    let made_by = crate::cluster::made_by(&data_dir.join("pg"))?;
    obtain(explicit, data_dir, made_by, false)
}

/// Finds the binaries for a cluster made by the major version `made_by`, or for a new one.
/// Downloads only where the machine has no PostgreSQL at all: an existing one of another major is
/// the operator's choice to solve.
pub(crate) fn obtain(
    explicit: Option<&Path>,
    data_dir: &Path,
    made_by: Option<u32>,
    allow_download: bool,
) -> Result<Binaries, Error> {
    let candidates = candidates(explicit, data_dir);
    if let (Some(dir), [Candidate { binaries: Err(why), .. }]) = (explicit, candidates.as_slice()) {
        return Err(Error::NotBinaries { dir: dir.into(), why: why.clone() });
    }
    let usable = || candidates.iter().filter_map(|one| one.binaries.as_ref().ok());
    if let Some(major) = made_by {
        if let Some(same) = usable().find(|it| it.major == major) {
            return Ok(same.clone());
        }
        if usable().next().is_some() {
            let mut found: Vec<&str> = usable().map(|it| it.version.as_str()).collect();
            found.dedup();
            return Err(Error::OtherMajor {
                dir: data_dir.join("pg"),
                cluster: major,
                found: found.join(", "),
                install: install::advice(Some(major)),
            });
        }
    } else if let Some(first) = usable().next() {
        return Ok(first.clone());
    }
    let why = match allow_download.then(|| download(&cache(data_dir), made_by)) {
        Some(Ok(dir)) => match probe(&dir) {
            Ok(binaries) => return Ok(binaries),
            Err(why) => format!("what was downloaded does not run: {why}"),
        },
        Some(Err(why)) => why,
        None => "downloading is switched off".to_owned(),
    };
    Err(Error::NoPostgres { why, install: install::advice(made_by) })
}

/// Downloads live in the data directory, so that they go where the data goes and go away with it.
fn cache(data_dir: &Path) -> PathBuf {
    data_dir.join("cache/postgresql")
}

#[cfg(feature = "download")]
use crate::download::download;

#[cfg(not(feature = "download"))]
fn download(_cache: &Path, _major: Option<u32>) -> Result<PathBuf, String> {
    Err("this build cannot download".to_owned())
}

/// Asks the `postgres` in `dir` for its version.
fn probe(dir: &Path) -> Result<Binaries, String> {
    for program in ["postgres", "initdb"] {
        if !dir.join(program).is_file() {
            return Err(format!("there is no {program} in it"));
        }
    }
    let output = Command::new(dir.join("postgres")).arg("-V").env_clear().output();
    let output = output.map_err(|error| format!("postgres does not run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (version, major) = version(&text).ok_or_else(|| {
        format!(
            "postgres -V says \"{}{}\"",
            text.trim(),
            String::from_utf8_lossy(&output.stderr).trim()
        )
    })?;
    if major < OLDEST_MAJOR {
        return Err(format!("it is version {version}"));
    }
    Ok(Binaries { dir: dir.into(), version, major })
}

/// From e.g. "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)".
fn version(text: &str) -> Option<(String, u32)> {
    let version = text.split_once("(PostgreSQL) ")?.1.split_whitespace().next()?;
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((version.to_owned(), digits.parse().ok()?))
}

/// The directories that match a pattern with one `*`.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let text = pattern.to_string_lossy();
    let Some((before, after)) = text.rsplit_once('*') else {
        return vec![pattern.into()];
    };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name.starts_with(prefix));
    names.sort();
    names.iter().map(|name| PathBuf::from(format!("{parent}/{name}{after}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn what_is_not_a_version_is_not_taken_for_one() {
        assert_eq!(version(""), None);
        assert_eq!(version("postgres (PostgreSQL) devel"), None);
    }

    #[test]
    fn the_version_is_read_past_what_the_packager_added() {
        assert_eq!(
            version("postgres (PostgreSQL) 15.18 (Debian 15.18-0)\n"),
            Some(("15.18".into(), 15))
        );
        assert_eq!(version("postgres (PostgreSQL) 18beta1\n"), Some(("18beta1".into(), 18)));
    }
}
