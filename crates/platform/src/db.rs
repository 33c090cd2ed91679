//! The database: the pool, a transaction, and the columns' types.
//!
//! Every connection speaks UTC, waits for no lock for ever, and makes a commit
//! durable before it answers. A statement is prepared once a connection.
//! What the database says when it cannot work now becomes
//! [`Error::Unavailable`]; what it should never say becomes [`Error::Internal`].

use crate::{
    error::{Error, Result},
    settings::PoolSettings,
    tls,
};
use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use jiff::Timestamp;
use ledger::{Amount, Money};
use rust_decimal::Decimal;
use std::{error::Error as StdError, sync::Arc, time::Duration};
use tokio_postgres::{
    IsolationLevel, Portal, Row,
    error::SqlState,
    types::{FromSql, IsNull, ToSql, Type, accepts, private::BytesMut, to_sql_checked},
};

/// How every session of ours behaves, whatever the server's defaults.
const SESSION: &str = "SET TIME ZONE 'UTC';
    SET search_path = public;
    SET default_transaction_isolation = 'read committed';
    SET lock_timeout = '2s';
    SET statement_timeout = '15s';
    SET idle_in_transaction_session_timeout = '15s';
    SELECT set_config('synchronous_commit', 'on', false)
     WHERE current_setting('synchronous_commit') = 'off'";

/// For connections that ask the same all day: a statement is planned once, and by
/// index, however small the tables were at the first look.
pub(crate) const PLANNED_ONCE: &str = "SET plan_cache_mode = force_generic_plan;
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off";

/// What is missing while somebody else holds a row for longer than we wait.
pub(crate) const BUSY: &str = "What this needs is in use by another transaction, and";

/// A parameter of a statement.
pub(crate) type Param<'a> = &'a (dyn ToSql + Sync);

/// All parameters of a statement, with what they own.
pub(crate) type Params<'a> = Vec<Box<dyn ToSql + Sync + Send + 'a>>;

/// Statements that write, as one: started once, answered once. Each keeps its text
/// and its parameters, which follow those of the one before. None sees what another
/// one writes; triggers fire when all is written.
pub(crate) fn together(statements: &[&str]) -> String {
    let (mut whole, mut before) = (String::from("WITH "), 0);
    for (place, sql) in statements.iter().enumerate() {
        let mut pieces = sql.split('$');
        let comma = if place == 0 { "" } else { ",\n" };
        whole += &format!("{comma}part_{place} AS ({}", pieces.next().unwrap_or_default());
        let mut own = 0;
        for piece in pieces {
            let end = piece.find(|c: char| !c.is_ascii_digit()).unwrap_or(piece.len());
            let number: usize = piece[..end].parse().unwrap_or_default();
            own = own.max(number);
            whole += &format!("${}{}", before + number, &piece[end..]);
        }
        whole.push(')');
        before += own;
    }
    whole + "\nSELECT"
}

