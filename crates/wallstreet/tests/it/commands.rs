//! The commands beside `serve`: on a database of their own, and beside a running server.

use crate::product::Home;
use serde_json::Value;
use std::{fs, os::unix::fs::PermissionsExt};

const ADA: [&str; 9] = [
    "admin",
    "create",
    "--email",
    "ada@example.com",
    "--first-name",
    "Ada",
    "--last-name",
    "Lovelace",
    "--password-stdin",
];
const PASSWORD: &str = "Engine-No-1842\n";

/// The verdicts of `doctor --json` by check, and how many findings it counts.
fn verdicts(document: &str) -> (Vec<(String, String)>, u64) {
    let document: Value = serde_json::from_str(document).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let checks = document["checks"].as_array().unwrap().iter();
    let verdicts = checks.map(|check| (text(&check["check"]), text(&check["verdict"]))).collect();
    (verdicts, document["findings"].as_u64().unwrap())
}

#[test]
fn a_weak_password_is_refused_with_the_rule_before_a_database_is_made() {
    let home = Home::new();
    for weak in ["short\n", "alllowercase1!\n", "\n"] {
        home.run_fed(&ADA, weak)
            .refused(1, &["the password is refused", "72 bytes", "a special character"]);
    }
    assert!(!home.data().exists());
}

#[test]
fn an_administrator_needs_an_address_and_a_way_to_ask_for_the_password() {
    let home = Home::new();
    let wrong = [
        "admin",
        "create",
        "--email",
        "ada",
        "--first-name",
        "A",
        "--last-name",
        "L",
        "--password-stdin",
    ];
    home.run_fed(&wrong, PASSWORD).refused(1, &["--email", "e-mail address"]);
    home.run(&ADA[..8]).refused(1, &["no terminal", "--password-stdin"]);
}

