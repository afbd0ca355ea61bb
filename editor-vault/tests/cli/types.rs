//! `vault type`, and documents of third parties' types in every other command.

use serde_json::json;

use crate::run::Desk;

const TASK: &str = r#"{
  // Something to be done.
  "x-type": "ext.acme.task", "x-version": 1, "x-title": "/title", "type": "object",
  "properties": {
    "title": { "type": "string", "x-index": "text", "x-limit": { "bytes": 20 } },
    "state": { "enum": ["open", "done"], "default": "open", "x-index": "value" },
    "tags": { "type": "array", "items": { "type": "string" }, "x-merge": "set" },
  }
}"#;

/// A desk with the type in its vault.
fn desk() -> Desk {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("ext.acme.task")).expect("a directory can be made");
    let file = desk.write("ext.acme.task/1.json", TASK);
    assert_eq!(desk.ok(&["type", "add", &file]), "added ext.acme.task 1\n");
    assert_eq!(desk.ok(&["type", "add", &file]), "was there already: ext.acme.task 1\n");
    desk
}

#[test]
fn a_type_that_was_added_counts_in_every_command() {
    let desk = desk();
    let listed = desk.json(&["type", "list"]);
    let ours = listed.as_array().and_then(|all| all.iter().find(|one| one["name"] == "ext.acme.task"));
    assert_eq!(ours.map(|one| &one["versions"]), Some(&json!([1])));
    desk.ok(&["new", "ext.acme.task", "Buy tea"]);
    desk.fails(&["new", "ext.acme.task", "A title that is far too long"], 1, "limit", &["20"]);
    desk.ok(&["patch", "Buy tea", r#"{"tags":["shop"],"state":"done"}"#]);
    desk.fails(&["patch", "Buy tea", r#"{"state":"lost"}"#], 1, "schema.enum", &["/state"]);
    let shown = desk.json(&["show", "Buy tea"]);
    assert_eq!(shown["value"], json!({ "title": "Buy tea", "state": "done", "tags": ["shop"] }));
    assert_eq!(shown["title"], "Buy tea");
    let found = desk.json(&["find", "ext.acme.task", "--where", "state=done"]);
    assert_eq!(found["found"][0]["title"], "Buy tea");
    assert!(desk.ok(&["search", "tea"]).contains("ext.acme.task"));
    assert!(desk.ok(&["undo"]).contains("Buy tea"));
    assert_eq!(desk.json(&["show", "Buy tea"])["value"]["state"], "open");
}

#[test]
fn a_file_that_cannot_be_used_is_said_and_blocks_nothing() {
    let desk = desk();
    desk.ok(&["new", "ext.acme.task", "Buy tea"]);
    let file = desk.vault().join("types/ext.acme.task/1.json");
    std::fs::write(&file, TASK.replace("x-merge", "x-megre")).expect("it can be written");
    let run = desk.run(&["list"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("ext.acme.task"), "{run:?}");
    assert!(
        run.stderr.starts_with("warning: ") && run.stderr.contains("is left out") && run.stderr.contains("x-merge")
    );
    let id = desk.json(&["list", "--type", "ext.acme.task"])[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(desk.json(&["show", &id])["value"]["state"], "open", "in its stored form");
    desk.fails(&["new", "ext.acme.task", "More"], 1, "no_such_type", &["ext.acme.task"]);
}

#[test]
fn nothing_is_added_that_is_wrong_or_there_with_other_content() {
    let desk = desk();
    let changed = desk.write("ext.acme.task/1.json", TASK.replace("Something", "Anything"));
    desk.fails(&["type", "add", &changed], 1, "type_version_taken", &["a version never changes"]);
    let second = TASK.replace("\"x-version\": 1", "\"x-version\": 2").replace("\"tags\"", "\"labels\"");
    let second = desk.write("ext.acme.task/2.json", second);
    desk.fails(&["type", "add", &second], 1, "schema", &["\"tags\" of version 1 is gone"]);
    std::fs::create_dir(desk.path("job")).expect("a directory can be made");
    let ours = desk.write("job/1.json", TASK.replace("ext.acme.task", "job"));
    desk.fails(&["type", "add", &ours], 1, "type_name_invalid", &["ext.PUBLISHER.NAME"]);
    desk.fails(&["type", "fetch", "../../etc"], 4, "not_logged_in", &[]);
    let login = ["login", "--relay", "http://127.0.0.1:9", "--token", "t0ken"];
    desk.ok(&login);
    desk.fails(&["type", "fetch", "../../etc"], 1, "type_name_invalid", &["../../etc"]);
    desk.fails(&["type", "fetch", "ext.acme.task"], 3, "offline", &["not reached"]);
    let sound = desk.write("ext.acme.task/1.json", TASK);
    desk.fails(&["type", "publish", &sound], 3, "offline", &["not reached"]);
}

#[test]
fn a_salvaged_vault_has_its_types() {
    let desk = desk();
    desk.ok(&["new", "ext.acme.task", "Buy tea"]);
    let into = desk.path("saved").display().to_string();
    desk.ok(&["salvage", &into]);
    let list = desk.command().args(["--vault", &into, "show", "Buy tea", "--json"]).output().expect("the binary runs");
    let shown: serde_json::Value = serde_json::from_slice(&list.stdout).expect("it is JSON");
    assert_eq!(shown["title"], "Buy tea", "{list:?}");
    assert!(desk.path("saved").join("types/ext.acme.task/1.json").exists());
}
