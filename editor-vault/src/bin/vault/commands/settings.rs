//! `vault get`, `vault set`, `vault unset`: one setting in one layer.

use editor_vault::{EditError, Vault, Violation};
use schemas::settings::{self, Layer, resolve};
use serde_json::{Value, json};

use crate::cli::{GetArguments, SetArguments};
use crate::failure::Failure;
use crate::output::Output;

/// The code of the violation with which `unset` leaves an edit that finds nothing to remove.
const NOT_SET: &str = "not_set";

/// Shows a string as it is and everything else as JSON; with `--json` the value alone, as JSON.
pub(crate) fn get(vault: &Vault, arguments: &GetArguments, output: &mut Output) -> Result<(), Failure> {
    let layer = arguments.layer.or_base();
    let stored = vault.well_known(settings::TYPE)?.get(&layer.path())?;
    let found = stored.as_ref().and_then(|layer| layer.pointer(&resolve(Some(layer), &arguments.key)));
    match found {
        Some(Value::String(text)) => output.result(text, &json!(text)),
        Some(value) => output.json(value),
        None => Err(not_set(&layer, &arguments.key)),
    }
}

pub(crate) fn set(vault: &Vault, arguments: &SetArguments, output: &mut Output) -> Result<(), Failure> {
    let (layer, key) = (arguments.address.layer.or_base(), &arguments.address.key);
    let value = value(arguments);
    vault.well_known(settings::TYPE)?.edit(|draft| {
        let path = address(draft.get(&layer.path()).as_ref(), &layer, key);
        draft.put(&path, value.clone())
    })?;
    let json = json!({ "key": key, "layer": layer.to_string(), "value": value });
    output.result(format_args!("{key} = {value} ({layer})"), &json)
}

pub(crate) fn unset(vault: &Vault, arguments: &GetArguments, output: &mut Output) -> Result<(), Failure> {
    let (layer, key) = (arguments.layer.or_base(), &arguments.key);
    let outcome = vault.well_known(settings::TYPE)?.edit(|draft| {
        let path = address(draft.get(&layer.path()).as_ref(), &layer, key);
        match draft.get(&path) {
            Some(_) => draft.remove(&path),
            None => Err(Violation::new(path, NOT_SET, "there is nothing to remove")),
        }
    });
    match outcome {
        Err(EditError::Violation(violation)) if violation.code() == NOT_SET => Err(not_set(&layer, key)),
        outcome => {
            outcome?;
            let json = json!({ "key": key, "layer": layer.to_string(), "removed": true });
            output.result(format_args!("removed {key} ({layer})"), &json)
        }
    }
}

/// JSON, else a string.
fn value(arguments: &SetArguments) -> Value {
    let text = || Value::from(arguments.value.as_str());
    if arguments.string { text() } else { serde_json::from_str(&arguments.value).unwrap_or_else(|_| text()) }
}

fn address(stored: Option<&Value>, layer: &Layer, key: &str) -> String {
    format!("{}{}", layer.path(), resolve(stored, key))
}

pub(crate) fn not_set(layer: &Layer, key: &str) -> Failure {
    let sentence = format!(
        "{key:?} is not set in layer {layer}: see `vault export settings --layer \"{layer}\"` for what is; a key \
         inside another is written /outer/inner"
    );
    Failure::failed(NOT_SET, sentence)
}
