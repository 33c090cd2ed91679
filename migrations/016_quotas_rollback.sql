ALTER TABLE accounts
    DROP CONSTRAINT accounts_pending_sound,
    DROP COLUMN pending_bytes,
    DROP COLUMN pending_count;
