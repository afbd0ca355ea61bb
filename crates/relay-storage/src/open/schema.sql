-- Version 1.0 of the relay's storage. Blobs of fixed length are ids and hashes, as sync-wire defines them; integers
-- named ..._key are internal and never leave this file; positions are dense per space, from 1.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- Moves with every change of accounts, tokens, devices' revocation, spaces and grants, by whatever process.
INSERT INTO meta VALUES ('access_version', 1);

CREATE TABLE accounts (
    account_key    INTEGER PRIMARY KEY,
    id             BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    name           TEXT NOT NULL UNIQUE,
    personal_space BLOB NOT NULL CHECK (length(personal_space) = 16),
    created_at     INTEGER NOT NULL
) STRICT;

CREATE TABLE tokens (
    token_key   INTEGER PRIMARY KEY,
    account_key INTEGER NOT NULL REFERENCES accounts,
    hash        BLOB NOT NULL UNIQUE CHECK (length(hash) = 32), -- BLAKE3; the token itself is kept nowhere
    label       TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    revoked_at  INTEGER
) STRICT;
CREATE INDEX tokens_by_account ON tokens (account_key);

CREATE TABLE devices (
    id            BLOB PRIMARY KEY CHECK (length(id) = 16),
    account_key   INTEGER NOT NULL REFERENCES accounts,
    agent         TEXT NOT NULL,
    first_seen_at INTEGER NOT NULL,
    last_seen_at  INTEGER NOT NULL,
    revoked_at    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX devices_by_account ON devices (account_key);

CREATE TABLE spaces (
    space_key      INTEGER PRIMARY KEY CHECK (space_key BETWEEN 1 AND 8388607), -- 23 bits of log_key
    id             BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    kind           INTEGER NOT NULL,
    name           TEXT NOT NULL,
    epoch          BLOB NOT NULL CHECK (length(epoch) = 8),
    salt           BLOB NOT NULL CHECK (length(salt) = 32),
    access_version INTEGER NOT NULL,
    end_position   INTEGER NOT NULL,
    chain          BLOB NOT NULL CHECK (length(chain) = 32),                    -- at end_position
    created_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX spaces_by_name ON spaces (name);

CREATE TABLE grants (
    account_key INTEGER NOT NULL REFERENCES accounts,
    space_key   INTEGER NOT NULL REFERENCES spaces,
    role        INTEGER NOT NULL,
    granted_at  INTEGER NOT NULL,
    PRIMARY KEY (account_key, space_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_by_space ON grants (space_key);

-- Whose an actor is, from its first use in a space on. Actors of seeds belong to nobody.
CREATE TABLE actors (
    actor_key   INTEGER PRIMARY KEY,
    space_key   INTEGER NOT NULL,
    actor       BLOB NOT NULL CHECK (length(actor) = 16),
    account_key INTEGER,
    device      BLOB CHECK (length(device) = 16),
    UNIQUE (space_key, actor)
) STRICT;

CREATE TABLE documents (
    document_key      INTEGER PRIMARY KEY,
    space_key         INTEGER NOT NULL,
    id                BLOB NOT NULL CHECK (length(id) = 16),
    type              TEXT,                -- of its root seed
    first_position    INTEGER NOT NULL,
    last_position     INTEGER NOT NULL,
    checked_position  INTEGER NOT NULL,    -- only grows
    entries           INTEGER NOT NULL,
    ops               INTEGER NOT NULL,
    bytes             INTEGER NOT NULL,
    deleted           INTEGER NOT NULL,
    held              TEXT,                -- why it is read-only
    frontier_position INTEGER NOT NULL,    -- the frontier covers entries up to here; later ones are replayed
    frontier          BLOB NOT NULL,       -- change_log/frontier.rs
    UNIQUE (space_key, id)
) STRICT;
CREATE INDEX documents_unchecked ON documents (document_key) WHERE checked_position < last_position AND held IS NULL;
CREATE INDEX documents_by_type ON documents (space_key, type, id);

-- No unique index on hashes: it would cost most of the write rate. Deps are resolved from the document's frontier.
CREATE TABLE log (
    log_key      INTEGER PRIMARY KEY,      -- space_key << 40 | position
    document_key INTEGER NOT NULL,
    kind         INTEGER NOT NULL,
    actor_key    INTEGER,                  -- this and the next three: changes only
    seq          INTEGER,
    ops          INTEGER,
    max_op       INTEGER,
    appended_at  INTEGER NOT NULL,
    device       BLOB NOT NULL CHECK (length(device) = 16),
    batch        BLOB NOT NULL CHECK (length(batch) = 16),
    hash         BLOB NOT NULL CHECK (length(hash) = 32),
    digest       BLOB NOT NULL CHECK (length(digest) = 32),
    chain        BLOB CHECK (length(chain) = 32), -- on the last entry of a batch only
    bytes        BLOB NOT NULL             -- the change; of a tombstone, the heads that it had seen
) STRICT;
CREATE UNIQUE INDEX log_by_actor ON log (document_key, actor_key, seq);
CREATE INDEX log_by_document ON log (document_key, log_key);
CREATE INDEX log_markers ON log (document_key, hash) WHERE kind <> 1;

CREATE TABLE snapshots (
    document_key    INTEGER PRIMARY KEY,
    covers          INTEGER NOT NULL,
    changes         INTEGER NOT NULL,
    entries_covered INTEGER NOT NULL,
    bytes_covered   INTEGER NOT NULL,
    digest          BLOB NOT NULL CHECK (length(digest) = 32),
    heads           BLOB NOT NULL,
    bytes           BLOB NOT NULL
) STRICT;

CREATE TABLE projections (
    document_key INTEGER PRIMARY KEY,
    position     INTEGER NOT NULL,
    title        TEXT,
    heads        BLOB NOT NULL,
    json         TEXT NOT NULL
) STRICT;
