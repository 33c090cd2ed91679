//! Settings: which layer wins, what is refused and in which words, what is shown and what never is.

use crate::product::{Ended, Home};
use std::{collections::BTreeMap, fs};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const SALT: &str = "fedcba9876543210fedcba9876543210";

/// The settings by name: value and origin.
fn shown(ended: Ended) -> BTreeMap<String, (Option<String>, String)> {
    let document: serde_json::Value = serde_json::from_str(&ended.well()).unwrap();
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let settings = document["settings"].as_array().unwrap().iter();
    settings
        .map(|one| {
            (text(&one["name"]).unwrap(), (text(&one["value"]), text(&one["from"]).unwrap()))
        })
        .collect()
}

/// A wrong value of each setting that has wrong values, and words of the answer.
const WRONG: &[(&str, &str, &str)] = &[
    ("WALLSTREET_ENV", "prod", "development, staging or production"),
    ("HOST", "example.com", "an IP address"),
    ("PORT", "65536", "from 0 to 65535"),
    ("PORT", "-1", "from 0 to 65535"),
    ("PORT", "http", "a whole number"),
    ("MAX_CONNECTIONS", "0", "from 1 to"),
    ("BODY_MEMORY_MIB", "8", "from 16 to"),
    ("HEALTH_PORT", "65536", "from 0 to 65535"),
    ("TRUSTED_PROXIES", "10.0.0.0/33", "IP addresses or networks"),
    ("TRUSTED_PROXIES", "proxy.local", "IP addresses or networks"),
    ("CORS_ORIGIN", "app.example.com", "https://"),
    ("CORS_ORIGIN", "https://app.example.com/path", "without a path"),
    ("ENABLE_SWAGGER", "maybe", "true or false"),
    ("RATE_LIMIT_MAX_REQUESTS", "many", "a whole number"),
    ("RATE_LIMIT_WINDOW_MS", "15m", "a whole number"),
    ("RATE_LIMIT_WINDOW_MS", "0", "from 1000"),
    ("RATE_LIMIT_KEYS_MAX", "-5", "from 0"),
    ("RATE_LIMIT_AUTH_MAX", "-5", "from 0"),
    ("DATABASE_URL", "mysql://localhost/bank", "postgres://"),
    ("DATABASE_URL", "postgres:///bank", "no host"),
    ("DATABASE_URL", "postgres://u@db.example.com/bank?sslmode=maybe", "sslmode"),
    ("DB_WAIT", "soon", "900s, 15m, 24h, 7d"),
    ("DB_POOL_MAX", "0", "from 1"),
    ("DB_POOL_IDLE", "30", "its unit"),
    ("DB_POOL_CONNECT", "0s", "between 1s"),
    ("WALLSTREET_PG_DOWNLOAD", "never", "true or false"),
    ("JWT_EXPIRATION", "86400", "its unit"),
    ("JWT_EXPIRATION", "24 hours", "its unit"),
    ("JWT_REFRESH_EXPIRATION", "99999999999999999999d", "its unit"),
    ("JWT_REFRESH_EXPIRATION", "4000d", "3650d"),
    ("BCRYPT_ROUNDS", "9", "from 10 to 14"),
    ("BCRYPT_ROUNDS", "15", "from 10 to 14"),
    ("USERS_SETTLE", "sometimes", "true or false"),
    ("LEDGER_CHECK_INTERVAL", "5", "0 for never"),
    ("MAX_ACCOUNTS_PER_USER", "many", "a whole number"),
    ("MAX_PENDING_PER_ACCOUNT", "many", "a whole number"),
    ("MAX_PENDING_BYTES_PER_ACCOUNT", "1MiB", "a whole number"),
    ("PENDING_EXPIRY", "30", "0 for never"),
    ("CLOCK_TOLERANCE", "10", "whole number and its unit"),
    ("CLOCK_SETTLE", "0s", "between 1s and 3650d"),
    ("FX_PENDING_EXPIRY", "60", "its unit"),
    ("FX_QUOTE_EXPIRY", "0s", "between 1s"),
    ("LEDGER_FORMER_KEYS", "abc", "64 hexadecimal digits"),
    ("LOG_LEVEL", "verbose", "error, warn, info"),
    ("LOG_LEVEL", "info,platform=loud", "error, warn, info"),
    ("LOG_FORMAT", "xml", "text or json"),
];

/// Any text will do for these, in development.
const ANYTHING: &[&str] = &[
    "WALLSTREET_DATA_DIR",
    "WALLSTREET_CONFIG",
    "WALLSTREET_PG_BIN",
    "JWT_SECRET",
    "API_KEY_SALT",
];

