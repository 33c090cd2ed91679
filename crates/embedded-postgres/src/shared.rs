//! One PostgreSQL for all test processes of a machine: the first starts it, it outlives them, and a
//! watchdog throws it away when nobody has used it for a while. Nothing on it is worth keeping, and
//! nothing is kept.
//!
//! Locks in the directory: a test process holds `users.lock` (shared) as long as it lives; whoever
//! starts or stops the server holds `start.lock`; the watchdog holds `watchdog.lock`. It takes and
//! ends under `start.lock`, so a process that has that one either sees a server that stays, or
//! none.

use crate::{
    Config, Error, child, cluster::Cluster, error::cannot, home::Home, identity::Identity,
    log::Log, postmaster,
};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    os::unix::{fs::OpenOptionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

const SETTINGS: [(&str, &str); 8] = [
    // In the data directory, so that a server that was killed leaves nothing in /dev/shm.
    ("dynamic_shared_memory_type", "mmap"),
    ("max_connections", "300"),
    ("shared_buffers", "64MB"),
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
    ("min_wal_size", "32MB"),
    ("max_wal_size", "256MB"),
    // The databases live for milliseconds.
    ("autovacuum", "off"),
];

/// `$1` is the directory. Needs flock(1) and /proc: without them, the server stays until somebody
/// stops it.
const WATCHDOG: &str = r#"
cd "$1" || exit
exec 9<watchdog.lock; flock -n 9 || exit
idle=0
while sleep 5 9<&-; do
    [ -e users.lock ] || exit
    if flock -n users.lock true; then idle=$((idle + 5)); else idle=0; fi
    [ $idle -ge 30 ] || continue
    exec 8<start.lock; flock 8
    if flock -n users.lock true; then
        if read -r pid < pg/postmaster.pid && [ "/proc/$pid/cwd" -ef pg ]; then
            kill -INT "$pid"
            for _ in $(seq 300); do [ -e pg/postmaster.pid ] || break; sleep 0.1; done
        fi
        rm -rf pg/* 2>/dev/null
        exit
    fi
    exec 8<&-; idle=0
done
"#;

/// A connection string to the server in `dir`, which is started if it does not run. `dir` must be
/// of this user alone, e.g. `/dev/shm/wallstreet-tests-<uid>`. The server is NOT crash-safe.
///
/// It stays up while this process lives; no longer than half a minute after the last such process
/// ended, it is stopped and its data deleted.
///
/// # Errors
/// As [`Server::start`](crate::Server::start).
pub fn shared_for_tests(dir: &Path) -> Result<String, Error> {
    /// The locks we hold, and the servers we are the parent of, by directory.
    static HELD: Mutex<BTreeMap<PathBuf, (File, Vec<Child>)>> = Mutex::new(BTreeMap::new());

    let mut config = Config::new(dir);
    config.durable = false;
    config.settings = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let home = Home::open(dir)?;
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    if !held.contains_key(&home.dir) {
        let users = open(&home, "users.lock")?;
        users.lock_shared().map_err(cannot("lock", home.dir.join("users.lock")))?;
        held.insert(home.dir.clone(), (users, Vec::new()));
    }
    let (_, children) = held.get_mut(&home.dir).expect("inserted above");

    let start = open(&home, "start.lock")?;
    start.lock().map_err(cannot("lock", home.dir.join("start.lock")))?;
    let cluster = Cluster::prepare(home, &config)?;
    if !runs(&cluster) {
        children.push(launch(&cluster)?);
    }
    children.extend(watch(&cluster.home, &cluster.user)?);
    Ok(cluster.url())
}

fn runs(cluster: &Cluster) -> bool {
    let pg = cluster.home.pg();
    let ready = postmaster::recorded(&pg).is_some_and(|pid| postmaster::is_ready(&pg, pid));
    ready && UnixStream::connect(cluster.socket_dir.join(".s.PGSQL.5432")).is_ok()
}

/// Starts afresh on a new cluster: it takes no longer than to find out what is wrong with the old
/// one.
fn launch(cluster: &Cluster) -> Result<Child, Error> {
    let pg = cluster.home.pg();
    postmaster::clear_the_way(&pg, &cluster.socket_dir, &cluster.user)?;
    cluster.home.remove_leftovers()?;
    if pg.exists() {
        fs::remove_dir_all(&pg).map_err(cannot("remove", &pg))?;
    }
    cluster.create()?;
    cluster.write_access_rules()?;
    let mut log = Log::open(cluster.home.log())?;
    log.bound()?;
    let mark = log.len();
    let mut command = cluster.serve(None);
    command.stdout(log.stdio()?).stderr(log.stdio()?);
    let mut child = command.spawn().map_err(cannot("run", &cluster.binaries.dir))?;
    while !postmaster::is_ready(&pg, child.id()) {
        if let Some(status) = child.try_wait().map_err(cannot("watch", &pg))? {
            let what = format!("did not start ({status})");
            return Err(Error::Server { what, tail: log.tail(mark), log: log.path().into() });
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(child)
}

/// Starts a watchdog unless there is one. It runs as PostgreSQL's user, which may signal the
/// server.
fn watch(home: &Home, user: &Identity) -> Result<Option<Child>, Error> {
    let lock = open(home, "watchdog.lock")?;
    if lock.try_lock().is_err() {
        return Ok(None);
    }
    // The watchdog takes it. A child that is just being started has a copy, so it is not enough to
    // close ours.
    lock.unlock().map_err(cannot("unlock", home.dir.join("watchdog.lock")))?;
    let mut command = child::command(Path::new("/bin/sh"), user, None);
    command
        .args(["-c", WATCHDOG, "watchdog"])
        .arg(&home.dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().map(Some).map_err(cannot("run", "/bin/sh"))
}

/// PostgreSQL's user, as whom the watchdog runs, must be able to open it.
fn open(home: &Home, name: &str) -> Result<File, Error> {
    let path = home.dir.join(name);
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o644);
    options.open(&path).map_err(cannot("open", path))
}
