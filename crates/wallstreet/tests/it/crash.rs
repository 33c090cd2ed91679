//! Killed in the middle of moving money: what was acknowledged is there, what
//! was in doubt is settled by its key, and the book is off by nothing.

use crate::{
    fire,
    product::{Home, Running, eventually, hold},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const ACCOUNTS: usize = 10;
const WORKERS: usize = 16;

/// Who orders, and where.
#[derive(Clone)]
pub struct Client {
    pub port: u16,
    token: String,
}

/// An answer: its status and its JSON.
pub type Answer = (u16, Value);

impl Client {
    pub fn log_in(port: u16) -> Self {
        let nobody = Self { port, token: String::new() };
        let body = json!({ "email": "admin@wallstreet.com", "password": "Admin123!" });
        let (status, answer) = nobody.post("/auth/login", "", &body).expect("the server answers");
        assert_eq!(status, 200, "{answer}");
        Self { port, token: answer["data"]["token"].as_str().unwrap().to_owned() }
    }

    pub fn token(&self) -> &str {
        &self.token
    }

    pub fn post(&self, path: &str, key: &str, body: &Value) -> Option<Answer> {
        self.send("POST", path, key, &body.to_string())
    }

    pub fn get(&self, path: &str) -> Value {
        let (status, answer) = self.send("GET", path, "", "").expect("the server answers");
        assert_eq!(status, 200, "{path}: {answer}");
        answer["data"].clone()
    }

    /// `None` when no whole answer came: the outcome is in doubt.
    pub fn send(&self, method: &str, path: &str, key: &str, body: &str) -> Option<Answer> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
        let key =
            if key.is_empty() { String::new() } else { format!("Idempotency-Key: {key}\r\n") };
        let bearer = if self.token.is_empty() {
            String::new()
        } else {
            format!("Authorization: Bearer {}\r\n", self.token)
        };
        let head = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n{key}{bearer}\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let path = format!("/api/v1{}", path.split('?').next()?);
        let (line, body) = hold(method, &path, &answer)?;
        let status = line.split(' ').nth(1)?.parse().ok()?;
        Some((status, serde_json::from_str(&body).ok()?))
    }
}

/// A transfer that one worker ordered, and the id it was acknowledged with.
struct Ordered {
    key: String,
    body: Value,
    acknowledged: Option<String>,
}

/// Orders transfers until told to stop, until `most`, or until the server is gone.
fn work(
    client: &Client,
    name: &str,
    accounts: &[String],
    most: usize,
    stop: &AtomicBool,
) -> Vec<Ordered> {
    let mut ordered = Vec::new();
    while ordered.len() < most && !stop.load(Ordering::Relaxed) {
        let n = ordered.len();
        let (from, to) = (n % ACCOUNTS, (n + 1 + n % (ACCOUNTS - 1)) % ACCOUNTS);
        let body = json!({
            "accountId": accounts[from], "transactionType": "transfer", "toAccountId": accounts[to],
            "amount": format!("0.{:02}", n % 99 + 1), "process": true,
        });
        let key = format!("{name}-{n}");
        let answer = client.post("/transactions", &key, &body);
        let gone = answer.is_none();
        let acknowledged = match answer {
            Some((201, answer)) => Some(answer["data"]["id"].as_str().unwrap().to_owned()),
            Some((503, _)) => {
                thread::sleep(Duration::from_millis(20));
                None
            }
            Some((status, answer)) => panic!("{status} {answer}"),
            None => None,
        };
        ordered.push(Ordered { key, body, acknowledged });
        if gone {
            break;
        }
    }
    ordered
}

fn all_work(
    client: &Client,
    name: &str,
    accounts: &[String],
    most: usize,
    meanwhile: impl FnOnce(),
) -> Vec<Ordered> {
    let stop = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let (client, accounts, stop) = (client.clone(), accounts.to_vec(), Arc::clone(&stop));
            let name = format!("{name}-{worker}");
            thread::spawn(move || work(&client, &name, &accounts, most, &stop))
        })
        .collect();
    meanwhile();
    stop.store(true, Ordering::Relaxed);
    workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
}

/// Sends again what got no answer, under its key, until it has one.
fn settle(client: &Client, ordered: &mut [Ordered]) {
    for order in ordered.iter_mut().filter(|order| order.acknowledged.is_none()) {
        eventually("an order in doubt is settled", || {
            let answer = client.post("/transactions", &order.key, &order.body);
            if let Some((201, answer)) = answer {
                order.acknowledged = Some(answer["data"]["id"].as_str().unwrap().to_owned());
            }
            order.acknowledged.is_some()
        });
    }
}

/// In hundredths; the API writes two decimals, which survive a double.
fn hundredths(value: &Value) -> i64 {
    let text = format!("{:.2}", value.as_f64().unwrap());
    text.replace('.', "").parse().unwrap()
}

