-- Seals: the book, hashed in blocks beside the road of money, each block naming
-- the one before. Whoever keeps one hash can tell later whether anything up to
-- it was altered, also by an administrator of the database. docs/proof.md has
-- the texts that are hashed.

CREATE TABLE wallstreet.seals (
    number bigint PRIMARY KEY,
    first_entry bigint NOT NULL,
    last_entry bigint NOT NULL UNIQUE,
    entry_count integer NOT NULL,
    root bytea NOT NULL,
    previous bytea NOT NULL UNIQUE,
    hash bytea NOT NULL,
    sealed_at timestamptz NOT NULL,
    CONSTRAINT seals_number_positive CHECK (number > 0),
    CONSTRAINT seals_range_sound CHECK (first_entry <= last_entry AND entry_count BETWEEN 1 AND 4096),
    CONSTRAINT seals_hashes_whole CHECK (
        octet_length(root) = 32 AND octet_length(previous) = 32 AND octet_length(hash) = 32)
);

CREATE FUNCTION wallstreet.refuse_rewritten_seal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on the seals is refused: seals are append-only', TG_OP
        USING ERRCODE = 'restrict_violation', HINT = 'A wrong seal tells of a wrong entry: run wallstreet verify ledger.';
END $$;
CREATE TRIGGER seals_append_only BEFORE UPDATE OR DELETE ON wallstreet.seals
    FOR EACH ROW EXECUTE FUNCTION wallstreet.refuse_rewritten_seal();
CREATE TRIGGER seals_append_only_truncate BEFORE TRUNCATE ON wallstreet.seals
    FOR EACH STATEMENT EXECUTE FUNCTION wallstreet.refuse_rewritten_seal();

-- The sealer knows who may still bring entries by the ids of running transactions.
-- So a transaction has its id before it is given the number of an entry.
CREATE FUNCTION wallstreet.identify_before_numbering() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_current_xact_id();
    RETURN NULL;
END $$;
CREATE TRIGGER entries_identified_first BEFORE INSERT ON wallstreet.entries
    FOR EACH STATEMENT EXECUTE FUNCTION wallstreet.identify_before_numbering();
