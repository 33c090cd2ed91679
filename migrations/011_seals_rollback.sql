DROP TRIGGER entries_identified_first ON wallstreet.entries;
DROP FUNCTION wallstreet.identify_before_numbering();
DROP TABLE wallstreet.seals;
DROP FUNCTION wallstreet.refuse_rewritten_seal();