#[test]
fn every_wrong_value_is_refused_with_its_name_its_origin_and_what_would_be_right() {
    let home = Home::new();
    for (name, value, right) in WRONG {
        let from_environment = home.run_with(&["config"], &[(name, value)]);
        from_environment.refused(78, &[name, right, &format!("environment variable {name}")]);
        let from_flag = home.run(&["config", "--set", &format!("{name}={value}")]);
        from_flag.refused(78, &[name, right, "--set on the command line"]);
        let file = home.write("wrong.toml", &format!("# A comment.\n{name} = \"{value}\"\n"));
        home.run(&["config", "--config", &file]).refused(78, &[name, right, &format!("{file}:2")]);
    }
}

#[test]
fn every_setting_has_a_wrong_value_or_takes_any_text() {
    let home = Home::new();
    for name in shown(home.run(&["config", "--json"])).keys() {
        let name = name.as_str();
        let tested = WRONG.iter().any(|(wrong, ..)| *wrong == name)
            || ANYTHING.contains(&name)
            || name == "LEDGER_SIGNING_KEY";
        assert!(tested, "no wrong value is tried for {name}");
    }
}

#[test]
fn a_signing_key_is_a_secret_of_64_hexadecimal_digits() {
    let home = Home::new();
    for wrong in ["abc", &"g".repeat(64), &format!("{},", "a".repeat(64)), &"a".repeat(65)] {
        let ended = home.run_with(&["config"], &[("LEDGER_SIGNING_KEY", wrong)]);
        ended.refused(78, &["LEDGER_SIGNING_KEY", "64 hexadecimal digits"]);
    }
    let shown = home.run(&["config", "--set", &format!("LEDGER_SIGNING_KEY={}", "a".repeat(64))]);
    shown.refused(78, &["LEDGER_SIGNING_KEY is a secret"]);
}

#[test]
fn all_problems_are_told_at_once() {
    let ended =
        Home::new().run_with(&["config"], &[("PORT", "x"), ("HOST", "y"), ("LOG_FORMAT", "z")]);
    ended.refused(
        78,
        &["PORT is \"x\"", "HOST is \"y\"", "LOG_FORMAT is \"z\"", "config --example"],
    );
}

#[test]
fn a_refresh_token_that_dies_before_its_access_token_is_refused() {
    let variables = [("JWT_EXPIRATION", "2d"), ("JWT_REFRESH_EXPIRATION", "1d")];
    Home::new()
        .run_with(&["config"], &variables)
        .refused(78, &["JWT_REFRESH_EXPIRATION is shorter than JWT_EXPIRATION"]);
}

#[test]
fn an_unknown_name_in_the_file_is_refused_with_a_suggestion() {
    let home = Home::new();
    let refused = |text: &str, parts: &[&str]| {
        let file = home.write("bank.toml", text);
        home.run(&["config", "--config", &file]).refused(78, parts);
    };
    refused("PROT = 3000\n", &["PROT", "bank.toml:1", "did you mean PORT?"]);
    refused("port = 3000\n", &["did you mean PORT?"]);
    refused("\n\nCOLOUR = \"blue\"\n", &["COLOUR", "bank.toml:3", "is not a setting"]);
    refused("PORT = 3000.5\n", &["PORT", "bank.toml:1", "whole number"]);
    refused("[server]\nPORT = 3000\n", &["server", "is not a setting", "bank.toml:1"]);
    refused("PORT = \n", &["bank.toml:1", "is not TOML"]);
    refused("WALLSTREET_CONFIG = \"x\"\n", &["no meaning in the file itself"]);
}

#[test]
fn a_setting_of_a_later_version_is_refused_in_the_file_and_a_warning_in_the_environment() {
    let home = Home::new();
    for name in ["REDIS_URL", "SMTP_HOST", "ENCRYPTION_KEY"] {
        let file = home.write("bank.toml", &format!("{name} = \"x\"\n"));
        home.run(&["config", "--config", &file])
            .refused(78, &[name, "not supported by this version"]);
        home.run(&["config", "--set", &format!("{name}=x")])
            .refused(78, &[name, "not supported by this version"]);
        let ended = home.run_with(&["config"], &[(name, "x")]);
        ended.refused(0, &["warning:", name, "does nothing with it"]);
    }
}

