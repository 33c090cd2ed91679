//! The data directory's layout: who owns which part, with which mode, and what may already be
//! there.
//!
//! Invariant: when we are root and PostgreSQL is not, only `pg` and the socket directory belong to
//! PostgreSQL's user; what we write ourselves we write by rename or without following links, so
//! that this user cannot redirect us.

use crate::{Error, error::cannot, identity::Identity};
use std::{
    env,
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// A Unix socket's path has at most 107 bytes (`sun_path`); PostgreSQL appends `/.s.PGSQL.5432`,
/// and its lock file more.
const LONGEST_SOCKET_DIR: usize = 80;
const STAGING: &str = "pg.init.";
/// How long what was killed may take to end.
const DYING: Duration = Duration::from_secs(10);

/// Where the binary keeps its data unless told otherwise: root's home is closed to the user that
/// PostgreSQL runs as, so root has `/var/lib/wallstreet`; anyone else has the XDG data directory.
pub fn default_data_dir() -> PathBuf {
    let absolute =
        |key| env::var_os(key).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    if nix::unistd::Uid::effective().is_root() {
        return PathBuf::from("/var/lib/wallstreet");
    }
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    data.unwrap_or_else(|| PathBuf::from("/var/lib")).join("wallstreet")
}

/// A data directory, by its real path.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    pub dir: PathBuf,
}

impl Home {
    /// Creates the directory if need be.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        if !dir.exists() {
            fs::create_dir_all(dir).map_err(cannot("create", dir))?;
            set_mode(dir, mode())?;
        }
        let dir = dir.canonicalize().map_err(cannot("open", dir))?;
        Ok(Self { dir })
    }

    pub fn pg(&self) -> PathBuf {
        self.dir.join("pg")
    }

    pub fn log(&self) -> PathBuf {
        self.dir.join("postgres.log")
    }

    pub fn lock(&self) -> PathBuf {
        self.dir.join("wallstreet.lock")
    }

    /// There from the moment the first cluster is complete.
    pub fn marker(&self) -> PathBuf {
        self.dir.join("wallstreet.cluster")
    }

    /// The process id in the name keeps an `initdb` that is still dying out of our way.
    pub fn staging(&self) -> PathBuf {
        self.dir.join(format!("{STAGING}{}", std::process::id()))
    }

    /// Refuses a directory that somebody else filled. Ours has our lock file from the first start
    /// on; before that, configuration of ours (`wallstreet*`), a download and hidden files may be
    /// there.
    pub fn refuse_foreign(&self) -> Result<(), Error> {
        if self.lock().exists() {
            return Ok(());
        }
        for entry in fs::read_dir(&self.dir).map_err(cannot("list", &self.dir))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let ours = name.starts_with("wallstreet") || name.starts_with('.');
            if !ours && !["cache", "lost+found"].contains(&name.as_str()) {
                return Err(Error::Foreign { dir: self.dir.clone(), found: name });
            }
        }
        Ok(())
    }

    /// What a crash in `initdb` left behind. Only under the lock: before that it may be somebody's
    /// work in progress.
    pub fn remove_leftovers(&self) -> Result<(), Error> {
        for entry in fs::read_dir(&self.dir).map_err(cannot("list", &self.dir))?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(STAGING) {
                remove_all(&entry.path()).map_err(cannot("remove", entry.path()))?;
            }
        }
        Ok(())
    }

    /// `<data>/run`, or where that cannot be written in a connection string (too long for a socket,
    /// or with the comma that separates hosts), a short path named after the directory's inode.
    /// Nobody but PostgreSQL's user and root reaches it: a connection that is refused later takes
    /// a place meanwhile.
    pub fn socket_dir(&self, user: &Identity) -> Result<PathBuf, Error> {
        let run = self.dir.join("run");
        let plain = !run.as_os_str().as_encoded_bytes().contains(&b',');
        if plain && run.as_os_str().len() <= LONGEST_SOCKET_DIR {
            private_dir(&run, 0o700, user)?;
            return Ok(run);
        }
        let inode = fs::metadata(&self.dir).map_err(cannot("read", &self.dir))?;
        let name = format!("wallstreet-{:x}-{:x}", inode.dev(), inode.ino());
        let temporary = env::temp_dir().join(&name);
        let short = temporary.as_os_str().len() <= LONGEST_SOCKET_DIR;
        let run = if short { temporary } else { Path::new("/tmp").join(&name) };
        private_dir(&run, 0o700, user)?;
        Ok(run)
    }
}

