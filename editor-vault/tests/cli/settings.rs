//! `import settings`, `get`, `set`, `unset`, `export settings`.

use serde_json::json;

use crate::run::{Desk, real_data};

#[test]
fn a_setting_is_set_shown_and_removed() {
    let desk = Desk::new();
    for (value, shown) in [
        ("4", "4\n"),
        ("true", "true\n"),
        ("-1.5", "-1.5\n"),
        ("on", "on\n"),
        ("\"4\"", "4\n"),
        ("null", "null\n"),
        ("[1, 2]", "[\n  1,\n  2\n]\n"),
        ("{\"a\": 1}", "{\n  \"a\": 1\n}\n"),
        ("{}", "{}\n"),
        ("[1", "[1\n"),
        ("日本 語", "日本 語\n"),
        ("", "\n"),
    ] {
        desk.ok(&["set", "settings", "editor.tabSize", value]);
        assert_eq!(desk.ok(&["get", "settings", "editor.tabSize"]), shown, "{value}");
    }
    desk.ok(&["set", "--string", "settings", "editor.tabSize", "4"]);
    assert_eq!(desk.json(&["get", "settings", "editor.tabSize"]), json!("4"));
    desk.ok(&["unset", "settings", "editor.tabSize"]);
    desk.fails(&["get", "settings", "editor.tabSize"], 1, "not_set", &["editor.tabSize", "base"]);
}

#[test]
fn a_key_that_is_not_set_is_said_to_be() {
    let desk = Desk::new();
    desk.fails(&["get", "settings", "editor.tabsize"], 1, "not_set", &["editor.tabsize", "export settings"]);
    desk.fails(&["unset", "settings", "editor.tabsize"], 1, "not_set", &["editor.tabsize"]);
}

