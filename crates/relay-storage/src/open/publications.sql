-- Version 1.5: what documents show to everybody.

-- That a state was published is a fact and no fold of the log: it stays while newer states are refused. The row is of
-- the last judgement; the five columns after `violations` are of the last state that passed, and absent if none did.
CREATE TABLE publications (
    document_key       INTEGER PRIMARY KEY,
    judged_position    INTEGER NOT NULL,
    rules              TEXT NOT NULL,
    violations         TEXT,             -- JSON; absent: it passed
    published_position INTEGER,
    published_rules    TEXT,
    type               TEXT,
    heads              BLOB,
    json               TEXT
) STRICT;
