//! The rules of the house hold in this repository, and each rule finds what it is there to find.

use xtask::tidy::{Source, breaches, repository};

fn file(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

/// What the rules say about one made-up file.
fn told(path: &str, text: &str) -> Vec<String> {
    breaches(&[file(path, text)]).iter().map(ToString::to_string).collect()
}

/// Asserts that there is exactly one breach and that it says so.
#[track_caller]
fn assert_told(breaches: &[String], parts: &[&str]) {
    assert_eq!(breaches.len(), 1, "{breaches:#?}");
    for part in parts {
        assert!(breaches[0].contains(part), "{:?} does not say {part:?}", breaches[0]);
    }
}

#[test]
fn this_repository_is_tidy() {
    let breaches = breaches(&repository(&xtask::root()));
    let lines: Vec<_> = breaches.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} to mend:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn a_file_without_a_head_is_told() {
    assert_told(&told("crates/a/src/x.rs", "fn x() {}\n"), &["crates/a/src/x.rs:1:", "//!"]);
}

#[test]
fn a_file_of_more_than_500_lines_is_told() {
    let text = "//! Long.\n".repeat(501);
    assert_told(&told("crates/a/src/x.rs", &text), &["x.rs:501:", "501 lines"]);
    assert!(told("crates/a/src/x.rs", &"//! Long.\n".repeat(500)).is_empty());
}

#[test]
fn an_unwrap_is_told_in_the_product_and_not_in_tests() {
    let call = "//! X.\nfn x() {\n    y().unwrap();\n}\n";
    assert_told(&told("crates/a/src/x.rs", call), &["x.rs:3:", "expect("]);
    assert!(told("crates/a/tests/it/x.rs", call).is_empty());
    let tested = "//! X.\n#[cfg(test)]\nmod tests {\n    fn x() { y().unwrap(); }\n}\n";
    assert!(told("crates/a/src/x.rs", tested).is_empty());
}

#[test]
fn what_is_left_for_later_is_told() {
    let word = concat!("TO", "DO");
    assert_told(
        &told("migrations/001_x.sql", &format!("-- {word}: index\n")),
        &["001_x.sql:1:", word],
    );
    assert_told(&told("crates/a/src/x.rs", &format!("//! X.\n// {word}\n")), &["x.rs:2:"]);
}

#[test]
fn a_test_that_is_switched_off_is_told() {
    let text = format!("//! X.\n{}]\nfn x() {{}}\n", concat!("#[ign", "ore"));
    assert_told(&told("crates/a/tests/it/x.rs", &text), &["x.rs:2:", "switched off"]);
}

#[test]
fn a_module_whose_name_says_nothing_is_told() {
    assert_told(&told("crates/a/src/utils.rs", "//! X.\n"), &["\"utils\"", "name it after"]);
    assert_told(&told("crates/a/src/helpers/x.rs", "//! X.\n"), &["\"helpers\""]);
}

const LIB: &str = "//! P.\npub mod error;\nmod db;\npub mod users;\npub mod accounts;\npub use users::{User, Role};\n";

fn platform(path: &str, text: &str) -> Vec<String> {
    let files = [
        file("crates/platform/src/lib.rs", LIB),
        file(&format!("crates/platform/src/{path}"), text),
    ];
    breaches(&files).iter().map(ToString::to_string).collect()
}

#[test]
fn a_module_that_imports_what_is_declared_below_it_is_told() {
    let text = "//! U.\nuse crate::{\n    db::{self, Tx},\n    accounts::Account,\n};\n";
    assert_told(
        &platform("users/mod.rs", text),
        &["users/mod.rs:4:", "accounts is declared below users"],
    );
    let path = "//! U.\nfn x() { crate::accounts::open(); }\n";
    assert_told(&platform("users/store.rs", path), &["users/store.rs:2:"]);
}

#[test]
fn a_module_that_imports_a_name_the_root_hands_on_from_below_is_told() {
    assert_told(
        &platform("db.rs", "//! D.\nuse crate::Role;\n"),
        &["db.rs:2:", "users is declared below db"],
    );
}

#[test]
fn a_module_may_import_itself_and_what_is_declared_above_it() {
    let text = "//! A.\nuse crate::{db, error::{Error, Result}, users::User};\nuse crate::accounts::store;\n// crate::zebra\n";
    assert!(platform("accounts/mod.rs", text).is_empty());
    let tested = "//! U.\n#[cfg(test)]\nmod tests {\n    use crate::accounts::Account;\n}\n";
    assert!(platform("users/mod.rs", tested).is_empty());
}

#[test]
fn a_driver_in_the_server_is_told() {
    let manifest =
        "[package]\nname = \"server\"\n\n[dependencies]\ntokio-postgres.workspace = true\n";
    assert_told(
        &told("crates/server/Cargo.toml", manifest),
        &["server/Cargo.toml:5:", "cannot run SQL"],
    );
    let tests = "[dependencies]\naxum.workspace = true\n\n[dev-dependencies]\ntokio-postgres.workspace = true\n";
    assert!(told("crates/server/Cargo.toml", tests).is_empty());
    assert_told(
        &told("crates/ledger/Cargo.toml", "[dependencies]\ntokio = \"1\"\n"),
        &["ledger", "no I/O"],
    );
}

#[test]
fn reading_the_environment_outside_the_configuration_is_told() {
    let text = "//! X.\nfn x() { std::env::var(\"PORT\"); }\n";
    assert_told(&told("crates/server/src/x.rs", text), &["x.rs:2:", "environment"]);
    assert!(told("crates/wallstreet/src/config/layers.rs", text).is_empty());
}

#[test]
fn a_path_in_the_map_that_does_not_exist_is_told() {
    let map = "Start at `crates/a/src/x.rs`, then `a/src/gone.rs`, `/api/v1`, `application/json` and `Result<T>`.\n";
    let files = [file("ARCHITECTURE.md", map), file("crates/a/src/x.rs", "//! X.\n")];
    let lines: Vec<_> = breaches(&files).iter().map(ToString::to_string).collect();
    assert_told(&lines, &["ARCHITECTURE.md:1:", "a/src/gone.rs"]);
}