#[test]
fn a_dotted_key_is_literal_and_a_slash_nests() {
    let desk = Desk::new();
    desk.ok(&["set", "settings", "[rust]", r#"{"editor.tabSize": 8, "x": {"y": 1}}"#]);
    assert_eq!(desk.ok(&["get", "settings", "/[rust]/editor.tabSize"]), "8\n");
    desk.ok(&["set", "settings", "/[rust]/x/y", "2"]);
    desk.ok(&["set", "settings", "editor.tabSize", "4"]);
    let expected = json!({"[rust]": {"editor.tabSize": 8, "x": {"y": 2}}, "editor.tabSize": 4});
    assert_eq!(desk.json(&["export", "settings"]), expected);
    desk.ok(&["unset", "settings", "/[rust]/x"]);
    assert_eq!(desk.json(&["get", "settings", "[rust]"]), json!({"editor.tabSize": 8}));
}

#[test]
fn layers_are_apart() {
    let desk = Desk::new();
    desk.ok(&["set", "settings", "font", "14"]);
    desk.ok(&["set", "settings", "font", "16", "--layer", "platforms/macos"]);
    desk.ok(&["--json", "set", "settings", "font", "18", "--layer", "machines/Ada's laptop"]);
    assert_eq!(desk.ok(&["get", "settings", "font"]), "14\n");
    assert_eq!(desk.ok(&["get", "settings", "font", "--layer", "platforms/macos"]), "16\n");
    assert_eq!(desk.json(&["export", "settings", "--layer", "machines/Ada's laptop"]), json!({"font": 18}));
    assert_eq!(desk.json(&["export", "settings", "--layer", "machines/other"]), json!({}));
}

#[test]
fn a_key_or_value_that_has_no_place_is_refused() {
    let desk = Desk::new();
    desk.fails(&["set", "settings", "/a/~9", "1"], 1, "bad_path", &["~9"]);
    desk.fails(&["set", "settings", &"k".repeat(2000), "1"], 1, "bad_path", &["1024"]);
    assert_eq!(desk.json(&["export", "settings"]), json!({}));
}

#[test]
fn a_file_with_comments_comes_back_byte_for_byte() {
    let desk = Desk::new();
    let file =
        desk.write("my settings.jsonc", "\u{feff}{\n // c\n \"a\": [1, {\"b\": 2}],\n \"é\": {\"x\": null,},\n}");
    let result = desk.json(&["import", "settings", &file]);
    assert_eq!((&result["put"], &result["removed"]), (&json!(2), &json!(0)));
    let expected = json!({"a": [1, {"b": 2}], "é": {"x": null}});
    assert_eq!(desk.json(&["export", "settings"]), expected);
    let out = desk.path("out file.json");
    desk.ok(&["export", "settings", &out.display().to_string()]);
    let (written, read) = (std::fs::read(&out).expect("it was written"), std::fs::read(&file).expect("we wrote it"));
    assert_eq!(written, read);
    desk.ok(&["set", "settings", "/é/x", "1"]);
    assert_eq!(desk.ok(&["export", "settings"]), String::from_utf8(read).expect("text").replace("null", "1"));
    desk.ok(&["set", "settings", "/é/x", "null"]);
    assert!(desk.ok(&["import", "settings", &file]).contains("already"));
    let run = desk.fed("{\"a\": 1}", &["import", "settings", "-"]);
    assert!(run.code == 0 && run.stdout.contains("standard input"), "{run:?}");
    assert_eq!(desk.json(&["export", "settings"]), json!({"a": 1}));
}

#[test]
fn a_key_given_twice_is_reported() {
    let desk = Desk::new();
    let file = desk.write("s.jsonc", "{\n\"a\": 1,\n\"a\": 2\n}");
    let run = desk.run(&["import", "settings", &file]);
    assert!(run.code == 0 && run.stderr.contains("warning: ") && run.stderr.contains("line 3, column 1"), "{run:?}");
    assert_eq!(desk.ok(&["get", "settings", "a"]), "2\n");
}

#[test]
fn a_file_that_is_no_settings_changes_nothing() {
    let desk = Desk::new();
    desk.ok(&["set", "settings", "kept", "1"]);
    for (content, code, parts) in [
        (&b"{\n  \"a\" 1\n}"[..], "not_json", &["line 2, column 7", "colon"][..]),
        (b"\x00\x01garbage", "not_json", &["line 1, column 1"]),
        (b"", "not_json", &["line 1", "{}"]),
        (b"\x7fELF\xff\xfe", "not_text", &["line 1", "UTF-8"]),
        (b"[1, 2]", "file", &["object"]),
        (b"{\"a\\u0000b\": 1}", "key", &["NUL"]),
    ] {
        let file = desk.write("bad.json", content);
        desk.fails(&["import", "settings", &file], 1, code, &[&["bad.json"], parts].concat());
    }
    desk.fails(&["import", "settings", "absent.json"], 1, "no_such_file", &["absent.json"]);
    desk.fails(&["import", "settings", "."], 1, "io", &["cannot read ."]);
    desk.fails(&["export", "settings", "no/such/dir/x.json"], 1, "no_such_file", &["no/such/dir/x.json"]);
    assert_eq!(desk.json(&["export", "settings"]), json!({"kept": 1}));
}

#[test]
fn files_of_real_people_come_back_with_equal_values() {
    let Some(folder) = real_data() else { return };
    for entry in std::fs::read_dir(folder.join("settings")).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.extension().is_none_or(|extension| extension != "jsonc") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("the file can be read");
        let value = schemas::jsonc::parse(&text).expect("it is JSON with comments");
        let kind = if value.is_array() { "keymap" } else { "settings" };
        let desk = Desk::new();
        desk.ok(&["import", kind, &path.display().to_string()]);
        assert_eq!(desk.json(&["export", kind]), value, "{}", path.display());
        assert!(desk.ok(&["import", kind, &path.display().to_string()]).contains("already"));
    }
}

#[test]
fn keys_that_stay_on_their_machine_are_not_imported() {
    let desk = Desk::new();
    let file = desk.write("settings.json", r#"{ "vault.machineLocal": ["http.*"], "http.proxy": "p", "a": 1 }"#);
    let run = desk.run(&["import", "settings", &file]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("warning: ") && run.stderr.contains("/http.proxy stays on this machine"), "{run:?}");
    assert_eq!(desk.json(&["export", "settings"]), json!({ "vault.machineLocal": ["http.*"], "a": 1 }));
    // The list holds from then on, for files that do not have it, in every layer.
    let file = desk.write("settings.json", r#"{ "http.proxy": "p", "b": 2 }"#);
    let result = desk.json(&["import", "settings", &file, "--layer", "platforms/linux"]);
    assert_eq!((&result["put"], &result["machine_local"]), (&json!(1), &json!(["/http.proxy"])));
    assert_eq!(desk.json(&["export", "settings", "--layer", "platforms/linux"]), json!({ "b": 2 }));
}
