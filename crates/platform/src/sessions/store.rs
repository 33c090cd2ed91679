//! Statements of `wallstreet.sessions`.

use crate::db::statements;

statements! {
    /// Opens one.
    INSERT = "INSERT INTO wallstreet.sessions
            (id, user_id, ip_address, user_agent, created_at, refreshed_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $5, $6)";
    /// Who stands behind a live session.
    AUTHENTICATE = "SELECT s.id AS sid, u.id, u.role, u.status = 'active' AS welcome
          FROM wallstreet.sessions s JOIN users u ON u.id = s.user_id
         WHERE s.id = ANY ($1::uuid[]) AND s.ended_at IS NULL AND s.expires_at > $2";
    /// Locks whoever holds a session before the session itself, in the order in
    /// which suspending and leaving lock them.
    LOCK_HOLDER = "SELECT u.id FROM users u
         WHERE u.id = (SELECT user_id FROM wallstreet.sessions WHERE id = $1) FOR NO KEY UPDATE";
    /// The next generation, for exactly the one presented.
    ROTATE = "UPDATE wallstreet.sessions
           SET generation = generation + 1, refreshed_at = $3, expires_at = $4
         WHERE id = $1 AND generation = $2 AND ended_at IS NULL AND expires_at > $3
        RETURNING user_id, generation";
    /// What a session that would not rotate is.
    FIND = "SELECT user_id, generation, ended_at IS NULL AND expires_at > $2 AS live
          FROM wallstreet.sessions WHERE id = $1";
    /// A user's live ones, newest first.
    LIST = "SELECT id, created_at, refreshed_at, expires_at, ip_address, user_agent
          FROM wallstreet.sessions
         WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2
         ORDER BY created_at DESC, id DESC LIMIT 100";
    /// Ends one of a user's.
    END = "UPDATE wallstreet.sessions SET ended_at = $3
         WHERE id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > $3";
    /// Ends all of a user's but one.
    END_ALL = "UPDATE wallstreet.sessions SET ended_at = $2
         WHERE user_id = $1 AND ended_at IS NULL AND id IS DISTINCT FROM $3";
    /// Forgets the long dead, a bounded number at a time.
    PURGE = "DELETE FROM wallstreet.sessions WHERE id = ANY (ARRAY(
        SELECT id FROM wallstreet.sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT 1000))";
}