/// Every balance is the sum of its entries, and all of them are what was paid in.
pub fn assert_sound(client: &Client, accounts: &[String], paid_in: i64) {
    let mut total = 0;
    for account in accounts {
        let balance = hundredths(&client.get(&format!("/accounts/{account}/balance"))["balance"]);
        let (mut sum, mut cursor, mut count) = (0, String::new(), 0);
        loop {
            let page = client.get(&format!("/accounts/{account}/entries?limit=100{cursor}"));
            for entry in page["entries"].as_array().unwrap() {
                let sign = if entry["direction"] == "in" { 1 } else { -1 };
                sum += sign * hundredths(&entry["amount"]);
                count += 1;
            }
            match page["pagination"]["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert!(count > 0);
        assert_eq!(balance, sum, "the balance of {account} is the sum of its {count} entries");
        total += balance;
    }
    assert_eq!(total, paid_in);
}

/// Every one is completed, and there are so many transfers in all.
fn assert_all_there(client: &Client, ordered: &[Ordered], total: usize) {
    let mut ids: Vec<&str> =
        ordered.iter().map(|order| order.acknowledged.as_deref().unwrap()).collect();
    for id in &ids {
        let transaction = client.get(&format!("/transactions/{id}"));
        assert_eq!(transaction["status"], "completed", "{transaction}");
    }
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "every key has an effect of its own");
    let page = client.get("/transactions?type=transfer&limit=1");
    assert_eq!(page["pagination"]["total"], json!(2 * total), "no transfer was made twice");
}

pub fn open_accounts(client: &Client) -> Vec<String> {
    (0..ACCOUNTS)
        .map(|_| {
            let (status, account) = client.post("/accounts", "", &json!({ "accountType": "checking" })).unwrap();
            assert_eq!(status, 201, "{account}");
            let id = account["data"]["id"].as_str().unwrap().to_owned();
            let deposit = json!({ "accountId": id, "transactionType": "deposit", "amount": 1000, "process": true });
            assert_eq!(client.post("/transactions", "", &deposit).unwrap().0, 201);
            id
        })
        .collect()
}

pub fn serve(home: &Home) -> Running {
    let mut command = home.command(&["serve", "--port", "0"]);
    Running::start(command.env("RATE_LIMIT_MAX_REQUESTS", "0").env("LOG_LEVEL", "warn"))
}

pub fn kill_9(pid: u32) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
}

#[test]
fn four_hundred_parallel_transfers_between_ten_accounts_leave_the_sum_as_it_was() {
    let home = Home::new();
    let server = serve(&home);
    let client = Client::log_in(server.port);
    let accounts = open_accounts(&client);
    let ordered = all_work(&client, "calm", &accounts, 25, || {
        eventually("all are done", || {
            let page = client.get("/transactions?type=transfer&limit=1");
            page["pagination"]["total"] == json!(2 * 25 * WORKERS)
        });
    });
    assert_eq!(ordered.len(), 400);
    assert_all_there(&client, &ordered, ordered.len());
    assert_sound(&client, &accounts, 1_000_000);
    server.stop();
}

/// What is killed in a round.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Victim {
    Both,
    Postmaster,
    Server,
    Backend,
}

/// One of the processes that serve the server's connections.
fn backend(home: &Home) -> Option<u32> {
    home.postgres().into_iter().find(|pid| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains("[local]")
    })
}

#[test]
fn kill_9_of_server_and_postgres_in_the_middle_loses_nothing_that_was_acknowledged() {
    let rounds = fire::asked("WALLSTREET_FIRE_ROUNDS", 4);
    let home = Home::new();
    let mut server = serve(&home);
    let mut client = Client::log_in(server.port);
    let accounts = open_accounts(&client);
    let (mut total, mut in_doubt, mut slowest) = (0, 0, Duration::ZERO);
    let victims = [Victim::Both, Victim::Postmaster, Victim::Server, Victim::Backend];
    for round in 0..rounds {
        let victim = victims[round % victims.len()];
        let (postmaster, pid) = (home.postmaster(), server.pid());
        let name = format!("round-{round}");
        let mut ordered = all_work(&client, &name, &accounts, 10_000, || {
            thread::sleep(Duration::from_millis(500 + u64::try_from(round * 37 % 200).unwrap()));
            if matches!(victim, Victim::Both | Victim::Server) {
                kill_9(pid);
            }
            if matches!(victim, Victim::Both | Victim::Postmaster) {
                kill_9(postmaster);
            }
            if victim == Victim::Backend {
                kill_9(backend(&home).expect("the server has connections"));
            }
            thread::sleep(Duration::from_millis(300));
        });
        let since = Instant::now();
        if matches!(victim, Victim::Both | Victim::Server) {
            drop(server);
            server = serve(&home);
            client.port = server.port;
        }
        eventually("the server answers again", || {
            let answer = client.send("GET", "/accounts?limit=1", "", "");
            answer.is_some_and(|(status, _)| status == 200)
        });
        let took = since.elapsed();
        slowest = slowest.max(took);
        let doubtful = ordered.iter().filter(|order| order.acknowledged.is_none()).count();
        settle(&client, &mut ordered);
        total += ordered.len();
        in_doubt += doubtful;
        assert_all_there(&client, &ordered, total);
        home.run(&["verify", "ledger"]).well();
        println!(
            "round {round}: {victim:?} killed, {} transfers, {doubtful} in doubt, answers {:.2} s \
             after",
            ordered.len(),
            took.as_secs_f64()
        );
    }
    println!(
        "{rounds} rounds, {total} transfers, {in_doubt} of them in doubt and settled by their key; \
         0 lost, 0 doubled; slowest return {:.2} s",
        slowest.as_secs_f64()
    );
    assert!(total > 25 * rounds, "{total} transfers are no load");
    assert_sound(&client, &accounts, 1_000_000);
    server.stop();
}
