//! Files as people wrote them: in and out without a byte changed, and only the lines changed that were meant.

use std::path::Path;

use document::Document;
use schemas::jsonc::{self, NoteKind};
use schemas::layout::{self, ImportError};
use schemas::settings::{self, Layer};
use schemas::{Intent, keymap};
use serde_json::{Value, json};
use sync_wire::Actor;

use crate::flat::{Flat, lines};
use crate::real_files::real_data;

/// The two kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Settings,
    Keymap,
}

impl Kind {
    pub(crate) fn of(text: &str) -> Self {
        if jsonc::parse(text).is_ok_and(|value| value.is_array()) { Self::Keymap } else { Self::Settings }
    }

    pub(crate) fn import(self, current: &Value, text: &str) -> Result<Vec<Intent>, ImportError> {
        let imported = match self {
            Self::Settings => layout::import(&Layer::BASE, current, text),
            Self::Keymap => layout::keymap::import(current, text),
        };
        imported.map(|(intents, _)| intents)
    }

    pub(crate) fn export(self, document: &Value) -> String {
        match self {
            Self::Settings => layout::export(&Layer::BASE, document),
            Self::Keymap => layout::keymap::export(document),
        }
    }

    pub(crate) fn values(self, document: &Value) -> Value {
        match self {
            Self::Settings => settings::export(&Layer::BASE, document),
            Self::Keymap => keymap::export(document),
        }
    }
}

/// Our own files, each with its name.
pub(crate) fn fixtures() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for folder in ["settings", "keymap"] {
        files.extend(texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder)));
    }
    assert!(files.len() > 15, "the fixtures are there");
    files
}

fn texts(folder: &Path) -> Vec<(String, String)> {
    let files = std::fs::read_dir(folder).expect("the folder can be read");
    let paths = files.map(|file| file.expect("the folder can be read").path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|found| found == "jsonc")).collect();
    paths.sort();
    let text = |path: &Path| std::fs::read_to_string(path).expect("the file can be read");
    paths.iter().map(|path| (path.display().to_string(), text(path))).collect()
}

/// Imports `text` into the model and gives the model back, after comparing what it exports byte by byte.
pub(crate) fn imported(name: &str, text: &str) -> Flat {
    let kind = Kind::of(text);
    let mut flat = Flat::default();
    flat.apply(&kind.import(&json!({}), text).unwrap_or_else(|error| panic!("{name}: {error}")));
    assert_eq!(kind.export(&flat.value()), text, "{name}: {:#}", flat.value());
    assert_eq!(kind.values(&flat.value()), jsonc::parse(text).expect("just read"), "{name}");
    flat
}

/// What differs between two texts: the lines taken out and put in.
fn changed<'a>(before: &'a str, after: &'a str) -> (Vec<&'a str>, Vec<&'a str>) {
    let (mut before, mut after): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    while !before.is_empty() && before.first() == after.first() {
        before.remove(0);
        after.remove(0);
    }
    while !before.is_empty() && before.last() == after.last() {
        before.pop();
        after.pop();
    }
    (before, after)
}

#[test]
fn every_file_comes_back_byte_by_byte() {
    for (name, text) in fixtures() {
        let flat = imported(&name, &text);
        let again = Kind::of(&text).import(&flat.value(), &text).expect("imported before");
        assert_eq!(lines(&again), [""; 0], "{name}: an unchanged file is no edit");
    }
}

#[test]
fn every_file_comes_back_from_a_real_document() {
    for (name, text) in fixtures() {
        let kind = Kind::of(&text);
        let mut document = Document::new(Some(if kind == Kind::Keymap { "keymap" } else { "settings" }));
        let intents = kind.import(&document.value(), &text).expect("the file breaks no rule");
        document
            .edit(Actor([1; 16]), |draft| intents.into_iter().try_for_each(|intent| draft.apply(intent)))
            .unwrap_or_else(|violation| panic!("{name}: {violation}"));
        assert_eq!(kind.export(&document.value()), text, "{name}");
        assert_eq!(lines(&kind.import(&document.value(), &text).expect("imported before")), [""; 0], "{name}");
    }
}

#[test]
fn files_of_real_people_come_back_byte_by_byte() {
    let Some(folder) = real_data() else { return };
    let files = texts(&folder.join("settings"));
    for (name, text) in &files {
        let flat = imported(name, text);
        assert_eq!(lines(&Kind::of(text).import(&flat.value(), text).expect("imported before")), [""; 0], "{name}");
    }
    assert!(!files.is_empty(), "no .jsonc file in {}", folder.display());
    println!("{} files of real people came back byte by byte", files.len());
}

#[test]
fn every_file_becomes_every_other() {
    let fixtures = fixtures();
    for (from, before) in &fixtures {
        for (to, after) in fixtures.iter().filter(|(_, after)| Kind::of(before) == Kind::of(after)) {
            let (kind, mut flat) = (Kind::of(before), imported(from, before));
            flat.apply(&kind.import(&flat.value(), after).expect("the file breaks no rule"));
            assert_eq!(&kind.export(&flat.value()), after, "from {from} to {to}");
            assert_eq!(lines(&kind.import(&flat.value(), after).expect("imported before")), [""; 0], "{from}, {to}");
        }
    }
}

