//! A database, asked one question at a time.

use anyhow::{Context, Result, bail};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, Row, types::ToSql};

/// A connection, and what drives it.
pub struct Database<'r> {
    runtime: &'r Runtime,
    client: Client,
}

impl<'r> Database<'r> {
    /// Connects.
    pub fn open(runtime: &'r Runtime, url: &str) -> Result<Self> {
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
            tokio::spawn(connection);
            Ok::<_, tokio_postgres::Error>(client)
        });
        Ok(Self { runtime, client: client.with_context(|| format!("cannot connect to {url}"))? })
    }

    /// Runs statements.
    pub fn run(&self, sql: &str) -> Result<()> {
        let done = self.runtime.block_on(self.client.batch_execute(sql));
        done.with_context(|| format!("in {}", beginning(sql)))
    }

    /// The rows of a query.
    pub fn query(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        let rows = self.runtime.block_on(self.client.query(sql, params));
        rows.with_context(|| format!("in {}", beginning(sql)))
    }

    /// The one number a query finds.
    pub fn number(&self, sql: &str) -> Result<i64> {
        let rows = self.query(sql, &[])?;
        Ok(rows.first().context("a query found nothing")?.try_get(0)?)
    }

    /// Waits until the product has sealed what was there before it: work that a copy brings along is not what is
    /// measured. What is sealed while it is measured counts.
    pub fn until_sealed(&self) -> Result<()> {
        const LEFT: &str = "SELECT count(*) FROM wallstreet.entries
             WHERE id > coalesce((SELECT max(last_entry) FROM wallstreet.seals), 0)";
        for _ in 0..600 {
            if self.number(LEFT)? == 0 {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        bail!("after five minutes there are still entries without a seal")
    }
}

fn beginning(sql: &str) -> &str {
    sql.get(..200).unwrap_or(sql)
}
