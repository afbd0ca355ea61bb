-- Version 1.6: which documents have fields that wait for a person.

-- How many fields of a document wait, as of its entry at `position`, by the rules of a version of its type. Derived, and
-- counted when somebody asks: a row of an earlier entry or of other rules says nothing, and neither does a missing one.
CREATE TABLE open_conflicts (
    document_key INTEGER PRIMARY KEY,
    position     INTEGER NOT NULL,
    type_version INTEGER NOT NULL,
    fields       INTEGER NOT NULL
) STRICT;
