-- Version 1.4: the relay as an author of what comes over HTTP.

-- The device of record of what an account writes over HTTP, as one of its devices.
CREATE TABLE website_devices (
    account_key INTEGER PRIMARY KEY REFERENCES accounts,
    device      BLOB NOT NULL CHECK (length(device) = 16)
) STRICT;

-- Requests with a key of their sender, for a day: a repeated one must not write twice.
CREATE TABLE keyed_requests (
    account_key  INTEGER NOT NULL,
    key          TEXT NOT NULL,
    fingerprint  BLOB NOT NULL CHECK (length(fingerprint) = 32), -- of all that the request says
    begun_at     INTEGER NOT NULL,
    holder       BLOB NOT NULL CHECK (length(holder) = 16),      -- who answers it, until its lease is over
    leased_until INTEGER NOT NULL,
    answered     INTEGER NOT NULL,
    answer       BLOB NOT NULL,                                  -- for whoever answers; empty until then
    PRIMARY KEY (account_key, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX keyed_requests_by_age ON keyed_requests (begun_at);
