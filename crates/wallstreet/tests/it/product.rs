//! Runs the program: in a directory of its own, with an empty environment, to its end or until it serves.

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, Uid},
};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{self, Child, Command, ExitStatus, Output, Stdio},
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};
use testkit::contract::Contract;

/// Long, because the machine may be busy; a test that passes does not wait for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory for one test, gone with it.
pub struct Home(PathBuf);

impl Home {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("wallstreet-it-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).unwrap();
        Self(dir.canonicalize().unwrap())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the product keeps its data; made by the product.
    pub fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    /// Writes a file and says where.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// The program, on this directory.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_as(env!("CARGO_BIN_EXE_wallstreet"), &[], arguments)
    }

    /// The program, started through another one.
    pub fn command_as(&self, program: &str, before: &[&str], arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(before).args(arguments).env_clear().current_dir(&self.0).stdin(Stdio::null());
        command
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.0)
            .env("COLUMNS", "100");
        command.env("WALLSTREET_DATA_DIR", self.data());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, &[])
    }

    /// Runs it to its end with these environment variables.
    pub fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        end(self.command(arguments).envs(variables.iter().copied()))
    }

    /// Runs it to its end with this on standard input.
    pub fn run_fed(&self, arguments: &[&str], input: &str) -> Ended {
        let mut command = self.command(arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may have ended without reading.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap().into()
    }

    /// Starts `serve` on a free port and waits until it is ready.
    pub fn serve(&self, arguments: &[&str]) -> Running {
        Running::start(&mut self.command(&[&["serve", "--port", "0"], arguments].concat()))
    }

    /// The pid in PostgreSQL's own record.
    pub fn postmaster(&self) -> u32 {
        let record = fs::read_to_string(self.data().join("pg/postmaster.pid")).unwrap();
        record.lines().next().unwrap().trim().parse().unwrap()
    }

    /// Every process of the embedded PostgreSQL.
    pub fn postgres(&self) -> Vec<u32> {
        let pg = self.data().join("pg");
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        processes
            .filter(|one| fs::read_link(one.path().join("cwd")).is_ok_and(|cwd| cwd == pg))
            .filter_map(|one| one.file_name().to_str()?.parse().ok())
            .collect()
    }

    /// Whether any process of the embedded PostgreSQL is left.
    pub fn has_postgres(&self) -> bool {
        !self.postgres().is_empty()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // A PostgreSQL whose parent was killed writes until it has ended.
        let until = Instant::now() + PATIENCE;
        while self.has_postgres() && Instant::now() < until {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a program that ended said.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Ended {
    /// Asserts the exit code and what standard error says.
    #[track_caller]
    pub fn refused(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is not in: {}", self.stderr);
        }
    }

    /// Asserts that all went well; the standard output.
    #[track_caller]
    pub fn well(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.stdout
    }
}

/// Runs a command to its end.
pub fn end(command: &mut Command) -> Ended {
    command.output().unwrap().into()
}

/// A serving program; killed when the test is done with it.
pub struct Running {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
    pub port: u16,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let (tell, told) = mpsc::channel();
        let said = Arc::new(Mutex::new(Vec::new()));
        let (stderr, heard) = (child.stderr.take().unwrap(), Arc::clone(&said));
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                heard.lock().unwrap().push(line.clone());
                let _ = tell.send(line);
            }
        });
        let mut running = Self { child, said, port: 0 };
        let until = Instant::now() + PATIENCE;
        loop {
            let Ok(line) = told.recv_timeout(until.saturating_duration_since(Instant::now()))
            else {
                panic!("it is not ready; it said: {}", running.said());
            };
            if let Some((_, rest)) = line.split_once("http://") {
                let address = rest.split(['/', '"']).next().unwrap();
                running.port = address.rsplit(':').next().unwrap().parse().unwrap();
            }
            if line.contains("Ready after") {
                return running;
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything on standard error until now.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().join("\n")
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.pid()).unwrap()), signal).unwrap();
    }

    /// Kills it with `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it says this.
    pub fn until_said(&self, part: &str) {
        eventually(&format!("it says {part:?}"), || self.said().contains(part));
    }

    /// Waits until it has ended.
    pub fn ended(mut self) -> ExitStatus {
        let mut status = None;
        eventually("it ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Stops it as a service manager would.
    pub fn stop(self) {
        self.signal(Signal::SIGTERM);
        let said = Arc::clone(&self.said);
        assert_eq!(self.ended().code(), Some(0), "{}", said.lock().unwrap().join("\n"));
    }

    /// Status line and body of a request.
    pub fn request(&self, method: &str, path: &str, body: &str) -> (String, String) {
        self.request_with(method, path, "", body)
    }

    /// The same with more header lines, each with its line end.
    pub fn request_with(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> (String, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            self.port,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        hold(method, path, &answer).expect("an answer is whole")
    }
}

/// Status line and body of an answer that is whole, and as the API's document describes it.
pub fn hold(method: &str, path: &str, answer: &str) -> Option<(String, String)> {
    static CONTRACT: LazyLock<Contract> = LazyLock::new(|| Contract::of(&server::openapi()));
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let line = head.lines().next()?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    let header = |name: &str| {
        let mut headers = head.lines().filter_map(|line| line.split_once(':'));
        let found = headers.find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim().to_owned())
    };
    let json = serde_json::from_str(body).ok()?;
    CONTRACT.check((method, path), status, header, &json);
    Some((line.to_owned(), body.to_owned()))
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until it is so; panics where it never is.
#[track_caller]
pub fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < until, "not within {} s: {what}", PATIENCE.as_secs());
        thread::sleep(Duration::from_millis(10));
    }
}

/// Whether the tests run as root, who can become anybody.
pub fn is_root() -> bool {
    Uid::effective().is_root()
}
