-- Version 1.7: what documents are found by. All of it is derived from projections, and taken in by whoever asks first:
-- nothing is written here when a document is written.

-- The indexes that document types declare.
CREATE TABLE indexes (
    id   INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    path TEXT NOT NULL,
    kind INTEGER NOT NULL,
    UNIQUE (type, path, kind)
) STRICT;

-- The documents of one type in one space, since somebody asked for them. Of the log everything up to `through` was looked
-- at; -1: every document is to be looked at, and then those of the log since.
CREATE TABLE shelves (
    shelf     INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: words are marked with it
    space_key INTEGER NOT NULL,
    type      TEXT NOT NULL,
    title     TEXT,                              -- the stored path of what a document is called
    declared  INTEGER NOT NULL,                  -- how many indexes its documents are taken in by
    through   INTEGER NOT NULL,
    version   INTEGER NOT NULL,                  -- moves when everything is to be looked at again
    UNIQUE (space_key, type)
) STRICT;

-- What was taken in of a document, as of the projection at `position`; absent: it is found by nothing.
CREATE TABLE indexed (
    document INTEGER PRIMARY KEY,                -- its document_key
    shelf    INTEGER NOT NULL DEFAULT 0,
    turn     INTEGER NOT NULL,                   -- grows on its shelf
    declared INTEGER NOT NULL DEFAULT 0,
    position INTEGER,
    shown    TEXT,                               -- what a list shows, as JSON
    words    BLOB                                -- tells its texts from others
) STRICT;
CREATE INDEX indexed_turn ON indexed (shelf, turn);

-- Values in their order (schemas: Key).
CREATE TABLE fields (
    document INTEGER NOT NULL,
    field    INTEGER NOT NULL,                   -- of indexes
    value    BLOB NOT NULL,
    id       BLOB NOT NULL CHECK (length(id) = 16),
    space    INTEGER NOT NULL,
    PRIMARY KEY (document, field, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX fields_of_space ON fields (field, space, value, id, document);

-- Texts, each word with the mark of its shelf before it.
CREATE VIRTUAL TABLE words USING fts5 (title, body, tokenize = 'unicode61 remove_diacritics 2');
