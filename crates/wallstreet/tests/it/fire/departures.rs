//! Clients that leave in the middle of a request: what they asked happens once or
//! not at all, a retry hears which, and nothing is left behind.

use super::{asked, assert_verified, count, database, memory, serve, two_accounts, wire::Wire};
use crate::product::{Home, eventually};
use std::{thread, time::Duration};

const WORKERS: usize = 16;
/// More than a server under this load has ever needed, in MiB.
const MOST_MEMORY: usize = 250;

/// Sends a request, or some of it, and leaves.
fn leave(wire: &Wire, n: usize, request: &[u8]) {
    // A connection that is refused has left as well.
    let Ok(mut line) = wire.connect() else { return };
    let part = match n % 4 {
        0 => request.len() - 20,
        1 => request.len() / 3,
        _ => request.len(),
    };
    let _ = line.send(&request[..part]);
    if n % 4 == 3 {
        thread::sleep(Duration::from_micros(u64::try_from(n * 7919 % 8_000).unwrap()));
    }
}

#[test]
fn clients_that_leave_in_the_middle_of_a_request_leave_nothing_behind() {
    let departures = asked("WALLSTREET_FIRE_DEPARTURES", 1_000);
    let (home, database) = (Home::new(), database());
    let server = serve(&home, &database.url);
    let (client, from, to) = two_accounts(server.port);
    let wire = Wire::new(server.port, client.token());
    let at_first = memory(server.pid());
    let all = |what: fn(&Wire, usize, &[u8])| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                let (wire, from, to) = (wire.clone(), from.clone(), to.clone());
                thread::spawn(move || {
                    for n in (worker..departures).step_by(WORKERS) {
                        what(&wire, n, &wire.transfer(&format!("key-{n}"), &from, &to, "0.01"));
                    }
                })
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    };
    all(leave);
    let after = memory(server.pid());
    let sql = "SELECT count(*) FROM transactions WHERE transaction_type = 'transfer'";
    let before_retry = count(&database, sql) / 2;
    all(|wire, n, request| {
        let first = wire.once(request).unwrap();
        let again = wire.once(request).unwrap();
        assert_eq!((first.status, again.status), (201, 201), "{n}: {first:?}, {again:?}");
        assert!(again.replayed && first.body == again.body, "{n}: {first:?}, {again:?}");
    });
    assert_eq!(count(&database, sql), 2 * i64::try_from(departures).unwrap());
    eventually("no connection is left in a transaction", || {
        count(
            &database,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                AND application_name = 'wallstreet' AND state <> 'idle'",
        ) == 0
    });
    let metrics = wire.once(&wire.request("GET", "/metrics", "", "")).unwrap();
    assert_eq!(metrics.status, 200, "{metrics:?}");
    assert!(after < MOST_MEMORY, "{after} MiB");
    assert_verified(&home, &database.url);
    println!(
        "{departures} clients left: {before_retry} of their transfers were made, the others by \
         their retries, each once; memory {at_first} MiB before, {after} MiB after"
    );
    server.stop();
}