/// Imports `before`, makes an edit of values, and compares the lines that changed.
fn check_edit(before: &str, edit: &[Intent], removed: &[&str], added: &[&str]) {
    let mut flat = imported(before, before);
    flat.apply(edit);
    let after = Kind::of(before).export(&flat.value());
    let (out, put) = changed(before, &after);
    assert_eq!((out, put), (removed.to_vec(), added.to_vec()), "{after}");
    assert_eq!(Kind::of(before).values(&flat.value()), jsonc::parse(&after).expect("an export can be read"));
}

fn put(path: &str, value: Value) -> Intent {
    Intent::Put { path: path.to_owned(), value }
}

const FILE: &str = r#"{
    // Wide.
    "editor.tabSize": 8.50, // beside
    "editor.rulers": [
        80, // narrow
        100
    ],

    "[rust]": {
        "editor.tabSize": 4
    }
}
"#;

#[test]
fn a_changed_value_changes_its_line() {
    let tab_size = put("/base/editor.tabSize", json!(2));
    check_edit(
        FILE,
        &[tab_size],
        &["    \"editor.tabSize\": 8.50, // beside"],
        &["    \"editor.tabSize\": 2, // beside"],
    );
    let inner = put("/base/[rust]/editor.tabSize", json!("\t"));
    check_edit(FILE, &[inner], &["        \"editor.tabSize\": 4"], &["        \"editor.tabSize\": \"\\t\""]);
    // An array is one value: its inner comments go, its style stays.
    let rulers = put("/base/editor.rulers", json!([80, 120]));
    check_edit(FILE, &[rulers], &["        80, // narrow", "        100"], &["        80,", "        120"]);
}

#[test]
fn a_new_value_goes_last_as_the_file_is_indented() {
    let new = put("/base/[rust]/new", json!({"b": 1, "a": [1, 2]}));
    let added = [
        "        \"editor.tabSize\": 4,",
        "        \"new\": {",
        "            \"a\": [1, 2],",
        "            \"b\": 1",
        "        }",
    ];
    check_edit(FILE, &[new], &["        \"editor.tabSize\": 4"], &added);
    check_edit(
        "{ \"a\": 1 }",
        &[put("/base/b", json!({"c": [1]}))],
        &["{ \"a\": 1 }"],
        &["{ \"a\": 1, \"b\": { \"c\": [ 1 ] } }"],
    );
    check_edit(
        "{\"a\":1}",
        &[put("/base/b", json!([1, {"c": 2}]))],
        &["{\"a\":1}"],
        &["{\"a\":1,\"b\":[1,{\"c\":2}]}"],
    );
    check_edit("{\r\n  \"a\": 1, // c\r\n}", &[put("/base/b", json!(2))], &[], &["  \"b\": 2,"]);
    check_edit(
        "{\n  \"a\": 1 // c\n}",
        &[put("/base/b", json!(2))],
        &["  \"a\": 1 // c"],
        &["  \"a\": 1, // c", "  \"b\": 2"],
    );
}

#[test]
fn a_removed_value_takes_its_line_and_its_comments() {
    let remove = |path: &str| [Intent::Remove { path: path.to_owned() }];
    let removed = ["    // Wide.", "    \"editor.tabSize\": 8.50, // beside"];
    check_edit(FILE, &remove("/base/editor.tabSize"), &removed, &[]);
    check_edit("{ // here\n  \"a\": 1\n  // end\n}\n", &[put("/base", json!({}))], &["  \"a\": 1"], &[]);
    // The last one had no comma, so the one before loses its.
    check_edit(
        "{\n  \"a\": 1 /* gap */, // c\n  \"b\": 2\n}",
        &remove("/base/b"),
        &["  \"a\": 1 /* gap */, // c", "  \"b\": 2"],
        &["  \"a\": 1 /* gap */ // c"],
    );
}

#[test]
fn a_value_that_comes_back_finds_its_spelling() {
    let mut flat = imported("file", FILE);
    flat.apply(&[put("/base/editor.tabSize", json!(2)), Intent::Remove { path: "/base/[rust]".to_owned() }]);
    flat.apply(&[put("/base/editor.tabSize", json!(8.5)), put("/base/[rust]/editor.tabSize", json!(4))]);
    assert_eq!(layout::export(&Layer::BASE, &flat.value()), FILE);
}

#[test]
fn an_edited_file_is_a_small_edit() {
    for (text, expected) in [
        (
            FILE.replace("// Wide.", "// Wider."),
            vec![
                "put /layout/base/members/~1editor.tabSize/above/4cc4d53ed754ca675134 \"V     // Wider.\"",
                "remove /layout/base/members/~1editor.tabSize/above/35bfb53929531cd6fd88",
            ],
        ),
        (FILE.replace(" // beside", ""), vec!["remove /layout/base/members/~1editor.tabSize/trail"]),
        (
            FILE.replace("8.50", "9.5"),
            vec!["put /base/editor.tabSize 9.5", "remove /layout/base/members/~1editor.tabSize/raw"],
        ),
        (FILE.replace("\n}\n", ",\n}\n"), vec!["put /layout/base/file/comma \"trailing\""]),
        (FILE.replace('\n', "\r\n"), vec!["put /layout/base/file/eol \"crlf\""]),
    ] {
        let mut flat = imported("file", FILE);
        let intents = Kind::Settings.import(&flat.value(), &text).expect("the file breaks no rule");
        assert_eq!(lines(&intents), expected);
        flat.apply(&intents);
        assert_eq!(Kind::Settings.export(&flat.value()), text);
    }
}

