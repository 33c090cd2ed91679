//! Who runs it: root, an ordinary user, or the wrong one.

use crate::product::{Home, Running, end, is_root};
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
    process::Command,
};

/// `nobody`, on every system that has one.
const NOBODY: u32 = 65_534;

/// A home of nobody's, with a copy of the program that nobody can reach; `None` where that cannot be tried.
fn home_of_nobody(test: &str) -> Option<(Home, String)> {
    if !is_root() {
        testkit::skipped(test, "only root can become another user");
        return None;
    }
    if Command::new("setpriv").arg("--version").output().is_err() {
        testkit::skipped(test, "setpriv is not installed");
        return None;
    }
    let home = Home::new();
    chown(home.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let program = home.path().join("wallstreet");
    fs::copy(env!("CARGO_BIN_EXE_wallstreet"), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let program = program.display().to_string();
    Some((home, program))
}

fn as_nobody(home: &Home, program: &str, arguments: &[&str]) -> Command {
    home.command_as(
        "setpriv",
        &["--reuid=65534", "--regid=65534", "--clear-groups", program],
        arguments,
    )
}

fn owner(path: &Path) -> u32 {
    fs::metadata(path).unwrap().uid()
}

#[test]
fn as_root_the_secrets_stay_roots_and_postgresql_runs_as_somebody_else() {
    if !is_root() {
        return testkit::skipped(
            "as_root_the_secrets_stay_roots_and_postgresql_runs_as_somebody_else",
            "needs root",
        );
    }
    let home = Home::new();
    let server = home.serve(&[]);
    assert_eq!(owner(&home.data().join("wallstreet.secrets/JWT_SECRET")), 0);
    let postmaster = Path::new("/proc").join(home.postmaster().to_string());
    assert_ne!(owner(&postmaster), 0, "PostgreSQL never runs as root");
    server.stop();
}

#[test]
fn an_ordinary_user_needs_no_privilege() {
    let Some((home, program)) = home_of_nobody("an_ordinary_user_needs_no_privilege") else {
        return;
    };
    let server = Running::start(&mut as_nobody(&home, &program, &["serve", "--port", "0"]));
    assert!(server.request("GET", "/health", "").0.contains("200"));
    assert_eq!(owner(&home.data().join("wallstreet.secrets/JWT_SECRET")), NOBODY);
    assert_eq!(owner(&Path::new("/proc").join(home.postmaster().to_string())), NOBODY);
    end(&mut as_nobody(&home, &program, &["migrate", "status"])).well();
    server.stop();
    assert!(!home.has_postgres());
}

#[test]
fn a_user_who_may_not_enter_the_database_of_a_running_server_is_told_whose_it_is() {
    let test = "a_user_who_may_not_enter_the_database_of_a_running_server_is_told_whose_it_is";
    let Some((home, program)) = home_of_nobody(test) else { return };
    let server = home.serve(&[]);
    let ended = end(&mut as_nobody(&home, &program, &["migrate", "status"]));
    ended.refused(69, &["Permission denied", "next: run this as the owner of"]);
    assert!(server.request("GET", "/health", "").0.contains("200"));
}

#[test]
fn the_doctor_finds_a_data_directory_of_another_user() {
    let Some((home, program)) = home_of_nobody("the_doctor_finds_a_data_directory_of_another_user")
    else {
        return;
    };
    home.serve(&[]).stop();
    let ended = end(&mut as_nobody(&home, &program, &["doctor", "--set", "PORT=0"]));
    assert_eq!(ended.code, Some(6), "{ended:#?}");
    assert!(ended.stdout.contains("it belongs to another user"), "{}", ended.stdout);
}

#[test]
fn the_file_in_a_users_own_data_directory_is_found_and_cannot_move_it() {
    // Root's own directory is the machine's.
    let (home, program) = match is_root() {
        true => {
            let test = "the_file_in_a_users_own_data_directory_is_found_and_cannot_move_it";
            let Some((home, program)) = home_of_nobody(test) else { return };
            (home, Some(program))
        }
        false => (Home::new(), None),
    };
    let run = |text: &str| {
        home.write("share/wallstreet/wallstreet.toml", text);
        let mut command = match &program {
            Some(program) => as_nobody(&home, program, &["config"]),
            None => home.command(&["config"]),
        };
        end(command
            .env_remove("WALLSTREET_DATA_DIR")
            .env("XDG_DATA_HOME", home.path().join("share")))
    };
    run("WALLSTREET_DATA_DIR = \"/elsewhere\"\n")
        .refused(78, &["cannot be moved by the file", "wallstreet.toml:1"]);
    let told = run("PORT = 3999\n").well();
    assert!(told.contains("3999") && told.contains("share/wallstreet/wallstreet.toml:1"), "{told}");
}
