//! Statements of `audit_logs`; its rows are written by [`crate::facts`] alone.

use crate::db::statements;

/// The conditions of a search.
macro_rules! wanted {
    () => {
        "($1::uuid IS NULL OR user_id = $1)
           AND ($2::text IS NULL OR action = $2)
           AND ($3::text IS NULL OR resource_type = $3)
           AND ($4::uuid IS NULL OR resource_id = $4)
           AND ($5::timestamp IS NULL OR created_at >= $5)
           AND ($6::timestamp IS NULL OR created_at < $6)"
    };
}

statements! {
    /// A page of the trail.
    LIST = concat!("SELECT id, user_id, action, resource_type, resource_id, ip_address, user_agent,
               coalesce(details, '{}') AS details, created_at
          FROM audit_logs
         WHERE ", wanted!(), "
           AND ($7::timestamp IS NULL OR (created_at, id) < ($7, $8::uuid))
         ORDER BY created_at DESC, id DESC LIMIT $9 OFFSET $10");
    /// How many rows the same search finds.
    COUNT = concat!("SELECT count(*) FROM audit_logs WHERE ", wanted!());
}
