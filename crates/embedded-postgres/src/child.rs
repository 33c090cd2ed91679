//! How a process of PostgreSQL is born: unprivileged, in a session of its own, with a clean
//! environment, and bound to us.
//!
//! Invariant: a bound child dies with the THREAD that spawned it (that is what the kernel offers),
//! so bound children are spawned from a thread that outlives them.

use crate::identity::Identity;
use nix::{
    sys::{
        signal::Signal,
        stat::{Mode, umask},
    },
    unistd::{Pid, setsid},
};
use std::{
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
};

/// A command that runs as `user`. With `bound`, the kernel sends that signal when the spawning
/// thread ends (Linux only; elsewhere the next start finds and stops an orphan).
pub(crate) fn command(program: &Path, user: &Identity, bound: Option<Signal>) -> Command {
    let mut command = Command::new(program);
    // What we inherit (HOME, PG*, LC_*) must not reach the server: libpq reads some, initdb others.
    command
        .env_clear()
        .env("TZ", "UTC")
        .env("PATH", "/usr/bin:/bin")
        .current_dir("/")
        .stdin(Stdio::null());
    if user.switches() {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    let parent = Pid::this();
    let prepare = move || {
        // Ctrl-C at the terminal is for us; we stop the server in our own time.
        setsid()?;
        umask(Mode::from_bits_truncate(0o077));
        bind(bound, parent)
    };
    #[expect(unsafe_code, reason = "the death signal can only be set between fork and exec")]
    // SAFETY: between fork and exec only async-signal-safe calls are allowed: these are plain
    // system calls, and nothing here allocates, locks or touches memory of another thread. The
    // closure runs after std's setgroups, setgid and setuid, which would clear the death signal.
    unsafe {
        command.pre_exec(prepare);
    }
    command
}

#[cfg(target_os = "linux")]
fn bind(signal: Option<Signal>, parent: Pid) -> io::Result<()> {
    if let Some(signal) = signal {
        nix::sys::prctl::set_pdeathsig(signal)?;
        // The parent may have died before the line above; nobody would tell us.
        if nix::unistd::getppid() != parent {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn bind(_signal: Option<Signal>, _parent: Pid) -> io::Result<()> {
    Ok(())
}
