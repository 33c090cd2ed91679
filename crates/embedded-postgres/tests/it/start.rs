//! Cold, warm, long and unprivileged starts, and what the server is like then.

use crate::scratch::{Another, Scratch, another, eventually, one, query, role, say};
use embedded_postgres::{Config, Server, State, candidates, find_binaries};
use nix::unistd::{Uid, User};
use std::{
    env, fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::Command,
};

#[test]
fn a_new_directory_becomes_a_server_that_is_durable_private_and_checksummed() {
    let scratch = Scratch::new();
    let server = scratch.start();
    let show = |setting: &str| one(server.url(), &format!("SHOW {setting}"));
    for safe in ["fsync", "full_page_writes", "synchronous_commit", "data_checksums"] {
        assert_eq!(show(safe), "on", "{safe}");
    }
    assert_eq!(show("listen_addresses"), "");
    assert_eq!(show("server_encoding"), "UTF8");
    assert_eq!(show("TimeZone"), "UTC");
    assert_eq!(show("shared_preload_libraries"), "plpgsql");
    assert_eq!(
        one(server.url(), "SELECT current_user || '@' || current_database()"),
        "wallstreet@wallstreet"
    );
    assert_eq!(
        server.state(),
        State::Running { pid: u32::try_from(scratch.postmaster()).unwrap() }
    );
    assert!(one(server.url(), "SHOW server_version").starts_with(server.version()));
    assert!(!server.is_outdated());
}

#[test]
fn nobody_but_us_can_read_what_is_on_disk() {
    let scratch = Scratch::new();
    let server = scratch.start();
    let mode = |name: &str| {
        fs::metadata(scratch.join("data").join(name)).unwrap().permissions().mode() & 0o7777
    };
    assert_eq!(mode("pg"), 0o700);
    assert_eq!(mode("run"), 0o700);
    assert_eq!(mode("postgres.log"), 0o600);
    assert_eq!(mode("wallstreet.lock"), 0o600);
    server.stop().unwrap();
}

#[test]
fn what_was_committed_is_there_after_a_restart() {
    let scratch = Scratch::new();
    let server = scratch.start();
    query(server.url(), "CREATE TABLE kept (word text); INSERT INTO kept VALUES ('here')").unwrap();
    server.stop().unwrap();
    assert!(!scratch.pg().join("postmaster.pid").exists(), "it was not a clean stop");

    let server = scratch.start();
    assert_eq!(one(server.url(), "SELECT word FROM kept"), "here");
}

#[test]
fn the_operators_settings_win_over_ours_but_not_over_safety() {
    let scratch = Scratch::new();
    let mut config = scratch.config();
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    config.settings =
        vec![set("work_mem", "8MB"), set("fsync", "off"), set("listen_addresses", "*")];
    let server = Server::start(config).unwrap();
    assert_eq!(one(server.url(), "SHOW work_mem"), "8MB");
    assert_eq!(one(server.url(), "SHOW fsync"), "on");
    assert_eq!(one(server.url(), "SHOW listen_addresses"), "");
}

#[test]
fn a_setting_that_postgres_does_not_know_is_quoted_from_its_log() {
    let scratch = Scratch::new();
    let mut config = scratch.config();
    config.settings = vec![("no_such_setting".to_owned(), "1".to_owned())];
    let message = crate::scratch::refusal(config);
    assert!(message.contains("did not start") && message.contains("no_such_setting"), "{message}");
}

#[test]
fn a_path_too_long_for_a_socket_or_with_odd_characters_works() {
    let scratch = Scratch::new();
    let mut config = scratch.config();
    config.data_dir = scratch.join("a, b 'c' \\d").join("x".repeat(120));
    let server = Server::start(config.clone()).unwrap();
    assert!(server.socket_dir().as_os_str().len() <= 80, "{}", server.socket_dir().display());
    assert_eq!(one(server.url(), "SELECT 1"), "1");
    let first = server.socket_dir().to_path_buf();
    server.stop().unwrap();

    config.data_dir = scratch.join("a, b 'c' \\d");
    fs::rename(config.data_dir.join("x".repeat(120)), scratch.join("short 'o\\dd'")).unwrap();
    config.data_dir = scratch.join("short 'o\\dd'");
    let server = Server::start(config).unwrap();
    assert_ne!(server.socket_dir(), first);
    assert_eq!(one(server.url(), "SELECT 1"), "1");
}

#[test]
fn a_half_made_cluster_of_a_crashed_start_is_removed() {
    let scratch = Scratch::new();
    let left = scratch.join("data/pg.init.1/base");
    fs::create_dir_all(&left).unwrap();
    fs::write(scratch.join("data/wallstreet.lock"), "1\n").unwrap();
    let _server = scratch.start();
    assert!(!left.exists());
}

#[test]
fn kill_9_in_the_middle_of_the_first_start_is_no_obstacle_to_the_second() {
    if let Some(dir) = role() {
        say("starting");
        let _server = Server::start(Config::new(dir)).unwrap();
        return;
    }
    let scratch = Scratch::new();
    let name = "start::kill_9_in_the_middle_of_the_first_start_is_no_obstacle_to_the_second";
    let mut first = another(name, &scratch.join("data"));
    let staging = scratch.join(format!("data/pg.init.{}", first.child.id()));
    eventually("initdb writes", || staging.join("base").exists());
    first.kill();
    assert!(!scratch.pg().exists());
    let server = scratch.start();
    assert_eq!(one(server.url(), "SELECT 1"), "1");
    assert!(!staging.exists());
}

#[test]
fn a_user_without_rights_runs_it_as_themselves() {
    if let Some(dir) = role() {
        let server = Server::start(Config { allow_download: false, ..Config::new(dir) }).unwrap();
        return say(&one(server.url(), "SELECT current_user"));
    }
    let scratch = Scratch::new();
    // Cargo's directory may be closed to others.
    let program = scratch.join("it");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    let mut command = Command::new(program);
    if Uid::effective().is_root() {
        let nobody = User::from_name("nobody").unwrap().unwrap();
        std::os::unix::fs::chown(&*scratch, Some(nobody.uid.as_raw()), None).unwrap();
        command.uid(nobody.uid.as_raw()).gid(nobody.gid.as_raw());
    }
    let name = "start::a_user_without_rights_runs_it_as_themselves";
    let mut other = Another::spawn(command, name, &scratch.join("data"));
    assert_eq!(other.hear(), "wallstreet");
    assert!(other.child.wait().unwrap().success());
}

#[test]
fn what_is_found_is_what_is_run_and_the_rest_is_listed() {
    let scratch = Scratch::new();
    let found = find_binaries(None, &scratch).unwrap();
    let all = candidates(None, &scratch);
    assert!(all.iter().any(|one| one.binaries.as_ref() == Ok(&found)), "{all:?}");
    let given = find_binaries(Some(&found.dir), &scratch).unwrap();
    assert_eq!(given, found);
    assert_eq!(scratch.start().version(), found.version);
}
