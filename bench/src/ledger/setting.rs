//! Where everything runs: a durable PostgreSQL of our own, the seeded database that all others are copies of, and the
//! processes of the contestants.

use super::{cpu, database::Database, seed};
use crate::{baseline::Design, load, measured::Measured, sql};
use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use embedded_postgres::{Config, Server};
use nix::sys::statfs::{FsType, TMPFS_MAGIC, statfs};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use tokio::runtime::Runtime;
use uuid::Uuid;

const TEMPLATE: &str = "bench_template";
const PASSWORD: &str = "Correct-Horse-1";

/// Everything that outlives one contestant. Dropping it stops the server and removes its data.
pub struct Setting {
    /// For the judge's own questions.
    pub runtime: Runtime,
    server: Option<Server>,
    dir: PathBuf,
    /// Whose accounts they are.
    pub user: Uuid,
    /// The product's key of that user.
    pub api_key: String,
    copies: usize,
    last: Option<String>,
}

/// A process that is stopped at the end.
pub struct Running {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Setting {
    /// Starts the server and makes the seeded database.
    pub fn up(dir: Option<&Path>) -> Result<Self> {
        let parent = dir.map_or_else(env::temp_dir, Path::to_path_buf);
        refuse_memory(&parent)?;
        let dir = parent.join(format!("wallstreet-bench-{}", std::process::id()));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        eprintln!("bench: a PostgreSQL of its own in {}", dir.display());
        let server = Server::start(Config::new(&dir))?;
        let mut setting = Self {
            runtime,
            server: Some(server),
            dir,
            user: Uuid::nil(),
            api_key: String::new(),
            copies: 0,
            last: None,
        };
        setting.make_template()?;
        Ok(setting)
    }

    fn make_template(&mut self) -> Result<()> {
        eprintln!("bench: {} accounts", seed::ACCOUNTS);
        self.administrate(&format!("CREATE DATABASE {TEMPLATE}"))?;
        let product = self.product(TEMPLATE)?;
        (self.user, self.api_key) = self.customer(&product)?;
        drop(product);
        let database = self.open(TEMPLATE)?;
        for (name, value) in
            [("fsync", "on"), ("synchronous_commit", "on"), ("full_page_writes", "on")]
        {
            let rows = database.query("SELECT current_setting($1)", &[&name])?;
            let found: String = rows.first().context("a setting has a value")?.try_get(0)?;
            ensure!(found == value, "{name} is {found}: durable is what is measured");
        }
        // Only an administrator may ask for a key without a limit.
        database.run("UPDATE api_keys SET rate_limit = 0")?;
        seed::fill(&database, self.user)?;
        database.run(sql::INSTALL_FUNCTION)
    }

    /// A customer of the product and their key, by the product's own road.
    fn customer(&self, product: &Running) -> Result<(Uuid, String)> {
        let registration = serde_json::json!({
            "email": "bench@example.com", "password": PASSWORD, "firstName": "Ada", "lastName": "Lovelace",
        });
        let registered =
            self.ask(product, "POST", "/api/v1/auth/register", "", Some(&registration))?;
        let token = registered["data"]["token"].as_str().context("registering gave no token")?;
        let user =
            registered["data"]["user"]["id"].as_str().context("a user has an id")?.parse()?;
        let wanted = serde_json::json!({
            "name": "bench", "rateLimit": 10_000,
            "permissions": ["read:accounts", "read:transactions", "write:transactions"],
        });
        let header = format!("authorization: Bearer {token}\r\n");
        let issued = self.ask(product, "POST", "/api/v1/api-keys", &header, Some(&wanted))?;
        let key = issued["data"]["key"].as_str().context("no key was issued")?;
        Ok((user, key.to_owned()))
    }

