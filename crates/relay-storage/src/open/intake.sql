-- Version 1.3: the intake, which has batches of spaces with other people that are durable and not checked yet.

-- A document with such batches, and who checks them: nobody else does before the lease is over.
CREATE TABLE intake_documents (
    intake_key   INTEGER PRIMARY KEY,
    space_key    INTEGER NOT NULL,
    document     BLOB NOT NULL CHECK (length(document) = 16), -- it may have no row: its first change may wait here
    batches      INTEGER NOT NULL,
    size         INTEGER NOT NULL,
    entries      INTEGER NOT NULL,
    ops          INTEGER NOT NULL,
    max_op       INTEGER NOT NULL,
    holder       BLOB CHECK (length(holder) = 16),
    leased_until INTEGER NOT NULL,
    UNIQUE (space_key, document)
) STRICT;

CREATE TABLE intake_batches (
    batch_key   INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order in which they came; never used again
    intake_key  INTEGER NOT NULL,
    batch       BLOB NOT NULL CHECK (length(batch) = 16),
    device      BLOB NOT NULL CHECK (length(device) = 16),
    account_key INTEGER NOT NULL,
    kind        INTEGER NOT NULL,      -- that of its entries
    stored_at   INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    named       BLOB NOT NULL          -- hashes: of a tombstone its heads; else its changes that were here before it
) STRICT;
CREATE INDEX intake_batches_in_order ON intake_batches (intake_key, batch_key);

CREATE TABLE intake_changes (
    change_key INTEGER PRIMARY KEY,
    batch_key  INTEGER NOT NULL,
    intake_key INTEGER NOT NULL,
    actor      BLOB NOT NULL CHECK (length(actor) = 16),
    seq        INTEGER NOT NULL,
    hash       BLOB NOT NULL CHECK (length(hash) = 32),
    max_op     INTEGER NOT NULL,
    ops        INTEGER NOT NULL,
    bytes      BLOB NOT NULL
) STRICT;
CREATE INDEX intake_changes_by_batch ON intake_changes (batch_key, change_key);
CREATE UNIQUE INDEX intake_changes_by_actor ON intake_changes (intake_key, actor, seq);
CREATE INDEX intake_changes_by_hash ON intake_changes (intake_key, hash);

-- How much waits, of each space and of each account. Rows that say nothing are not kept.
CREATE TABLE intake_totals (
    scope   INTEGER NOT NULL,          -- 1 a space, 2 an account
    key     INTEGER NOT NULL,
    batches INTEGER NOT NULL,
    size    INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;

-- What became of batches that left the intake otherwise than into the log, for their devices to be told. For a while:
-- whoever is told of nothing pushes again.
CREATE TABLE intake_outcomes (
    space_key  INTEGER NOT NULL,
    device     BLOB NOT NULL CHECK (length(device) = 16),
    batch      BLOB NOT NULL CHECK (length(batch) = 16),
    document   BLOB NOT NULL CHECK (length(document) = 16),
    refused    INTEGER NOT NULL,       -- else it was parked
    code       INTEGER NOT NULL,
    culprit    BLOB CHECK (length(culprit) = 32),
    judged_by  INTEGER NOT NULL,
    detail     TEXT NOT NULL,
    decided_at INTEGER NOT NULL,
    PRIMARY KEY (space_key, device, batch, document)
) STRICT, WITHOUT ROWID;
CREATE INDEX intake_outcomes_by_age ON intake_outcomes (decided_at);
