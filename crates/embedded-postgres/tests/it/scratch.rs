//! Scratch directories, queries, and a second process to kill. Knows nothing of what is tested.

use embedded_postgres::{Config, Server};
use std::{
    env, fs,
    io::{BufRead, BufReader, Read},
    ops::Deref,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};
use tokio_postgres::{NoTls, SimpleQueryMessage};

/// Tells a test that it runs in the process to be killed, and on which directory.
const ROLE: &str = "EMBEDDED_POSTGRES_TEST_DIR";

/// A directory that is gone when the test ends, in memory where there is some.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_path_buf() } else { env::temp_dir() };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = base.join(format!("embedded-postgres-{}-{number}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        Self(dir)
    }

    pub fn config(&self) -> Config {
        let mut config = Config::new(self.join("data"));
        config.allow_download = false;
        // What a test kills for good shall leave nothing outside its directory.
        config.settings = vec![("dynamic_shared_memory_type".to_owned(), "mmap".to_owned())];
        config
    }

    pub fn start(&self) -> Server {
        Server::start(self.config()).unwrap()
    }

    /// The message of a start that must fail.
    pub fn refusal(&self) -> String {
        refusal(self.config())
    }

    /// Where the cluster is.
    pub fn pg(&self) -> PathBuf {
        self.join("data/pg")
    }

    /// Line 1 of `postmaster.pid`.
    pub fn postmaster(&self) -> i32 {
        let text = fs::read_to_string(self.pg().join("postmaster.pid")).unwrap();
        text.lines().next().unwrap().parse().unwrap()
    }
}

impl Deref for Scratch {
    type Target = Path;
    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn refusal(config: Config) -> String {
    match Server::start(config) {
        Ok(_) => panic!("it started"),
        Err(error) => error.to_string(),
    }
}

/// The first column of the rows of the last statement.
pub fn query(url: &str, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        let messages = client.simple_query(sql).await?;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
            _ => None,
        });
        Ok(rows.collect())
    })
}

pub fn one(url: &str, sql: &str) -> String {
    query(url, sql).unwrap().remove(0)
}

/// Waits for what must come; a test that waits in vain fails.
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < until, "in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a process runs; a zombie does not.
pub fn runs(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    !status.is_empty() && !status.lines().any(|line| line.starts_with("State:\tZ"))
}

/// The directory to work on, in the process that [`another`] made.
pub fn role() -> Option<PathBuf> {
    env::var_os(ROLE).map(PathBuf::from)
}

/// Says something to the test that made this process.
pub fn say(line: &str) {
    println!("\nsaid: {line}");
}

/// Says so, and stays until it is killed, or until the test that made it is gone.
pub fn stay(line: &str) {
    say(line);
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// Runs the test `name` of this program again, as a process of its own with the role to work on
/// `dir`.
pub fn another(name: &str, dir: &Path) -> Another {
    Another::spawn(Command::new(env::current_exe().unwrap()), name, dir)
}

/// Another process, killed when the test ends.
pub struct Another {
    pub child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Another {
    pub fn spawn(mut command: Command, name: &str, dir: &Path) -> Self {
        command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(ROLE, dir);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// The next thing it says.
    pub fn hear(&mut self) -> String {
        let lines = self.output.by_ref().lines().map(Result::unwrap);
        let said = lines.filter_map(|line| line.strip_prefix("said: ").map(str::to_owned));
        said.take(1).next().expect("it ended without a word")
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Another {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
