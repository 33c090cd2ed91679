//! Processes that die without a word, and what is left of them.

use crate::scratch::{Scratch, another, eventually, one, query, role, runs, stay};
use embedded_postgres::{Config, Server, State};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::fs;

fn kill_9(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

#[test]
fn kill_9_of_the_parent_leaves_no_orphan_and_loses_nothing() {
    if let Some(dir) = role() {
        let server = Server::start(Config::new(dir)).unwrap();
        query(server.url(), "CREATE TABLE kept (word text); INSERT INTO kept VALUES ('here')")
            .unwrap();
        return stay("written");
    }
    let scratch = Scratch::new();
    let name = "supervision::kill_9_of_the_parent_leaves_no_orphan_and_loses_nothing";
    let mut parent = another(name, &scratch.join("data"));
    parent.hear();
    let postmaster = scratch.postmaster();
    assert!(runs(postmaster));
    parent.kill();
    eventually("the server stops", || !runs(postmaster));
    let server = scratch.start();
    assert_eq!(one(server.url(), "SELECT word FROM kept"), "here");
}

#[test]
fn a_start_right_after_kill_9_of_the_parent_waits_for_the_old_server() {
    if let Some(dir) = role() {
        let _server = Server::start(Config::new(dir)).unwrap();
        return stay("started");
    }
    let scratch = Scratch::new();
    let name = "supervision::a_start_right_after_kill_9_of_the_parent_waits_for_the_old_server";
    let mut parent = another(name, &scratch.join("data"));
    parent.hear();
    let old = scratch.postmaster();
    parent.kill();
    let server = scratch.start();
    assert!(!runs(old));
    assert_eq!(one(server.url(), "SELECT 1"), "1");
}

#[test]
fn kill_9_of_the_server_and_a_working_backend_is_mended_by_a_restart() {
    let scratch = Scratch::new();
    let server = scratch.start();
    query(server.url(), "CREATE TABLE kept (word text); INSERT INTO kept VALUES ('here')").unwrap();
    // A backend that computes does not notice that its postmaster is gone.
    let url = server.url().to_owned();
    let busy = std::thread::spawn(move || {
        query(&url, "SELECT count(*) FROM generate_series(1, 1e12::bigint)")
    });
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%1e12%' AND pid <> \
    pg_backend_pid()";
    eventually("the backend works", || one(server.url(), sql) == "1");

    let old = scratch.postmaster();
    kill_9(old);
    let new = |state| matches!(state, State::Running { pid } if pid != u32::try_from(old).unwrap());
    eventually("it runs again", || new(server.state()));
    assert_eq!(one(server.url(), "SELECT word FROM kept"), "here");
    assert!(busy.join().unwrap().is_err(), "the old backend outlived its server");
}

#[test]
fn a_server_that_fails_again_and_again_is_given_up_with_its_last_words() {
    let scratch = Scratch::new();
    let server = scratch.start();
    let control = scratch.pg().join("global/pg_control");
    let postmaster = scratch.postmaster();
    kill_9(postmaster);
    fs::remove_file(control).unwrap();
    eventually("it is given up", || matches!(server.state(), State::Failed(_)));
    let State::Failed(message) = server.state() else { unreachable!() };
    assert!(message.contains("restarts in a row") && message.contains("pg_control"), "{message}");
    assert_eq!(server.pid(), None);
    assert!(server.stop().is_err());
}

#[test]
fn a_stale_pid_file_that_names_a_living_stranger_is_no_obstacle() {
    let scratch = Scratch::new();
    drop(scratch.start());
    // As after a crash of a container, where the same small pids come again: here it is this
    // process's own.
    let stale =
        format!("{}\n{}\n1\n5432\n\n\n\nready   \n", std::process::id(), scratch.pg().display());
    fs::write(scratch.pg().join("postmaster.pid"), stale).unwrap();
    fs::write(scratch.join("data/run/.s.PGSQL.5432.lock"), format!("{}\n", std::process::id()))
        .unwrap();
    let server = scratch.start();
    assert_eq!(one(server.url(), "SELECT 1"), "1");
}

#[test]
fn a_zombie_is_dead() {
    let scratch = Scratch::new();
    drop(scratch.start());
    let mut zombie = std::process::Command::new("true").spawn().unwrap();
    let pid = i32::try_from(zombie.id()).unwrap();
    eventually("it ends", || !runs(pid));
    let stale = format!("{pid}\n{}\n1\n5432\n\n\n\nready   \n", scratch.pg().display());
    fs::write(scratch.pg().join("postmaster.pid"), stale).unwrap();
    let server = scratch.start();
    assert_eq!(one(server.url(), "SELECT 1"), "1");
    zombie.wait().unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn an_operators_shell_in_the_clusters_directory_is_left_alone() {
    let scratch = Scratch::new();
    drop(scratch.start());
    let mut shell = std::process::Command::new("sleep");
    let mut shell = shell.arg("60").current_dir(scratch.pg()).spawn().unwrap();
    let since = std::time::Instant::now();
    drop(scratch.start());
    assert!(since.elapsed().as_secs() < 2, "it was waited for");
    assert!(shell.try_wait().unwrap().is_none(), "it was stopped");
    shell.kill().unwrap();
    shell.wait().unwrap();
}

#[test]
fn the_server_outlives_the_thread_that_asked_for_it() {
    let scratch = Scratch::new();
    let config = scratch.config();
    let server = std::thread::spawn(move || Server::start(config).unwrap()).join().unwrap();
    let first = server.pid();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(one(server.url(), "SELECT 1"), "1");
    assert_eq!(server.pid(), first, "it was restarted");
}
