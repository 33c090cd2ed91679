//! Statements and rows of `accounts`.

use super::{Account, Summary, Suspender, restraints};
use crate::{
    db::{Numeric, maybe_time, maybe_word, statements, time, word},
    error::Result,
};
use jiff::Timestamp;
use ledger::{AccountId, AccountStatus, UserId};
use tokio_postgres::Row;

/// The columns of an [`Account`].
macro_rules! columns {
    () => {
        "id, user_id, account_number, account_type, currency, balance, available_balance, \
         status, suspended_by, overdraft_limit, transaction_limit, daily_limit, freeze_scope, freeze_reason, \
         freeze_until, created_at, updated_at"
    };
}

/// The conditions of a list of accounts.
macro_rules! wanted {
    () => {
        "($1::uuid IS NULL OR user_id = $1)
           AND ($2::text IS NULL OR status = $2)
           AND ($3::text IS NULL OR account_type = $3)
           AND ($4::text IS NULL OR currency = $4)"
    };
}

statements! {
    /// The secret that orders this database's account numbers.
    NUMBER_KEY = "SELECT key FROM wallstreet.numbering";
    /// The next place in the sequence of account numbers.
    NEXT_NUMBER = "SELECT nextval('wallstreet.account_numbers')";
    /// A new account; a number that is taken yields nothing.
    INSERT = concat!("INSERT INTO accounts
            (id, user_id, account_number, account_type, currency, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $6)
        ON CONFLICT (account_number) DO NOTHING
        RETURNING ", columns!());
    /// One account, of one owner if one is given.
    FIND = concat!("SELECT ", columns!(), " FROM accounts
         WHERE id = $1 AND ($2::uuid IS NULL OR user_id = $2)");
    /// The ids behind numbers.
    FIND_NUMBERS = "SELECT account_number, id FROM accounts WHERE account_number = ANY ($1::text[])";
    /// One account, to be changed by the caller's transaction.
    LOCK = concat!("SELECT ", columns!(), " FROM accounts
         WHERE id = $1 AND ($2::uuid IS NULL OR user_id = $2) FOR NO KEY UPDATE");
    /// Whether anything of its owner's is pending on an account. What others would
    /// send does not count: they could keep it open for ever.
    HAS_PENDING = "SELECT EXISTS (SELECT FROM transactions WHERE account_id = $1 AND status = 'pending'
                           AND NOT (transaction_type = 'transfer' AND direction IS NOT DISTINCT FROM 'in'))";
    /// Another state.
    SET_STATUS = concat!("UPDATE accounts SET status = $2, suspended_by = $3
         WHERE id = $1 RETURNING ", columns!());
    /// Other limits.
    SET_LIMITS = "UPDATE accounts SET overdraft_limit = $2, transaction_limit = $3, daily_limit = $4
         WHERE id = $1";
    /// Another freeze.
    FREEZE = "UPDATE accounts SET freeze_scope = $2, freeze_reason = $3, freeze_until = $4 WHERE id = $1";
    /// No freeze.
    UNFREEZE = "UPDATE accounts SET freeze_scope = NULL, freeze_reason = NULL, freeze_until = NULL
         WHERE id = $1";
    /// A page of accounts.
    LIST = concat!("SELECT ", columns!(), " FROM accounts
         WHERE ", wanted!(), "
           AND ($5::timestamp IS NULL OR (created_at, id) < ($5, $6::uuid))
         ORDER BY created_at DESC, id DESC LIMIT $7 OFFSET $8");
    /// How many of a user's accounts are not closed, up to the most.
    COUNT_OPEN = "SELECT count(*) FROM (SELECT FROM accounts
         WHERE user_id = $1 AND status <> 'closed' LIMIT $2) AS open";
    /// How many accounts the same filter finds.
    COUNT = concat!("SELECT count(*) FROM accounts WHERE ", wanted!());
    /// The shape of the view account_summaries, for one page of one user's accounts.
    SUMMARIES = "SELECT a.id, a.user_id, a.account_number, a.account_type, a.balance,
               a.available_balance, a.created_at,
               (SELECT count(*) FROM transactions t WHERE t.account_id = a.id) AS transaction_count,
               (SELECT max(t.created_at) FROM transactions t WHERE t.account_id = a.id)
                   AS last_transaction_date
          FROM accounts a
         WHERE a.user_id = $1
           AND ($2::timestamp IS NULL OR (a.created_at, a.id) < ($2, $3::uuid))
         ORDER BY a.created_at DESC, a.id DESC LIMIT $4 OFFSET $5";
}

/// An account as it is seen at a moment: a freeze ends by itself.
pub(super) fn read(row: &Row, now: Timestamp) -> Result<Account> {
    let Numeric(balance) = row.try_get("balance")?;
    let Numeric(available_balance) = row.try_get("available_balance")?;
    let status = word(row, "status")?;
    // Whoever suspended it without the platform was no mere owner.
    let unsaid = (status == AccountStatus::Suspended).then_some(Suspender::Admin);
    let suspended_by = maybe_word(row, "suspended_by")?.or(unsaid);
    Ok(Account {
        id: AccountId(row.try_get("id")?),
        user_id: UserId(row.try_get("user_id")?),
        number: row.try_get::<_, String>("account_number").map(ledger::AccountNumber::stored)?,
        account_type: word(row, "account_type")?,
        currency: word(row, "currency")?,
        balance,
        available_balance,
        status,
        suspended_by,
        limits: restraints::read_limits(row)?,
        freeze: restraints::read_freeze(row, now)?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

pub(super) fn read_summary(row: &Row) -> Result<Summary> {
    let Numeric(balance) = row.try_get("balance")?;
    let Numeric(available_balance) = row.try_get("available_balance")?;
    Ok(Summary {
        id: AccountId(row.try_get("id")?),
        user_id: UserId(row.try_get("user_id")?),
        number: row.try_get::<_, String>("account_number").map(ledger::AccountNumber::stored)?,
        account_type: word(row, "account_type")?,
        balance,
        available_balance,
        transaction_count: row.try_get("transaction_count")?,
        last_transaction_date: maybe_time(row, "last_transaction_date")?,
        created_at: time(row, "created_at")?,
    })
}
