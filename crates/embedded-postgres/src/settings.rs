//! PostgreSQL's settings: ours, the operator's over ours, and over both the few that nobody may
//! change.
//!
//! They go on the command line and so win over `postgresql.conf`, which stays as initdb wrote it.

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

/// What this machine, or whoever confines us on it (cgroup 2, or 1), lets us have; in MiB. 0: nobody
/// says.
fn memory() -> u64 {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let machine = read("/proc/meminfo");
    let line = machine.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let machine = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    let own = read("/proc/self/cgroup");
    let own = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default();
    let limits = [
        "/sys/fs/cgroup/memory.max".to_owned(),
        format!("/sys/fs/cgroup{own}/memory.max"),
        "/sys/fs/cgroup/memory/memory.limit_in_bytes".to_owned(),
    ];
    let limits = limits.iter().filter_map(|path| read(path).trim().parse::<u64>().ok());
    limits.map(|bytes| bytes >> 20).fold(machine.unwrap_or(0) >> 10, u64::min)
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
