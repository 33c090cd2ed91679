//! How much of a processor a server and its children have taken. Unlike throughput this hardly depends on what else the
//! machine is doing. Linux only.

use std::{fs, thread, time::Duration};

/// The kernel's unit of these times; the same on every Linux.
const MICROS_A_TICK: u64 = 10_000;

/// What one line of `/proc/<pid>/stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    pid: u32,
    parent: u32,
    own: u64,
    /// Of children that have ended.
    ended: u64,
}

/// The microseconds that a process and its children have taken so far.
pub fn micros(pid: u32) -> u64 {
    // A child that ends while we look may be missed in both places. The sum never falls: so the larger of two looks.
    let first = look(pid);
    thread::sleep(Duration::from_millis(20));
    first.max(look(pid))
}

fn look(pid: u32) -> u64 {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let stats = entries.filter_map(|entry| {
        let is_process =
            entry.file_name().to_string_lossy().starts_with(|c: char| c.is_ascii_digit());
        // A process may end between the two looks.
        is_process.then(|| fs::read_to_string(entry.path().join("stat")).ok())?
    });
    let taken = stats.filter_map(|line| Stat::parse(&line)).map(|stat| match stat {
        Stat { pid: this, own, ended, .. } if this == pid => own + ended,
        Stat { parent, own, .. } if parent == pid => own,
        _ => 0,
    });
    taken.sum::<u64>() * MICROS_A_TICK
}

impl Stat {
    fn parse(line: &str) -> Option<Self> {
        // The name, in brackets, may hold anything.
        let (pid, rest) = (line.split(' ').next()?, &line[line.rfind(')')? + 2..]);
        let fields: Vec<&str> = rest.split(' ').collect();
        let ticks = |place: usize| fields.get(place)?.parse::<u64>().ok();
        Some(Self {
            pid: pid.parse().ok()?,
            parent: fields.get(1)?.parse().ok()?,
            own: ticks(11)? + ticks(12)?,
            ended: ticks(13)? + ticks(14)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_such_line_is_left_out() {
        assert_eq!(Stat::parse(""), None);
        assert_eq!(Stat::parse("12 (cat) S 1"), None);
    }

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_shift_the_times() {
        let line = "32 (a) b (c) S 7 1 1 0 -1 4194304 9 9 9 9 100 20 3 4 20 0 1 0 999";
        assert_eq!(Stat::parse(line), Some(Stat { pid: 32, parent: 7, own: 120, ended: 7 }));
    }
}
