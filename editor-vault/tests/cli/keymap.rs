//! `import keymap` and `export keymap`.

use serde_json::json;

use crate::run::Desk;

#[test]
fn a_keymap_comes_back_in_order() {
    let desk = Desk::new();
    assert_eq!(desk.json(&["export", "keymap"]), json!([]));
    let bindings = json!([
        {"key": "ctrl+k ctrl+c", "command": "comment", "when": "focus", "args": {"n": [1]}, "unknown": {"x": 1}},
        {"key": "a", "command": "x"},
        {"key": "a", "command": "x"},
        {"key": "0", "command": "-y"},
    ]);
    let file = desk.write("keys.jsonc", format!("// mine\n{bindings}"));
    desk.ok(&["import", "keymap", &file]);
    assert_eq!(desk.json(&["export", "keymap"]), bindings);
    assert!(desk.ok(&["import", "keymap", &file]).contains("already"));
    assert_eq!(desk.json(&["show", "keymap"])["value"], json!({ "bindings": bindings }));
}

#[test]
fn a_binding_that_is_none_is_named() {
    let desk = Desk::new();
    let file = desk
        .write("keys.json", r#"[{"key": "a", "command": "x"}, {"key": 1}, {"key": "b", "command": "c", "order": 1}]"#);
    let run = desk.run(&["import", "keymap", &file]);
    run.failed(1, "schema.type", &["/bindings/1/key", "string"]);
    run.failed(1, "schema.required", &["/bindings/1", "command"]);
    run.failed(1, "list_order", &["/bindings/2/order"]);
    let file = desk.write("object.json", "{}");
    desk.fails(&["import", "keymap", &file], 1, "file", &["array"]);
    assert_eq!(desk.json(&["export", "keymap"]), json!([]));
}