#[test]
fn a_mistyped_variable_of_ours_is_a_warning_with_a_suggestion() {
    let ended = Home::new().run_with(&["config"], &[("WALLSTREET_DATADIR", "/x")]);
    ended.refused(0, &["WALLSTREET_DATADIR is not a setting", "did you mean WALLSTREET_DATA_DIR?"]);
}

#[test]
fn development_that_other_machines_can_reach_is_a_warning() {
    let home = Home::new();
    home.run(&["config", "--set", "HOST=0.0.0.0"])
        .refused(0, &["warning:", "lets other machines in"]);
    let production = home.run(&["config", "--set", "HOST=0.0.0.0", "--env", "production"]);
    assert_eq!(production.stderr, "");
    assert_eq!(home.run(&["config"]).stderr, "");
}

#[test]
fn a_configuration_file_that_was_named_must_be_there() {
    let ended = Home::new().run(&["config", "--config", "/nonexistent/bank.toml"]);
    ended.refused(78, &["cannot read /nonexistent/bank.toml", "--config on the command line"]);
}

#[test]
fn a_secret_on_the_command_line_is_refused() {
    let ended = Home::new().run(&["config", "--set", &format!("JWT_SECRET={SECRET}")]);
    ended.refused(78, &["JWT_SECRET is a secret", "JWT_SECRET_FILE"]);
    assert!(!ended.stderr.contains(SECRET));
}

#[test]
fn a_short_secret_is_refused_outside_development_and_not_shown() {
    let variables =
        [("JWT_SECRET", "hunter2"), ("API_KEY_SALT", SALT), ("WALLSTREET_ENV", "staging")];
    let ended = Home::new().run_with(&["config"], &variables);
    ended.refused(78, &["JWT_SECRET", "at least 32 bytes", "in staging", "openssl rand"]);
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
}

#[test]
fn a_secret_that_is_easy_to_guess_is_refused_outside_development() {
    let home = Home::new();
    let (letter, words) = ("a".repeat(64), "secret12".repeat(5));
    for easy in
        [&letter, &words, "0101010101010101010101010101010101", "password".repeat(4).as_str()]
    {
        let mut variables =
            [("JWT_SECRET", easy), ("API_KEY_SALT", SALT), ("WALLSTREET_ENV", "production")];
        let ended = home.run_with(&["config"], &variables);
        ended.refused(78, &["JWT_SECRET", "easy to guess", "openssl rand"]);
        assert!(!ended.stderr.contains(easy), "{}", ended.stderr);
        variables[2].1 = "development";
        home.run_with(&["config"], &variables).well();
    }
}

#[test]
fn one_secret_for_two_purposes_is_refused_outside_development() {
    let variables =
        [("JWT_SECRET", SECRET), ("API_KEY_SALT", SECRET), ("WALLSTREET_ENV", "production")];
    let ended = Home::new().run_with(&["config"], &variables);
    ended.refused(78, &["JWT_SECRET and API_KEY_SALT are the same", "openssl rand"]);
}

#[test]
fn a_secret_file_that_is_missing_empty_or_one_too_many_is_refused() {
    let home = Home::new();
    let missing = home.run_with(&["config"], &[("JWT_SECRET_FILE", "/nonexistent")]);
    missing.refused(78, &["JWT_SECRET_FILE", "/nonexistent", "cannot be read"]);
    let empty = home.write("empty", "\n");
    home.run_with(&["config"], &[("JWT_SECRET_FILE", &empty)])
        .refused(78, &["JWT_SECRET_FILE", "is empty"]);
    let file = home.write("secret", SECRET);
    let twice = home.run_with(&["config"], &[("JWT_SECRET_FILE", &file), ("JWT_SECRET", SECRET)]);
    twice.refused(78, &["JWT_SECRET is given twice", "environment variable JWT_SECRET_FILE"]);
}

#[test]
fn a_secret_is_taken_from_a_file_and_never_shown() {
    let home = Home::new();
    let file = home.write("secret", &format!("{SECRET}\n"));
    let variables = [
        ("JWT_SECRET_FILE", file.as_str()),
        ("API_KEY_SALT", SALT),
        ("DATABASE_URL", "postgres://bank:hunter2@db.example.com:6432/books?sslmode=verify-full"),
        ("WALLSTREET_ENV", "production"),
    ];
    let as_json = home.run_with(&["config", "--json"], &variables);
    let as_text = home.run_with(&["config"], &variables).well();
    assert!(
        !as_json.stdout.contains(SECRET) && !as_json.stdout.contains("hunter2"),
        "{}",
        as_json.stdout
    );
    assert!(!as_text.contains(SECRET) && !as_text.contains("hunter2"), "{as_text}");
    let settings = shown(as_json);
    let three_stars = Some("***".to_owned());
    assert_eq!(
        settings["JWT_SECRET"],
        (three_stars, "environment variable JWT_SECRET_FILE".to_owned())
    );
    assert_eq!(
        settings["DATABASE_URL"].0.as_deref(),
        Some("postgres://bank:***@db.example.com:6432/books")
    );
}

