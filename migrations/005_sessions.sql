-- A login. Its access and refresh tokens name it, so ending the row ends them.
-- `generation` counts refreshes: a refresh token of an earlier generation was
-- used twice, and ends the session. No token is stored, in any form.

CREATE TABLE wallstreet.sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    generation integer NOT NULL DEFAULT 0,
    ip_address varchar(45),
    user_agent text,
    created_at timestamptz NOT NULL,
    refreshed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE INDEX sessions_user_live ON wallstreet.sessions (user_id, created_at) WHERE ended_at IS NULL;
CREATE INDEX sessions_expiry ON wallstreet.sessions (expires_at);
