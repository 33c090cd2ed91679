//! `admin create`: the first administrator, and any other.

use super::{bank, block_on, print};
use crate::{
    cli::{Admin, Create},
    config::Config,
    database::Database,
    failure::{Exit, Failure},
};
use platform::{
    login, migrations,
    users::{Email, Name, Password},
};
use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

const PASSWORD_RULE: &str = "a password has 8 characters or more, at most 72 bytes, with an upper-case letter, a lower-case \
                             letter, a digit and a special character, and is not a common one";

/// Does it.
pub fn run(what: Admin, config: &Config) -> Result<ExitCode, Failure> {
    let Admin::Create(create) = what;
    // All that can be refused without a database is refused before one is started.
    let email = Email::parse(&create.email).map_err(|why| wrong("--email", &why))?;
    let first_name = Name::parse(&create.first_name).map_err(|why| wrong("--first-name", &why))?;
    let last_name = Name::parse(&create.last_name).map_err(|why| wrong("--last-name", &why))?;
    let password = Password::parse(&ask_password(&create)?).map_err(|why| {
        Failure::new(Exit::Failed, format!("the password is refused: {why}")).next(PASSWORD_RULE)
    })?;
    let database = Database::any(config)?;
    let created = block_on(async {
        let url = database.url();
        // A database that nobody has used yet is made ready; one that others use is not changed under their feet.
        if migrations::status(url).await?.iter().all(|entry| entry.applied_at.is_none()) {
            migrations::up(url, None).await?;
        }
        let platform = bank(config, url).await?;
        let created = login::create_admin(&platform, email, password, first_name, last_name).await;
        platform.shutdown().await;
        Ok(created?)
    });
    database.close();
    let user = created?;
    print(&format!("{} is an administrator now (user {})", user.email, user.id))
}

fn wrong(flag: &str, why: &str) -> Failure {
    Failure::new(Exit::Failed, format!("{flag}: {why}"))
}

fn ask_password(create: &Create) -> Result<String, Failure> {
    if create.password_stdin {
        let mut line = String::new();
        io::stdin().read_line(&mut line)?;
        return Ok(line.trim_end_matches(['\n', '\r']).to_owned());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Failed, "there is no terminal to ask for the password on")
            .next("add --password-stdin and give the password on standard input"));
    }
    let password = rpassword::prompt_password("Password: ")?;
    if rpassword::prompt_password("Again: ")? == password {
        Ok(password)
    } else {
        Err(Failure::new(Exit::Failed, "the two passwords differ"))
    }
}
