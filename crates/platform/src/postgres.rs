//! The PostgreSQL server itself: a connection of one's own to it, outside the
//! pool, and what it says it is set to.

use crate::{
    error::{Error, Result},
    tls,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio_postgres::{Client, Config, SimpleQueryMessage};

/// Reads a connection string as every connection does, `sslmode` and `sslrootcert` among
/// it, and asks nobody.
///
/// # Errors
/// [`Error::Invalid`] with what is wrong, as the end of a sentence.
pub fn parse(database: &str) -> Result<Config> {
    tls::read(database).map(|(config, ..)| config)
}

/// Every setting of the server by its name, as `pg_settings` has them; among
/// them `server_version`.
///
/// # Errors
/// [`Error::Unavailable`] when it does not answer, [`Error::Invalid`] for a
/// connection string that is none.
pub async fn settings(database: &str) -> Result<BTreeMap<String, String>> {
    let client = connect(database, "wallstreet doctor").await?.map_err(Error::from)?;
    let rows = client.query("SELECT name, setting FROM pg_settings", &[]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Whether two connections that are open at once lead to a pooler that gives each
/// transaction another session: then they have one session, or one of them has several.
/// Settings, prepared statements and locks of a session would be somebody else's.
pub(crate) async fn is_pooled(one: &Client, other: &Client) -> Result<bool> {
    const ROUNDS: usize = 3;
    let (mut ones, mut others) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..ROUNDS {
        ones.insert(session(one).await?);
        ones.insert(session(one).await?);
        others.insert(session(other).await?);
    }
    Ok(ones.len() + others.len() > 2 || ones == others)
}

/// Which session this is, on which server. Without a prepared statement, which such a
/// pooler would forget.
async fn session(client: &Client) -> Result<String> {
    const WHICH: &str = "SELECT concat(pg_backend_pid(), ' ', pg_postmaster_start_time())";
    let told = client.simple_query(WHICH).await?;
    let row = told.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    row.ok_or_else(|| Error::internal("the database does not say which session this is"))
}

/// Connects under a name that the server's operator can recognise. The outer
/// error is the connection string's, the inner one the server's.
pub(crate) async fn connect(
    database: &str,
    name: &str,
) -> Result<std::result::Result<Client, tokio_postgres::Error>> {
    let (mut config, tls) = tls::address(database)?;
    config.application_name(name);
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(Duration::from_secs(10));
    }
    Ok(config.connect(tls).await.map(|(client, connection)| {
        // Ends with the client; what goes wrong in between, the client's calls tell.
        tokio::spawn(async move { drop(connection.await) });
        client
    }))
}
