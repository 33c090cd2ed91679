//! The PostgreSQL server itself: a connection of one's own to it, outside the
//! pool, and what it says it is set to.

use crate::{
    error::{Error, Result},
    tls,
};
use std::{collections::BTreeMap, time::Duration};
use tokio_postgres::Client;

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

/// Connects under a name that the server's operator can recognise. The outer
/// error is the connection string's, the inner one the server's.
pub(crate) async fn connect(
    database: &str,
    name: &str,
) -> Result<std::result::Result<Client, tokio_postgres::Error>> {
    let mut config = tls::parse(database)?;
    let tls = tls::connector(&config)?;
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
