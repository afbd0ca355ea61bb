-- Version 1.1: what was refused, and why.

-- A refused change, for ever: pushed again by the same device, it gets the same answer. `culprit` is the change that it
-- went with, if it is not at fault itself. Of those that are not final a device may push them again without the culprit.
CREATE TABLE fates (
    fate_key    INTEGER PRIMARY KEY,
    space_key   INTEGER NOT NULL,
    document    BLOB NOT NULL CHECK (length(document) = 16), -- it may have no row: its first change may be refused
    hash        BLOB NOT NULL CHECK (length(hash) = 32),
    device      BLOB NOT NULL CHECK (length(device) = 16),
    account_key INTEGER NOT NULL,
    batch       BLOB NOT NULL CHECK (length(batch) = 16),
    code        INTEGER NOT NULL,
    culprit     BLOB CHECK (length(culprit) = 32),
    detail      TEXT NOT NULL,
    judged_by   INTEGER NOT NULL,
    decided_at  INTEGER NOT NULL,
    final       INTEGER NOT NULL,
    UNIQUE (space_key, document, hash, device)
) STRICT;
CREATE INDEX fates_by_account ON fates (space_key, account_key);

-- The bytes of refused changes, for a while.
CREATE TABLE refused (
    fate_key    INTEGER PRIMARY KEY,
    account_key INTEGER NOT NULL,
    kept_at     INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    bytes       BLOB NOT NULL
) STRICT;
CREATE INDEX refused_by_account ON refused (account_key, fate_key, size);
