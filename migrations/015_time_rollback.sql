DROP TABLE wallstreet.clocks;

-- A stub is nothing that an earlier version can read: whoever goes back forgets them.
DELETE FROM wallstreet.idempotency_keys WHERE starts_with(coalesce(outcome, ''), '{"stub"');
DROP INDEX wallstreet.idempotency_keys_stubs;
DROP INDEX wallstreet.idempotency_keys_age;
CREATE INDEX idempotency_keys_age ON wallstreet.idempotency_keys (created_at) WHERE strpos(key, ' ') = 0;
