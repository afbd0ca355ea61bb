//! Files of real people, from the folder that `VAULT_REAL_DATA` names (default `../shared/data` beside the workspace).

use std::path::PathBuf;

use schemas::settings::Layer;
use schemas::{jsonc, keymap, settings};
use serde_json::{Value, json};

use crate::flat::Flat;

/// The folder, or nothing and a line that says what was skipped.
pub(crate) fn real_data() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let folder = std::env::var_os("VAULT_REAL_DATA").map_or_else(|| PathBuf::from(default), PathBuf::from);
    if folder.join("settings").is_dir() {
        return Some(folder);
    }
    println!("skipped without VAULT_REAL_DATA: settings and keymap files of real people ({})", folder.display());
    None
}

#[test]
fn files_of_real_people_come_back_with_equal_values() {
    let Some(folder) = real_data() else { return };
    let files = std::fs::read_dir(folder.join("settings")).expect("the folder can be read");
    let mut count = 0;
    for file in files {
        let path = file.expect("the folder can be read").path();
        if path.extension().is_none_or(|extension| extension != "jsonc") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("the file can be read");
        let value = jsonc::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        check(&value);
        count += 1;
    }
    assert!(count > 0, "no .jsonc file in {}", folder.display());
    println!("{count} files of real people imported and exported");
}

fn check(file: &Value) {
    let mut flat = Flat::default();
    if file.is_array() {
        flat.apply(&keymap::import(&json!({}), file).expect("the keymap breaks no rule"));
        assert_eq!(&keymap::export(&flat.value()), file);
        assert_eq!(keymap::import(&flat.value(), file).expect("the keymap breaks no rule").len(), 0);
    } else {
        flat.apply(&settings::import(&Layer::BASE, &json!({}), file).expect("the settings break no rule"));
        assert_eq!(&settings::export(&Layer::BASE, &flat.value()), file);
        assert_eq!(settings::import(&Layer::BASE, &flat.value(), file).expect("the settings break no rule").len(), 0);
    }
}
