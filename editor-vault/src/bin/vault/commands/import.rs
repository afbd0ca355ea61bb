//! `vault import settings FILE` and `vault import keymap FILE`: the document becomes equal to the file,
//! in values and in layout. What another editor wrote (`--from`) is in [`foreign`].

mod foreign; // files of other editors

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use editor_vault::{Intent, Vault};
use schemas::layout::{self, ImportError};
use schemas::settings::{Layer, MACHINE_LOCAL_LISTS, MachineLocal};
use schemas::{jsonc, keymap, settings};
use serde_json::{Value, json};

use crate::cli::{FileKind, ImportArguments};
use crate::failure::{Exit, Failure};
use crate::output::Output;

pub(crate) fn run(vault: &Vault, arguments: &ImportArguments, output: &mut Output) -> Result<(), Failure> {
    let shown = shown(&arguments.file);
    let text = read(&arguments.file)?;
    let layer = arguments.layer.or_base();
    let (type_name, into) = match arguments.kind {
        FileKind::Settings => (settings::TYPE, format!("settings ({layer})")),
        FileKind::Keymap => (keymap::TYPE, "keymap".to_owned()),
    };
    check_layer(arguments)?;
    let document = vault.well_known(type_name)?;
    if let Some(editor) = arguments.from {
        return foreign::add(&document, arguments.kind, editor, &layer, &foreign::File { text, shown, into }, output);
    }
    let current = document.value()?;
    let (intents, notes) = match arguments.kind {
        FileKind::Settings => layout::import(&layer, &current, &text),
        FileKind::Keymap => layout::keymap::import(&current, &text),
    }
    .map_err(|error| refused(&shown, error))?;
    let (intents, local) = match arguments.kind {
        FileKind::Settings => without_local(&layer, &current, &text, intents),
        FileKind::Keymap => (intents, Vec::new()),
    };
    let is_equal = intents.is_empty();
    let (put, removed) = counts(&intents);
    if !intents.is_empty() {
        document.apply(intents)?;
    }
    let stays = local.iter().map(|key| stays(&shown, key));
    let warnings: Vec<String> = notes.iter().map(|note| format!("{shown}: {note}")).chain(stays).collect();
    warnings.iter().for_each(Output::warn);
    let json = json!({ "document": type_name, "layer": arguments.layer.named().map(ToString::to_string),
        "put": put, "removed": removed, "machine_local": local, "warnings": warnings });
    let text = if is_equal {
        format!("{into} is equal to {shown} already")
    } else {
        format!("imported {shown} into {into}: {put} values put, {removed} removed")
    };
    output.result(text, &json)
}

/// The intents without what is about keys that stay on this machine, as the base layer says once it is imported; and
/// those keys of the file, as JSON Pointers.
fn without_local(layer: &Layer, current: &Value, text: &str, intents: Vec<Intent>) -> (Vec<Intent>, Vec<String>) {
    let file = jsonc::parse(text).unwrap_or_default();
    let local = if *layer == Layer::BASE { MachineLocal::default().and(&file) } else { MachineLocal::of(current) };
    (local.keep_out(layer, intents).0, local.keys_of(&file))
}

pub(crate) fn stays(file: &str, key: &str) -> String {
    format!("{file}: {key} stays on this machine, as {} says: it is not in the vault", MACHINE_LOCAL_LISTS.join(" or "))
}

/// `--layer` means nothing for a keymap.
fn check_layer(arguments: &ImportArguments) -> Result<(), Failure> {
    match (arguments.kind, arguments.layer.named()) {
        (FileKind::Keymap, Some(layer)) => Err(layer_of_keymap(layer)),
        _ => Ok(()),
    }
}

pub(crate) fn layer_of_keymap(layer: &settings::Layer) -> Failure {
    let sentence = format!("--layer {layer} was given, but a keymap has no layers: leave it out");
    Failure::new(Exit::Usage, "no_layers", sentence)
}

/// How many values are put and removed; comments and the rest of the layout do not count.
pub(crate) fn counts(intents: &[Intent]) -> (usize, usize) {
    let values: Vec<&Intent> = intents.iter().filter(|intent| !intent.path().starts_with("/layout/")).collect();
    let removed = values.iter().filter(|intent| matches!(intent, Intent::Remove { .. })).count();
    (values.len() - removed, removed)
}

/// Why a file cannot be imported, with line and column where it is no JSON.
pub(crate) fn refused(shown: &str, error: ImportError) -> Failure {
    match error {
        ImportError::Jsonc(error) => Failure::failed("not_json", format!("{shown}: {error}")),
        ImportError::Violations(violations) => Failure::violations(shown, &violations),
    }
}

fn shown(file: &Path) -> String {
    if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() }
}

/// The text of a file, or of standard input. What is too long for a settings file is not read to its end.
pub(crate) fn read(file: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let bytes_max = jsonc::TEXT_BYTES_MAX as u64 + 1;
    let outcome = if file == Path::new("-") {
        io::stdin().lock().take(bytes_max).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|file| file.take(bytes_max).read_to_end(&mut bytes))
    };
    outcome.map_err(|error| Failure::file("read", file, &error))?;
    text(bytes, &shown(file))
}

/// The bytes of a file as text.
pub(crate) fn text(bytes: Vec<u8>, shown: &str) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        let sentence = format!("{shown}: line {line} is not UTF-8 text; save the file as UTF-8");
        Failure::failed("not_text", sentence)
    })
}
