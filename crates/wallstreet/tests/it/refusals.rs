//! Starts that must not happen: refused early, with the reason and the remedy.

use crate::product::Home;
use std::{fs, net::TcpListener, os::unix::fs::MetadataExt};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const SALT: &str = "fedcba9876543210fedcba9876543210";
const IN_PRODUCTION: [(&str, &str); 3] =
    [("WALLSTREET_ENV", "production"), ("JWT_SECRET", SECRET), ("API_KEY_SALT", SALT)];

#[test]
fn production_without_secrets_is_refused_and_names_them() {
    let home = Home::new();
    for name in ["production", "staging"] {
        home.run(&["serve", "--env", name])
            .refused(78, &["JWT_SECRET and API_KEY_SALT are not set", name, "openssl"]);
    }
    let one = home.run_with(&["serve", "--env", "production"], &[("JWT_SECRET", SECRET)]);
    one.refused(78, &["API_KEY_SALT is not set"]);
    assert!(!home.data().exists(), "a refused start leaves nothing behind");
}

#[test]
fn a_port_in_use_is_refused_before_a_database_is_made() {
    let home = Home::new();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let ended = home.run(&["serve", "--port", &port]);
    ended.refused(
        1,
        &[&format!("cannot listen on 127.0.0.1:{port}"), "another process has that port", "--port"],
    );
    assert!(!home.data().exists(), "no database for a server that cannot listen");
}

#[test]
fn an_address_that_the_machine_does_not_have_is_refused() {
    let ended = Home::new().run(&["serve", "--port", "0", "--host", "192.0.2.1"]);
    ended.refused(1, &["192.0.2.1", "does not have that address", "--host"]);
}

#[test]
fn a_database_that_does_not_answer_is_waited_for_and_then_named_without_its_password() {
    let home = Home::new();
    let url = "postgres://bank:hunter2@127.0.0.1:1/books";
    let ended =
        home.run_with(&["serve", "--port", "0"], &[("DATABASE_URL", url), ("DB_WAIT", "1s")]);
    ended.refused(
        69,
        &[
            "postgres://bank:***@127.0.0.1:1/books",
            "DATABASE_URL",
            "does not answer",
            "tried for 1 s",
        ],
    );
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
}

#[test]
fn a_command_on_a_database_that_does_not_answer_fails_at_once() {
    let home = Home::new();
    let url = ["--database-url", "postgres://bank@127.0.0.1:1/books"];
    home.run(&[&["migrate", "status"], &url[..]].concat()).refused(69, &["not available"]);
}

#[test]
fn a_directory_that_holds_something_else_is_refused_and_left_alone() {
    let home = Home::new();
    home.write("data/thesis.txt", "precious");
    home.run(&["serve", "--port", "0"]).refused(78, &["something else", "thesis.txt"]);
    let left: Vec<_> =
        fs::read_dir(home.data()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["thesis.txt"]);
}

#[test]
fn binaries_that_are_not_there_are_refused() {
    let ended =
        Home::new().run_with(&["serve", "--port", "0"], &[("WALLSTREET_PG_BIN", "/nonexistent")]);
    ended.refused(78, &["/nonexistent", "postgres"]);
}

#[test]
fn a_second_start_on_the_same_directory_is_refused_with_the_pid() {
    let home = Home::new();
    let first = home.serve(&[]);
    let second = home.run(&["serve", "--port", "0"]);
    second.refused(75, &["in use by another wallstreet process", &format!("pid {}", first.pid())]);
    assert!(first.request("GET", "/health", "").0.contains("200"), "the first goes on");
}

#[test]
fn production_does_not_listen_while_the_sample_administrator_is_open() {
    let home = Home::new();
    home.serve(&[]).stop();
    let ended = home.run_with(&["serve", "--port", "0"], &IN_PRODUCTION);
    ended.refused(78, &["admin@wallstreet.com", "sample password", "--env development"]);
    assert!(!home.has_postgres());
}

#[test]
fn a_kept_secret_that_was_emptied_is_refused() {
    let home = Home::new();
    home.serve(&[]).stop();
    let secret = home.data().join("wallstreet.secrets/JWT_SECRET");
    assert_eq!(fs::metadata(&secret).unwrap().mode() & 0o777, 0o600);
    fs::write(&secret, "").unwrap();
    home.run(&["serve", "--port", "0"]).refused(1, &["JWT_SECRET", "holds less than a secret"]);
}
