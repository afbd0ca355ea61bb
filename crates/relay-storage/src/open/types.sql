-- Version 1.8: document types of third parties (docs/decisions/0024-published-types.md).

-- Who may publish types called ext.NAME.*.
CREATE TABLE namespaces (
    name        TEXT NOT NULL,
    account_key INTEGER NOT NULL REFERENCES accounts,
    granted_at  INTEGER NOT NULL,
    PRIMARY KEY (name, account_key)
) STRICT, WITHOUT ROWID;

-- What was published. A row is never changed and never deleted: documents may be of it, on devices of which nobody
-- knows.
CREATE TABLE types (
    name         TEXT NOT NULL,
    version      INTEGER NOT NULL,
    namespace    TEXT NOT NULL,
    account_key  INTEGER REFERENCES accounts, -- absent: an operator did it
    published_at INTEGER NOT NULL,
    digest       BLOB NOT NULL CHECK (length(digest) = 32), -- BLAKE3 of the text
    text         TEXT NOT NULL,
    PRIMARY KEY (name, version)
) STRICT;
CREATE INDEX types_by_namespace ON types (namespace);

-- Versions whose rules have yet to be applied to documents that were there before them, and how far that has come.
CREATE TABLE retyping (
    name      TEXT PRIMARY KEY,
    version   INTEGER NOT NULL,
    space_key INTEGER NOT NULL,
    document  BLOB NOT NULL         -- the last one that is done; empty: none of the space
) STRICT, WITHOUT ROWID;

-- Moves with every version that is published, by whatever process.
INSERT INTO meta VALUES ('types_version', 0);
