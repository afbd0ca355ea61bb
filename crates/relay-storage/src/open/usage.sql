-- Version 1.2: what accounts have in logs, and how much they may have.

-- Derived from the log, but for the quota: `verify --rebuild` counts anew.
CREATE TABLE account_usage (
    account_key INTEGER PRIMARY KEY REFERENCES accounts,
    bytes       INTEGER NOT NULL, -- of changes pushed by its devices
    quota       INTEGER           -- bytes; absent: what the configuration says
) STRICT;
INSERT INTO account_usage (account_key, bytes)
    SELECT d.account_key, sum(length(l.bytes)) FROM log l JOIN devices d ON d.id = l.device
    WHERE l.kind = 1 GROUP BY d.account_key;

-- Moves when something that parked a batch may judge otherwise: a quota was changed, a document may be written again.
INSERT INTO meta VALUES ('limits_moved', 0);
