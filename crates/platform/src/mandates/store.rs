//! Statements on what was ordered for later: the locks of schedules and of orders that
//! complete by themselves, what stands behind them, and what becomes of them. Whoever
//! takes rights away locks schedules before completions, each in the order of their ids;
//! whoever moves money waits for neither.

use crate::db::statements;

/// What stands behind a row that names a user and an API key.
macro_rules! stands {
    ($row:literal) => {
        concat!(
            $row,
            ".user_id, ",
            $row,
            ".api_key_id, a.user_id AS account_owner, u.role, \
            u.status = 'active' AS welcome, k.id IS NOT NULL AS key_there, \
            coalesce(k.is_active, true) AS key_active, k.expires_at AS key_expires_at, \
            coalesce(k.permissions, '{}') AS permissions"
        )
    };
}

/// Where it is: the first is the row, the second what names its account.
macro_rules! behind {
    ($row:literal, $order:literal) => {
        concat!(
            "JOIN users u ON u.id = ",
            $row,
            ".user_id
          LEFT JOIN accounts a ON a.id = ",
            $order,
            ".account_id
          LEFT JOIN api_keys k ON k.id = ",
            $row,
            ".api_key_id AND k.user_id = ",
            $row,
            ".user_id"
        )
    };
}

statements! {
    /// All of a user's that may still run, to be judged.
    LOCK_OF_USER = "SELECT id FROM wallstreet.schedules
         WHERE user_id = $1 AND (status <> 'ended' OR begun) ORDER BY id FOR NO KEY UPDATE";
    /// Those that nobody changes at this moment, kept so until the transaction ends.
    KEEP = "SELECT id FROM wallstreet.schedules WHERE id = ANY ($1::uuid[]) ORDER BY id
           FOR SHARE SKIP LOCKED";
    /// What stands behind schedules. A statement of its own, after their locks: its
    /// snapshot sees what the locks waited for.
    READ = concat!("SELECT s.id, ", stands!("s"), ",
               s.transaction_type IN ('deposit', 'credit', 'debit') AS settles,
               CASE WHEN s.pause_reason = 'password_changed' THEN s.pause_reason END AS lapsed
          FROM wallstreet.schedules s ", behind!("s", "s"), "
         WHERE s.id = ANY ($1::uuid[]) ORDER BY s.id");
    /// Pauses those that run; one that has begun is still looked at.
    PAUSE = "UPDATE wallstreet.schedules s
           SET status = 'paused', pause_reason = p.reason, updated_at = $3,
               wake_at = CASE WHEN s.begun THEN s.wake_at END
          FROM unnest($1::uuid[], $2::text[]) AS p (id, reason)
         WHERE s.id = p.id AND s.status = 'active'
        RETURNING s.id, s.user_id, s.pause_reason";
    /// Locks what an account's closing ends, and what of its owner's it stops.
    LOCK_OF_ACCOUNT = "SELECT id, account_id = $1 AS out FROM wallstreet.schedules
         WHERE status <> 'ended' AND (account_id = $1 OR user_id = $2 AND to_account_id = $1)
         ORDER BY id FOR NO KEY UPDATE";
    /// Locks a user's schedules that run without a key, made or resumed in another session
    /// than this one.
    LOCK_OF_SESSIONS = "SELECT id FROM wallstreet.schedules
         WHERE user_id = $1 AND status <> 'ended' AND api_key_id IS NULL
           AND session_id IS DISTINCT FROM $2 ORDER BY id FOR NO KEY UPDATE";
    /// Ends schedules for good.
    END = "UPDATE wallstreet.schedules
           SET status = 'ended', pause_reason = NULL, updated_at = $2,
               wake_at = CASE WHEN begun THEN wake_at END
         WHERE id = ANY ($1::uuid[]) RETURNING id, user_id";
    /// All of a user's orders that complete by themselves, to be judged.
    LOCK_COMPLETIONS_OF_USER = "SELECT transaction_id AS id FROM wallstreet.completions
         WHERE user_id = $1 AND lapsed IS NULL ORDER BY transaction_id FOR NO KEY UPDATE";
    /// The same of those without a key, ordered in another session than this one.
    LOCK_COMPLETIONS_OF_SESSIONS = "SELECT transaction_id AS id FROM wallstreet.completions
         WHERE user_id = $1 AND lapsed IS NULL AND api_key_id IS NULL
           AND session_id IS DISTINCT FROM $2 ORDER BY transaction_id FOR NO KEY UPDATE";
    /// Some that came to nothing when they were due.
    LOCK_COMPLETIONS = "SELECT transaction_id AS id FROM wallstreet.completions
         WHERE transaction_id = ANY ($1::uuid[]) AND lapsed IS NULL
         ORDER BY transaction_id FOR NO KEY UPDATE";
    /// Those that nobody changes at this moment, kept so until the transaction ends.
    KEEP_COMPLETIONS = "SELECT transaction_id AS id FROM wallstreet.completions
         WHERE transaction_id = ANY ($1::uuid[]) ORDER BY transaction_id FOR SHARE SKIP LOCKED";
    /// What stands behind orders that complete by themselves, like [`READ`].
    READ_COMPLETIONS = concat!("SELECT c.transaction_id AS id, ", stands!("c"), ", c.settles, c.lapsed
          FROM wallstreet.completions c JOIN transactions t ON t.id = c.transaction_id ",
          behind!("c", "t"), "
         WHERE c.transaction_id = ANY ($1::uuid[]) ORDER BY c.transaction_id");
    /// From now on they complete by word alone. What has ended meanwhile has no more need.
    LAPSE = "UPDATE wallstreet.completions c SET lapsed = p.reason
          FROM unnest($1::uuid[], $2::text[]) AS p (id, reason), transactions t, accounts a
         WHERE c.transaction_id = p.id AND c.lapsed IS NULL
           AND t.id = p.id AND t.status = 'pending' AND a.id = t.account_id
        RETURNING c.transaction_id AS id, a.user_id, c.lapsed AS reason";
    /// Remembers with what orders were given that complete by themselves.
    INSERT_COMPLETIONS = "INSERT INTO wallstreet.completions
            (transaction_id, user_id, api_key_id, session_id, settles)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::boolean[])";
    /// Forgets about what has ended, and waits for nobody: so there is no deadlock.
    PURGE_COMPLETIONS = "DELETE FROM wallstreet.completions WHERE transaction_id = ANY (ARRAY(
        SELECT c.transaction_id FROM wallstreet.completions c
          JOIN transactions t ON t.id = c.transaction_id WHERE t.status <> 'pending' LIMIT 1000
           FOR UPDATE OF c SKIP LOCKED))";
}
