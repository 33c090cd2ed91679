//! One server for many test processes.

use crate::scratch::{Scratch, another, eventually, one, role, runs, stay};
use embedded_postgres::shared_for_tests;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::fs;

#[test]
fn two_processes_share_a_server_that_outlives_both_and_is_replaced_when_killed() {
    if let Some(dir) = role() {
        let url = shared_for_tests(&dir).unwrap();
        return stay(&one(
            &url,
            "SELECT pg_postmaster_start_time() || ' ' || current_setting('fsync')",
        ));
    }
    let scratch = Scratch::new();
    let name =
        "shared::two_processes_share_a_server_that_outlives_both_and_is_replaced_when_killed";
    let (mut first, mut second) = (another(name, &scratch), another(name, &scratch));
    let seen = first.hear();
    assert_eq!(seen, second.hear());
    assert!(seen.ends_with(" off"), "{seen}");
    first.kill();
    second.kill();

    let mut third = another(name, &scratch);
    assert_eq!(third.hear(), seen, "it did not outlive them");
    let pid: i32 = fs::read_to_string(scratch.join("pg/postmaster.pid"))
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    eventually("it dies", || !runs(pid));
    let mut fourth = another(name, &scratch);
    assert_ne!(fourth.hear(), seen);
    third.kill();
    fourth.kill();
    // The watchdog does the same in half a minute.
    let pid: i32 = fs::read_to_string(scratch.join("pg/postmaster.pid"))
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    kill(Pid::from_raw(pid), Signal::SIGINT).unwrap();
    eventually("it stops", || !runs(pid));
}
