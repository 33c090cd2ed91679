//! Statements and rows of `api_keys`.

use super::ApiKey;
use crate::{
    actor::permissions,
    db::{maybe_time, statements, time},
    error::Result,
};
use tokio_postgres::Row;

/// The columns of an [`ApiKey`].
macro_rules! columns {
    () => {
        "id, name, key_hint, permissions, coalesce(rate_limit, 100) AS rate_limit, \
         coalesce(is_active, true) AS is_active, last_used, expires_at, created_at, updated_at"
    };
}

statements! {
    /// A new key.
    INSERT = concat!("INSERT INTO api_keys
            (id, user_id, key_hash, key_hint, name, permissions, rate_limit, expires_at, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) RETURNING ", columns!());
    /// How many a user has.
    COUNT = "SELECT count(*) FROM api_keys WHERE user_id = $1";
    /// A user's keys, newest first.
    LIST = concat!("SELECT ", columns!(), " FROM api_keys WHERE user_id = $1
         ORDER BY created_at DESC, id DESC LIMIT 100");
    /// One of a user's keys, to be changed.
    LOCK = concat!("SELECT ", columns!(), " FROM api_keys
         WHERE id = $1 AND user_id = $2 FOR NO KEY UPDATE");
    /// Changes one; an absent part stays.
    UPDATE = concat!("UPDATE api_keys
           SET name = coalesce($2, name), permissions = coalesce($3, permissions),
               rate_limit = coalesce($4, rate_limit),
               expires_at = CASE WHEN $5 THEN $6 ELSE expires_at END,
               is_active = coalesce($7, is_active)
         WHERE id = $1 RETURNING ", columns!());
    /// Takes one away.
    DELETE = "DELETE FROM api_keys WHERE id = $1 AND user_id = $2";
    /// Who stands behind a key.
    AUTHENTICATE = "SELECT k.key_hash, k.id, k.permissions, coalesce(k.rate_limit, 100) AS rate_limit,
               u.id AS user_id, u.role,
               coalesce(k.is_active, true) AND (k.expires_at IS NULL OR k.expires_at > $2) AS usable,
               u.status = 'active' AS welcome,
               k.last_used IS NULL OR k.last_used < $2 - interval '1 minute' AS stale
          FROM api_keys k JOIN users u ON u.id = k.user_id
         WHERE k.key_hash = ANY ($1::text[])";
    /// What a key may do, if it works at this moment.
    PERMISSIONS = "SELECT permissions FROM api_keys
         WHERE id = $1 AND user_id = $2 AND coalesce(is_active, true)
           AND (expires_at IS NULL OR expires_at > $3)";
    /// Notes the use of keys; of those that somebody is changing, another time.
    TOUCH = "UPDATE api_keys SET last_used = $2 WHERE id = ANY (ARRAY(
        SELECT id FROM api_keys WHERE id = ANY ($1::uuid[]) FOR NO KEY UPDATE SKIP LOCKED))";
}

pub(super) fn read(row: &Row) -> Result<ApiKey> {
    Ok(ApiKey {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        hint: row.try_get("key_hint")?,
        permissions: permissions(&row.try_get("permissions")?),
        rate_limit: row.try_get("rate_limit")?,
        is_active: row.try_get("is_active")?,
        last_used: maybe_time(row, "last_used")?,
        expires_at: maybe_time(row, "expires_at")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}
