//! `log`, `diff`, `show --at`, `blame`, `restore`, `undo`, `redo`.

use serde_json::json;

use crate::run::Desk;

/// A note with three bodies.
fn desk_with_note() -> Desk {
    let desk = Desk::new();
    desk.ok(&["new", "note", "n"]);
    for (number, body) in ["one\ntwo\n", "one\n2\n", "one\n2\nthree\n"].iter().enumerate() {
        let text = desk.write(&format!("{number}.txt"), body);
        let script = desk.write("edit.sh", format!("cp '{text}' \"$1\""));
        let mut command = desk.command();
        command.env("EDITOR", format!("sh '{script}'")).arg("--vault").arg(desk.vault()).args(["edit", "n"]);
        assert_eq!(crate::run::Run::of(&mut command).code, 0);
    }
    desk
}

#[test]
fn the_log_lists_the_newest_change_first_and_its_versions_can_be_shown() {
    let desk = desk_with_note();
    let log = desk.json(&["log", "n"]);
    let versions: Vec<_> = log.as_array().expect("a list").iter().map(|change| &change["version"]).collect();
    assert_eq!(versions.len(), 4);
    assert!(log[0]["time"].as_str().expect("a time").ends_with('Z') && log[0]["note"].is_null(), "{log}");
    let text = desk.ok(&["log", "n"]);
    let second = text.lines().nth(1).expect("a row");
    assert!(second.contains("this device") && second.starts_with(&versions[0].as_str().expect("a hash")[..12]));
    assert_eq!(desk.ok(&["show", "n", "--at", "~2"]), "one\ntwo\n");
    let version = &versions[1].as_str().expect("a hash")[..6];
    assert_eq!(desk.ok(&["show", "n", "--at", version]), "one\n2\n");
    assert_eq!(desk.json(&["show", "n", "--at", "~3"])["value"], json!({"name": "n", "body": ""}));
    desk.fails(&["show", "n", "--at", "~9"], 1, "no_such_version", &["~9", "4 changes"]);
    desk.fails(&["show", "n", "--at", "ab"], 1, "no_such_version", &["\"ab\"", "4 hexadecimal digits"]);
    assert!(desk.ok(&["log", "settings"]).contains("never changed"));
}

#[test]
fn a_difference_shows_only_the_lines_that_differ() {
    let desk = desk_with_note();
    assert_eq!(desk.ok(&["diff", "n"]), "/body\n+ three\n");
    assert_eq!(desk.ok(&["diff", "n", "~2"]), "/body\n- two\n+ 2\n+ three\n");
    assert_eq!(desk.ok(&["diff", "n", "~2", "~1"]), "/body\n- two\n+ 2\n");
    assert_eq!(desk.ok(&["diff", "n", "~1", "~1"]), "no differences\n");
    let expected = json!([{"path": "/body", "before": "one\n2\n", "after": "one\n2\nthree\n"}]);
    assert_eq!(desk.json(&["diff", "n"]), expected);
    assert_eq!(desk.ok(&["diff", "keymap"]), "no differences\n");
}

#[test]
fn the_blame_names_the_change_behind_each_setting() {
    let desk = Desk::new();
    desk.ok(&["set", "settings", "a/b", "1"]);
    desk.ok(&["set", "settings", "o", r#"{"x": 1, "y": 2}"#]);
    desk.ok(&["set", "settings", "/o/x", "3"]);
    desk.ok(&["set", "settings", "a/b", "4", "--layer", "platforms/linux"]);
    let log = desk.json(&["log", "settings"]);
    let blame = desk.json(&["blame", "settings"]);
    let shown: Vec<_> =
        blame.as_array().expect("a list").iter().map(|b| (&b["key"], &b["change"]["version"])).collect();
    let (a, x, y) = (json!("a/b"), json!("/o/x"), json!("/o/y"));
    let expected = [(&a, &log[3]["version"]), (&x, &log[1]["version"]), (&y, &log[2]["version"])];
    assert_eq!(shown, expected);
    assert_eq!(desk.json(&["blame", "settings", "o"]).as_array().map(Vec::len), Some(2));
    assert!(desk.ok(&["blame", "settings", "a/b", "--layer", "platforms/linux"]).contains("this device"));
    desk.fails(&["blame", "settings", "z"], 1, "not_set", &["\"z\""]);
    assert!(desk.ok(&["blame", "settings", "--layer", "machines/m"]).contains("nothing is set"));
}

#[test]
fn undo_redo_and_restore_are_edits_of_their_own() {
    let desk = Desk::new();
    desk.fails(&["undo"], 1, "nothing_to_undo", &["edit first"]);
    desk.ok(&["set", "settings", "a", "1"]);
    desk.ok(&["set", "settings", "a", "2"]);
    assert!(desk.ok(&["undo", "settings"]).starts_with("undid "));
    assert_eq!(desk.ok(&["get", "settings", "a"]), "1\n");
    assert!(desk.ok(&["undo"]).ends_with(" of settings\n"), "without a name, the document edited last");
    desk.fails(&["get", "settings", "a"], 1, "not_set", &[]);
    desk.fails(&["undo", "settings"], 1, "nothing_to_undo", &[]);
    desk.ok(&["redo"]);
    desk.ok(&["redo", "settings"]);
    assert_eq!(desk.ok(&["get", "settings", "a"]), "2\n");
    desk.fails(&["redo", "settings"], 1, "nothing_to_redo", &[]);
    assert_eq!(desk.json(&["restore", "settings", "~5"])["changed"], true);
    assert_eq!(desk.ok(&["get", "settings", "a"]), "1\n");
    assert!(desk.ok(&["restore", "settings", "~0"]).contains("nothing to restore"));
    let log = desk.ok(&["log", "settings"]);
    let notes: Vec<_> = log.lines().skip(1).map(|line| line.split_whitespace().nth(5).unwrap_or("-")).collect();
    assert_eq!(notes, ["restore", "redo", "redo", "undo", "undo", "-", "-"], "{log}");
    desk.fails(&["restore", "settings", "ffffffff"], 1, "no_such_version", &["ffffffff"]);
}
