DROP INDEX wallstreet.idempotency_keys_age;
CREATE INDEX idempotency_keys_age ON wallstreet.idempotency_keys (created_at);
DROP TABLE wallstreet.schedule_runs;
DROP TABLE wallstreet.schedules;
