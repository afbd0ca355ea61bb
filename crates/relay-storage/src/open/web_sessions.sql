-- Version 1.10: accounts in browsers.

-- Of a link that signs in, and of the secret of a session, only the BLAKE3 hash is kept.
CREATE TABLE sign_in_links (
    hash        BLOB PRIMARY KEY,
    account_key INTEGER NOT NULL REFERENCES accounts,
    created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_in_links_by_account ON sign_in_links (account_key, created_at);

-- A browser that is signed in; gone when it signs out, is shown out, or was away for too long.
CREATE TABLE web_sessions (
    session     INTEGER PRIMARY KEY,      -- drawn: one that is gone is never meant by the number of another
    hash        BLOB NOT NULL UNIQUE,
    account_key INTEGER NOT NULL REFERENCES accounts,
    agent       TEXT NOT NULL,            -- what the browser called itself
    created_at  INTEGER NOT NULL,
    used_at     INTEGER NOT NULL          -- exact to an hour
) STRICT;
CREATE INDEX web_sessions_by_account ON web_sessions (account_key, used_at);

-- Accounts that may look at the whole relay.
CREATE TABLE operators (
    account_key INTEGER PRIMARY KEY REFERENCES accounts
) STRICT;

-- Few documents are held, and whoever looks for them must not read all others.
CREATE INDEX documents_held ON documents (document_key) WHERE held IS NOT NULL;
