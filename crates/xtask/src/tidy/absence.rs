//! Invariants of absence: what a part of the project must not know (`docs/architecture.md`).

use super::Fault;
use super::tree::{File, Tree};

/// A set of paths must not contain a set of words.
struct Rule {
    why: &'static str,
    applies: fn(&str) -> bool,
    words: &'static [&'static str],
}

const PURE: [&str; 5] = [
    "crates/sync-wire/src/",
    "crates/sync-core/src/",
    "crates/document/src/",
    "crates/document-index/src/",
    "schemas/src/",
];
/// The products; chores, benches and the end-to-end tests may know more.
const PRODUCT: [&str; 8] = [
    "crates/sync-wire/src/",
    "crates/sync-core/src/",
    "crates/document/src/",
    "crates/document-index/src/",
    "crates/relay-storage/src/",
    "schemas/src/",
    "editor-vault/src/",
    "sync-server/src/",
];
const SQL_HOMES: [&str; 4] = [
    "crates/document-index/src/",
    "crates/relay-storage/src/",
    "editor-vault/src/storage/",
    "editor-vault/src/storage.rs",
];
/// The accept loop is among them for the type of the router that it serves, and nothing else.
const AXUM_HOMES: [&str; 5] = [
    "sync-server/src/accept.rs",
    "sync-server/src/api/",
    "sync-server/src/api.rs",
    "sync-server/src/router.rs",
    "sync-server/src/relay/socket.rs",
];

fn within(path: &str, homes: &[&str]) -> bool {
    homes.iter().any(|home| path.starts_with(home))
}

const RULES: [Rule; 7] = [
    Rule {
        why: "no runtime, clock, randomness, thread or I/O here: they are arguments",
        applies: |path| within(path, &PURE),
        words: &[
            "tokio",
            "SystemTime",
            "Instant::now",
            "rand::",
            "getrandom",
            "std::net",
            "std::process",
            "std::thread",
            "std::env",
            "println!",
            "std::io::std",
        ],
    },
    Rule {
        why: "no files here",
        // `Registry::load_dir` reads the schema files that a host names: the one place of I/O in `schemas`.
        applies: |path| within(path, &PURE) && path != "schemas/src/registry.rs",
        words: &["std::fs", "File::open"],
    },
    Rule {
        why: "Automerge lives in `document` alone",
        applies: |path| within(path, &PRODUCT) && !path.starts_with("crates/document/"),
        words: &["automerge::"],
    },
    Rule {
        why: "SQL lives in the two storages and `document-index` alone",
        applies: |path| within(path, &PRODUCT) && !within(path, &SQL_HOMES),
        words: &["rusqlite", "SELECT ", "INSERT INTO", "INSERT OR ", "DELETE FROM", "CREATE TABLE", "PRAGMA "],
    },
    Rule {
        why: "axum is for api/, router.rs, relay/socket.rs and accept.rs",
        applies: |path| within(path, &PRODUCT) && !within(path, &AXUM_HOMES),
        words: &["axum::"],
    },
    Rule {
        why: "the vault does not know the server",
        applies: |path| path.starts_with("editor-vault/"),
        words: &["sync_server", "relay_storage"],
    },
    Rule {
        why: "the server does not know the vault",
        applies: |path| path.starts_with("sync-server/src/"),
        words: &["editor_vault"],
    },
];

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    tree.rust().flat_map(|file| RULES.iter().flat_map(|rule| rule.check(file))).collect()
}

impl Rule {
    fn check(&self, file: &File) -> Vec<Fault> {
        if !(self.applies)(&file.path) {
            return Vec::new();
        }
        let mut faults = Vec::new();
        for (number, line) in file.shipped_code() {
            for word in self.words.iter().filter(|word| line.contains(**word)) {
                faults.push(Fault::new(&file.path, number, format!("`{}`: {}", word.trim(), self.why)));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, line: &str) -> usize {
        check(&Tree::of(&[(path, line)])).len()
    }

    #[test]
    fn every_rule_can_fail_and_each_home_is_free() {
        let cases: [(&str, &str, usize); 17] = [
            ("crates/sync-core/src/client.rs", "let now = Instant::now();", 1),
            ("crates/sync-core/src/client.rs", "let later = now + Duration::from_secs(1);", 0),
            ("crates/sync-wire/src/ids.rs", "use tokio::sync;", 1),
            ("crates/document/src/lib.rs", "let x = rand::random();", 1),
            ("schemas/src/settings.rs", "std::fs::read(path)", 1),
            ("schemas/src/registry.rs", "std::fs::read_dir(path)", 0),
            ("editor-vault/src/vault.rs", "use automerge::Change;", 1),
            ("crates/document/src/apply.rs", "use automerge::Change;", 0),
            ("sync-server/src/access.rs", "let sql = \"SELECT role FROM grants\";", 1),
            ("editor-vault/src/storage/outbox.rs", "\"SELECT 1\"", 0),
            ("crates/relay-storage/src/sqlite.rs", "use rusqlite::Connection;", 0),
            ("sync-server/src/hub.rs", "use axum::Router;", 1),
            ("sync-server/src/relay/socket.rs", "use axum::extract::ws;", 0),
            ("editor-vault/src/lib.rs", "use sync_server::x;", 1),
            ("sync-server/src/main.rs", "use editor_vault::Vault;", 1),
            ("sync-server/tests/it/relay.rs", "use editor_vault::Vault;", 0),
            ("editor-vault/src/vault.rs", "// SELECT nothing", 0),
        ];
        for (path, line, expected) in cases {
            assert_eq!(faults(path, line), expected, "{path}: {line}");
        }
    }
}
