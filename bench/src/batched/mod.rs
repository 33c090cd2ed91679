//! The batched SQL in a loop, without HTTP and without a queue: what this database can do if one connection posts full
//! batches all the time. Keys are looked up, accounts locked and read, every transfer decided in order, and each table
//! written by one statement, all of them sent at once. The rows of the next batch are made while this one is written.

mod writes;

use crate::{
    measured::{Measured, Stopwatch, Timing},
    random::Random,
    rows::Rows,
    sql::many,
    workload::{Picker, Workload},
};
use anyhow::{Context, Result, ensure};
use futures_util::future::{try_join, try_join_all, try_join3};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, time::Instant};
use tokio_postgres::{Client, NoTls, Statement, types::ToSql};
use uuid::Uuid;

/// What to do.
#[derive(Debug, Serialize, Deserialize)]
pub struct Specification {
    /// The database.
    pub database: String,
    /// Whose accounts they are.
    pub user: Uuid,
    /// How many transfers a batch has.
    pub batch: usize,
    /// Which accounts.
    pub workload: Workload,
    /// Of how many.
    pub accounts: usize,
    /// For how long.
    pub timing: Timing,
    /// The most transfers, if there is a most.
    pub most: Option<u64>,
    /// Where the random numbers begin.
    pub seed: u64,
}

struct Account {
    user: Uuid,
    is_active: bool,
    is_usd: bool,
    balance: Decimal,
    available: Decimal,
    entries: i64,
}

/// A side's place in its account's history.
type Place = (i64, Decimal);

struct Loop {
    client: Client,
    statements: HashMap<&'static str, Statement>,
    user: Uuid,
}

/// Posts batches until the time is over.
pub fn run(specification: &Specification) -> Result<Measured> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(run_all(specification))
}

async fn run_all(specification: &Specification) -> Result<Measured> {
    let bank = Loop::open(&specification.database, specification.user).await?;
    let Specification { user, batch, workload, accounts, .. } = *specification;
    let mut source = (Picker::new(workload, accounts), Random::new(specification.seed));
    let make = move || {
        let (picker, random) = &mut source;
        let rows: Vec<Rows> = (0..batch)
            .map(|_| {
                let transfer = picker.transfer(random);
                Rows::new(user, transfer, transfer.key.as_bytes(), random)
            })
            .collect();
        rows
    };
    let mut maker = Maker::start(make);
    let mut watch = Stopwatch::start(specification.timing);
    while !watch.is_over() && specification.most.is_none_or(|most| watch.acknowledged() < most) {
        let rows = maker.next()?;
        let asked = Instant::now();
        match bank.post(&rows).await {
            Ok(()) => watch.right(asked, rows.len() as u64),
            Err(error) => {
                watch.wrong(format!("{error:#}"));
                break;
            }
        }
    }
    Ok(watch.stop())
}

/// A thread that is always one batch ahead.
struct Maker(std::sync::mpsc::Receiver<Vec<Rows>>);

impl Maker {
    fn start(mut make: impl FnMut() -> Vec<Rows> + Send + 'static) -> Self {
        let (give, take) = std::sync::mpsc::sync_channel(1);
        // Ends when nobody takes any more.
        std::thread::spawn(move || while give.send(make()).is_ok() {});
        Self(take)
    }

    fn next(&mut self) -> Result<Vec<Rows>> {
        self.0.recv().context("the maker of batches fell")
    }
}

impl Loop {
    async fn open(database: &str, user: Uuid) -> Result<Self> {
        let (client, connection) = tokio_postgres::connect(database, NoTls).await?;
        tokio::spawn(connection);
        client.batch_execute("SET plan_cache_mode = force_generic_plan").await?;
        let mut statements = HashMap::new();
        for sql in [
            many::FIND_KEYS,
            many::LOCK_ACCOUNTS,
            many::UPDATE_ACCOUNTS,
            many::INSERT_TRANSACTIONS,
            many::INSERT_ENTRIES,
            many::INSERT_AUDIT,
            many::INSERT_NEWS,
            many::INSERT_KEYS,
        ] {
            statements.insert(sql, client.prepare(sql).await?);
        }
        Ok(Self { client, statements, user })
    }

    async fn post(&self, rows: &[Rows]) -> Result<()> {
        let mut accounts = self.lock(rows).await?;
        let places = self.decide(rows, &mut accounts)?;
        self.write(rows, &accounts, &places).await
    }

    /// Opens the transaction, makes sure that no key was used, and locks.
    async fn lock(&self, rows: &[Rows]) -> Result<HashMap<Uuid, Account>> {
        let keys: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
        let mut ids: Vec<Uuid> =
            rows.iter().flat_map(|row| [row.transfer.source, row.transfer.target]).collect();
        ids.sort_unstable();
        ids.dedup();
        let find: [&(dyn ToSql + Sync); 2] = [&self.user, &keys];
        let lock: [&(dyn ToSql + Sync); 1] = [&ids];
        let (_, used, locked) = try_join3(
            self.client.batch_execute("BEGIN"),
            self.client.query(&self.statements[many::FIND_KEYS], &find),
            self.client.query(&self.statements[many::LOCK_ACCOUNTS], &lock),
        )
        .await?;
        ensure!(used.is_empty(), "{} keys were used before", used.len());
        let mut accounts = HashMap::with_capacity(locked.len());
        for row in &locked {
            let account = Account {
                user: row.try_get(1)?,
                is_usd: row.try_get::<_, &str>(2)? == "USD",
                is_active: row.try_get::<_, &str>(3)? == "active",
                balance: row.try_get(4)?,
                available: row.try_get(5)?,
                entries: row.try_get(6)?,
            };
            accounts.insert(row.try_get(0)?, account);
        }
        Ok(accounts)
    }

    /// Each transfer after the ones before it; says where both sides stand after each. The accounts of the
    /// benchmark have money enough: a refusal is a fault.
    fn decide(
        &self,
        rows: &[Rows],
        accounts: &mut HashMap<Uuid, Account>,
    ) -> Result<Vec<(Place, Place)>> {
        let mut take = |id: Uuid, by: Decimal| -> Result<Place> {
            let account = accounts.get_mut(&id).context("no such account")?;
            ensure!(account.is_active && account.is_usd, "account {id} cannot take part");
            ensure!(by > Decimal::ZERO || account.user == self.user, "account {id} is not ours");
            ensure!(account.available + by >= Decimal::ZERO, "account {id} lacks funds");
            account.balance += by;
            account.available += by;
            account.entries += 1;
            Ok((account.entries, account.balance))
        };
        rows.iter()
            .map(|row| {
                Ok((
                    take(row.transfer.source, -row.amount)?,
                    take(row.transfer.target, row.amount)?,
                ))
            })
            .collect()
    }

    async fn write(
        &self,
        rows: &[Rows],
        accounts: &HashMap<Uuid, Account>,
        places: &[(Place, Place)],
    ) -> Result<()> {
        let writes = writes::of(self.user, rows, accounts, places);
        let sent = writes.iter().map(|write| async {
            let params = write.params.iter().map(|param| &**param as &(dyn ToSql + Sync));
            let params: Vec<_> = params.collect();
            self.client.execute(&self.statements[write.sql], &params).await
        });
        // In order: a connection sends what is polled first first.
        try_join(try_join_all(sent), self.client.batch_execute("COMMIT")).await?;
        Ok(())
    }
}
