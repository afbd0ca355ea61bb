//! Settings: layers, keys, import and export.

use schemas::settings::{Layer, export, import, resolve};
use serde_json::{Value, json};

use crate::flat::{Flat, lines};

/// Imports `file` into a layer of `current`, compares the intents, and expects to export what was imported.
fn check(layer: &str, current: &Value, file: &Value, expected: &[&str]) {
    let layer = Layer::parse(layer).expect("a layer");
    let mut flat = Flat::holding(current);
    let intents = import(&layer, &flat.value(), file).expect("the file breaks no rule");
    assert_eq!(lines(&intents), expected);
    flat.apply(&intents);
    assert_eq!(&export(&layer, &flat.value()), file);
    assert!(import(&layer, &flat.value(), file).is_ok_and(|intents| intents.is_empty()), "a second import is no edit");
}

#[test]
fn a_file_is_one_layer_and_leaves_the_others() {
    let current = json!({"base": {"editor.tabSize": 4}, "platforms": {"linux": {"a": 1}, "macos": {"a": 2}}});
    check("base", &current, &json!({"editor.tabSize": 2}), &["put /base/editor.tabSize 2"]);
    check("platforms/linux", &current, &json!({"a": 3}), &["put /platforms/linux/a 3"]);
    check("machines/My laptop", &current, &json!({"b": 1}), &["put /machines/My laptop/b 1"]);
    check("base", &current, &json!({}), &["put /base {}"]);
}

#[test]
fn objects_merge_leaf_by_leaf_and_arrays_as_one() {
    let current = json!({"base": {"[rust]": {"editor.tabSize": 4, "editor.rulers": [80]}, "old": 1}});
    let file = json!({"[rust]": {"editor.tabSize": 4, "editor.rulers": [80, 100]}, "new/key": {"a": true}});
    check(
        "base",
        &current,
        &file,
        &["put /base/[rust]/editor.rulers [80,100]", "put /base/new~1key/a true", "remove /base/old"],
    );
}

#[test]
fn an_empty_key_inside_a_layer_is_kept() {
    check("base", &json!({}), &json!({"": 1, "a": {"": 2}}), &["put /base/ 1", "put /base/a/ 2"]);
}

#[test]
fn a_dotted_key_is_literal_and_a_slash_nests() {
    let layer = json!({"/odd": 1, "[rust]": {"editor.tabSize": 4}});
    for (key, expected) in [
        ("editor.tabSize", "/editor.tabSize"),
        ("/[rust]/editor.tabSize", "/[rust]/editor.tabSize"),
        ("/odd", "/~1odd"),
        ("a/b", "/a~1b"),
        ("", "/"),
    ] {
        assert_eq!(resolve(Some(&layer), key), expected, "{key}");
    }
    assert_eq!(layer.pointer(&resolve(Some(&layer), "/odd")), Some(&json!(1)));
}

#[test]
fn a_layer_is_read_as_it_is_written() {
    for text in ["base", "platforms/linux", "machines/Ada's büro"] {
        assert_eq!(Layer::parse(text).map(|layer| layer.to_string()).as_deref(), Ok(text));
    }
    for text in ["", "Base", "base/x", "platforms", "platforms/", "platforms/a/b", "machines/a\u{0}", "users/x"] {
        let error = Layer::parse(text).expect_err(text).to_string();
        assert!(error.contains("platforms/NAME"), "{error}");
    }
    assert!(Layer::parse(&format!("machines/{}", "x".repeat(129))).is_err());
}

#[test]
fn a_file_that_is_no_object_is_refused() {
    for file in [json!([]), json!(null), json!("{}")] {
        let violations = import(&Layer::BASE, &json!({}), &file).expect_err("not an object");
        assert_eq!(violations[0].code(), "file");
    }
}
