-- Seals of format 2. They cover the audit trail too, they are signed by the
-- server, and the leaf of an entry hides each side's balance and sequence behind
-- a salted commitment, so that a proof shows its owner's side alone. The first of
-- them follows the last of format 1 and begins again at the first entry and the
-- first audit row; docs/proof.md has the texts that are hashed.

-- The order of the audit trail, dense but for what was rolled back.
ALTER TABLE audit_logs ADD COLUMN number bigint;
ALTER TABLE audit_logs DISABLE TRIGGER audit_logs_append_only;
UPDATE audit_logs SET number = placed.number
  FROM (SELECT id, row_number() OVER (ORDER BY created_at, id) AS number FROM audit_logs) AS placed
 WHERE placed.id = audit_logs.id;
ALTER TABLE audit_logs ENABLE TRIGGER audit_logs_append_only;
ALTER TABLE audit_logs
    ALTER COLUMN number SET NOT NULL,
    ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY;
DO $$ BEGIN
    PERFORM setval(pg_get_serial_sequence('audit_logs', 'number'), max(number)) FROM audit_logs HAVING max(number) > 0;
END $$;
CREATE UNIQUE INDEX audit_logs_number ON audit_logs (number);

-- As for entries: a transaction has its id before it is given a number.
CREATE TRIGGER audit_logs_identified_first BEFORE INSERT ON audit_logs
    FOR EACH STATEMENT EXECUTE FUNCTION wallstreet.identify_before_numbering();

-- What format 2 began with: the key of all salts, the moment, and the last seal
-- of format 1. `newest` is the number of the newest seal: so seals that are
-- deleted from the end of the chain are missed. Transactions without a direction
-- were written without the platform, and no audit row tells of them: so how many
-- they are is kept, and what they say.
CREATE TABLE wallstreet.sealing (
    one boolean PRIMARY KEY DEFAULT true,
    salt_key bytea NOT NULL,
    begun_at timestamptz NOT NULL,
    begun_after bigint NOT NULL,
    newest bigint NOT NULL,
    undirected bigint NOT NULL,
    undirected_digest text NOT NULL,
    CONSTRAINT sealing_one CHECK (one),
    CONSTRAINT sealing_key_whole CHECK (octet_length(salt_key) = 32)
);
INSERT INTO wallstreet.sealing (salt_key, begun_at, begun_after, newest, undirected, undirected_digest)
SELECT sha256(convert_to(concat(gen_random_uuid(), gen_random_uuid(), gen_random_uuid()), 'UTF8')), now(),
       coalesce(max(number), 0), coalesce(max(number), 0), max(u.count), max(u.digest)
  FROM (SELECT count(*) AS count, encode(sha256(coalesce(string_agg(sha256(convert_to(concat(
               id, '|', account_id, '|', transaction_type, '|', amount, '|', currency, '|', status, '|',
               to_jsonb(created_at) #>> '{}', '|', reference_number), 'UTF8')), '' ORDER BY id), '')), 'hex') AS digest
          FROM transactions WHERE direction IS NULL) AS u
  LEFT JOIN wallstreet.seals ON true;
CREATE TRIGGER sealing_kept BEFORE UPDATE OF one, salt_key, begun_at, begun_after, undirected, undirected_digest
       OR DELETE ON wallstreet.sealing
    FOR EACH ROW EXECUTE FUNCTION wallstreet.refuse_rewritten_seal();
CREATE TRIGGER sealing_kept_truncate BEFORE TRUNCATE ON wallstreet.sealing
    FOR EACH STATEMENT EXECUTE FUNCTION wallstreet.refuse_rewritten_seal();

-- `entry_marks` and `audit_marks` are the first eight bytes of each leaf, in
-- order: they prove nothing, and tell which row differs. A range without rows
-- ends before it begins.
ALTER TABLE wallstreet.seals
    DROP CONSTRAINT seals_last_entry_key,
    DROP CONSTRAINT seals_range_sound,
    ADD COLUMN format smallint NOT NULL DEFAULT 1,
    ADD COLUMN first_audit bigint,
    ADD COLUMN last_audit bigint,
    ADD COLUMN audit_count integer,
    ADD COLUMN audit_root bytea,
    ADD COLUMN signing_key bytea,
    ADD COLUMN signature bytea,
    ADD COLUMN entry_marks bytea,
    ADD COLUMN audit_marks bytea,
    ADD CONSTRAINT seals_format_known CHECK (format IN (1, 2)),
    ADD CONSTRAINT seals_format_whole CHECK (
        num_nonnulls(first_audit, last_audit, audit_count, audit_root, signing_key, signature, entry_marks, audit_marks)
            = CASE format WHEN 2 THEN 8 ELSE 0 END),
    ADD CONSTRAINT seals_range_sound CHECK (CASE format
        WHEN 2 THEN entry_count BETWEEN 0 AND 4096 AND (entry_count = 0) = (first_entry > last_entry)
            AND audit_count BETWEEN 0 AND 4096 AND (audit_count = 0) = (first_audit > last_audit)
            AND entry_count + audit_count > 0
        ELSE entry_count BETWEEN 1 AND 4096 AND first_entry <= last_entry END),
    ADD CONSTRAINT seals_signature_whole CHECK (
        octet_length(audit_root) = 32 AND octet_length(signing_key) = 32 AND octet_length(signature) = 64);
-- A server of an older version cannot add one of format 1 behind format 2.
ALTER TABLE wallstreet.seals ALTER COLUMN format DROP DEFAULT;
-- The seal of an entry.
CREATE INDEX seals_last_entry ON wallstreet.seals (last_entry) WHERE format = 2 AND entry_count > 0;
