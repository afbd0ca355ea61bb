//! The tables of a vault file, and its version.
//!
//! `user_version` is `major * 1000 + minor`: a build reads every minor of its major and older majors, and refuses
//! newer majors.

/// `SVLT`: how `file(1)` and SQLite tools know a vault.
pub(crate) const APPLICATION_ID: u32 = 0x5356_4C54;
/// Version numbers per major.
pub(crate) const VERSION_UNIT: u32 = 1000;
/// The newest major that this build reads.
pub(crate) const MAJOR: u32 = 1;
/// What this build writes.
pub(crate) const VERSION: u32 = MAJOR * VERSION_UNIT + MIGRATIONS.len() as u32;

/// What each minor added to the one before it. Only additions, so that programs of the older minor, which may have the
/// file open at the same time, read and write on. A new file takes the same steps.
pub(crate) const MIGRATIONS: [&str; 5] = [
    // 1.001: what replaces a batch, how often its content was written anew, and when its fate came.
    "ALTER TABLE batches ADD COLUMN replaced INTEGER REFERENCES batches (id);
     ALTER TABLE batches ADD COLUMN rewritten INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE batches ADD COLUMN decided INTEGER;
     CREATE INDEX batches_excluded ON batches (document, culprit) WHERE culprit IS NOT NULL;",
    // 1.002: what a relay that lost the end of a log is given back (storage/checkpoints.rs). `undelivered` is the space
    // of a batch that was acknowledged and not delivered yet.
    "CREATE TABLE checkpoints (
         space INTEGER NOT NULL REFERENCES spaces (id),
         position INTEGER NOT NULL,
         epoch BLOB NOT NULL CHECK (length(epoch) = 8),
         chain BLOB NOT NULL CHECK (length(chain) = 32),
         key INTEGER NOT NULL,
         mac BLOB NOT NULL CHECK (length(mac) = 32),
         bytes INTEGER NOT NULL,
         PRIMARY KEY (space, position)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE markers (
         space INTEGER NOT NULL REFERENCES spaces (id),
         position INTEGER NOT NULL,
         document INTEGER NOT NULL REFERENCES documents (id),
         kind INTEGER NOT NULL,
         hash BLOB NOT NULL CHECK (length(hash) = 32),
         device BLOB NOT NULL CHECK (length(device) = 16),
         batch BLOB NOT NULL CHECK (length(batch) = 16),
         heads BLOB,
         PRIMARY KEY (space, position)
     ) STRICT, WITHOUT ROWID;
     ALTER TABLE batches ADD COLUMN undelivered INTEGER REFERENCES spaces (id);
     CREATE INDEX batches_undelivered ON batches (undelivered) WHERE undelivered IS NOT NULL;",
    // 1.003: which documents have voids. What a void says stands where a deletion has its heads.
    "CREATE INDEX markers_voids ON markers (document, position) WHERE kind = 2;",
    // 1.004: what documents are found by (storage/fields.rs). Everything in it is derived.
    "ALTER TABLE documents ADD COLUMN folded_point INTEGER;
     ALTER TABLE documents ADD COLUMN folded_generation INTEGER;
     ALTER TABLE documents ADD COLUMN folded_deleted INTEGER;
     ALTER TABLE documents ADD COLUMN folded_type TEXT;
     CREATE INDEX documents_unfolded ON documents (type) WHERE (folded_point IS NOT point
         OR folded_generation IS NOT generation OR folded_deleted IS NOT deleted OR folded_type IS NOT type);
     CREATE TABLE indexes (
         id INTEGER PRIMARY KEY,
         type TEXT NOT NULL,
         path TEXT NOT NULL,
         kind INTEGER NOT NULL,
         UNIQUE (type, path, kind)
     ) STRICT;
     CREATE TABLE projections (
         document INTEGER PRIMARY KEY REFERENCES documents (id),
         turn INTEGER NOT NULL,
         shown TEXT,
         words BLOB
     ) STRICT;
     CREATE INDEX projections_turn ON projections (turn);
     CREATE TABLE fields (
         document INTEGER NOT NULL REFERENCES documents (id),
         field INTEGER NOT NULL REFERENCES indexes (id),
         value BLOB NOT NULL,
         id BLOB NOT NULL CHECK (length(id) = 16),
         space INTEGER NOT NULL REFERENCES spaces (id),
         PRIMARY KEY (document, field, value)
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX fields_in_order ON fields (field, value, id, document);
     CREATE INDEX fields_of_space ON fields (field, space, value, id, document);",
    // 1.005: repairs that the log has lost (storage/voids.rs). `until` is the place up to which the log may still bring
    // them, or others in their place.
    "CREATE TABLE lost_voids (
         id INTEGER PRIMARY KEY,
         document INTEGER NOT NULL REFERENCES documents (id),
         hash BLOB NOT NULL CHECK (length(hash) = 32),
         payload BLOB NOT NULL,
         until INTEGER,
         undone INTEGER NOT NULL DEFAULT 0,
         UNIQUE (document, hash)
     ) STRICT;",
];