#[test]
fn an_administrator_is_created_once_and_can_log_in() {
    let home = Home::new();
    assert!(home.run_fed(&ADA, PASSWORD).well().contains("ada@example.com is an administrator"));
    home.run_fed(&ADA, PASSWORD).refused(1, &["already exists"]);
    let server = home.serve(&[]);
    let (status, body) = server.request(
        "POST",
        "/api/v1/auth/login",
        r#"{"email":"ada@example.com","password":"Engine-No-1842"}"#,
    );
    assert!(status.contains("200") && body.contains(r#""role":"admin""#), "{status} {body}");
}

#[test]
fn commands_work_beside_a_running_server() {
    let home = Home::new();
    let server = home.serve(&[]);
    assert!(home.run_fed(&ADA, PASSWORD).well().contains("is an administrator"));
    assert!(home.run(&["migrate", "status"]).well().contains("none pending"));
    let port = server.port.to_string();
    let ended = home.run(&["doctor", "--set", &format!("PORT={port}")]);
    let said = ended.well();
    assert!(said.contains(&format!("process {}", server.pid())), "{said}");
    assert!(server.request("GET", "/health", "").0.contains("200"));
}

#[test]
fn the_schema_goes_forward_and_back() {
    let home = Home::new();
    let pending = home.run(&["migrate", "status"]).well();
    assert!(
        pending.contains("001_documented_schema")
            && pending.contains("pending: run `wallstreet migrate up`"),
        "{pending}"
    );
    let first = home.run(&["migrate", "up", "--to", "2"]).well();
    assert_eq!(first.matches("applied").count(), 2, "{first}");
    let rest = home.run(&["migrate", "up"]).well();
    assert!(!rest.contains("001_") && rest.contains("003_"), "{rest}");
    assert_eq!(home.run(&["migrate", "up"]).well(), "nothing to do\n");
    assert!(home.run(&["migrate", "status"]).well().contains("none pending"));
    home.run(&["migrate", "down", "--to", "2"]).refused(1, &["this deletes", "--yes"]);
    let undone = home.run(&["migrate", "down", "--to", "2", "--yes"]).well();
    assert!(undone.contains("undone  003_") && !undone.contains("002_"), "{undone}");
    home.run(&["migrate", "up", "--to", "999"]).refused(1, &["no migration 999"]);
}

#[test]
fn the_whole_schema_is_printed_without_a_database() {
    let home = Home::new();
    let sql = home.run(&["migrate", "init-sql"]).well();
    assert!(sql.contains("CREATE TABLE") && sql.trim_end().ends_with("COMMIT;"));
    assert!(!home.data().exists());
}

#[test]
fn the_doctor_finds_what_is_wrong_and_names_the_remedy() {
    let home = Home::new();
    home.run(&["migrate", "up", "--to", "2"]).well();
    let ended = home.run_with(
        &["doctor", "--json", "--env", "production", "--set", "PORT=0"],
        &[("REDIS_URL", "x")],
    );
    assert_eq!(ended.code, Some(6), "{ended:#?}");
    let (found, findings) = verdicts(&ended.stdout);
    for check in ["configuration", "secrets", "schema"] {
        assert!(found.contains(&(check.to_owned(), "finding".to_owned())), "{check} in {found:?}");
    }
    assert!(findings >= 3);
    assert!(
        ended.stdout.contains("wallstreet migrate up") && ended.stdout.contains("openssl rand")
    );
}

#[test]
fn the_doctor_finds_an_open_sample_administrator_outside_development() {
    let home = Home::new();
    home.serve(&[]).stop();
    let secret = "0123456789abcdef0123456789abcdef";
    let salt = "fedcba9876543210fedcba9876543210";
    let variables = [("JWT_SECRET", secret), ("API_KEY_SALT", salt), ("PORT", "0")];
    let ended = home.run_with(&["doctor", "--json", "--env", "production"], &variables);
    assert_eq!(ended.code, Some(6), "{ended:#?}");
    let (found, findings) = verdicts(&ended.stdout);
    assert!(found.contains(&("sample admin".to_owned(), "finding".to_owned())), "{found:?}");
    assert_eq!(findings, 1, "{found:?}");
}

#[test]
fn the_doctor_finds_a_file_with_a_secret_that_others_can_read() {
    let home = Home::new();
    let secret = "0123456789abcdef0123456789abcdef";
    let config = home.write("bank.toml", &format!("JWT_SECRET = \"{secret}\"\n"));
    let doctor = |mode: u32| {
        fs::set_permissions(&config, fs::Permissions::from_mode(mode)).unwrap();
        home.run(&["doctor", "--set", "PORT=0", "--config", &config])
    };
    let open = doctor(0o644);
    assert_eq!(open.code, Some(6), "{open:#?}");
    assert!(
        open.stdout.contains(&format!("chmod 600 {config}")) && !open.stdout.contains(secret),
        "{}",
        open.stdout
    );
    doctor(0o600).well();
    let file = home.write("secret", secret);
    home.write("bank.toml", &format!("JWT_SECRET_FILE = \"{file}\"\n"));
    doctor(0o644).well();
}

#[test]
fn the_doctor_finds_a_configuration_that_cannot_be_used() {
    let ended = Home::new().run_with(&["doctor", "--json"], &[("PORT", "x")]);
    assert_eq!(ended.code, Some(6), "{ended:#?}");
    assert!(ended.stdout.contains("PORT is \\\"x\\\""), "{}", ended.stdout);
}

#[test]
fn the_doctor_finds_a_database_that_does_not_answer() {
    let url = "postgres://bank:hunter2@127.0.0.1:1/books";
    let ended = Home::new().run_with(&["doctor", "--set", "PORT=0"], &[("DATABASE_URL", url)]);
    assert_eq!(ended.code, Some(6), "{ended:#?}");
    assert!(
        ended.stdout.contains("postgres://bank:***@127.0.0.1:1/books")
            && !ended.stdout.contains("hunter2")
    );
}

#[test]
fn the_doctor_finds_nothing_on_a_fresh_machine_and_makes_nothing() {
    let home = Home::new();
    let ended = home.run(&["doctor", "--json", "--set", "PORT=0"]);
    let (found, findings) = verdicts(&ended.well());
    assert_eq!(findings, 0, "{found:?}");
    assert!(!home.data().exists());
}

#[test]
fn the_doctor_finds_nothing_on_a_sound_installation() {
    let home = Home::new();
    home.serve(&[]).stop();
    let ended = home.run(&["doctor", "--set", "PORT=0"]);
    let said = ended.well();
    for part in ["fsync", "none pending", "embedded in", "Nothing is wrong."] {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
    assert!(!home.has_postgres());
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(Home::new().run(&["completions", shell]).well().contains("wallstreet"), "{shell}");
    }
    Home::new().run(&["completions", "cmd"]).refused(2, &["cmd", "bash"]);
}

#[test]
fn the_api_description_is_json() {
    let document: Value = serde_json::from_str(&Home::new().run(&["openapi"]).well()).unwrap();
    assert!(
        document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")),
        "{}",
        document["openapi"]
    );
}
