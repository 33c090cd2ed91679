//! The thread that is the server's parent: it starts it, watches it, starts it again after a crash
//! (a full disk is waited out), and stops it.
//!
//! Invariants: only this thread spawns, signals and reaps the server, so no signal can reach a
//! recycled pid; it lives as long as the server, because the kernel ties the one to the other.

use crate::{Error, cluster::Cluster, error::cannot, lock::Lock, log::Log, postmaster};
use nix::{
    sys::{
        signal::{Signal, kill},
        statvfs::statvfs,
    },
    unistd::Pid,
};
use std::{
    fs,
    process::{Child, ExitStatus},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

/// A fast shutdown is asked for first; after this long, one without a checkpoint.
const STOP_PATIENCE: Duration = Duration::from_secs(30);
/// Restarts in a row before we give up; the pauses between them double.
const MAX_RESTARTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How often it is tried while the disk is full.
const FULL_PAUSE: Duration = Duration::from_secs(1);
/// A server that ran this long did not fail at once.
const STEADY: Duration = Duration::from_secs(60);
/// The bytes that it may need at once: a piece of the log of its changes.
const ROOM: u64 = 16 << 20;
const WATCH: Duration = Duration::from_millis(100);
const STARTING: Duration = Duration::from_millis(5);

/// How the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It takes connections.
    Running {
        /// The postmaster's.
        pid: u32,
    },
    /// It ended by itself and is being started again; connections fail until it runs.
    Restarting,
    /// It failed again and again; we gave up. With the reason, and the last lines of its log.
    Failed(String),
}

/// A state that the supervisor writes and anyone reads.
#[derive(Clone)]
pub(crate) struct Board(Arc<Mutex<State>>);

impl Board {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State::Restarting)))
    }

    pub fn read(&self) -> State {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn write(&self, state: State) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

pub(crate) struct Supervisor {
    pub cluster: Cluster,
    pub log: Log,
    pub board: Board,
    /// Closed when the server is to stop; nothing is ever sent.
    pub until: Receiver<()>,
    /// Given back when the server has ended.
    pub _lock: Lock,
}

impl Supervisor {
    /// Starts the server and waits until it takes connections, however long a recovery takes.
    /// `None`: asked to stop.
    pub fn launch(&mut self) -> Result<Option<Child>, Error> {
        let Self { cluster, log, .. } = self;
        let pg = cluster.home.pg();
        postmaster::clear_the_way(&pg, &cluster.socket_dir, &cluster.user)?;
        log.bound()?;
        let mark = log.len();
        let mut command = cluster.serve(Some(Signal::SIGINT));
        command.stdout(log.stdio()?).stderr(log.stdio()?);
        let mut child =
            command.spawn().map_err(cannot("run", cluster.binaries.dir.join("postgres")))?;
        let mut patience = Duration::from_secs(10);
        let since = Instant::now();
        while !postmaster::is_ready(&pg, child.id()) {
            if let Some(status) = exited(&mut child) {
                return Err(self.failure(&format!("did not start ({status})"), mark));
            }
            if since.elapsed() > patience {
                patience *= 2;
                tracing::warn!(
                    seconds = since.elapsed().as_secs(),
                    "PostgreSQL is still starting (recovery after a crash?)"
                );
            }
            if self.asked_to_stop_within(STARTING) {
                stop(child);
                return Ok(None);
            }
        }
        self.board.write(State::Running { pid: child.id() });
        Ok(Some(child))
    }

    /// Returns once the server is stopped; with the reason where it had failed for good.
    pub fn watch(mut self, mut child: Child) -> Result<(), Error> {
        let mut restarts = 0;
        loop {
            let since = Instant::now();
            let mark = self.log.len();
            let Some(status) = self.until_exit(&mut child) else {
                stop(child);
                return Ok(());
            };
            if since.elapsed() > STEADY {
                restarts = 0;
            }
            self.board.write(State::Restarting);
            let mut why = self.failure(&format!("ended by itself ({status})"), mark);
            child = loop {
                let full = self.is_disk_full();
                tracing::error!(%status, restarts, full, "{why}");
                if restarts == MAX_RESTARTS && !full {
                    return self.give_up(why);
                }
                // On a full disk it cannot start; that is mended from outside, some time.
                let pause = if full { FULL_PAUSE } else { FIRST_PAUSE * 2_u32.pow(restarts) };
                if self.asked_to_stop_within(pause) {
                    return Ok(());
                }
                restarts = if full { 0 } else { restarts + 1 };
                match self.launch() {
                    Ok(Some(child)) => break child,
                    Ok(None) => return Ok(()),
                    Err(error) => why = error,
                }
            };
            tracing::info!(pid = child.id(), "PostgreSQL runs again");
        }
    }

    /// `None` when asked to stop.
    fn until_exit(&mut self, child: &mut Child) -> Option<ExitStatus> {
        loop {
            if self.asked_to_stop_within(WATCH) {
                return None;
            }
            if let Some(status) = exited(child) {
                return Some(status);
            }
            if let Err(error) = self.log.bound() {
                tracing::warn!("{error}");
            }
        }
    }

    #[allow(clippy::useless_conversion, reason = "how wide a count of blocks is differs by system")]
    fn is_disk_full(&self) -> bool {
        let space = statvfs(&self.cluster.home.pg());
        space.is_ok_and(|it| u64::from(it.blocks_available()) * it.fragment_size() < ROOM)
    }

    fn give_up(&self, why: Error) -> Result<(), Error> {
        self.board.write(State::Failed(format!(
            "PostgreSQL failed {MAX_RESTARTS} restarts in a row; {why}"
        )));
        let _ = self.until.recv();
        Err(why)
    }

    fn asked_to_stop_within(&self, time: Duration) -> bool {
        self.until.recv_timeout(time) != Err(RecvTimeoutError::Timeout)
    }

    fn failure(&mut self, what: &str, mark: u64) -> Error {
        Error::Server {
            what: what.to_owned(),
            tail: self.log.tail(mark),
            log: self.log.path().into(),
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // Still under the lock. A socket directory outside the data directory should not be left
        // lying about.
        if !self.cluster.socket_dir.starts_with(&self.cluster.home.dir) {
            let _ = fs::remove_dir(&self.cluster.socket_dir);
        }
    }
}

fn stop(mut child: Child) {
    for (signal, patience) in [(Signal::SIGINT, STOP_PATIENCE), (Signal::SIGQUIT, STOP_PATIENCE)] {
        signal_to(&child, signal);
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if exited(&mut child).is_some() {
                return;
            }
            std::thread::sleep(STARTING);
        }
        tracing::warn!("PostgreSQL did not stop within {} s of {signal}", patience.as_secs());
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Nobody but us reaps it, so an error can only mean that it is gone.
fn exited(child: &mut Child) -> Option<ExitStatus> {
    child.try_wait().unwrap_or_default()
}

fn signal_to(child: &Child, signal: Signal) {
    if let Ok(pid) = i32::try_from(child.id()) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}
