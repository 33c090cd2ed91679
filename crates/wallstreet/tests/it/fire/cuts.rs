//! Connections to the database that break between COMMIT and its answer.
//!
//! A proxy reads the client's half of PostgreSQL's protocol. At a COMMIT it lets
//! the word through and drops the connection before the answer, or drops it before
//! the word, or lets the word through and never says anything again.

use super::{asked, assert_verified, count, database, serve, two_accounts, wire::Wire};
use crate::product::{Home, eventually};
use std::{
    collections::HashSet,
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const WORKERS: usize = 16;

/// What happens at a COMMIT.
const NOTHING: usize = 0;
const CUT: usize = 1;
const SWALLOW: usize = 2;

#[derive(Default)]
struct Orders {
    mode: AtomicUsize,
    commits: AtomicUsize,
    cut_after: AtomicUsize,
    cut_before: AtomicUsize,
    swallowed: AtomicUsize,
}

/// The socket and the name in the shared server's connection string.
fn socket(url: &str) -> PathBuf {
    let config: tokio_postgres::Config = url.parse().unwrap();
    let port = config.get_ports().first().copied().unwrap_or(5432);
    match &config.get_hosts()[0] {
        tokio_postgres::config::Host::Unix(dir) => dir.join(format!(".s.PGSQL.{port}")),
        other => panic!("the shared server of the tests is on a socket, not {other:?}"),
    }
}

fn proxy(socket: PathBuf, orders: Arc<Orders>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = UnixStream::connect(&socket) else { continue };
            let orders = Arc::clone(&orders);
            let silent = Arc::new(AtomicUsize::new(0));
            let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
            let hushed = Arc::clone(&silent);
            thread::spawn(move || answers(back.0, back.1, &hushed));
            thread::spawn(move || questions(client, server, &orders, &silent));
        }
    });
    port
}

/// Passes answers on, unless told to keep them.
fn answers(mut from: UnixStream, mut to: TcpStream, silent: &AtomicUsize) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if silent.load(Ordering::SeqCst) == 0 && to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    if silent.load(Ordering::SeqCst) == 0 {
        let _ = to.shutdown(Shutdown::Both);
    }
}

/// Passes questions on, message by message.
fn questions(mut from: TcpStream, mut to: UnixStream, orders: &Orders, silent: &AtomicUsize) {
    let mut first = true;
    while let Ok(message) = message(&mut from, first) {
        first &= message.get(4..8) == Some(&80_877_103_i32.to_be_bytes());
        let mut cut = NOTHING;
        if message.starts_with(b"Q") && message[5..].starts_with(b"COMMIT") {
            let n = orders.commits.fetch_add(1, Ordering::SeqCst);
            cut = if n.is_multiple_of(3) { orders.mode.load(Ordering::SeqCst) } else { NOTHING };
            if cut == CUT && n.is_multiple_of(2) {
                orders.cut_before.fetch_add(1, Ordering::SeqCst);
                break;
            }
        }
        if cut != NOTHING {
            silent.store(1, Ordering::SeqCst);
        }
        if to.write_all(&message).is_err() {
            break;
        }
        if cut == CUT {
            // The database has the word and may do it; its answer finds nobody.
            orders.cut_after.fetch_add(1, Ordering::SeqCst);
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Write);
            return;
        }
        if cut == SWALLOW {
            orders.swallowed.fetch_add(1, Ordering::SeqCst);
            orders.mode.store(NOTHING, Ordering::SeqCst);
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// One message of the protocol; the first ones have no letter.
fn message(from: &mut TcpStream, first: bool) -> io::Result<Vec<u8>> {
    let head = if first { 4 } else { 5 };
    let mut message = vec![0; head];
    from.read_exact(&mut message)?;
    let length = u32::from_be_bytes(message[head - 4..].try_into().unwrap()) as usize;
    message.resize(head - 4 + length, 0);
    from.read_exact(&mut message[head..])?;
    Ok(message)
}

/// Orders under keys until each has an answer; the ids, and how often it had to ask again.
fn work(wire: &Wire, name: &str, most: usize, from: &str, to: &str) -> (Vec<String>, usize) {
    let (mut ids, mut again) = (Vec::new(), 0);
    for n in 0..most {
        let request = wire.transfer(&format!("{name}-{n}"), from, to, "0.01");
        loop {
            let reply = wire.once(&request).unwrap();
            match reply.status {
                201 => break ids.push(reply.json()["data"]["id"].as_str().unwrap().to_owned()),
                503 => assert!(reply.retry_after, "{reply:?}"),
                _ => panic!("{reply:?}"),
            }
            again += 1;
            thread::sleep(Duration::from_millis(10));
        }
    }
    (ids, again)
}

/// So many transfers under this mode; nothing is lost and nothing doubled.
fn run(mode: usize, each: usize) {
    let (home, database, orders) = (Home::new(), database(), Arc::new(Orders::default()));
    let port = proxy(socket(&database.url), Arc::clone(&orders));
    let config: tokio_postgres::Config = database.url.parse().unwrap();
    let user = config.get_user().unwrap();
    let url = format!("postgres://{user}@127.0.0.1:{port}/{}?sslmode=disable", database.name());
    let server = serve(&home, &url);
    let (client, from, to) = two_accounts(server.port);
    let wire = Wire::new(server.port, client.token());
    orders.mode.store(mode, Ordering::SeqCst);
    let began = Instant::now();
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let (wire, from, to) = (wire.clone(), from.clone(), to.clone());
            thread::spawn(move || work(&wire, &format!("{worker}"), each, &from, &to))
        })
        .collect();
    let (mut ids, mut again) = (HashSet::new(), 0);
    for worker in workers {
        let (own, more) = worker.join().unwrap();
        ids.extend(own);
        again += more;
    }
    let took = began.elapsed().as_secs_f64();
    orders.mode.store(NOTHING, Ordering::SeqCst);
    assert_eq!(ids.len(), WORKERS * each, "every key has an effect of its own");
    for n in 0..40 {
        let reply = wire.once(&wire.transfer(&format!("after-{n}"), &from, &to, "0.01")).unwrap();
        assert_eq!(reply.status, 201, "a connection was left poisoned: {reply:?}");
    }
    let sql = "SELECT count(*) FROM transactions WHERE transaction_type = 'transfer'";
    assert_eq!(count(&database, sql), 2 * i64::try_from(ids.len() + 40).unwrap());
    eventually("no transaction is left open", || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                      AND state LIKE 'idle in transaction%'";
        count(&database, sql) == 0
    });
    assert_verified(&home, &database.url);
    let number = |of: &AtomicUsize| of.load(Ordering::SeqCst);
    let (after, before) = (number(&orders.cut_after), number(&orders.cut_before));
    let swallowed = number(&orders.swallowed);
    println!(
        "{} transfers, {} COMMITs: {after} cut before their answer, {before} before the word, \
         {swallowed} swallowed; {again} answers were \"try again\"; {took:.1} s; 0 lost, 0 doubled",
        ids.len(),
        number(&orders.commits),
    );
    assert!(if mode == CUT { after > 0 && before > 0 } else { swallowed > 0 });
    server.stop();
}

#[test]
fn connections_cut_between_commit_and_its_answer_lose_nothing_and_double_nothing() {
    run(CUT, asked("WALLSTREET_FIRE_CUT_TRANSFERS", 320).div_ceil(WORKERS));
}

#[test]
fn an_answer_to_commit_that_never_comes_is_asked_after() {
    run(SWALLOW, 5);
}
