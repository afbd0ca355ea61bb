//! Documents as Rust types of the host.

use editor_vault::types::{Binding, Keymap, Note, Settings};
use editor_vault::{Typed, TypedError};
use schemas::layout;
use schemas::settings::Layer;
use serde_json::{Value, json};

use crate::house::House;

/// The settings as an older program knows them.
#[derive(serde::Serialize, serde::Deserialize, Typed)]
#[typed("settings")]
struct OldSettings {
    #[serde(default)]
    base: OldBase,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct OldBase {
    #[serde(rename = "editor.tabSize", default)]
    tab_size: u32,
}

#[test]
fn an_edit_through_a_type_leaves_what_the_type_does_not_know() {
    let house = House::new();
    let vault = house.open("a");
    let settings = vault.well_known("settings").unwrap();
    let file = "{\n  // narrow\n  \"editor.tabSize\": 2,\n  \"editor.fontSize\": 14\n}\n";
    let (intents, _) = layout::import(&Layer::BASE, &settings.value().unwrap(), file).unwrap();
    settings.apply(intents).unwrap();
    settings.edit(|draft| draft.put("/machines/laptop/editor.zoom", 3.into())).unwrap();

    vault.typed::<OldSettings>().unwrap().update(|settings| settings.base.tab_size = 8).unwrap();
    assert_eq!(settings.get("/machines/laptop/editor.zoom").unwrap(), Some(json!(3)));
    let written = layout::export(&Layer::BASE, &settings.value().unwrap());
    assert_eq!(written, file.replace('2', "8"));
}

#[test]
fn what_is_written_between_reading_and_writing_merges() {
    let house = House::new();
    let vault = house.open("a");
    let settings = vault.well_known("settings").unwrap();
    settings.edit(|draft| draft.put("/base/a", 1.into())).unwrap();
    let typed = vault.typed::<Settings>().unwrap();
    typed
        .update(|value| {
            value.base.insert("b".to_owned(), 2.into());
            settings.edit(|draft| draft.put("/base/a", 9.into())).unwrap();
        })
        .unwrap();
    assert_eq!(settings.get("/base").unwrap(), Some(json!({ "a": 9, "b": 2 })));
}

#[test]
fn bindings_keep_their_place_and_identity() {
    let house = House::new();
    let vault = house.open("a");
    let typed = vault.typed::<Keymap>().unwrap();
    let binding = |key: &str| serde_json::from_value::<Binding>(json!({ "key": key, "command": "x" })).unwrap();
    typed.set(Keymap { bindings: vec![binding("a"), binding("b"), binding("c")] }).unwrap();
    let before = typed.document().value().unwrap();
    typed.update(|keymap| keymap.bindings.swap(0, 2)).unwrap();
    let keys: Vec<String> = typed.get().unwrap().bindings.into_iter().map(|it| it.key).collect();
    assert_eq!(keys, ["c", "b", "a"]);
    let ids = |value: &Value| value["bindings"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(ids(&before), ids(&typed.document().value().unwrap()), "items that moved are the same ones");
}

#[test]
fn a_type_that_does_not_fit_is_told_and_nothing_is_written() {
    let house = House::new();
    let vault = house.open("a");
    let note = vault.create("note", Some("Ideas"), None).unwrap();
    let other = note.typed::<Settings>().unwrap_err();
    assert!(matches!(&other, TypedError::OtherType { wanted: "settings", found: Some(found) } if found == "note"));
    assert_eq!(other.code(), "other_type");
    assert_eq!(note.typed::<Note>().unwrap().get().unwrap().name, "Ideas");

    let settings = vault.well_known("settings").unwrap();
    settings.edit(|draft| draft.put("/base/editor.tabSize", "wide".into())).unwrap();
    let typed = vault.typed::<OldSettings>().unwrap();
    let unfit = typed.update(|settings| settings.base.tab_size = 4).unwrap_err();
    assert_eq!(unfit.code(), "unfit");
    assert!(unfit.to_string().contains("wide"), "{unfit}");
    assert_eq!(settings.get("/base/editor.tabSize").unwrap(), Some(json!("wide")));
}