/// Parameters that follow each other, as a statement takes them.
pub(crate) fn in_a_row<'p>(params: &'p [Params<'_>]) -> Vec<Param<'p>> {
    params.iter().flatten().map(|param| &**param as Param<'p>).collect()
}

/// Builds the pool; connects to nothing yet. `besides` is said on every new
/// connection after what all of ours say.
pub(crate) fn pool(database: &str, settings: PoolSettings, besides: &[&str]) -> Result<Pool> {
    let (mut config, tls) = tls::address(database)?;
    // Of several hosts, the one that can be written to: another one may not have
    // heard yet what was committed.
    config.target_session_attrs(tokio_postgres::config::TargetSessionAttrs::ReadWrite);
    config.connect_timeout(settings.connect).application_name("wallstreet");
    let manager = Manager::from_config(
        config,
        tls,
        ManagerConfig { recycling_method: RecyclingMethod::Fast },
    );
    let greeting: Arc<str> = [&[SESSION], besides].concat().join(";\n").into();
    let set_up = Hook::async_fn(move |client: &mut deadpool_postgres::ClientWrapper, _| {
        let greeting = Arc::clone(&greeting);
        Box::pin(async move { client.batch_execute(&greeting).await.map_err(HookError::Backend) })
    });
    Pool::builder(manager)
        .max_size(settings.max)
        .wait_timeout(Some(settings.connect))
        .create_timeout(Some(settings.connect))
        .recycle_timeout(Some(settings.connect))
        .runtime(deadpool_postgres::Runtime::Tokio1)
        .post_create(set_up)
        .build()
        .map_err(Error::internal)
}

/// A connection lent by the pool.
pub(crate) struct Connection(Object);

/// An open transaction; dropping it rolls back.
pub(crate) struct Tx<'c>(deadpool_postgres::Transaction<'c>);

/// Where a statement can be run, for what does not care.
pub(crate) trait Session: Sync {
    /// Says how many rows it touched.
    fn run(&self, sql: &str, params: &[Param<'_>]) -> impl Future<Output = Result<u64>> + Send;
}

macro_rules! session {
    ($name:ty) => {
        impl $name {
            /// All rows.
            pub(crate) async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>> {
                let statement = self.0.prepare_cached(sql).await?;
                Ok(self.0.query(&statement, params).await?)
            }

            /// At most one row.
            pub(crate) async fn find(
                &self,
                sql: &str,
                params: &[Param<'_>],
            ) -> Result<Option<Row>> {
                let statement = self.0.prepare_cached(sql).await?;
                Ok(self.0.query_opt(&statement, params).await?)
            }

            /// Says how many rows it touched.
            pub(crate) async fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<u64> {
                let statement = self.0.prepare_cached(sql).await?;
                Ok(self.0.execute(&statement, params).await?)
            }
        }

        impl Session for $name {
            async fn run(&self, sql: &str, params: &[Param<'_>]) -> Result<u64> {
                self.execute(sql, params).await
            }
        }
    };
}
session!(Connection);
session!(Tx<'_>);

impl Connection {
    /// Borrows one.
    pub(crate) async fn lend(pool: &Pool) -> Result<Self> {
        pool.get().await.map(Self).map_err(|error| match error {
            deadpool_postgres::PoolError::Backend(error) => unavailable(describe(&error)),
            other => unavailable(other.to_string()),
        })
    }

    /// Opens a transaction.
    pub(crate) async fn begin(&mut self) -> Result<Tx<'_>> {
        Ok(Tx(self.0.transaction().await?))
    }

    /// Opens a transaction that only reads, and sees one moment throughout.
    pub(crate) async fn snapshot(&mut self) -> Result<Tx<'_>> {
        let builder = self.0.build_transaction().isolation_level(IsolationLevel::RepeatableRead);
        Ok(Tx(builder.read_only(true).start().await?))
    }
}

impl Tx<'_> {
    /// Exactly one row.
    pub(crate) async fn get(&self, sql: &str, params: &[Param<'_>]) -> Result<Row> {
        let statement = self.0.prepare_cached(sql).await?;
        Ok(self.0.query_one(&statement, params).await?)
    }

    /// All rows of a statement in its order, of which [`Self::page`] reads some at a
    /// time: no row can hide behind where the page before ended.
    pub(crate) async fn open(&self, sql: &str) -> Result<Portal> {
        let statement = self.0.prepare_cached(sql).await?;
        Ok(self.0.bind(&statement, &[]).await?)
    }

    /// At most so many of the next rows.
    pub(crate) async fn page(&self, portal: &Portal, most: i32) -> Result<Vec<Row>> {
        Ok(self.0.query_portal(portal, most).await?)
    }

    /// Makes it durable.
    pub(crate) async fn commit(self) -> Result<()> {
        Ok(self.0.commit().await?)
    }
}

/// A connection whose statements travel together: what is asked in one `join!`
/// makes one round trip, BEGIN and COMMIT among it. It goes back to the pool only
/// when it is [landed](Self::land); dropped anywhere else it is closed, since
/// nobody knows what it is still busy with.
pub(crate) struct Flight(Option<Connection>);

impl Flight {
    /// Borrows a connection that knows the statements: only what is prepared
    /// already keeps its place in the order.
    pub(crate) async fn lend(pool: &Pool, statements: &[&str]) -> Result<Self> {
        let connection = Connection::lend(pool).await?;
        for sql in statements {
            connection.0.prepare_cached(sql).await?;
        }
        Ok(Self(Some(connection)))
    }

    /// The statements' way.
    pub(crate) fn session(&self) -> Result<&Connection> {
        self.0.as_ref().ok_or_else(|| Error::internal("a flight has landed"))
    }

    /// Opens or ends the transaction. COMMIT of a transaction in which something
    /// failed rolls back and says nothing of it: look at the others first.
    pub(crate) async fn say(&self, word: &str) -> Result<()> {
        Ok(self.session()?.0.batch_execute(word).await?)
    }

    /// Gives the connection back; nothing is under way on it.
    pub(crate) fn land(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(Connection(connection)) = self.0.take() {
            drop(Object::take(connection));
        }
    }
}

fn unavailable(cause: String) -> Error {
    Error::Unavailable { what: "The database", retry_after: Duration::from_secs(1), cause }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) {
            let retry_after = Duration::from_secs(1);
            return Self::Unavailable { what: BUSY, retry_after, cause: describe(&error) };
        }
        let for_now = match error.code() {
            Some(code) => {
                let class = code.code().get(..2).unwrap_or_default();
                matches!(class, "08" | "53" | "57" | "58" | "40")
                    || *code == SqlState::READ_ONLY_SQL_TRANSACTION
                    // Somebody else got there first; another try sees them.
                    || *code == SqlState::UNIQUE_VIOLATION
            }
            None => {
                error.is_closed()
                    || error.source().is_some_and(<dyn StdError>::is::<std::io::Error>)
            }
        };
        if for_now { unavailable(describe(&error)) } else { Self::internal(describe(&error)) }
    }
}

/// The error as the log may have it. The server's detail is left out: it can
/// quote a whole row.
fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None => match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}

/// An `i64` of hundredths as `NUMERIC(15,2)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numeric(pub(crate) Money);

impl Numeric {
    /// The column as an amount; the schema keeps it positive.
    pub(crate) fn amount(self) -> Result<Amount> {
        Amount::from_hundredths(self.0.hundredths())
            .ok_or_else(|| Error::internal("an amount in the database is not positive"))
    }
}

impl From<Amount> for Numeric {
    fn from(amount: Amount) -> Self {
        Self(amount.into())
    }
}

type SqlResult<T> = std::result::Result<T, Box<dyn StdError + Sync + Send>>;

impl<'a> FromSql<'a> for Numeric {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> SqlResult<Self> {
        let mut decimal = Decimal::from_sql(ty, raw)?;
        decimal.rescale(2);
        let hundredths = i64::try_from(decimal.mantissa())?;
        Ok(Self(Money::from_hundredths(hundredths).ok_or("money out of range")?))
    }

    accepts!(NUMERIC);
}

impl ToSql for Numeric {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> SqlResult<IsNull> {
        Decimal::new(self.0.hundredths(), 2).to_sql(ty, out)
    }

    accepts!(NUMERIC);
    to_sql_checked!();
}

/// A moment, in a documented `TIMESTAMP` that holds UTC or in a `TIMESTAMPTZ`:
/// both travel as microseconds since 2000.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Utc(pub(crate) Timestamp);

/// 2000-01-01T00:00:00Z in microseconds of the Unix epoch.
const EPOCH_2000: i64 = 946_684_800_000_000;
/// PostgreSQL's calendar begins in 4714 BC, ours in 9999 BC. Nothing happened in
/// between, so what a client asks from there is asked from PostgreSQL's beginning.
const FIRST: i64 = -211_813_488_000_000_000;

impl<'a> FromSql<'a> for Utc {
    fn from_sql(_: &Type, raw: &'a [u8]) -> SqlResult<Self> {
        let micros = i64::from_be_bytes(raw.try_into()?);
        // PostgreSQL has times that ours does not reach, and infinity. One such cell
        // must not stop what reads the row: it is as far away as time goes.
        let nearest = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
        let micros = micros.saturating_add(EPOCH_2000);
        Ok(Self(Timestamp::from_microsecond(micros).unwrap_or(nearest)))
    }

    accepts!(TIMESTAMP, TIMESTAMPTZ);
}

impl ToSql for Utc {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> SqlResult<IsNull> {
        let micros = (self.0.as_microsecond() - EPOCH_2000).max(FIRST);
        out.extend_from_slice(&micros.to_be_bytes());
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMP, TIMESTAMPTZ);
    to_sql_checked!();
}

/// Reads a column that holds one word of a closed list.
pub(crate) fn word<T: std::str::FromStr>(row: &Row, column: &str) -> Result<T> {
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|_| Error::internal(format!("unknown {column} in the database: {text}")))
}

