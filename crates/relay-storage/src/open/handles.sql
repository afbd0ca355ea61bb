-- Version 1.9: short names of spaces.

-- A handle is of one space in the whole relay, and a space has one at most. These rows decide; what the identity
-- document of the space says follows them.
CREATE TABLE handles (
    handle      TEXT PRIMARY KEY,
    space_key   INTEGER NOT NULL REFERENCES spaces,
    account_key INTEGER NOT NULL REFERENCES accounts, -- who claimed it, or gave it up
    claimed_at  INTEGER NOT NULL,
    released_at INTEGER,                              -- since then it is kept for its space, for a while
    is_shown    INTEGER NOT NULL                      -- whether the identity document says so
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX handle_of_space ON handles (space_key) WHERE released_at IS NULL;
CREATE INDEX handles_by_space ON handles (space_key);
CREATE INDEX handles_released ON handles (released_at) WHERE released_at IS NOT NULL;
CREATE INDEX handles_unshown ON handles (space_key) WHERE NOT is_shown;
