-- What a list may show of a key whose secret is only known to its holder.

ALTER TABLE api_keys ADD COLUMN key_hint varchar(32);
