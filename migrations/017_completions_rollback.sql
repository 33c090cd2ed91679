UPDATE wallstreet.schedules SET pause_reason = 'owner' WHERE pause_reason = 'password_changed';
ALTER TABLE wallstreet.schedules
    DROP CONSTRAINT schedules_pause_known,
    ADD CONSTRAINT schedules_pause_known CHECK (
        pause_reason IS NULL
        OR status = 'paused' AND pause_reason IN (
            'owner', 'administrator', 'api_key_revoked', 'api_key_inactive', 'api_key_expired',
            'permission_lost', 'user_inactive', 'account_closed')),
    DROP COLUMN session_id;
DROP TABLE wallstreet.completions;
