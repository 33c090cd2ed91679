//! The server's own record of itself, `postmaster.pid`, and what an earlier server may have left
//! behind: an orphan, its orphaned backends, a stale or a zombie's pid file.
//!
//! Invariant: the pid file is removed only under our lock and only when no process of the cluster
//! is left. It is what keeps PostgreSQL from running twice on the same files.

use crate::{Error, error::cannot, identity::Identity};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs, io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// A fast shutdown writes a checkpoint, which may take its time.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(60);
/// Backends end by themselves once they notice that the postmaster is gone; those that compute
/// notice late, and have nobody to answer to any more.
const BACKEND_PATIENCE: [(Option<Signal>, Duration); 3] = [
    (None, Duration::from_secs(2)),
    (Some(Signal::SIGQUIT), Duration::from_secs(5)),
    (Some(Signal::SIGKILL), Duration::from_secs(5)),
];

/// Whether the server with this pid takes connections: line 1 is the pid, line 8 the status.
pub(crate) fn is_ready(pg: &Path, pid: u32) -> bool {
    let text = fs::read_to_string(pg.join("postmaster.pid")).unwrap_or_default();
    let mut lines = text.lines().map(str::trim);
    lines.next() == Some(pid.to_string().as_str()) && lines.nth(6) == Some("ready")
}

/// The pid on line 1.
pub(crate) fn recorded(pg: &Path) -> Option<u32> {
    fs::read_to_string(pg.join("postmaster.pid")).ok()?.lines().next()?.trim().parse().ok()
}

/// Makes sure that nobody runs on the cluster any more. Call it under the lock.
pub(crate) fn clear_the_way(pg: &Path, socket_dir: &Path, user: &Identity) -> Result<(), Error> {
    let mut left = processes::of(pg, user)?;
    let steps: &[(Option<Signal>, Duration)] = match recorded(pg).filter(|pid| left.contains(pid)) {
        Some(orphan) => {
            tracing::warn!("stopping a PostgreSQL that an earlier run left behind (pid {orphan})");
            send(orphan, Signal::SIGINT);
            &[(None, ORPHAN_PATIENCE)]
        }
        None => &BACKEND_PATIENCE,
    };
    for (signal, patience) in steps {
        if let Some(signal) = *signal {
            left.iter().for_each(|pid| send(*pid, signal));
        }
        let until = Instant::now() + *patience;
        while !left.is_empty() && Instant::now() < until {
            thread::sleep(Duration::from_millis(20));
            left = processes::of(pg, user)?;
        }
    }
    if !left.is_empty() {
        let pids: Vec<String> = left.iter().map(u32::to_string).collect();
        return Err(Error::Leftovers { dir: pg.into(), pids: pids.join(" ") });
    }
    let socket = socket_dir.join(".s.PGSQL.5432");
    for stale in [pg.join("postmaster.pid"), socket.with_extension("5432.lock"), socket] {
        match fs::remove_file(&stale) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(cannot("remove", stale)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn send(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        // A process that is gone already is what we want.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

#[cfg(target_os = "linux")]
mod processes {
    use super::{Error, Identity, Path, cannot};
    use crate::child;

    /// All of a cluster's processes work in its directory, and a zombie works nowhere. A shell that
    /// an operator left there is not ours to stop, so the name counts too.
    const SCRIPT: &str = r#"
for process in /proc/[0-9]*; do
    [ "$process/cwd" -ef "$1" ] && read -r name < "$process/comm" && [ "$name" = postgres ] &&
        echo "${process#/proc/}"
done
:"#;

    /// Asked as PostgreSQL's user: root in a container may lack the right to see where the
    /// processes of others work.
    pub(super) fn of(pg: &Path, user: &Identity) -> Result<Vec<u32>, Error> {
        let mut command = child::command(Path::new("/bin/sh"), user, None);
        let output = command.args(["-c", SCRIPT, "sh"]).arg(pg).output();
        let output = output.map_err(cannot("run", "/bin/sh"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().filter_map(|pid| pid.parse().ok()).collect())
    }
}

#[cfg(not(target_os = "linux"))]
mod processes {
    use super::{Error, Identity, Path, cannot, recorded};
    use std::process::Command;

    /// Without `/proc` only the postmaster can be asked about; the rest is left to PostgreSQL's own
    /// interlock.
    pub(super) fn of(pg: &Path, _user: &Identity) -> Result<Vec<u32>, Error> {
        let Some(pid) = recorded(pg) else {
            return Ok(Vec::new());
        };
        let mut ps = Command::new("/bin/ps");
        let output = ps.args(["-o", "comm=", "-p", &pid.to_string()]).output();
        let name = output.map_err(cannot("run", "/bin/ps"))?.stdout;
        let ours = String::from_utf8_lossy(&name).contains("postgres");
        Ok(ours.then_some(pid).into_iter().collect())
    }
}
