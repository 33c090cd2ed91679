//! PostgreSQL's settings: ours, the operator's over ours, and over both the few that nobody may
//! change.
//!
//! They go on the command line and so win over `postgresql.conf`, which stays as initdb wrote it.

use std::path::Path;

/// Sane on a small machine: one bank's short transactions, no parallel queries, little memory when
/// idle.
const DEFAULTS: [(&str, &str); 20] = [
    ("cluster_name", "wallstreet"),
    ("max_connections", "60"),
    ("shared_buffers", "128MB"),
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
    let theirs = operator.iter().map(|(name, value)| format!("{name}={value}"));
    let fixed = fixed.iter().map(|(name, value)| format!("{name}={value}"));
    ours.chain(theirs).chain(fixed).flat_map(|setting| ["-c".to_owned(), setting]).collect()
}

/// The setting is a list: a comma or a space in the path would otherwise make two of it.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('"', "\"\""))
}
