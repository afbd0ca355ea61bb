//! `vault export settings [FILE]` and `vault export keymap [FILE]`: the file as its author laid it out; with `--json`,
//! the values alone.

use std::path::Path;

use editor_vault::Vault;
use file_systems::Access;
use schemas::{keymap, layout, settings};
use serde_json::json;

use crate::cli::{ExportArguments, FileKind};
use crate::commands::import::layer_of_keymap;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run(vault: &Vault, arguments: &ExportArguments, output: &mut Output) -> Result<(), Failure> {
    let (value, text) = match (arguments.kind, arguments.layer.named()) {
        (FileKind::Keymap, Some(layer)) => return Err(layer_of_keymap(layer)),
        (FileKind::Keymap, None) => {
            let document = vault.well_known(keymap::TYPE)?.value()?;
            (keymap::export(&document), layout::keymap::export(&document))
        }
        (FileKind::Settings, _) => {
            let (layer, document) = (arguments.layer.or_base(), vault.well_known(settings::TYPE)?.value()?);
            (settings::export(&layer, &document), layout::export(&layer, &document))
        }
    };
    let Some(file) = &arguments.file else { return output.value_or_bytes(&value, text.as_bytes()) };
    replace(file, &text)?;
    let values = value.as_object().map(serde_json::Map::len).or_else(|| value.as_array().map(Vec::len)).unwrap_or(0);
    let json = json!({ "file": file.display().to_string(), "values": values });
    output.result(format_args!("exported {values} values to {}", file.display()), &json)
}

/// Writes the whole file or leaves the old one: an editor may be watching it. Two exports may write it at once.
fn replace(file: &Path, text: &str) -> Result<(), Failure> {
    let written = file_systems::replace(file, text.as_bytes(), &std::process::id().to_string(), Access::AsBefore);
    written.map_err(|error| Failure::file("write", file, &error))
}
