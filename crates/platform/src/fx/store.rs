//! Statements and rows of `wallstreet.fx_rates` and `wallstreet.fx_quotes`. What takes
//! a quote is with what moves money, in [`crate::posting`].

use super::{FxRate, Quote};
use crate::{
    db::{Numeric, maybe_time, statements, time, word},
    error::{Error, Result},
};
use ledger::{QuoteId, Spread, TransactionId, UserId};
use tokio_postgres::Row;
use uuid::Uuid;

/// The columns of an [`FxRate`].
macro_rules! rate_columns {
    () => {
        "r.id, r.source_currency, r.target_currency, r.rate::text AS rate, \
         r.spread::text AS spread, r.rate_source, r.valid_until, r.updated_at"
    };
}

/// The columns of a [`Quote`].
macro_rules! quote_columns {
    () => {
        "q.id, q.user_id, q.source_currency, q.target_currency, q.rate::text AS rate, \
         q.rate_source, q.amount, q.created_at, q.expires_at, q.transaction_id"
    };
}

statements! {
    /// The rate of a pair, in place of the one that it had.
    SET_RATE = concat!("INSERT INTO wallstreet.fx_rates AS r
            (id, source_currency, target_currency, rate, spread, rate_source, valid_until, updated_at)
        VALUES ($1, $2, $3, $4::text::numeric, $5::text::numeric, $6, $7, $8)
        ON CONFLICT (least(source_currency, target_currency), greatest(source_currency, target_currency))
        DO UPDATE SET source_currency = excluded.source_currency,
               target_currency = excluded.target_currency, rate = excluded.rate,
               spread = excluded.spread, rate_source = excluded.rate_source,
               valid_until = excluded.valid_until, updated_at = excluded.updated_at
        RETURNING ", rate_columns!());
    /// All rates, by pair.
    RATES = concat!("SELECT ", rate_columns!(), " FROM wallstreet.fx_rates r
         ORDER BY r.source_currency, r.target_currency LIMIT $1");
    /// Takes a rate away.
    REMOVE_RATE = concat!("DELETE FROM wallstreet.fx_rates r WHERE r.id = $1 RETURNING ", rate_columns!());
    /// The rate of a pair, whichever way it was set.
    RATE_OF_PAIR = concat!("SELECT ", rate_columns!(), " FROM wallstreet.fx_rates r
         WHERE least(source_currency, target_currency) = least($1::text, $2::text)
           AND greatest(source_currency, target_currency) = greatest($1::text, $2::text)");
    /// How many quotes of a user can still be used.
    COUNT_OPEN = "SELECT count(*) FROM wallstreet.fx_quotes
         WHERE user_id = $1 AND transaction_id IS NULL AND expires_at > $2";
    /// A new quote.
    INSERT_QUOTE = concat!("INSERT INTO wallstreet.fx_quotes AS q
            (id, user_id, source_currency, target_currency, rate, rate_source, amount, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5::text::numeric, $6, $7, $8, $9) RETURNING ", quote_columns!());
    /// One quote, of one user if one is given.
    FIND_QUOTE = concat!("SELECT ", quote_columns!(), " FROM wallstreet.fx_quotes q
         WHERE q.id = $1 AND ($2::uuid IS NULL OR q.user_id = $2)");
    /// Some that nobody used in time.
    PURGE = "DELETE FROM wallstreet.fx_quotes WHERE id = ANY (ARRAY(
        SELECT id FROM wallstreet.fx_quotes WHERE transaction_id IS NULL AND expires_at < $1
         ORDER BY expires_at LIMIT 1000 FOR UPDATE SKIP LOCKED))";
}

pub(super) fn read_rate(row: &Row) -> Result<FxRate> {
    Ok(FxRate {
        id: row.try_get("id")?,
        source: word(row, "source_currency")?,
        target: word(row, "target_currency")?,
        rate: word(row, "rate")?,
        spread: Spread::parse(row.try_get("spread")?).map_err(Error::internal)?,
        rate_source: row.try_get("rate_source")?,
        valid_until: maybe_time(row, "valid_until")?,
        updated_at: time(row, "updated_at")?,
    })
}

pub(super) fn read_quote(row: &Row) -> Result<Quote> {
    let amount = row.try_get::<_, Option<Numeric>>("amount")?.map(Numeric::amount);
    let transaction = row.try_get::<_, Option<Uuid>>("transaction_id")?;
    Ok(Quote {
        id: QuoteId(row.try_get("id")?),
        user_id: UserId(row.try_get("user_id")?),
        source: word(row, "source_currency")?,
        target: word(row, "target_currency")?,
        rate: word(row, "rate")?,
        rate_source: row.try_get("rate_source")?,
        amount: amount.transpose()?,
        created_at: time(row, "created_at")?,
        expires_at: time(row, "expires_at")?,
        transaction_id: transaction.map(TransactionId),
    })
}
