-- Refuses by its constraints where rows already use what it takes away: an
-- overdrawn account, a hold taken in parts, an exchange.

CREATE TABLE wallstreet.events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_type varchar(100) NOT NULL,
    user_id uuid NOT NULL,
    resource_id uuid NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
INSERT INTO wallstreet.events (event_type, user_id, resource_id, payload, created_at)
SELECT named.event_type, (party ->> 'userId')::uuid, (party ->> 'resourceId')::uuid,
       (party -> 'payload')::jsonb, o.created_at
  FROM wallstreet.outbox o,
       regexp_split_to_table(o.event_types, ' ') WITH ORDINALITY AS named (event_type, place),
       json_array_elements(o.parties) WITH ORDINALITY AS parties (party, seat)
 ORDER BY o.id, named.place, parties.seat;
DROP TABLE wallstreet.outbox;
DROP TABLE wallstreet.rounding;
DROP TABLE wallstreet.exchanges;

DROP INDEX transactions_reversals;
DROP INDEX transactions_expiring;
DROP TRIGGER transactions_guard_life ON transactions;
ALTER TABLE transactions
    DROP CONSTRAINT transactions_reversed_within,
    DROP CONSTRAINT transactions_captured_within,
    DROP COLUMN effective_at,
    DROP COLUMN expires_at,
    DROP COLUMN reverses_transaction_id,
    DROP COLUMN reversed_amount,
    DROP COLUMN captured_amount;
ALTER TABLE accounts
    DROP CONSTRAINT accounts_freeze_whole,
    DROP CONSTRAINT accounts_freeze_known,
    DROP CONSTRAINT accounts_limits_sound,
    DROP CONSTRAINT accounts_money_sound,
    ADD CONSTRAINT accounts_money_sound CHECK (
        balance IS NOT NULL AND available_balance IS NOT NULL
        AND balance < 'NaN' AND available_balance < 'NaN'
        AND available_balance >= 0 AND available_balance <= balance),
    DROP COLUMN newest_entry_at,
    DROP COLUMN freeze_until,
    DROP COLUMN freeze_reason,
    DROP COLUMN freeze_scope,
    DROP COLUMN spent_day,
    DROP COLUMN spent_amount,
    DROP COLUMN daily_limit,
    DROP COLUMN transaction_limit,
    DROP COLUMN overdraft_limit;
DROP TRIGGER transactions_currency ON transactions;
CREATE TRIGGER transactions_currency AFTER INSERT ON transactions
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION wallstreet.refuse_foreign_currency();
ALTER TABLE wallstreet.idempotency_keys
    ADD CONSTRAINT idempotency_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE;
DROP INDEX wallstreet.entries_target_effective;
DROP INDEX wallstreet.entries_source_effective;
ALTER TABLE wallstreet.entries
    DROP CONSTRAINT entries_effective_before,
    DROP CONSTRAINT entries_touch_an_account,
    DROP COLUMN effective_at,
    ADD CONSTRAINT entries_touch_an_account CHECK (source_seq IS NOT NULL OR target_seq IS NOT NULL),
    ADD CONSTRAINT entries_transaction_id_key UNIQUE (transaction_id),
    ADD CONSTRAINT entries_transaction_id_fkey FOREIGN KEY (transaction_id) REFERENCES transactions (id) ON DELETE RESTRICT;
ALTER TABLE accounts RESET (fillfactor);
