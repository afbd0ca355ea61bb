//! What the file was last written from, kept beside the vault: edits of the file are differences from that, also those
//! that were made while no bridge ran.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use editor_vault::Intent;
use file_systems::Access;
use serde_json::{Map, Value, json};

use super::bridged_already;
use super::file::{Digest, Place, digest, replace};
use super::form::Form;
use crate::failure::Failure;

/// A state of the document, reduced to what the file is made of, and the file that was made of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Base {
    pub(super) value: Value,
    pub(super) written: Digest,
}

/// The memory of one file's bridge. Holds a lock: one bridge for each file and layer.
#[derive(Debug)]
pub(super) struct Memory {
    path: PathBuf,
    shown: String,
    /// What the file was last written from; nothing before the first time.
    pub(super) last: Option<Base>,
    /// What it is about to be written from: after a crash the file is one or the other.
    pub(super) next: Option<Base>,
    _lock: File,
}

impl Memory {
    /// Reads `bridges/DIGEST.json` in the directory of the vault. A memory that cannot be read is none.
    pub(super) fn open(vault: &Path, place: &Place, form: &Form) -> Result<Self, Failure> {
        let directory = vault.join("bridges");
        file_systems::make_directory(&directory).map_err(|error| Failure::file("make", &directory, &error))?;
        let shown = format!("{}: {form}", place.target().display());
        let name = digest(shown.as_bytes())[..32].to_owned();
        let path = directory.join(format!("{name}.json"));
        let lock = lock(&directory.join(format!("{name}.lock")), place)?;
        let stored = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Value::Null,
            Err(error) => return Err(Failure::file("read", &path, &error)),
        };
        let (last, next) = (Base::stored(&stored["last"]), Base::stored(&stored["next"]));
        Ok(Self { path, shown, last, next, _lock: lock })
    }

    /// Says what the file is about to be written from.
    pub(super) fn intend(&mut self, next: Base) -> Result<(), Failure> {
        self.next = Some(next);
        self.store()
    }

    /// Says what the file now is.
    pub(super) fn settle(&mut self, last: Base) -> Result<(), Failure> {
        if self.next.is_none() && self.last.as_ref() == Some(&last) {
            return Ok(());
        }
        (self.last, self.next) = (Some(last), None);
        self.store()
    }

    fn store(&self) -> Result<(), Failure> {
        let json = json!({ "of": self.shown, "last": self.last.as_ref().map(Base::json),
            "next": self.next.as_ref().map(Base::json) });
        let written = replace(&self.path, json.to_string().as_bytes(), Access::Owner);
        written.map_err(|error| Failure::file("write", &self.path, &error))
    }
}

impl Base {
    fn stored(value: &Value) -> Option<Self> {
        let written = value.get("written")?.as_str()?.to_owned();
        Some(Self { value: value.get("value")?.clone(), written })
    }

    fn json(&self) -> Value {
        json!({ "value": self.value, "written": self.written })
    }
}

fn lock(path: &Path, place: &Place) -> Result<File, Failure> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(|error| Failure::file("write", path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(bridged_already(place.target())),
        Err(TryLockError::Error(error)) => Err(Failure::file("lock", path, &error)),
    }
}

/// The state that `value` becomes by `intents`, as the document itself would; nothing for steps that no file takes.
pub(super) fn after(value: &Value, intents: &[Intent]) -> Option<Value> {
    let mut value = value.clone();
    for intent in intents {
        match intent {
            Intent::Put { path, value: new } | Intent::PutRegister { path, value: new } => {
                put(&mut value, path, new.clone());
            }
            Intent::Remove { path } => remove(&mut value, &keys(path)),
            Intent::Splice { .. } | Intent::ReplaceText { .. } | Intent::Increment { .. } | Intent::Resolve { .. } => {
                return None;
            }
        }
    }
    Some(value)
}

/// Makes the value at a JSON Pointer equal to `new`; what stands on the way gives way.
pub(super) fn put(value: &mut Value, pointer: &str, new: Value) {
    let mut at = value;
    for key in keys(pointer) {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        let Value::Object(map) = at else { unreachable!("made an object two lines above") };
        at = map.entry(key).or_insert(Value::Null);
    }
    *at = new;
}

/// Removes what is at a JSON Pointer, as a document does.
pub(super) fn take_out(value: &mut Value, pointer: &str) {
    remove(value, &keys(pointer));
}

/// Removes what is at `keys`; an object that loses its last member goes with it.
fn remove(value: &mut Value, keys: &[String]) {
    let (Some(map), [key, rest @ ..]) = (value.as_object_mut(), keys) else { return };
    match map.get_mut(key) {
        Some(inner) if !rest.is_empty() => {
            let had_members = inner.as_object().is_some_and(|inner| !inner.is_empty());
            remove(inner, rest);
            if had_members && inner.as_object().is_some_and(Map::is_empty) {
                map.remove(key);
            }
        }
        _ => drop(map.remove(key)),
    }
}

fn keys(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a document that shows `before` becomes by `intents`.
    fn edited(before: &Value, intents: &[Intent]) -> Value {
        let mut document = ::document::Document::new(None);
        let edit = document.edit::<_, ::document::Violation>(sync_wire::Actor([1; 16]), |draft| {
            draft.put("/base", before["base"].clone())?;
            intents.iter().try_for_each(|intent| draft.apply(intent.clone()))
        });
        edit.unwrap();
        document.value()
    }

    #[test]
    fn intents_change_a_value_as_they_change_the_document() {
        let before = json!({"base": {"a": 1, "[rust]": {"b": 2}}});
        let put = |path: &str, value: Value| Intent::Put { path: path.to_owned(), value };
        let remove = |path: &str| Intent::Remove { path: path.to_owned() };
        let check = |intents: &[Intent], expected: Value| {
            assert_eq!(after(&before, intents).as_ref(), Some(&expected));
            assert_eq!(edited(&before, intents), expected);
        };
        check(&[put("/base/a", json!({"x": 1}))], json!({"base": {"a": {"x": 1}, "[rust]": {"b": 2}}}));
        check(&[put("/base/a/x", json!(1))], json!({"base": {"a": {"x": 1}, "[rust]": {"b": 2}}}));
        check(&[put("/base/c~1d", json!([]))], json!({"base": {"a": 1, "[rust]": {"b": 2}, "c/d": []}}));
        check(&[remove("/base/[rust]/b")], json!({"base": {"a": 1}}));
        check(&[remove("/base/a"), remove("/base/[rust]"), remove("/base/none")], json!({}));
        let splice = Intent::Splice { path: "/base/a".to_owned(), at: 0, delete: 0, insert: "x".to_owned() };
        assert_eq!(after(&before, &[splice]), None);
    }
}
