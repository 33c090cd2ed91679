//! The machine's and the database's clocks are moved while the program runs, and before
//! it starts: no key is lost, no hold ends, no payment runs, nothing is recorded ahead,
//! and it goes on by itself.

use crate::{
    crash::Client,
    product::{Home, Running, eventually},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// Both ways, far and less far.
const JUMPS: [&str; 3] = ["+8d", "-8d", "+2h"];

/// The library that shows a program another time.
fn faketime() -> Option<PathBuf> {
    let dirs = fs::read_dir("/usr/lib").ok()?.flatten().map(|dir| dir.path());
    let dirs = dirs.chain(["/usr/lib".into(), "/usr/local/lib".into()]);
    dirs.map(|dir| dir.join("faketime/libfaketimeMT.so.1")).find(|library| library.is_file())
}

/// A home whose clocks can be moved; `None`, and said so, where they cannot.
struct Trial {
    home: Home,
    library: PathBuf,
    port: u16,
    server: bool,
    settle: &'static str,
}

impl Trial {
    fn new(test: &str) -> Option<Self> {
        let Some(library) = faketime() else {
            testkit::skipped(
                test,
                "libfaketime is not installed (Debian: apt-get install faketime)",
            );
            return None;
        };
        let home = Home::new();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let trial = Self { home, library, port: free, server: false, settle: "1s" };
        trial.set("+0");
        Some(trial)
    }

    fn clock(&self) -> PathBuf {
        self.home.path().join("clock")
    }

    /// Moves the clocks that can be moved.
    fn set(&self, offset: &str) {
        let new = self.home.path().join("clock.new");
        fs::write(&new, format!("{offset}\n")).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).unwrap();
        fs::rename(new, self.clock()).unwrap();
    }

    /// The embedded PostgreSQL sees the moved clock.
    fn move_database(&self) -> String {
        let found = embedded_postgres::candidates(None, Path::new("/nonexistent"));
        let real = found.into_iter().next().expect("there is a PostgreSQL").dir;
        let (library, clock) = (self.library.display(), self.clock());
        let faked = format!(
            "LD_PRELOAD={library} FAKETIME_TIMESTAMP_FILE={} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1",
            clock.display()
        );
        for (name, with) in [("postgres", &*faked), ("initdb", "")] {
            let program = real.join(name);
            let text = format!("#!/bin/sh\nexec env {with} {} \"$@\"\n", program.display());
            let path = self.home.write(&format!("bin/{name}"), &text);
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        self.home.path().join("bin").display().to_string()
    }

    fn start(&self, database: Option<&str>) -> Running {
        let mut command = self.home.command(&["serve", "--port", &self.port.to_string()]);
        command
            .env("RATE_LIMIT_MAX_REQUESTS", "0")
            .env("CLOCK_TOLERANCE", "5s")
            .env("CLOCK_SETTLE", self.settle);
        if let Some(programs) = database {
            command.env("WALLSTREET_PG_BIN", programs);
        }
        if self.server {
            command
                .env("LD_PRELOAD", &self.library)
                .env("FAKETIME_TIMESTAMP_FILE", self.clock())
                .env("FAKETIME_NO_CACHE", "1")
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        Running::start(&mut command)
    }
}

/// How time stands, as the server tells it.
fn time(server: &Running) -> Value {
    let (_, body) = server.request("GET", "/health/detailed", "");
    serde_json::from_str::<Value>(&body).unwrap()["data"]["time"].clone()
}

fn metrics(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn until_sure(server: &Running) {
    eventually("time is sure", || time(server)["status"] == "healthy");
}

fn until_in_doubt(server: &Running) {
    eventually("time is in doubt", || time(server)["status"] == "in_doubt");
}

/// What a customer has, who would notice.
struct Customer {
    client: Client,
    account: String,
    paid: String,
    hold: String,
    schedule: String,
}

impl Customer {
    fn new(server: &Running) -> Self {
        until_sure(server);
        let client = Client::log_in(server.port);
        let made = |path: &str, key: &str, body: Value| {
            let (status, made) = client.post(path, key, &body).unwrap();
            assert_eq!(status, 201, "{made}");
            made["data"].clone()
        };
        let text = |made: Value| made["id"].as_str().unwrap().to_owned();
        let accounts: Vec<String> = (0..2)
            .map(|_| text(made("/accounts", "", json!({"accountType": "checking"}))))
            .collect();
        let order = |kind: &str| json!({"accountId": accounts[0], "transactionType": kind, "amount": "10.00"});
        let with = |mut order: Value, more: Value| {
            order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            order
        };
        let in_an_hour = (Timestamp::now() + SignedDuration::from_hours(1)).to_string();
        let paid =
            text(made("/transactions", "once", with(order("deposit"), json!({"process": true}))));
        made("/transactions", "", with(order("deposit"), json!({"process": true})));
        let hold = text(made(
            "/transactions",
            "",
            with(order("withdrawal"), json!({"expiresAt": in_an_hour})),
        ));
        let daily = json!({"toAccountId": accounts[1], "amount": "1.00", "startAt": in_an_hour, "every": {"unit": "day"}});
        let schedule = text(made("/schedules", "", with(order("transfer"), daily)));
        Self { client, account: accounts[0].clone(), paid, hold, schedule }
    }

    /// Nothing has happened to them, and what is recorded now bears the right time.
    fn check(&self) {
        let order = json!({"accountId": self.account, "transactionType": "deposit", "amount": "10.00", "process": true});
        let (status, again) = self.client.post("/transactions", "once", &order).unwrap();
        assert_eq!((status, &again["data"]["id"]), (201, &json!(self.paid)), "{again}");
        let (status, new) = self.client.post("/transactions", "", &order).unwrap();
        assert_eq!(status, 201, "{new}");
        let hold = self.client.get(&format!("/transactions/{}", self.hold));
        assert_eq!(hold["status"], "pending", "{hold}");
        let runs = self.client.get(&format!("/schedules/{}/runs", self.schedule));
        assert_eq!(runs["pagination"]["total"], 0, "{runs}");
        let entries = self.client.get(&format!("/accounts/{}/entries", self.account));
        for entry in entries["entries"].as_array().unwrap() {
            let recorded: Timestamp = entry["recordedAt"].as_str().unwrap().parse().unwrap();
            let off = Timestamp::now().duration_since(recorded).abs();
            assert!(off < SignedDuration::from_mins(10), "{entry}");
        }
    }

    /// What time decides happens again, by itself.
    fn check_that_it_goes_on(&self) {
        let soon = Timestamp::now() + SignedDuration::from_secs(2);
        let order = json!({"accountId": self.account, "transactionType": "withdrawal", "amount": "1.00", "expiresAt": soon.to_string()});
        let (status, hold) = self.client.post("/transactions", "", &order).unwrap();
        assert_eq!(status, 201, "{hold}");
        let path = format!("/transactions/{}", hold["data"]["id"].as_str().unwrap());
        eventually("a hold ends after its time", || self.client.get(&path)["status"] == "failed");
    }
}

/// Moves the clocks to and fro while the server runs.
fn to_and_fro(trial: &Trial, database: Option<&str>) {
    let server = trial.start(database);
    let customer = Customer::new(&server);
    if trial.settle == "1s" {
        eventually("deletions may go on", || time(&server)["waiting"] == json!([]));
    }
    for jump in JUMPS {
        trial.set(jump);
        until_in_doubt(&server);
        // Two rounds of everything that looks once a second.
        thread::sleep(Duration::from_millis(2_200));
        customer.check();
        let metrics = metrics(server.port);
        assert!(metrics.contains("wallstreet_clock_in_doubt 1"), "{metrics}");
        assert!(server.request("GET", "/readyz", "").0.contains("200"), "money still moves");
        assert!(time(&server)["waiting"].as_array().unwrap().len() == 3, "{}", time(&server));
        trial.set("+0");
        until_sure(&server);
        customer.check();
    }
    customer.check_that_it_goes_on();
    let said = server.said();
    assert!(said.contains("time is in doubt") && said.contains("time is sure again"), "{said}");
    server.stop();
}

#[test]
fn the_servers_clock_goes_to_and_fro() {
    let Some(trial) = Trial::new("the_servers_clock_goes_to_and_fro") else { return };
    to_and_fro(&Trial { server: true, ..trial }, None);
}

#[test]
fn the_databases_clock_goes_to_and_fro() {
    let Some(trial) = Trial::new("the_databases_clock_goes_to_and_fro") else { return };
    let programs = trial.move_database();
    to_and_fro(&trial, Some(&programs));
}

#[test]
fn both_clocks_go_to_and_fro() {
    let Some(trial) = Trial::new("both_clocks_go_to_and_fro") else { return };
    let programs = trial.move_database();
    to_and_fro(&Trial { server: true, settle: "5m", ..trial }, Some(&programs));
}

#[test]
fn clocks_that_were_moved_before_a_start_are_found_out() {
    let Some(trial) = Trial::new("clocks_that_were_moved_before_a_start_are_found_out") else {
        return;
    };
    let programs = trial.move_database();
    let trial = Trial { server: true, settle: "5m", ..trial };
    let server = trial.start(Some(&programs));
    let customer = Customer::new(&server);
    // Its first look at the database, and what it notes then.
    thread::sleep(Duration::from_secs(2));
    server.stop();
    for jump in &JUMPS[..2] {
        trial.set(jump);
        let server = trial.start(Some(&programs));
        assert_eq!(time(&server)["status"], "in_doubt", "{jump}: {}", time(&server));
        thread::sleep(Duration::from_millis(1_200));
        customer.check();
        server.stop();
    }
    trial.set("+0");
    let server = trial.start(Some(&programs));
    until_sure(&server);
    customer.check();
    server.stop();
}
