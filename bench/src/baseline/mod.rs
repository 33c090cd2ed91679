//! The usual designs behind a minimal HTTP server: no authentication, no limits, one road.
//!
//! A request is a transfer, as the product takes it; each is one database transaction of its own, either statement
//! by statement from here or as one function call. A pool bounds how many run at once.

mod function;
mod naive;

use crate::{random::Random, rows::Rows, workload::Transfer};
use anyhow::Result;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use clap::{Args, ValueEnum};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use rust_decimal::Decimal;
use serde::Deserialize;
use std::{
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio_postgres::NoTls;
use uuid::Uuid;

/// Which of the usual designs.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Design {
    /// Statement by statement, from the client.
    Naive,
    /// One function call.
    Function,
}

/// What to serve.
#[derive(Debug, Args)]
pub struct Options {
    /// The design
    #[arg(long)]
    design: Design,
    /// The database
    #[arg(long)]
    database: String,
    /// How many connections to it
    #[arg(long)]
    pool: usize,
    /// Whose accounts they are
    #[arg(long)]
    user: Uuid,
}

struct Bank {
    design: Design,
    pool: Pool,
    user: Uuid,
    random: Mutex<Random>,
}

/// What the bank says to an order.
enum Answer {
    Done,
    Refused(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    account_id: Uuid,
    to_account_id: Uuid,
    #[serde(borrow)]
    amount: &'a serde_json::value::RawValue,
}

/// Serves until killed; the first line on standard output is the address.
pub fn serve(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let manager = Manager::from_config(
            options.database.parse()?,
            NoTls,
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let pool = Pool::builder(manager).max_size(options.pool).build()?;
        let random = Mutex::new(Random::new(Uuid::now_v7().as_u64_pair().1));
        let bank = Bank { design: options.design, pool, user: options.user, random };
        let routes = Router::new().route("/transfers", post(transfer)).with_state(Arc::new(bank));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        use axum::serve::ListenerExt;
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, routes).await?;
        Ok(())
    })
}

async fn transfer(State(bank): State<Arc<Bank>>, headers: HeaderMap, body: Bytes) -> Response {
    let rows = match bank.read(&headers, &body) {
        Ok(rows) => rows,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    match bank.post(&rows).await {
        Ok(Answer::Done) => {
            let json = [(CONTENT_TYPE, "application/json")];
            (StatusCode::CREATED, json, rows.answer()).into_response()
        }
        Ok(Answer::Refused(code)) => (StatusCode::UNPROCESSABLE_ENTITY, code).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")).into_response(),
    }
}

impl Bank {
    fn read(&self, headers: &HeaderMap, body: &[u8]) -> Result<Rows> {
        let Body { account_id, to_account_id, amount } = serde_json::from_slice(body)?;
        let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
        let key = Uuid::parse_str(key.unwrap_or_default())?;
        let cents = Decimal::from_str(amount.get())? * Decimal::ONE_HUNDRED;
        let cents = i64::try_from(cents)?;
        anyhow::ensure!(cents > 0 && account_id != to_account_id, "not a transfer");
        let transfer = Transfer { source: account_id, target: to_account_id, cents, key };
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Rows::new(self.user, transfer, body, &mut random))
    }

    async fn post(&self, rows: &Rows) -> Result<Answer> {
        let mut connection = self.pool.get().await?;
        match self.design {
            Design::Naive => naive::post(&mut connection, self.user, rows).await,
            Design::Function => function::post(&connection, self.user, rows).await,
        }
    }
}
