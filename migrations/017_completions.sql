-- With what somebody ordered for later: an order that completes by itself remembers its
-- credential, as a schedule does, and whether that has lapsed.

-- Written with the order, and kept while it stands pending. `settles`: the order takes the
-- right to change by word how much money there is. The order itself is in `transactions`:
-- this holds no fact of money.
CREATE TABLE wallstreet.completions (
    transaction_id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    api_key_id uuid,
    session_id uuid,
    settles boolean NOT NULL,
    lapsed varchar(20),
    CONSTRAINT completions_lapse_known CHECK (
        lapsed IN ('api_key_revoked', 'api_key_inactive', 'api_key_expired', 'permission_lost',
                   'user_inactive', 'password_changed'))
);
CREATE INDEX completions_user ON wallstreet.completions (user_id) WHERE lapsed IS NULL;

-- What was ordered before: by whom, says the trail; with what, nothing does.
INSERT INTO wallstreet.completions (transaction_id, user_id, settles)
SELECT t.id, l.user_id,
       t.transaction_type IN ('deposit', 'credit', 'debit') OR t.effective_at IS NOT NULL
  FROM transactions t
  JOIN audit_logs l ON l.resource_type = 'transaction' AND l.resource_id = t.id
                   AND l.action = 'TRANSACTION_CREATED' AND l.user_id IS NOT NULL
 WHERE t.status = 'pending' AND t.complete_at IS NOT NULL;

-- The session a schedule was made in, or resumed in last; with a key there is none.
ALTER TABLE wallstreet.schedules
    ADD COLUMN session_id uuid,
    DROP CONSTRAINT schedules_pause_known,
    ADD CONSTRAINT schedules_pause_known CHECK (
        pause_reason IS NULL
        OR status = 'paused' AND pause_reason IN (
            'owner', 'administrator', 'api_key_revoked', 'api_key_inactive', 'api_key_expired',
            'permission_lost', 'user_inactive', 'account_closed', 'password_changed'));
