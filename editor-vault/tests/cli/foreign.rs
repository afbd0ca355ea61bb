//! `import … --from EDITOR`.

use serde_json::json;

use crate::run::Desk;

#[test]
fn what_another_editor_wrote_is_added_and_what_is_not_understood_is_said() {
    let desk = Desk::new();
    desk.ok(&["set", "settings", "editor.tabSize", "8"]);
    desk.ok(&["set", "settings", "editor.fontSize", "14"]);
    let file = desk.write("zed.json", r#"{ "tab_size": 2, /* mine */ "agent": { "version": "2" } }"#);
    let told = desk.ok(&["import", "settings", &file, "--from", "zed"]);
    assert!(told.contains("1 values put") && told.contains("agent = {\"version\":\"2\"}: left out"), "{told}");
    assert_eq!(desk.json(&["export", "settings"]), json!({ "editor.tabSize": 2, "editor.fontSize": 14 }));
    let again = desk.json(&["import", "settings", &file, "--from", "zed"]);
    let remark = json!({ "place": "agent", "value": r#"{"version":"2"}"#, "code": "no_counterpart", "taken": false });
    assert_eq!(again, json!({ "taken": 1, "put": 0, "remarks": [remark], "unlisted": 0 }));
}

#[test]
fn a_keymap_of_another_editor_goes_behind_the_own_one() {
    let desk = Desk::new();
    let own = desk.write("keys.json", r#"[{"key": "a", "command": "x"}]"#);
    desk.ok(&["import", "keymap", &own]);
    let theirs = desk.write(
        "theirs.xml",
        r#"<keymap><action id="Find"><keyboard-shortcut first-keystroke="ctrl F" /></action></keymap>"#,
    );
    desk.ok(&["import", "keymap", &theirs, "--from", "jetbrains"]);
    let both = json!([{"key": "a", "command": "x"}, {"key": "ctrl+f", "command": "actions.find"}]);
    assert_eq!(desk.json(&["export", "keymap"]), both);
}

#[test]
fn a_file_that_is_not_what_it_is_said_to_be_is_refused_and_changes_nothing() {
    let desk = Desk::new();
    let file = desk.write("keys.json", "[]");
    desk.fails(&["import", "settings", &file, "--from", "vscode"], 1, "not_understood", &["settings.json"]);
    desk.fails(&["import", "keymap", &file, "--from", "jetbrains"], 1, "not_understood", &["line 1"]);
    assert_eq!(desk.json(&["export", "settings"]), json!({}));
}