/// Makes an empty vault of the first minor.
///
/// Everything hangs on `spaces.id`, so that the first login re-homes a vault by changing one row: the space gets the
/// account's id, keeps its local one as alias, and no byte of a change moves.
pub(crate) const CREATE: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE spaces (
    id INTEGER PRIMARY KEY,
    space BLOB NOT NULL UNIQUE CHECK (length(space) = 16),
    alias BLOB UNIQUE CHECK (length(alias) = 16),
    is_home INTEGER NOT NULL DEFAULT 0,
    kind INTEGER,
    role INTEGER,
    name TEXT NOT NULL DEFAULT '',
    salt BLOB CHECK (length(salt) = 32),
    access_version INTEGER NOT NULL DEFAULT 0,
    epoch BLOB CHECK (length(epoch) = 8),
    position INTEGER NOT NULL DEFAULT 0,
    chain BLOB CHECK (length(chain) = 32),
    bootstrap_at INTEGER,
    bootstrap_after BLOB CHECK (length(bootstrap_after) = 16)
) STRICT;

CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    space INTEGER NOT NULL REFERENCES spaces (id),
    document BLOB NOT NULL CHECK (length(document) = 16),
    type TEXT,
    title TEXT,
    title_is_stale INTEGER NOT NULL DEFAULT 1,
    deleted INTEGER NOT NULL DEFAULT 0,
    held TEXT,
    bytes INTEGER NOT NULL DEFAULT 0,
    point INTEGER NOT NULL DEFAULT 0,
    generation INTEGER NOT NULL DEFAULT 0,
    UNIQUE (space, document)
) STRICT;

CREATE TABLE changes (
    id INTEGER PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES documents (id),
    actor BLOB NOT NULL,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    position INTEGER,
    device BLOB,
    batch BLOB,
    excluded INTEGER NOT NULL DEFAULT 0,
    bytes BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX changes_once ON changes (document, actor, seq) WHERE excluded = 0;
CREATE INDEX changes_excluded ON changes (document, hash) WHERE excluded = 1;
CREATE INDEX changes_in_order ON changes (document, id);

CREATE TABLE batches (
    id INTEGER PRIMARY KEY,
    batch BLOB NOT NULL UNIQUE CHECK (length(batch) = 16),
    document INTEGER NOT NULL REFERENCES documents (id),
    kind INTEGER NOT NULL,
    change INTEGER REFERENCES changes (id),
    hashes BLOB NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    code INTEGER,
    judged_by INTEGER,
    detail TEXT,
    culprit BLOB,
    epoch BLOB,
    position INTEGER
) STRICT;
CREATE INDEX batches_outbox ON batches (id) WHERE state IN (0, 1);
CREATE INDEX batches_lane ON batches (document, id) WHERE state IN (0, 1, 3);
CREATE INDEX batches_quarantine ON batches (document, id) WHERE state = 4;
CREATE INDEX batches_of_change ON batches (change) WHERE change IS NOT NULL;

CREATE TABLE snapshots (
    document INTEGER NOT NULL REFERENCES documents (id),
    origin INTEGER NOT NULL,
    through INTEGER NOT NULL,
    heads BLOB NOT NULL,
    changes INTEGER NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    bytes BLOB NOT NULL,
    PRIMARY KEY (document, origin)
) STRICT;

CREATE TABLE actors (
    slot INTEGER NOT NULL,
    space INTEGER NOT NULL REFERENCES spaces (id),
    actor BLOB NOT NULL UNIQUE CHECK (length(actor) = 16),
    incarnation BLOB NOT NULL,
    boot TEXT,
    PRIMARY KEY (slot, space)
) STRICT;
";
