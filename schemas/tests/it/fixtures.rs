//! Documents as every released version of every type wrote them, kept for ever: `fixtures/TYPE/VERSION/NAME.plain.json`
//! is what a program wanted, `NAME.stored.json` what the document then held.
//!
//! Every version since then has to read them. A new version brings its own: write `NAME.plain.json`, and run the tests
//! once with `WRITE_FIXTURES=1`, which writes stored forms that are missing and never changes one that is there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemas::{DocumentType, Registry};
use serde_json::Value;

use crate::replicas::Replica;

/// A document of one version.
pub(crate) struct Fixture {
    pub(crate) name: String,
    version: u32,
    pub(crate) plain: Value,
    stored: PathBuf,
}

pub(crate) fn fixtures(of: &DocumentType) -> Vec<Fixture> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(&of.name).join(of.version.to_string());
    let entries = std::fs::read_dir(&root).into_iter().flatten().map(|entry| entry.expect("an entry").path());
    let plain = entries.filter(|path| path.to_string_lossy().ends_with(".plain.json"));
    let mut fixtures: Vec<Fixture> = plain
        .map(|path| Fixture {
            name: format!("{}/{} {}", of.name, of.version, path.file_name().unwrap_or_default().display()),
            version: of.version,
            plain: read(&path),
            stored: PathBuf::from(path.to_string_lossy().replace(".plain.json", ".stored.json")),
        })
        .collect();
    fixtures.sort_by(|a, b| a.name.cmp(&b.name));
    fixtures
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// JSON with sorted keys, whatever order `serde_json` keeps.
fn pretty(value: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let fields: BTreeMap<&String, Value> = fields.iter().map(|(key, value)| (key, sorted(value))).collect();
                fields.into_iter().map(|(key, value)| (key.clone(), value)).collect()
            }
            Value::Array(items) => items.iter().map(sorted).collect(),
            scalar => scalar.clone(),
        }
    }
    format!("{:#}\n", sorted(value))
}

/// What a real document holds once `plain` was put into it.
fn written(by: &DocumentType, plain: &Value) -> Value {
    let mut replica = Replica::new(&by.name, 1);
    replica.edit(|current| by.plan(current, plain));
    replica.document.value()
}

#[test]
fn every_version_of_every_type_has_fixtures() {
    for version in Registry::builtin().all() {
        assert!(!fixtures(version).is_empty(), "{} {} has none", version.name, version.version);
    }
}

#[test]
fn the_present_version_writes_the_same_bytes_again() {
    let may_write = std::env::var_os("WRITE_FIXTURES").is_some();
    for name in Registry::builtin().names() {
        let newest = Registry::builtin().get(name).expect("it has a version");
        for fixture in fixtures(newest) {
            let bytes = pretty(&written(newest, &fixture.plain));
            if may_write && !fixture.stored.exists() {
                std::fs::write(&fixture.stored, &bytes).expect("the fixture can be written");
            }
            let kept = std::fs::read_to_string(&fixture.stored).unwrap_or_default();
            assert_eq!(kept, bytes, "{}: what is stored has changed, and other programs would not know", fixture.name);
        }
    }
}

#[test]
fn every_later_version_reads_checks_and_keeps_them() {
    let registry = Registry::builtin();
    for writer in registry.all() {
        for fixture in fixtures(writer) {
            let stored = read(&fixture.stored);
            assert_eq!(writer.plain(&stored), fixture.plain, "{}: what was wanted is what is read", fixture.name);
            for reader in
                registry.all().filter(|reader| reader.name == writer.name && reader.version >= fixture.version)
            {
                let plain = reader.plain(&stored);
                let what = format!("{} read by version {}", fixture.name, reader.version);
                assert_eq!(reader.check(&plain), [], "{what}");
                let again = reader.plan(&stored, &plain).unwrap_or_else(|violations| panic!("{what}: {violations:?}"));
                assert!(again.is_empty(), "{what}: writing what was read is no edit, and was {again:?}");
            }
        }
    }
}

#[test]
fn an_older_program_keeps_what_a_newer_one_wrote() {
    for writer in Registry::builtin().all() {
        for fixture in fixtures(writer) {
            let mut newer = fixture.plain.clone();
            newer["fieldOfTomorrow"] = serde_json::json!({ "deep": [1, 2] });
            let mut replica = Replica::new(&writer.name, 1);
            replica.edit(|current| writer.plan(current, &newer));
            // The older program writes everything it knows, and knows nothing of the new field.
            replica.edit(|current| writer.plan(current, &fixture.plain));
            assert_eq!(writer.plain(&replica.document.value()), newer, "{}", fixture.name);
        }
    }
}
