//! A cluster on disk: makes a new one, refuses what it must not touch, and knows the command that
//! serves it.
//!
//! Invariant: `<data>/pg` is absent, empty, or a complete and durable cluster with our role and
//! database in it, because it is made elsewhere and renamed into place.

use crate::{
    Config, DATABASE, Error, ROLE,
    binaries::{self, Binaries},
    child,
    error::cannot,
    home::{self, Home},
    identity::Identity,
    settings,
};
use nix::sys::signal::Signal;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Everything that is decided before a process is started.
pub(crate) struct Cluster {
    pub home: Home,
    pub user: Identity,
    pub binaries: Binaries,
    pub socket_dir: PathBuf,
    arguments: Vec<String>,
    durable: bool,
}

impl Cluster {
    /// Decides as whom, with what and where. Call it under the lock.
    pub fn prepare(home: Home, config: &Config) -> Result<Self, Error> {
        let user = Identity::choose(&home.dir)?;
        user.must_reach(&home.dir)?;
        let pg = home.pg();
        if pg.exists() {
            user.must_own(&pg)?;
        }
        let made_by = made_by(&pg)?;
        if made_by.is_none() && home.marker().exists() {
            return Err(Error::Vanished { dir: pg, marker: home.marker() });
        }
        let explicit = config.binaries.as_deref();
        let binaries = binaries::obtain(explicit, &home.dir, made_by, config.allow_download)?;
        user.must_reach(&binaries.dir)?;
        let socket_dir = home.socket_dir(&user)?;
        let arguments =
            settings::arguments(&config.settings, config.durable, &home.dir, &socket_dir);
        Ok(Self { home, user, binaries, socket_dir, arguments, durable: config.durable })
    }

    /// Whether a cluster is there.
    pub fn exists(&self) -> bool {
        self.home.pg().join("PG_VERSION").exists()
    }

    /// Makes a new cluster with our role and database.
    pub fn create(&self) -> Result<(), Error> {
        let staging = self.home.staging();
        home::private_dir(&staging, 0o700, &self.user)?;
        self.initdb(&staging)?;
        let mut single = self.command("postgres", Some(Signal::SIGKILL));
        single.args(["--single", "-D"]).arg(&staging);
        single.args(["-c", "fsync=off", "-c", "exit_on_error=on", "postgres"]);
        self.run(single, &format!("CREATE DATABASE {DATABASE}\n"))?;
        if self.durable {
            // Once, for all of the above.
            let mut sync = self.command("initdb", Some(Signal::SIGKILL));
            sync.args(["--sync-only", "-D"]).arg(&staging);
            self.run(sync, "")?;
        }
        let pg = self.home.pg();
        fs::rename(&staging, &pg).map_err(cannot("create", &pg))?;
        home::sync_dir(&self.home.dir)
    }

    /// Remembers that money is kept here: from now on a missing cluster is an
    /// accident, such as a disk that was not mounted, and no reason for a new one.
    pub fn mark(&self) -> Result<(), Error> {
        let marker = self.home.marker();
        if marker.exists() {
            return Ok(());
        }
        home::replace(
            &marker,
            0o644,
            b"The database in pg/ was made once and is never made again.\n",
        )?;
        home::sync_dir(&self.home.dir)
    }

    /// One collation, which never changes with the system's libraries: an index must not break when
    /// glibc is upgraded. Plain C sorts as C.UTF-8 does, byte by byte, and PostgreSQL compares it
    /// without asking the library.
    fn initdb(&self, staging: &Path) -> Result<(), Error> {
        let with_locale = |locale: &[&str]| {
            let mut initdb = self.command("initdb", Some(Signal::SIGKILL));
            initdb.arg("-D").arg(staging).args([
                "-U",
                ROLE,
                "--encoding=UTF8",
                "--data-checksums",
                "--no-sync",
            ]);
            initdb.args(["--auth-local=peer", "--auth-host=reject"]).args(locale);
            self.run(initdb, "")
        };
        if self.binaries.major >= 17 {
            return with_locale(&[
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
            ]);
        }
        match with_locale(&["--locale=C.UTF-8", "--lc-collate=C"]) {
            // Some systems have no C.UTF-8. Plain C sorts the same bytes the same way.
            Err(Error::Init { output, .. }) if output.contains("locale") => {
                with_locale(&["--locale=C"])
            }
            made => made,
        }
    }

    /// Who may connect: this process and PostgreSQL's own account, as the kernel reports them.
    /// Written at each start, because the next one may be somebody else's.
    pub fn write_access_rules(&self) -> Result<(), Error> {
        let hba = format!(
            "# Written at each start.\nlocal all {ROLE} peer map=wallstreet\nlocal replication \
            {ROLE} peer map=wallstreet\n"
        );
        let lines = self
            .user
            .client_names()
            .into_iter()
            .map(|name| format!("wallstreet \"{name}\" {ROLE}\n"));
        let ident = format!("# Written at each start.\n{}", lines.collect::<String>());
        home::replace(&self.home.dir.join("pg_hba.conf"), 0o644, hba.as_bytes())?;
        home::replace(&self.home.dir.join("pg_ident.conf"), 0o644, ident.as_bytes())
    }

    /// The server itself, never `pg_ctl`: it is to be our child.
    pub fn serve(&self, bound: Option<Signal>) -> Command {
        let mut command = self.command("postgres", bound);
        command.arg("-D").arg(self.home.pg()).args(&self.arguments);
        command
    }

    /// A connection string as libpq and its kin read it.
    pub fn url(&self) -> String {
        let host = self.socket_dir.display().to_string().replace('\\', "\\\\").replace('\'', "\\'");
        format!("host='{host}' user={ROLE} dbname={DATABASE}")
    }

    fn command(&self, program: &str, bound: Option<Signal>) -> Command {
        child::command(&self.binaries.dir.join(program), &self.user, bound)
    }

    /// Runs to the end; what it said becomes the error.
    fn run(&self, mut command: Command, input: &str) -> Result<(), Error> {
        let failed = |output| Error::Init { dir: self.home.dir.clone(), output };
        let program = PathBuf::from(command.get_program());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(cannot("run", program))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ended before it read tells why in its output.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(failed(format!("{} ({})", said.trim(), output.status)))
    }
}

/// The major version that made the cluster in `pg`; `None` where there is none yet. Refuses what is
/// no cluster.
pub(crate) fn made_by(pg: &Path) -> Result<Option<u32>, Error> {
    let Ok(mut entries) = fs::read_dir(pg) else {
        return Ok(None);
    };
    let Some(first) = entries.next() else {
        return Ok(None);
    };
    let version = fs::read_to_string(pg.join("PG_VERSION")).ok();
    match version.and_then(|text| text.trim().parse().ok()) {
        Some(major) => Ok(Some(major)),
        None => {
            let found = first.map_or_else(
                |error| error.to_string(),
                |one| one.file_name().to_string_lossy().into(),
            );
            Err(Error::Foreign { dir: pg.into(), found })
        }
    }
}