/// The mode of a new data directory. PostgreSQL's user passes through root's, and lists nothing.
pub fn mode() -> u32 {
    if nix::unistd::Uid::effective().is_root() { 0o711 } else { 0o700 }
}

/// Removes a directory in which processes of a start that was killed may still be writing:
/// they end by themselves.
fn remove_all(dir: &Path) -> io::Result<()> {
    let end = Instant::now() + DYING;
    loop {
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error)
                if error.kind() == io::ErrorKind::DirectoryNotEmpty && Instant::now() < end =>
            {
                thread::sleep(Duration::from_millis(20));
            }
            done => return done,
        }
    }
}

/// A directory of PostgreSQL's user. One that exists must be a real directory and theirs already:
/// in a shared temporary directory anyone could have put one there.
pub(crate) fn private_dir(path: &Path, mode: u32, user: &Identity) -> Result<(), Error> {
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => user.own(path)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let found = fs::symlink_metadata(path).map_err(cannot("read", path))?;
            let ours =
                [user.uid.as_raw(), nix::unistd::Uid::effective().as_raw()].contains(&found.uid());
            if !found.is_dir() || !ours {
                return Err(cannot("use", path)(io::Error::other("it belongs to somebody else")));
            }
            user.own(path)?;
        }
        Err(error) => return Err(cannot("create", path)(error)),
    }
    set_mode(path, mode)
}

fn set_mode(path: &Path, mode: u32) -> Result<(), Error> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(cannot("set the mode of", path))
}

/// Opens a file of ours for reading and writing, never through a link.
pub(crate) fn open_own(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
        .open(path)
        .map_err(cannot("open", path))
}

/// Puts a whole file in place of the old one, or leaves the old one.
pub(crate) fn replace(path: &Path, mode: u32, text: &[u8]) -> Result<(), Error> {
    let new = path.with_extension(format!("new.{}", std::process::id()));
    let write = || {
        let _ = fs::remove_file(&new);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(text)?;
        fs::rename(&new, path)
    };
    write().map_err(cannot("write", path))
}

/// A rename is durable once its directory is.
pub(crate) fn sync_dir(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(cannot("sync", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_start_left_is_removed_while_its_processes_still_write() {
        let dir = env::temp_dir().join(format!("wallstreet-dying-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        let writing = dir.clone();
        let dying = thread::spawn(move || {
            let end = Instant::now() + Duration::from_millis(300);
            for number in 0.. {
                let inside = writing.join(format!("base/{}", number % 50));
                // Like `initdb`, it does not make the outermost directory again.
                let made = fs::create_dir(writing.join("base"));
                let made = made.or_else(|error| match error.kind() {
                    io::ErrorKind::AlreadyExists => Ok(()),
                    _ => Err(error),
                });
                if Instant::now() > end || made.is_err() {
                    return;
                }
                let _ = fs::create_dir(&inside).and_then(|()| fs::write(inside.join("1"), "x"));
            }
        });
        thread::sleep(Duration::from_millis(20));
        remove_all(&dir).unwrap();
        dying.join().unwrap();
        assert!(!dir.exists());
        remove_all(&dir).unwrap();
    }

    #[test]
    fn a_new_data_directory_is_its_owners_alone_but_for_the_way_of_roots_postgresql() {
        let dir = env::temp_dir().join(format!("wallstreet-mode-{}/data", std::process::id()));
        let home = Home::open(&dir).unwrap();
        let found = fs::metadata(&home.dir).unwrap().permissions().mode() & 0o777;
        let is_root = nix::unistd::Uid::effective().is_root();
        assert_eq!(found, if is_root { 0o711 } else { 0o700 });
        fs::remove_dir_all(dir.parent().unwrap()).unwrap();
    }
}
