//! What must not start, and what the operator then reads.

use crate::scratch::{Scratch, another, refusal, role, stay};
use embedded_postgres::{Config, Error, Server};
use std::{fs, os::unix::fs::PermissionsExt};

#[test]
fn a_second_start_on_the_same_directory_is_refused_with_the_pid() {
    if let Some(dir) = role() {
        let _server = Server::start(Config::new(dir)).unwrap();
        return stay("started");
    }
    let scratch = Scratch::new();
    let name = "refusals::a_second_start_on_the_same_directory_is_refused_with_the_pid";
    let mut first = another(name, &scratch.join("data"));
    first.hear();
    let message = scratch.refusal();
    let pid = first.child.id();
    assert!(
        message.contains(&format!("in use by another wallstreet process (pid {pid})")),
        "{message}"
    );
}

#[test]
fn within_one_process_a_second_start_is_refused_too_and_the_first_goes_on() {
    let scratch = Scratch::new();
    let server = scratch.start();
    let message = scratch.refusal();
    assert!(message.contains(&format!("(pid {})", std::process::id())), "{message}");
    assert_eq!(crate::scratch::one(server.url(), "SELECT 1"), "1");
}

#[test]
fn a_directory_of_somebody_elses_files_is_refused_and_left_as_it_was() {
    let scratch = Scratch::new();
    let data = scratch.join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("thesis.txt"), "years of work").unwrap();
    let message = scratch.refusal();
    assert!(message.contains("it contains thesis.txt"), "{message}");
    assert_eq!(fs::read_dir(&data).unwrap().count(), 1);
}

#[test]
fn a_database_that_has_vanished_is_not_replaced_by_an_empty_one() {
    let scratch = Scratch::new();
    drop(scratch.start());
    fs::remove_dir_all(scratch.pg()).unwrap();
    let message = scratch.refusal();
    assert!(message.contains("is gone: mount or restore it"), "{message}");
    fs::create_dir(scratch.pg()).unwrap();
    // An empty mount point is no database either; as root it is also nobody's to write to.
    let message = scratch.refusal();
    assert!(message.contains("is gone") || message.contains("belongs to"), "{message}");
    fs::remove_dir(scratch.pg()).unwrap();
    fs::remove_file(scratch.join("data").join("wallstreet.cluster")).unwrap();
    drop(scratch.start());
}

#[test]
fn a_cluster_without_its_version_is_refused() {
    let scratch = Scratch::new();
    drop(scratch.start());
    fs::remove_file(scratch.pg().join("PG_VERSION")).unwrap();
    let message = scratch.refusal();
    assert!(message.contains("something else than"), "{message}");
}

#[test]
fn a_cluster_of_another_major_is_refused_with_what_to_do() {
    let scratch = Scratch::new();
    drop(scratch.start());
    fs::write(scratch.pg().join("PG_VERSION"), "11\n").unwrap();
    let error = Server::start(scratch.config()).err().unwrap();
    assert!(matches!(error, Error::OtherMajor { cluster: 11, .. }), "{error:?}");
    let message = error.to_string();
    for part in [
        "made by PostgreSQL 11",
        "this machine has PostgreSQL ",
        "install PostgreSQL 11",
        "pg_dump",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn binaries_that_are_not_there_are_refused_by_name() {
    let scratch = Scratch::new();
    let mut config = scratch.config();
    config.binaries = Some(scratch.join("nowhere"));
    let message = refusal(config);
    assert!(message.contains("nowhere does not hold PostgreSQL 14"), "{message}");
}

#[test]
fn a_postgres_that_is_too_old_is_refused_by_its_version() {
    let scratch = Scratch::new();
    let bin = scratch.join("bin");
    fs::create_dir(&bin).unwrap();
    for program in ["postgres", "initdb"] {
        fs::write(bin.join(program), "#!/bin/sh\necho 'postgres (PostgreSQL) 13.4'\n").unwrap();
        fs::set_permissions(bin.join(program), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut config = scratch.config();
    config.binaries = Some(bin);
    let message = refusal(config);
    assert!(message.contains("it is version 13.4"), "{message}");
}

#[test]
fn a_machine_without_postgres_gets_one_sentence_with_the_command_to_install_it() {
    let error = Error::NoPostgres {
        why: "downloading is switched off".to_owned(),
        install: "install it with `apt-get install postgresql`".to_owned(),
    };
    assert_eq!(
        error.to_string(),
        "PostgreSQL 14 or later is not on this machine and was not downloaded (downloading is \
        switched off): \
         install it with `apt-get install postgresql`, then start again"
    );
}

#[test]
fn root_is_told_which_directory_is_closed_to_the_user_that_postgres_runs_as() {
    let scratch = Scratch::new();
    let closed = scratch.join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let mut config = scratch.config();
    config.data_dir = closed.join("data");
    if !nix::unistd::Uid::effective().is_root() {
        // Ours is open to us.
        return drop(Server::start(config).unwrap());
    }
    let message = refusal(config);
    assert!(message.contains(&format!("who cannot enter {}", closed.display())), "{message}");
    assert!(message.contains("/var/lib/wallstreet"), "{message}");
}
