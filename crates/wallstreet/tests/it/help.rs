//! Every help text, word for word: a change of the command line shows here.

use crate::product::Home;

fn help(of: &[&str]) -> String {
    Home::new().run(&[of, &["--help"]].concat()).well()
}

#[test]
fn no_command_at_all_is_a_usage_error_with_the_help() {
    Home::new().run(&[]).refused(2, &["Usage: wallstreet", "serve"]);
}

#[test]
fn a_mistyped_command_is_a_usage_error_with_a_suggestion() {
    Home::new().run(&["serv"]).refused(2, &["'serv'", "'serve'"]);
}

#[test]
fn the_version_is_told() {
    assert_eq!(
        Home::new().run(&["--version"]).well(),
        format!("wallstreet {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn the_root_help_reads_well() {
    insta::assert_snapshot!(help(&[]));
}

#[test]
fn the_help_of_serve_reads_well() {
    insta::assert_snapshot!(help(&["serve"]));
}

#[test]
fn the_help_of_migrate_reads_well() {
    insta::assert_snapshot!(help(&["migrate"]));
    insta::assert_snapshot!("migrate_up", help(&["migrate", "up"]));
    insta::assert_snapshot!("migrate_down", help(&["migrate", "down"]));
    insta::assert_snapshot!("migrate_status", help(&["migrate", "status"]));
    insta::assert_snapshot!("migrate_init_sql", help(&["migrate", "init-sql"]));
}

#[test]
fn the_help_of_admin_reads_well() {
    insta::assert_snapshot!(help(&["admin"]));
    insta::assert_snapshot!("admin_create", help(&["admin", "create"]));
}

#[test]
fn the_help_of_import_reads_well() {
    insta::assert_snapshot!(help(&["import"]));
}

#[test]
fn the_help_of_verify_reads_well() {
    insta::assert_snapshot!(help(&["verify"]));
    insta::assert_snapshot!("verify_ledger", help(&["verify", "ledger"]));
    insta::assert_snapshot!("verify_proof", help(&["verify", "proof"]));
}

#[test]
fn the_help_of_doctor_reads_well() {
    insta::assert_snapshot!(help(&["doctor"]));
}

#[test]
fn the_help_of_config_reads_well() {
    insta::assert_snapshot!(help(&["config"]));
}

#[test]
fn the_help_of_openapi_and_completions_reads_well() {
    insta::assert_snapshot!("openapi", help(&["openapi"]));
    insta::assert_snapshot!("completions", help(&["completions"]));
}
