//! Keys that stay on their machine.

use schemas::layout;
use schemas::settings::{Layer, MachineLocal, export};
use serde_json::{Value, json};

use crate::flat::Flat;

fn list(patterns: &Value) -> MachineLocal {
    MachineLocal::of(&json!({ "base": { "vault.machineLocal": patterns } }))
}

#[test]
fn keys_and_beginnings_of_keys_stay() {
    let local = list(&json!(["http.proxy", "remote.*", "*.path", 7, "-remote.extensions", "-remote.a*", "remote.ab"]));
    for (key, stays) in [
        ("http.proxy", true),
        ("http.proxyAuth", false),
        ("remote.hosts", true),
        ("remote.", true),
        ("remote", false),
        ("remote.extensions", false),
        ("remote.abc", false),
        ("remote.ab", true),
        ("*.path", true),
        ("rust.path", false),
        ("", false),
        ("größe", false),
    ] {
        assert_eq!(local.has(key), stays, "{key}");
    }
    let everything = list(&json!(["*"]));
    assert!(everything.has("größe") && everything.has(""));
    assert!(!everything.has("vault.machineLocal"), "the list itself syncs, or nobody else would know it");
}

#[test]
fn the_list_of_another_editor_is_honoured_and_of_a_layer_is_not() {
    let document = json!({
        "base": { "settingsSync.ignoredSettings": ["a", "-b"], "vault.machineLocal": "c" },
        "platforms": { "linux": { "vault.machineLocal": ["d"] } },
    });
    let local = MachineLocal::of(&document).and(&json!({ "vault.machineLocal": ["e"] }));
    let stays: Vec<&str> = ["a", "b", "c", "d", "e"].into_iter().filter(|key| local.has(key)).collect();
    assert_eq!(stays, ["a", "e"]);
    assert_eq!(MachineLocal::of(&json!({})), MachineLocal::default());
}

#[test]
fn a_file_is_taken_in_without_them_and_without_their_looks() {
    let text = "{\n  // mine\n  \"a\": 1,\n  // secret\n  \"http.proxy\": \"http://me:secret@x\", // secret\n  \
        \"[rust]\": { \"b\": 2, \"http.proxy\": { \"deep\": \"secret\" } },\n  \
        \"[rust]\": { \"b\": 2, /* secret */ \"http.proxy\": [ \"secret\" ] }\n}\n";
    let local = list(&json!(["http.proxy"]));
    for layer in ["base", "platforms/linux", "machines/a~b"].map(|layer| Layer::parse(layer).expect("a layer")) {
        let mut flat = Flat::default();
        let (intents, _) = layout::import(&layer, &flat.value(), text).expect("it is sound");
        let (kept, left) = local.keep_out(&layer, intents);
        flat.apply(&kept);
        assert_eq!(export(&layer, &flat.value()), json!({ "a": 1, "[rust]": { "b": 2 } }));
        assert!(!flat.value().to_string().contains("secret"), "{}", flat.value());
        assert!(flat.value().to_string().contains("mine"), "the looks of everything else are there");
        let paths: Vec<&str> = left.iter().map(schemas::Intent::path).collect();
        assert!(paths.contains(&format!("{}/http.proxy", layer.path()).as_str()), "{paths:?}");
    }
    let file = schemas::jsonc::parse(text).expect("it is sound");
    let mut keys = local.keys_of(&file);
    keys.sort();
    assert_eq!(keys, ["/[rust]/http.proxy", "/http.proxy"]);
}

#[test]
fn what_a_layer_holds_already_stays_as_it_is() {
    let mut flat = Flat::holding(&json!({ "base": { "http.proxy": "old", "a": 1 } }));
    let (intents, _) = layout::import(&Layer::BASE, &flat.value(), "{ \"a\": 2 }").expect("it is sound");
    let (kept, _) = list(&json!(["http.proxy"])).keep_out(&Layer::BASE, intents);
    flat.apply(&kept);
    assert_eq!(export(&Layer::BASE, &flat.value()), json!({ "http.proxy": "old", "a": 2 }));
}

#[test]
fn what_a_document_holds_of_them_is_found_with_its_looks() {
    let mut flat = Flat::default();
    let text = "{ \"a\": 1, \"b\" : 2, // looks\n \"[rust]\": { \"b\": 3 } }";
    flat.apply(&layout::import(&Layer::BASE, &flat.value(), text).expect("it is sound").0);
    let found = list(&json!(["b"])).paths_in(&Layer::BASE, &flat.value());
    for path in ["/base/b", "/base/[rust]/b", "/layout/base/members/~1b"] {
        assert!(found.contains(&path.to_owned()), "{path} in {found:?}");
    }
    assert!(found.iter().all(|path| path.contains('b') && flat.value().pointer(path).is_some()), "{found:?}");
    assert!(!found.iter().any(|path| path.ends_with("/a") || path.ends_with("~1a")), "{found:?}");
}
