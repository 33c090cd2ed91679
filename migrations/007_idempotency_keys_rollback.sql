DROP TABLE wallstreet.idempotency_keys;
