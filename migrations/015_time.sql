-- Idempotency keys are kept for a year, the answers under them for a week: then a row
-- shrinks to a stub, whose outcome begins with {"stub". A new key is in one index by
-- age, as before; a stub is in another one.

DROP INDEX wallstreet.idempotency_keys_age;
CREATE INDEX idempotency_keys_age ON wallstreet.idempotency_keys (created_at)
    WHERE strpos(key, ' ') = 0 AND NOT starts_with(coalesce(outcome, ''), '{"stub"');
CREATE INDEX idempotency_keys_stubs ON wallstreet.idempotency_keys (created_at)
    WHERE starts_with(coalesce(outcome, ''), '{"stub"');

-- When the counter of a machine began, by the time of the server that was sure of it:
-- so the next process there knows what its clock should show.

CREATE TABLE wallstreet.clocks (
    counter uuid PRIMARY KEY,
    began_at timestamptz NOT NULL,
    noted_at timestamptz NOT NULL
);
