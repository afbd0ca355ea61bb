//! A type with indexes of every kind, in two versions.

use std::sync::LazyLock;

use editor_vault::{Document, Vault};
use schemas::Registry;
use serde_json::{Value, json};

use crate::house::House;

pub(crate) const TASK: &str = "task";

const FIRST: &str = r#"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "x-type": "task", "x-version": 1, "x-title": "/title", "type": "object",
    "properties": {
        "title": { "type": "string", "x-index": "text" },
        "points": { "x-index": "value" },
        "done": { "x-index": "value" },
        "tags": { "type": "array", "items": { "type": "string" }, "x-merge": "set", "x-index": "value" },
        "place": { "type": "object", "properties": { "floor": { "x-index": "value" } } },
        "text": { "type": "string", "x-merge": "text", "x-index": "text" }
    }
}"#;

/// The next version: one field has another name, and one more an index.
const SECOND: &str = r#"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "x-type": "task", "x-version": 2, "x-title": "/name", "type": "object",
    "properties": {
        "name": { "type": "string", "x-index": "text", "x-stored-as": "title" },
        "due": { "type": "string", "x-index": "value" }
    }
}"#;

/// The types of this release.
pub(crate) fn tasks() -> &'static Registry {
    static TASKS: LazyLock<Registry> = LazyLock::new(|| Registry::with_files([("task/1.json", FIRST)]).unwrap());
    &TASKS
}

/// The types of the next.
pub(crate) fn newer_tasks() -> &'static Registry {
    static TASKS: LazyLock<Registry> = LazyLock::new(|| Registry::with_files([("task/2.json", SECOND)]).unwrap());
    &TASKS
}

pub(crate) fn open(house: &House, name: &str) -> Vault {
    house.options(name).schemas(tasks()).open().unwrap()
}

/// A new task with these fields.
pub(crate) fn add(vault: &Vault, title: &str, rest: &Value) -> Document {
    let task = vault.create(TASK, Some(title), None).unwrap();
    let mut wanted = json!({ "title": title });
    wanted.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    task.apply(task.plan(&wanted).unwrap()).unwrap();
    task
}
