//! PostgreSQL's settings: ours, the operator's over ours, and over both the few that nobody may
//! change.
//!
//! They go on the command line and so win over `postgresql.conf`, which stays as initdb wrote it.

use nix::unistd::{SysconfVar, sysconf};
use std::{fs, path::Path};

/// Sane on a small machine: one bank's short transactions, no parallel queries, little memory when
/// idle.
const DEFAULTS: [(&str, &str); 19] = [
    ("cluster_name", "wallstreet"),
    ("max_connections", "60"),
    ("work_mem", "4MB"),
    ("maintenance_work_mem", "64MB"),
    ("max_parallel_workers_per_gather", "0"),
    ("max_parallel_maintenance_workers", "0"),
    ("max_logical_replication_workers", "0"),
    ("max_wal_senders", "3"),
    ("jit", "off"),
    // Loaded once, so that an upgrade of the package under a running server cannot bring in another
    // build's library.
    ("shared_preload_libraries", "plpgsql"),
    ("TimeZone", "UTC"),
    ("log_timezone", "UTC"),
    ("log_line_prefix", "%m [%p] "),
    // The log must not hold customers' data: no statements, no DETAIL of a constraint.
    ("log_error_verbosity", "terse"),
    ("log_min_error_statement", "panic"),
    ("log_checkpoints", "off"),
    ("checkpoint_timeout", "15min"),
    ("max_wal_size", "2GB"),
    ("random_page_cost", "1.1"),
];

/// `-c name=value` arguments; of two for one name PostgreSQL takes the later.
pub(crate) fn arguments(
    operator: &[(String, String)],
    durable: bool,
    home: &Path,
    socket_dir: &Path,
) -> Vec<String> {
    let safe = if durable { "on" } else { "off" };
    let fixed = [
        ("listen_addresses", String::new()),
        ("port", "5432".to_owned()),
        ("unix_socket_directories", quoted(socket_dir)),
        // Anyone may knock: peer authentication asks the kernel who it is.
        ("unix_socket_permissions", "0777".to_owned()),
        ("hba_file", home.join("pg_hba.conf").display().to_string()),
        ("ident_file", home.join("pg_ident.conf").display().to_string()),
        ("logging_collector", "off".to_owned()),
        ("log_destination", "stderr".to_owned()),
        ("fsync", safe.to_owned()),
        ("full_page_writes", safe.to_owned()),
        ("synchronous_commit", safe.to_owned()),
    ];
    let ours = DEFAULTS.iter().map(|(name, value)| format!("{name}={value}"));
    let ours = ours.chain([format!("shared_buffers={}MB", shared_buffers(memory()))]);
    let theirs = operator.iter().map(|(name, value)| format!("{name}={value}"));
    let fixed = fixed.iter().map(|(name, value)| format!("{name}={value}"));
    ours.chain(theirs).chain(fixed).flat_map(|setting| ["-c".to_owned(), setting]).collect()
}

/// A quarter of the memory, as PostgreSQL's manual advises for a server of its own; in MiB. Beyond
/// some point the system's cache does as well, and each page costs a little even when it is empty.
fn shared_buffers(memory: u64) -> u64 {
    (memory / 4).clamp(128, 2048)
}

/// What this machine, or the container around us, has; in MiB. 0: nobody says.
fn memory() -> u64 {
    let whole = |var| sysconf(var).ok().flatten().and_then(|value| u64::try_from(value).ok());
    let bytes = whole(SysconfVar::_PHYS_PAGES).zip(whole(SysconfVar::PAGE_SIZE));
    let machine = bytes.map_or(0, |(pages, size)| pages.saturating_mul(size));
    let limit = fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let limit = limit.and_then(|text| text.trim().parse().ok()).unwrap_or(u64::MAX);
    machine.min(limit) >> 20
}

/// The setting is a list: a comma or a space in the path would otherwise make two of it.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_a_quarter_of_the_memory_within_bounds() {
        for (memory, buffers) in [(0, 128), (256, 128), (4096, 1024), (24_000, 2048)] {
            assert_eq!(shared_buffers(memory), buffers, "of {memory} MiB");
        }
    }

    #[test]
    fn what_the_operator_sets_comes_later_and_wins() {
        let operator = [("shared_buffers".to_owned(), "1GB".to_owned())];
        let given = arguments(&operator, true, Path::new("/home"), Path::new("/run"));
        let mut buffers = given.iter().filter(|argument| argument.starts_with("shared_buffers="));
        assert_eq!(buffers.next_back().map(String::as_str), Some("shared_buffers=1GB"));
    }
}
