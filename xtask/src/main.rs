//! `cargo xtask <chore>`.

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask test [ARGUMENTS]   every check and test; arguments go to the test runner
cargo xtask tidy               the rules of the house alone
cargo xtask bench ledger       compare the ledger with the usual designs; --help tells more
cargo xtask fire TRIAL         try to break the ledger for long: model, crash, cuts, duplicates,
                               departures, overload, disk, or all; docs/testing.md tells more
cargo xtask openapi            write docs/openapi.json from the code
cargo xtask init-sql           write scripts/database/init.sql from the migrations";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test", rest @ ..] => xtask::test::run(rest),
        ["bench", name, rest @ ..] => xtask::bench::run(name, rest),
        ["fire", name, rest @ ..] => xtask::fire::run(name, rest),
        ["tidy"] => Ok(xtask::tidy::run()),
        ["openapi"] => xtask::generate::openapi().map(|()| true),
        ["init-sql"] => xtask::generate::init_sql().map(|()| true),
        [] | ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            Ok(true)
        }
        [unknown, ..] => {
            eprintln!("error: there is no chore \"{unknown}\"\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
