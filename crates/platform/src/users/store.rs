//! Statements and rows of `users`.

use super::User;
use crate::{
    db::{maybe_time, statements, time, word},
    error::Result,
};
use ledger::UserId;
use tokio_postgres::Row;

/// The columns of a [`User`].
macro_rules! columns {
    () => {
        "id, email, first_name, last_name, phone, role, status, \
         coalesce(email_verified, false) AS email_verified, created_at, updated_at, last_login"
    };
}

statements! {
    /// A new user; the unique indexes on the address decide a race.
    INSERT = concat!("INSERT INTO users
            (id, email, password_hash, first_name, last_name, phone, role, email_verified, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
        ON CONFLICT DO NOTHING
        RETURNING ", columns!());
    /// One user.
    FIND = concat!("SELECT ", columns!(), " FROM users WHERE id = $1");
    /// One user, to be changed by the caller's transaction.
    LOCK = concat!("SELECT ", columns!(), " FROM users WHERE id = $1 FOR NO KEY UPDATE");
    /// Who has the address, in any case, and the hash of their password.
    FIND_BY_EMAIL = concat!("SELECT ", columns!(), ", password_hash FROM users WHERE lower(email) = $1");
    /// The hash of one user's password.
    FIND_HASH = "SELECT password_hash FROM users WHERE id = $1 FOR NO KEY UPDATE";
    /// The profile; an absent part stays.
    UPDATE_PROFILE = concat!("UPDATE users
           SET first_name = coalesce($2, first_name), last_name = coalesce($3, last_name),
               phone = CASE WHEN $4 THEN $5 ELSE phone END
         WHERE id = $1 RETURNING ", columns!());
    /// Another password.
    UPDATE_HASH = "UPDATE users SET password_hash = $2 WHERE id = $1";
    /// A login, and the hash if it was renewed.
    TOUCH_LOGIN = concat!("UPDATE users
           SET last_login = $2, password_hash = coalesce($3, password_hash)
         WHERE id = $1 RETURNING ", columns!());
    /// Role and status; an absent part stays.
    CHANGE = concat!("UPDATE users
           SET role = coalesce($2, role), status = coalesce($3, status)
         WHERE id = $1 RETURNING ", columns!());
    /// Locks all who can run the bank, so that two cannot leave at once.
    LOCK_ADMINS = "SELECT id FROM users WHERE role = 'admin' AND status = 'active'
         ORDER BY id FOR NO KEY UPDATE";
    /// Locks a user's accounts, in the order in which all money locks them.
    LOCK_ACCOUNTS = "SELECT id FROM accounts WHERE user_id = $1 ORDER BY id FOR NO KEY UPDATE";
    /// Whether any of them holds money, waits for some, or is frozen. What others would send
    /// does not count: they could keep the user for ever.
    HAS_MONEY = "SELECT EXISTS (SELECT FROM accounts WHERE user_id = $1 AND (balance <> 0 OR
                        status <> 'closed' AND freeze_scope IS NOT NULL AND coalesce(freeze_until > $2, true)))
            OR EXISTS (SELECT FROM transactions t JOIN accounts a ON a.id = t.account_id
                        WHERE a.user_id = $1 AND t.status = 'pending'
                          AND NOT (t.transaction_type = 'transfer' AND t.direction IS NOT DISTINCT FROM 'in'))";
    /// Whether an administrator suspended any of them.
    HAS_SUSPENDED = "SELECT EXISTS (SELECT FROM accounts WHERE user_id = $1 AND status = 'suspended'
                           AND suspended_by IS DISTINCT FROM 'owner')";
    /// Takes all of a user's API keys away.
    REVOKE_KEYS = "DELETE FROM api_keys WHERE user_id = $1 RETURNING id";
    /// Closes them all.
    CLOSE_ACCOUNTS = "UPDATE accounts SET status = 'closed', suspended_by = NULL
         WHERE user_id = $1 AND status <> 'closed' RETURNING id";
    /// A page of users.
    LIST = concat!("SELECT ", columns!(), " FROM users
         WHERE ($1::text IS NULL OR role = $1)
           AND ($2::text IS NULL OR status = $2)
           AND ($3::text IS NULL OR position(lower($3) IN lower(email || ' ' || first_name || ' ' || last_name)) > 0)
           AND ($4::timestamp IS NULL OR (created_at, id) < ($4, $5::uuid))
         ORDER BY created_at DESC, id DESC LIMIT $6 OFFSET $7");
    /// How many users the same filter finds.
    COUNT = "SELECT count(*) FROM users
         WHERE ($1::text IS NULL OR role = $1)
           AND ($2::text IS NULL OR status = $2)
           AND ($3::text IS NULL OR position(lower($3) IN lower(email || ' ' || first_name || ' ' || last_name)) > 0)";
}

pub(super) fn read(row: &Row) -> Result<User> {
    Ok(User {
        id: UserId(row.try_get("id")?),
        email: row.try_get("email")?,
        first_name: row.try_get("first_name")?,
        last_name: row.try_get("last_name")?,
        phone: row.try_get("phone")?,
        role: word(row, "role")?,
        status: word(row, "status")?,
        email_verified: row.try_get("email_verified")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
        last_login: maybe_time(row, "last_login")?,
    })
}
