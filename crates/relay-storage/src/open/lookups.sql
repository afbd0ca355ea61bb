-- Version 1.11: where single rows of large tables are.

-- Voids are few in a long log, and whoever looks for the newest of all spaces must not read it.
CREATE INDEX log_voids ON log (appended_at) WHERE kind = 2;
-- An account may have many refused changes, and asks for one of them.
CREATE INDEX fates_by_hash ON fates (space_key, hash, account_key);
