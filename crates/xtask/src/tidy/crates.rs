//! Which crate may use which. The promise of each crate rests on what it cannot reach.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Fault;
use crate::workspace::Workspace;

/// A crate of ours, and those of ours that its shipped code may use. Chores and tests are not listed: they may use any.
const MAY_USE: [(&str, &[&str]); 10] = [
    ("sync-wire", &[]),
    ("file-systems", &[]),
    ("sync-core", &["sync-wire"]),
    ("document", &["sync-wire"]),
    ("schemas", &["sync-wire", "document"]),
    ("schemas-derive", &[]),
    ("document-index", &["sync-wire", "schemas"]),
    ("relay-storage", &["sync-wire", "document", "schemas", "document-index", "file-systems"]),
    (
        "editor-vault",
        &["sync-wire", "sync-core", "document", "schemas", "schemas-derive", "document-index", "file-systems"],
    ),
    (
        "sync-server",
        &["sync-wire", "sync-core", "document", "schemas", "document-index", "relay-storage", "file-systems"],
    ),
];
/// Crates that only these of ours may use.
const KEPT_BY: [(&str, &[&str]); 3] = [
    ("automerge", &["document", "benchmarks", "fuzz-targets"]),
    ("rusqlite", &["document-index", "relay-storage", "editor-vault", "benchmarks", "simulated-world", "crash-images"]),
    ("axum", &["sync-server", "benchmarks"]),
];

/// Our crates and their normal dependencies.
type Uses = BTreeMap<String, Vec<String>>;

pub(super) fn check(workspace: &Workspace) -> Result<Vec<Fault>> {
    let output = workspace.cargo(&["metadata", "--no-deps", "--format-version", "1"]).output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata gave no JSON")?;
    Ok(faults(&uses(&metadata)))
}

fn uses(metadata: &Value) -> Uses {
    let mut uses = Uses::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let normal = package["dependencies"].as_array().into_iter().flatten().filter(|d| d["kind"].is_null());
        let names = normal.filter_map(|dependency| dependency["name"].as_str().map(str::to_owned)).collect();
        uses.insert(package["name"].as_str().unwrap_or_default().to_owned(), names);
    }
    uses
}

fn faults(uses: &Uses) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (user, used) in uses {
        let mut fault = |rule: String| faults.push(Fault::new(&format!("{user} (Cargo.toml)"), 1, rule));
        if let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| name == user) {
            for name in used.iter().filter(|name| uses.contains_key(*name) && !allowed.contains(&name.as_str())) {
                fault(format!("`{user}` may not use `{name}`; it may use: {}", allowed.join(", ")));
            }
        }
        for (name, keepers) in KEPT_BY {
            if used.iter().any(|used| used == name) && !keepers.contains(&user.as_str()) {
                fault(format!("only {} may use `{name}`", keepers.join(" and ")));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_wrong_direction_is_found_and_a_dev_dependency_is_not() {
        let metadata = json!({"packages": [
            {"name": "sync-wire", "dependencies": [{"name": "document", "kind": null}]},
            {"name": "document", "dependencies": [{"name": "sync-wire", "kind": null}, {"name": "automerge", "kind": null}]},
            {"name": "sync-server", "dependencies": [{"name": "editor-vault", "kind": "dev"}, {"name": "axum", "kind": null}]},
            {"name": "editor-vault", "dependencies": [{"name": "automerge", "kind": null}]},
        ]});
        let found: Vec<_> = faults(&uses(&metadata)).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("only document and benchmarks and fuzz-targets may use `automerge`"), "{found:?}");
        assert!(found[1].contains("`sync-wire` may not use `document`"), "{found:?}");
    }
}
