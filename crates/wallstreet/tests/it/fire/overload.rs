//! More than can be done: a database that stands still while requests come. Whoever
//! finds no room is told at once, memory stays bounded, and all of it works again
//! by itself.

use super::{asked, memory, serve_embedded, two_accounts, wire::Wire};
use crate::product::{Home, eventually};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const WORKERS: usize = 8;
/// More than a server has ever needed with its queues full, in MiB.
const MOST_MEMORY: usize = 300;

/// Stops or continues the database, every process of it.
fn signal(home: &Home, signal: Signal) {
    for pid in home.postgres() {
        let _ = kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal);
    }
}

/// Milliseconds, sorted.
fn percentile(times: &[f64], share: usize) -> f64 {
    times
        .get((times.len() * share / 100).min(times.len().saturating_sub(1)))
        .copied()
        .unwrap_or(0.0)
}

#[test]
fn a_database_that_stands_still_makes_refusals_quick_and_memory_no_larger() {
    let requests = asked("WALLSTREET_FIRE_REQUESTS", 2_500);
    let waiting = asked("WALLSTREET_FIRE_WAITING", 1_300);
    let home = Home::new();
    let server = serve_embedded(&home);
    let (client, from, to) = two_accounts(server.port);
    let wire = Wire::new(server.port, client.token());
    let before = memory(server.pid());
    signal(&home, Signal::SIGSTOP);
    // These find room, and wait.
    let mut lines: Vec<_> = (0..waiting)
        .map(|n| {
            let mut line = wire.connect().unwrap();
            line.send(&wire.transfer(&format!("wait-{n}"), &from, &to, "0.01")).unwrap();
            line
        })
        .collect();
    // Longer than the server waits for the database before it sends everybody away.
    thread::sleep(Duration::from_secs(5));
    let sent = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (wire, from, to, sent) =
                (wire.clone(), from.clone(), to.clone(), Arc::clone(&sent));
            thread::spawn(move || {
                let (mut line, mut times) = (wire.connect().unwrap(), Vec::new());
                loop {
                    let n = sent.fetch_add(1, Ordering::SeqCst);
                    if n >= requests {
                        return times;
                    }
                    let request = wire.transfer(&format!("shed-{n}"), &from, &to, "0.01");
                    let asked = Instant::now();
                    let reply = line.ask(&request).unwrap();
                    times.push(asked.elapsed().as_secs_f64() * 1000.0);
                    assert_eq!(reply.status, 503, "{reply:?}");
                    assert!(reply.retry_after, "{reply:?}");
                }
            })
        })
        .collect();
    let mut times: Vec<f64> =
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
    let took = began.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    let full = memory(server.pid());
    signal(&home, Signal::SIGCONT);
    let since = Instant::now();
    eventually("it works again", || {
        let request = wire.transfer("after", &from, &to, "0.01");
        wire.once(&request).is_ok_and(|reply| reply.status == 201)
    });
    let back = since.elapsed().as_secs_f64();
    let statuses = lines.drain(..).map(|mut line| line.hear().unwrap());
    let (mut done, mut refused) = (0, 0);
    for reply in statuses {
        match reply.status {
            201 => done += 1,
            503 => refused += 1,
            _ => panic!("{reply:?}"),
        }
    }
    let (middle, most, longest) =
        (percentile(&times, 50), percentile(&times, 99), percentile(&times, 100));
    println!(
        "of {waiting} that came at first {done} were done and {refused} told to come back; then \
         {requests} were refused in {took:.1} s: median {middle:.1} ms, p99 {most:.1} ms, longest \
         {longest:.1} ms; memory {before} MiB before, {full} MiB full; worked again {back:.2} s after"
    );
    assert!(full < MOST_MEMORY, "{full} MiB");
    assert!(most < 50.0, "p99 of refusals: {most:.1} ms");
    server.stop();
}