/// The same where there may be none.
pub(crate) fn maybe_word<T: std::str::FromStr>(row: &Row, column: &str) -> Result<Option<T>> {
    match row.try_get::<_, Option<&str>>(column)? {
        Some(_) => word(row, column).map(Some),
        None => Ok(None),
    }
}

/// Reads a moment that may be absent.
pub(crate) fn maybe_time(row: &Row, column: &str) -> Result<Option<Timestamp>> {
    Ok(row.try_get::<_, Option<Utc>>(column)?.map(|Utc(at)| at))
}

/// Reads a moment.
pub(crate) fn time(row: &Row, column: &str) -> Result<Timestamp> {
    let Utc(at) = row.try_get(column)?;
    Ok(at)
}

/// Declares a slice's statements, and a list of them for the test that
/// prepares every one against the migrated schema.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* pub(super) const $name: &str = $sql;)*
        /// Every statement of this file, by name.
        pub(crate) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}
pub(crate) use statements;

#[cfg(test)]
mod tests {
    use super::together;

    #[test]
    fn statements_in_one_keep_their_text_and_their_parameters_follow_each_other() {
        let whole = together(&["INSERT INTO a VALUES ($1, $2, $1)", "DELETE FROM b WHERE c = $1"]);
        let expected = "WITH part_0 AS (INSERT INTO a VALUES ($1, $2, $1)),\n\
                        part_1 AS (DELETE FROM b WHERE c = $3)\nSELECT";
        assert_eq!(whole, expected);
        let twelfth = together(&["SELECT $12", "SELECT $2::text, $1"]);
        assert!(twelfth.contains("(SELECT $14::text, $13)"), "{twelfth}");
    }
}
