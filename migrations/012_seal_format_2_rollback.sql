-- The seals of format 1 are as they were, and the sealer goes on from the last of
-- them; those of format 2 are deleted.

DROP INDEX wallstreet.seals_last_entry;
ALTER TABLE wallstreet.seals DISABLE TRIGGER seals_append_only;
DELETE FROM wallstreet.seals WHERE format = 2;
ALTER TABLE wallstreet.seals ENABLE TRIGGER seals_append_only;
ALTER TABLE wallstreet.seals
    DROP CONSTRAINT seals_signature_whole,
    DROP CONSTRAINT seals_range_sound,
    DROP CONSTRAINT seals_format_whole,
    DROP CONSTRAINT seals_format_known,
    DROP COLUMN audit_marks,
    DROP COLUMN entry_marks,
    DROP COLUMN signature,
    DROP COLUMN signing_key,
    DROP COLUMN audit_root,
    DROP COLUMN audit_count,
    DROP COLUMN last_audit,
    DROP COLUMN first_audit,
    DROP COLUMN format,
    ADD CONSTRAINT seals_range_sound CHECK (first_entry <= last_entry AND entry_count BETWEEN 1 AND 4096),
    ADD CONSTRAINT seals_last_entry_key UNIQUE (last_entry);
DROP TABLE wallstreet.sealing;
DROP TRIGGER audit_logs_identified_first ON audit_logs;
DROP INDEX audit_logs_number;
ALTER TABLE audit_logs DROP COLUMN number;
