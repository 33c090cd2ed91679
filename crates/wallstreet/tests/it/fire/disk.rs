//! A disk that fills up under load, and PostgreSQL falls: whoever asks is told to come
//! back, nothing that was acknowledged is lost, and with room again all goes on without
//! a restart of the server.

use super::{assert_all_once, serve_embedded, two_accounts, wire::Wire};
use crate::{
    crash::kill_9,
    product::{Home, eventually, is_root},
};
use std::{
    collections::HashMap,
    fs,
    io::Write,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const TEST: &str = "a_full_disk_is_unavailable_and_loses_nothing";
const WORKERS: usize = 16;

/// A small file system in memory; gone with the test.
struct Small<'a>(&'a Home);

impl Small<'_> {
    /// Whether it could be mounted.
    fn mount(home: &Home) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs"]).arg(home.data());
        mount.status().is_ok_and(|done| done.success())
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        // A PostgreSQL that is about to end keeps it busy for a moment.
        for _ in 0..200 {
            if Command::new("umount").arg(self.0.data()).status().is_ok_and(|it| it.success()) {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Writes until there is no room.
fn fill(home: &Home) {
    let mut file = fs::File::create(home.data().join("ballast")).unwrap();
    let piece = vec![1; 64 * 1024];
    while file.write_all(&piece).is_ok() {}
    let _ = (0..).map(|_| file.write_all(&[1])).take_while(Result::is_ok).count();
}

#[test]
fn a_full_disk_is_unavailable_and_loses_nothing() {
    let home = Home::new();
    fs::create_dir(home.data()).unwrap();
    if !is_root() || !Small::mount(&home) {
        return testkit::skipped(TEST, "only root may mount a small file system to fill");
    }
    let small = Small(&home);
    let server = serve_embedded(&home);
    let (client, from, to) = two_accounts(server.port);
    let wire = Wire::new(server.port, client.token());
    let stop = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let (wire, from, to, stop) =
                (wire.clone(), from.clone(), to.clone(), Arc::clone(&stop));
            thread::spawn(move || {
                let (mut told, mut away) = (HashMap::new(), 0);
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let key = format!("{worker}-{n}");
                    let reply = wire.once(&wire.transfer(&key, &from, &to, "0.01")).unwrap();
                    match reply.status {
                        201 => drop(told.insert(key, Some(reply))),
                        503 => {
                            let code = reply.json()["code"].clone();
                            assert!(code == "unavailable" || code == "outcome_unknown", "{code}");
                            told.insert(key, None);
                            away += 1;
                            thread::sleep(Duration::from_millis(50));
                        }
                        _ => panic!("{reply:?}"),
                    }
                }
                (told, away)
            })
        })
        .collect();
    thread::sleep(Duration::from_millis(500));
    fill(&home);
    thread::sleep(Duration::from_secs(2));
    // It can fall by itself when the log of its changes needs room. Nor does it start without.
    kill_9(home.postmaster());
    thread::sleep(Duration::from_secs(9));
    fs::remove_file(home.data().join("ballast")).unwrap();
    let since = Instant::now();
    eventually("it goes on", || {
        let request = wire.transfer("after", &from, &to, "0.01");
        wire.once(&request).is_ok_and(|reply| reply.status == 201)
    });
    let back = since.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    let (mut told, mut away) = (HashMap::new(), 0);
    for worker in workers {
        let (own, more) = worker.join().unwrap();
        told.extend(own);
        away += more;
    }
    let all = told.len();
    assert!(away > 0, "the disk was not full");
    assert_all_once(&wire, (&from, &to), told, 1);
    home.run(&["verify", "ledger"]).well();
    println!(
        "{all} transfers, {away} answers were \"come back\" while the disk was full; worked again \
         {back:.2} s after there was room, without a restart of the server; 0 lost, 0 doubled"
    );
    server.stop();
    drop(small);
}
