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

/// Whether the server with this pid takes connections: line 1 is the pid, line 8 the status.
pub(crate) fn is_ready(pg: &Path, pid: u32) -> bool {
    let text = fs::read_to_string(pg.join("postmaster.pid")).unwrap_or_default();
    let mut lines = text.lines().map(str::trim);
    lines.next() == Some(pid.to_string().as_str()) && lines.nth(6) == Some("ready")
}

/// The pid on line 1.
pub(crate) fn recorded(pg: &Path) -> Option<u32> {
    fs::read_to_string(pg.join("postmaster.pid"))
        .ok()?
        .lines()
        .next()?
        .trim()
        .parse()
        .ok()
}

/// Makes sure that nobody runs on the cluster any more. Call it under the lock.
pub(crate) fn clear_the_way(pg: &Path, socket_dir: &Path, user: &Identity) -> Result<(), Error> {
    let (mut left, mut unsure) = processes::of(pg, user);
    let orphan = recorded(pg).filter(|pid| left.contains(pid));
    let steps: &[(Option<Signal>, Duration)] = match orphan {
        Some(pid) => {
            tracing::warn!(pid, "stopping a PostgreSQL that an earlier run left behind");
            send(pid, Signal::SIGINT);
            &[(None, ORPHAN_PATIENCE)]
        }
        // Backends end by themselves once they notice that the postmaster is gone; those that
        // compute notice late.
        None => &[
            (None, Duration::from_secs(2)),
            (Some(Signal::SIGQUIT), Duration::from_secs(5)),
            (Some(Signal::SIGKILL), Duration::from_secs(5)),
        ],
    };
    for (signal, patience) in steps {
        if let Some(signal) = *signal {
            left.iter().for_each(|pid| send(*pid, signal));
        }
        let until = Instant::now() + *patience;
        while (!left.is_empty() || unsure) && Instant::now() < until {
            thread::sleep(Duration::from_millis(10));
            (left, unsure) = processes::of(pg, user);
        }
    }
    if !left.is_empty() {
        let pids: Vec<String> = left.iter().map(u32::to_string).collect();
        return Err(Error::Leftovers {
            dir: pg.into(),
            pids: pids.join(" "),
        });
    }
    // Where we cannot tell, PostgreSQL's own interlock decides.
    if unsure {
        return Ok(());
    }
    for stale in [
        pg.join("postmaster.pid"),
        socket_dir.join(".s.PGSQL.5432"),
        socket_dir.join(".s.PGSQL.5432.lock"),
    ] {
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
    use super::{Identity, Path};
    use std::{fs, io, os::unix::fs::MetadataExt};

    /// The living processes of the cluster: all of them work in its directory. And whether there
    /// may be more: in a container root may lack the right to see where another user's process
    /// works. A zombie works nowhere.
    pub(super) fn of(pg: &Path, user: &Identity) -> (Vec<u32>, bool) {
        let (mut certain, mut unsure) = (Vec::new(), false);
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            let proc = entry.path();
            match fs::read_link(proc.join("cwd")) {
                Ok(cwd) if cwd == pg => certain.push(pid),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    let theirs =
                        fs::metadata(&proc).is_ok_and(|found| found.uid() == user.uid.as_raw());
                    let comm = fs::read_to_string(proc.join("comm")).unwrap_or_default();
                    if !theirs || comm.trim() != "postgres" || is_zombie(&proc) {
                        continue;
                    }
                    let arguments = fs::read(proc.join("cmdline")).unwrap_or_default();
                    let named = |argument: &[u8]| argument == pg.as_os_str().as_encoded_bytes();
                    if arguments.split(|byte| *byte == 0).any(named) {
                        certain.push(pid);
                    } else {
                        unsure = true;
                    }
                }
                _ => {}
            }
        }
        (certain, unsure)
    }

    /// The state is the field after the command's name, which stands in parentheses and may hold
    /// anything.
    fn is_zombie(proc: &Path) -> bool {
        let stat = fs::read_to_string(proc.join("stat")).unwrap_or_default();
        stat.rsplit_once(')')
            .is_none_or(|(_, rest)| rest.trim_start().starts_with(['Z', 'X']))
    }
}

#[cfg(not(target_os = "linux"))]
mod processes {
    use super::{Identity, Path, Pid, kill, recorded};

    /// Without `/proc` only the postmaster can be asked about; the rest is left to PostgreSQL's own
    /// interlock.
    pub(super) fn of(pg: &Path, _user: &Identity) -> (Vec<u32>, bool) {
        let alive =
            |pid: &u32| i32::try_from(*pid).is_ok_and(|pid| kill(Pid::from_raw(pid), None).is_ok());
        (recorded(pg).filter(alive).into_iter().collect(), false)
    }
}
