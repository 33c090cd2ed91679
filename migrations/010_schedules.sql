-- Orders that the bank gives in its owners' name, at times agreed beforehand.
-- Occurrence n (from 0) is start_at + n × every, counted in time_zone; so many as
-- next_run says are behind a schedule, each with its row in schedule_runs.
-- `begun` says that next_run may have been posted and is not noted yet; `wake_at`
-- is when the schedule is to be looked at next, absent when there is nothing to do.

CREATE TABLE wallstreet.schedules (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    account_id uuid NOT NULL,
    transaction_type varchar(20) NOT NULL,
    amount numeric(15, 2) NOT NULL,
    currency varchar(3) NOT NULL,
    to_account_id uuid,
    description text,
    metadata jsonb NOT NULL,
    start_at timestamptz NOT NULL,
    time_zone varchar(64) NOT NULL,
    every_unit varchar(5),
    every_count bigint,
    until_at timestamptz,
    runs bigint,
    missed varchar(4) NOT NULL,
    status varchar(10) NOT NULL,
    next_run bigint NOT NULL DEFAULT 0,
    next_at timestamptz,
    begun boolean NOT NULL DEFAULT false,
    attempts integer NOT NULL DEFAULT 0,
    wake_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT schedules_type_known CHECK (transaction_type IN ('deposit', 'withdrawal', 'transfer', 'credit', 'debit')),
    CONSTRAINT schedules_target_of_transfer CHECK ((to_account_id IS NOT NULL) = (transaction_type = 'transfer')),
    CONSTRAINT schedules_amount_positive CHECK (amount > 0 AND amount < 'NaN'),
    CONSTRAINT schedules_every_known CHECK (
        (every_unit IS NULL) = (every_count IS NULL)
        AND every_unit IN ('day', 'week', 'month', 'year') AND every_count > 0),
    CONSTRAINT schedules_missed_known CHECK (missed IN ('run', 'skip')),
    CONSTRAINT schedules_status_known CHECK (status IN ('active', 'paused', 'ended')),
    CONSTRAINT schedules_begun_wakes CHECK (NOT begun OR wake_at IS NOT NULL)
);
CREATE INDEX schedules_user_newest ON wallstreet.schedules (user_id, created_at DESC, id DESC);
CREATE INDEX schedules_newest ON wallstreet.schedules (created_at DESC, id DESC);
CREATE INDEX schedules_waking ON wallstreet.schedules (wake_at) WHERE wake_at IS NOT NULL;

CREATE TABLE wallstreet.schedule_runs (
    schedule_id uuid NOT NULL REFERENCES wallstreet.schedules (id) ON DELETE CASCADE,
    n bigint NOT NULL,
    due_at timestamptz NOT NULL,
    status varchar(10) NOT NULL,
    transaction_id uuid,
    code varchar(100),
    message text,
    noted_at timestamptz NOT NULL,
    PRIMARY KEY (schedule_id, n),
    CONSTRAINT schedule_runs_status_known CHECK (status IN ('completed', 'refused', 'skipped')),
    CONSTRAINT schedule_runs_completed_named CHECK ((status = 'completed') = (transaction_id IS NOT NULL)),
    CONSTRAINT schedule_runs_refused_told CHECK (
        (status = 'refused') = (code IS NOT NULL) AND (code IS NULL) = (message IS NULL))
);

-- The key of a run is kept as long as the run: nobody may post it a second time,
-- however late. A client's key has no blank, a run's has.
DROP INDEX wallstreet.idempotency_keys_age;
CREATE INDEX idempotency_keys_age ON wallstreet.idempotency_keys (created_at) WHERE strpos(key, ' ') = 0;