#[test]
fn a_moved_member_is_one_leaf() {
    let mut flat = imported("before", "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3\n}\n");
    let intents =
        Kind::Settings.import(&flat.value(), "{\n  \"c\": 3,\n  \"a\": 1,\n  \"b\": 2\n}\n").expect("no rule");
    assert_eq!(lines(&intents).len(), 1, "{:?}", lines(&intents));
    flat.apply(&intents);
    assert!(Kind::Settings.export(&flat.value()).starts_with("{\n  \"c\": 3,"));
}

#[test]
fn keys_given_twice_are_reported_and_kept() {
    let text = "{\n  \"a\": 1, // lost\n  \"b\": 2,\n  \"a\": 3\n}\n";
    let (intents, notes) = layout::import(&Layer::BASE, &json!({}), text).expect("it is JSON");
    assert_eq!(
        notes.iter().map(|note| (note.line, note.kind.clone())).collect::<Vec<_>>(),
        [(4, NoteKind::DuplicateKey("a".to_owned()))]
    );
    let mut flat = Flat::default();
    flat.apply(&intents);
    assert_eq!(settings::export(&Layer::BASE, &flat.value()), json!({"a": 3, "b": 2}));
    flat.apply(&[put("/base/a", json!(4))]);
    assert_eq!(layout::export(&Layer::BASE, &flat.value()), text.replace('3', "4"));
    flat.apply(&[Intent::Remove { path: "/base/a".to_owned() }]);
    assert_eq!(layout::export(&Layer::BASE, &flat.value()), "{\n  \"b\": 2\n}\n");
}

#[test]
fn layers_have_layouts_of_their_own() {
    let (linux, base) = (Layer::parse("platforms/linux").expect("a layer"), Layer::BASE);
    let (text, other) = ("{ /* linux */ \"a\": 1 }", "{\n  // base\n  \"a\": 2\n}\n");
    let mut flat = Flat::default();
    flat.apply(&layout::import(&base, &json!({}), other).expect("no rule").0);
    flat.apply(&layout::import(&linux, &flat.value(), text).expect("no rule").0);
    assert_eq!(
        (layout::export(&linux, &flat.value()), layout::export(&base, &flat.value())),
        (text.into(), other.into())
    );
    assert_eq!(settings::export(&base, &flat.value()), json!({"a": 2}), "the layout is no setting");
}

#[test]
fn values_without_layout_make_a_file() {
    let document = json!({"base": {"b": 1, "a": {"c": [1, {"d": null}]}, "e": {}}});
    let expected = "{\n  \"a\": {\n    \"c\": [\n      1,\n      \
                    {\n        \"d\": null\n      }\n    ]\n  },\n  \"b\": 1,\n  \"e\": {}\n}\n";
    assert_eq!(layout::export(&Layer::BASE, &document), expected);
    assert_eq!(layout::export(&Layer::BASE, &json!({})), "{}\n");
    assert_eq!(layout::keymap::export(&json!({})), "[]\n");
}

#[test]
fn what_is_too_long_for_a_leaf_is_left_out_and_the_values_stay() {
    let key = "k".repeat(1100);
    let comment = "c".repeat(300 << 10);
    let text = format!("{{\n  // {comment}\n  \"a\": 1,\n  // gone\n  \"{key}\": 2\n}}\n");
    let (intents, _) = layout::import(&Layer::BASE, &json!({}), &text).expect("it is JSON");
    let layout = intents.iter().filter(|intent| intent.path().starts_with("/layout/"));
    assert!(layout.clone().count() > 0);
    assert!(layout.clone().all(|intent| intent.path().len() <= 1024), "every path fits");
    let mut flat = Flat::default();
    flat.apply(&intents);
    assert_eq!(layout::export(&Layer::BASE, &flat.value()), format!("{{\n  \"a\": 1,\n  \"{key}\": 2\n}}\n"));
}

#[test]
fn what_cannot_be_imported_is_refused_with_its_place() {
    assert!(
        layout::import(&Layer::BASE, &json!({}), "{\n  \"a\" 1\n}")
            .is_err_and(|error| error.to_string().starts_with("line 2, column 7"))
    );
    assert!(matches!(layout::import(&Layer::BASE, &json!({}), "[]"), Err(ImportError::Violations(_))));
    assert!(matches!(layout::keymap::import(&json!({}), "{}"), Err(ImportError::Violations(_))));
    assert!(matches!(layout::keymap::import(&json!({}), "[{}]"), Err(ImportError::Violations(_))));
}