    /// One question to a server; fails on anything but 2xx.
    pub fn ask(
        &self,
        server: &Running,
        method: &str,
        path: &str,
        header: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<serde_json::Value> {
        let body = body.map_or(String::new(), ToString::to_string);
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{header}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let (status, body) = self.runtime.block_on(load::exchange(server.address, &request))?;
        ensure!((200..300).contains(&status), "{method} {path}: {status} {body}");
        Ok(serde_json::from_str(&body)?)
    }

    /// A copy of the seeded database; the one before is dropped.
    pub fn copy(&mut self) -> Result<String> {
        if let Some(last) = self.last.take() {
            self.forget(&last)?;
        }
        let name = self.keep()?;
        self.last = Some(name.clone());
        Ok(name)
    }

    /// A copy that stays until it is forgotten.
    pub fn keep(&mut self) -> Result<String> {
        self.copies += 1;
        let name = format!("bench_{}", self.copies);
        let strategy = if self.version().starts_with("14") { "" } else { "STRATEGY file_copy" };
        self.administrate(&format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE} {strategy}"))?;
        Ok(name)
    }

    /// Drops a copy.
    pub fn forget(&self, name: &str) -> Result<()> {
        self.administrate(&format!("DROP DATABASE {name} WITH (FORCE)"))
    }

    /// So that nobody writes out another's pages.
    pub fn checkpoint(&self) -> Result<()> {
        self.administrate("CHECKPOINT")
    }

    fn administrate(&self, sql: &str) -> Result<()> {
        self.open("postgres")?.run(sql)
    }

    /// Connects to one of the databases.
    pub fn open(&self, database: &str) -> Result<Database<'_>> {
        Database::open(&self.runtime, &self.url(database))
    }

    /// The connection string of a database.
    pub fn url(&self, database: &str) -> String {
        let base = self.server.as_ref().map_or("", Server::url);
        format!("{base} dbname={database}")
    }

    /// The microseconds of a processor that PostgreSQL has taken so far.
    pub fn postgres_cpu(&self) -> u64 {
        self.server.as_ref().and_then(Server::pid).map_or(0, cpu::micros)
    }

    /// PostgreSQL's version.
    pub fn version(&self) -> &str {
        self.server.as_ref().map_or("", Server::version)
    }

    /// The real server on a database. Nothing of the environment reaches it.
    pub fn product(&self, database: &str) -> Result<Running> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = fs::File::create(self.dir.join("product.log"))?;
        let mut command = Command::new(beside("wallstreet")?);
        command.arg("serve").env_clear().stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command
            .env("WALLSTREET_ENV", "production")
            .env("WALLSTREET_DATA_DIR", self.dir.join("product"))
            .env("DATABASE_URL", self.url(database))
            .env("PORT", port.port().to_string())
            .env("JWT_SECRET", "a secret of the benchmark, 32 bytes")
            .env("API_KEY_SALT", "a salt of the benchmark, of 32 bytes")
            .env("RATE_LIMIT_MAX_REQUESTS", "0")
            .env("MAX_CONNECTIONS", "4000");
        let child = command.spawn().context("cannot run wallstreet")?;
        let running = Running { child, address: port };
        self.until_ready(&running)?;
        Ok(running)
    }

    fn until_ready(&self, product: &Running) -> Result<()> {
        let mut last = String::new();
        for _ in 0..200 {
            match self.ask(product, "GET", "/health", "", None) {
                Ok(_) => return Ok(()),
                Err(error) => last = format!("{error:#}"),
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let log = fs::read_to_string(self.dir.join("product.log")).unwrap_or_default();
        bail!("the product did not start: {last}\n{log}")
    }

    /// A baseline's server on a database.
    pub fn baseline(&self, design: Design, database: &str, pool: usize) -> Result<Running> {
        let value = design.to_possible_value().context("a design has a name")?;
        let mut command = Command::new(env::current_exe()?);
        command.args(["serve", "--design", value.get_name(), "--database", &self.url(database)]);
        command.args(["--pool", &pool.to_string(), "--user", &self.user.to_string()]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("its output is piped")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().parse().context("a baseline did not start")?;
        Ok(Running { child, address })
    }

    /// Another process of this program, which tells what it measured.
    pub fn measure(&self, part: &str, specification: &impl Serialize) -> Result<Measured> {
        run_part(part, specification)
    }
}

impl Running {
    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        self.server = None;
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn run_part<T: DeserializeOwned>(part: &str, specification: &impl Serialize) -> Result<T> {
    let specification = serde_json::to_string(specification)?;
    let mut command = Command::new(env::current_exe()?);
    let output = command.args([part, &specification]).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the process for {part} failed");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A program that was built with this one.
fn beside(program: &str) -> Result<PathBuf> {
    let path = env::current_exe()?.with_file_name(program);
    ensure!(path.exists(), "{} is not there: run `cargo xtask bench ledger`", path.display());
    Ok(path)
}

/// A commit to memory costs nothing, and says nothing.
fn refuse_memory(dir: &Path) -> Result<()> {
    let kind: FsType =
        statfs(dir).with_context(|| format!("cannot use {}", dir.display()))?.filesystem_type();
    ensure!(
        kind != TMPFS_MAGIC,
        "{} is in memory: name a directory on a disk with --dir",
        dir.display()
    );
    Ok(())
}
