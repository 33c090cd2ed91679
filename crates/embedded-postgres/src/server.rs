//! The server as its user holds it: alive as long as this value.

use crate::{
    Config, Error,
    cluster::Cluster,
    home::Home,
    lock::Lock,
    log::Log,
    supervisor::{Board, State, Supervisor},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::mpsc::{self, Receiver, Sender},
    thread::{self, JoinHandle},
};

type Supervising = JoinHandle<Result<(), Error>>;

/// A running PostgreSQL. Dropping it stops the server; so does the end of this process, even by
/// `kill -9`.
pub struct Server {
    socket_dir: PathBuf,
    url: String,
    version: String,
    board: Board,
    /// Dropping the sender is the order to stop.
    thread: Option<(Sender<()>, Supervising)>,
}

impl Server {
    /// Starts PostgreSQL on the data directory, which is created and filled if need be, and returns
    /// once it takes connections. Blocks: well under a second, or as long as a download or the
    /// recovery after a crash takes.
    ///
    /// # Errors
    /// Each [`Error`] is a sentence that says what to do.
    pub fn start(config: Config) -> Result<Self, Error> {
        let (hold, until) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        // The server dies with the thread that spawned it; the caller's may be short-lived, this
        // one is not.
        let run = move || {
            let board = Board::new();
            let mut supervisor = prepare(&config, until, board.clone())?;
            let Some(child) = supervisor.launch()? else {
                return Ok(());
            };
            let Cluster { socket_dir, binaries, .. } = &supervisor.cluster;
            let _ = tell.send((
                socket_dir.clone(),
                supervisor.cluster.url(),
                binaries.version.clone(),
                board,
            ));
            supervisor.watch(child)
        };
        let spawned = thread::Builder::new().name("postgres".to_owned()).spawn(run);
        let thread = spawned.map_err(crate::error::cannot("start", "the supervising thread"))?;
        match told.recv() {
            Ok((socket_dir, url, version, board)) => {
                Ok(Self { socket_dir, url, version, board, thread: Some((hold, thread)) })
            }
            Err(_) => {
                Err(ended(thread).expect_err("a thread that told nothing ended with an error"))
            }
        }
    }

    /// The directory of the Unix socket; the port, which is part of its name, is 5432.
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// A connection string as libpq and its kin read it, e.g. `host='/var/lib/wallstreet/run'
    /// user=wallstreet dbname=wallstreet`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// PostgreSQL's version, e.g. "15.18".
    pub fn version(&self) -> &str {
        &self.version
    }

    /// How the server is at this moment.
    pub fn state(&self) -> State {
        self.board.read()
    }

    /// The postmaster's pid; `None` while it is not running.
    pub fn pid(&self) -> Option<u32> {
        match self.state() {
            State::Running { pid } => Some(pid),
            State::Restarting | State::Failed(_) => None,
        }
    }

    /// Whether an upgrade replaced the program under the running server: it should be restarted
    /// soon. Linux only.
    pub fn is_outdated(&self) -> bool {
        let program = self.pid().and_then(|pid| fs::read_link(format!("/proc/{pid}/exe")).ok());
        program.is_some_and(|path| path.to_string_lossy().ends_with(" (deleted)"))
    }

    /// Stops the server: open transactions are rolled back, what was committed is on disk.
    ///
    /// # Errors
    /// Where the server had failed for good before: why.
    pub fn stop(mut self) -> Result<(), Error> {
        self.end()
    }

    fn end(&mut self) -> Result<(), Error> {
        let Some((hold, thread)) = self.thread.take() else {
            return Ok(());
        };
        drop(hold);
        ended(thread)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The failure was on the board and in the log while it mattered.
        let _ = self.end();
    }
}

/// All that comes before the first process of the server.
fn prepare(config: &Config, until: Receiver<()>, board: Board) -> Result<Supervisor, Error> {
    let home = Home::open(&config.data_dir)?;
    home.refuse_foreign()?;
    let lock = Lock::take(&home)?;
    home.remove_leftovers()?;
    let cluster = Cluster::prepare(home, config)?;
    if !cluster.exists() {
        let (version, dir) = (&cluster.binaries.version, cluster.home.dir.display());
        tracing::info!("making a new database with PostgreSQL {version} in {dir}");
        cluster.create()?;
    }
    cluster.mark()?;
    cluster.write_access_rules()?;
    let log = Log::open(cluster.home.log())?;
    Ok(Supervisor { cluster, log, board, until, _lock: lock })
}

fn ended(thread: Supervising) -> Result<(), Error> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
