-- One key, one effect. The row commits with the effect it stands for; a retry
-- with the same key and the same request gets the same outcome back.
-- `outcome` is text, not jsonb: a replay must read exactly what was written.

CREATE TABLE wallstreet.idempotency_keys (
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    key varchar(255) NOT NULL,
    fingerprint bytea NOT NULL,
    outcome text,
    request_id varchar(64) NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_age ON wallstreet.idempotency_keys (created_at);