#[test]
fn flags_win_over_the_environment_the_environment_over_the_file_and_the_file_over_the_defaults() {
    let home = Home::new();
    let file = home.write("data/wallstreet.toml", "PORT = 1001\nHOST = \"127.0.0.2\"\nDB_POOL_MAX = 7\nCORS_ORIGIN = [\"http://a\", \"http://b\"]\n");
    let variables = [("PORT", "1002"), ("HOST", "127.0.0.3")];
    let settings = shown(home.run_with(&["config", "--json", "--set", "PORT=1003"], &variables));
    let is = |name: &str, value: &str, from: &str| {
        assert_eq!(settings[name], (Some(value.to_owned()), from.to_owned()), "{name}");
    };
    is("PORT", "1003", "--set on the command line");
    is("HOST", "127.0.0.3", "environment variable HOST");
    is("DB_POOL_MAX", "7", &format!("{file}:3"));
    is("CORS_ORIGIN", "http://a,http://b", &format!("{file}:4"));
    is("BCRYPT_ROUNDS", "10", "default");
    is("WALLSTREET_CONFIG", &file, "default");
}

#[test]
fn an_empty_variable_counts_as_none() {
    let settings =
        shown(Home::new().run_with(&["config", "--json"], &[("PORT", ""), ("DATABASE_URL", "")]));
    assert_eq!(settings["PORT"], (Some("3000".to_owned()), "default".to_owned()));
    assert_eq!(settings["DATABASE_URL"].0, None);
}

#[test]
fn node_env_is_read_where_ours_is_not_set() {
    let home = Home::new();
    let node = shown(home.run_with(&["config", "--json"], &[("NODE_ENV", "production")]));
    assert_eq!(
        node["WALLSTREET_ENV"],
        (Some("production".to_owned()), "environment variable NODE_ENV".to_owned())
    );
    assert_eq!(node["USERS_SETTLE"].0.as_deref(), Some("false"));
    assert_eq!(node["LOG_FORMAT"].0.as_deref(), Some("json"));
    let variables = [("NODE_ENV", "production"), ("WALLSTREET_ENV", "development")];
    let ours = shown(home.run_with(&["config", "--json"], &variables));
    assert_eq!(ours["WALLSTREET_ENV"].1, "environment variable WALLSTREET_ENV");
    assert_eq!(ours["USERS_SETTLE"].0.as_deref(), Some("true"));
}

#[test]
fn the_documented_defaults_hold() {
    let settings = shown(Home::new().run(&["config", "--json"]));
    // The machine and the build decide about these.
    let depends = ["WALLSTREET_CONFIG", "WALLSTREET_PG_DOWNLOAD"];
    let defaults: Vec<_> = settings
        .iter()
        .filter(|(name, (_, from))| from == "default" && !depends.contains(&name.as_str()))
        .map(|(name, (value, _))| format!("{name} {}", value.as_deref().unwrap_or("unset")))
        .collect();
    insta::assert_snapshot!(defaults.join("\n"));
}

#[test]
fn the_example_is_a_file_that_changes_nothing_even_with_its_lines_in_force() {
    let home = Home::new();
    let example = home.run(&["config", "--example"]).well();
    let is_setting = |line: &&str| {
        line.split(' ').nth(1).is_some_and(|word| word.len() > 3 && word == word.to_uppercase())
    };
    let lines: Vec<_> =
        example.lines().filter(|line| line.contains(" = ")).filter(is_setting).collect();
    let before = shown(home.run(&["config", "--json"]));
    assert_eq!(lines.len(), before.len() - 1, "every setting but the file itself: {lines:#?}");
    let in_force =
        example.lines().map(|line| if lines.contains(&line) { &line[2..] } else { line });
    fs::create_dir(home.data()).unwrap();
    home.write("data/wallstreet.toml", &in_force.collect::<Vec<_>>().join("\n"));
    let after = shown(home.run(&["config", "--json"]));
    for (name, (value, _)) in before.iter().filter(|(name, _)| *name != "WALLSTREET_CONFIG") {
        assert_eq!(value, &after[name].0, "{name}");
    }
    insta::assert_snapshot!(example);
}
