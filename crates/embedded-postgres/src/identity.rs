//! Whom PostgreSQL runs as. It refuses to be root, so root hands it to an unprivileged account;
//! anyone else runs it as themselves.

use crate::{Error, error::cannot};
use nix::unistd::{Gid, Uid, User};
use std::{
    fs,
    os::unix::fs::{MetadataExt, lchown},
    path::Path,
};

/// Accounts that root may use, best first.
const ACCOUNTS: [&str; 3] = ["wallstreet", "postgres", "nobody"];

/// An account for PostgreSQL.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub uid: Uid,
    pub gid: Gid,
    pub name: String,
}

impl Identity {
    /// Ourselves; or for root, the owner of the existing cluster or data directory, else the first
    /// of [`ACCOUNTS`].
    pub fn choose(data: &Path) -> Result<Self, Error> {
        let me = Uid::effective();
        if !me.is_root() {
            let user = named(me).ok_or(Error::Nameless { uid: me.as_raw() })?;
            return Ok(user);
        }
        let owner = |path: &Path| {
            let uid = Uid::from_raw(fs::symlink_metadata(path).ok()?.uid());
            if uid.is_root() { None } else { named(uid) }
        };
        let accounts =
            || ACCOUNTS.iter().find_map(|name| User::from_name(name).ok()?.map(Self::from));
        owner(&data.join("pg")).or_else(|| owner(data)).or_else(accounts).ok_or(Error::NoAccount)
    }

    /// Whether PostgreSQL is somebody else than this process.
    pub fn switches(&self) -> bool {
        self.uid != Uid::effective()
    }

    /// Gives a directory to this account.
    pub fn own(&self, path: &Path) -> Result<(), Error> {
        if !self.switches() {
            return Ok(());
        }
        lchown(path, Some(self.uid.as_raw()), Some(self.gid.as_raw()))
            .map_err(cannot("change the owner of", path))
    }

    /// Refuses a cluster of another owner, as PostgreSQL would, but says what to do.
    pub fn must_own(&self, pg: &Path) -> Result<(), Error> {
        let owner = Uid::from_raw(fs::metadata(pg).map_err(cannot("open", pg))?.uid());
        if owner == self.uid {
            return Ok(());
        }
        let name = |uid: Uid| named(uid).map_or_else(|| format!("user id {uid}"), |user| user.name);
        let remedy = if self.switches() {
            format!("hand it over with `chown -R {} {}`", self.name, pg.display())
        } else {
            format!("start as {} or as root", name(owner))
        };
        Err(Error::Owner { dir: pg.into(), owner: name(owner), user: self.name.clone(), remedy })
    }

    /// Refuses a directory that this account cannot come to. By mode bits: the account has no
    /// supplementary groups then.
    pub fn must_reach(&self, path: &Path) -> Result<(), Error> {
        if !self.switches() {
            return Ok(());
        }
        for dir in path.ancestors() {
            let found = fs::metadata(dir).map_err(cannot("read", dir))?;
            let enter = match () {
                () if found.uid() == self.uid.as_raw() => 0o100,
                () if found.gid() == self.gid.as_raw() => 0o010,
                () => 0o001,
            };
            if found.mode() & enter == 0 {
                return Err(Error::Unreachable {
                    user: self.name.clone(),
                    dir: dir.into(),
                    path: path.into(),
                });
            }
        }
        Ok(())
    }

    /// The names that the kernel may report for a client of ours: this process, and PostgreSQL's
    /// account.
    pub fn client_names(&self) -> Vec<String> {
        let me = named(Uid::effective()).map(|user| user.name);
        let mut names: Vec<String> = me.into_iter().chain([self.name.clone()]).collect();
        names.dedup();
        names
    }
}

impl From<User> for Identity {
    fn from(user: User) -> Self {
        Self { uid: user.uid, gid: user.gid, name: user.name }
    }
}

fn named(uid: Uid) -> Option<Identity> {
    User::from_uid(uid).ok()?.map(Identity::from)
}
