//! `vault patch NAME PATCH`: a JSON merge patch of a document of any type.

use std::io::Read as _;

use editor_vault::Vault;
use schemas::jsonc;
use serde_json::json;

use super::document;
use super::import::counts;
use crate::cli::PatchArguments;
use crate::failure::{Exit, Failure};
use crate::output::Output;

pub(crate) fn run(vault: &Vault, arguments: &PatchArguments, output: &mut Output) -> Result<(), Failure> {
    let patch = match arguments.patch.as_str() {
        "-" => read()?,
        text => text.to_owned(),
    };
    let patch = jsonc::parse(&patch).map_err(|error| Failure::failed("not_json", format!("the patch: {error}")))?;
    if !patch.is_object() {
        let sentence = format!(
            "{patch} is no object, and would replace the whole document: name the fields, as in {{\"name\": \"x\"}}"
        );
        return Err(Failure::new(Exit::Usage, "patch_not_an_object", sentence));
    }
    let document = document::find(vault, &arguments.name)?;
    let intents = document.plan_with(|plain| json_patch::merge(plain, &patch))?;
    let (put, removed) = counts(&intents);
    if !intents.is_empty() {
        document.apply(intents)?;
    }
    let name = &arguments.name;
    let text = match (put, removed) {
        (0, 0) => format!("{name} is like that already"),
        _ => format!("changed {name}: {put} values put, {removed} removed"),
    };
    output.result(text, &json!({ "id": document.id().to_string(), "put": put, "removed": removed }))
}

fn read() -> Result<String, Failure> {
    let mut text = String::new();
    let most = jsonc::TEXT_BYTES_MAX as u64 + 1;
    let read = std::io::stdin().lock().take(most).read_to_string(&mut text);
    read.map_err(|error| Failure::failed("not_read", format!("standard input cannot be read as text: {error}")))?;
    Ok(text)
}
