//! `vault import … --from EDITOR`: what another editor's file says is added, and what was not understood is said.

use editor_vault::Document;
use schemas::foreign::{self, About, Editor, ForeignError, Remark, Translated};
use schemas::settings::Layer;
use schemas::{Intent, Violation};
use serde_json::{Value, json};

use super::counts;
use crate::cli::{FileKind, ForeignEditor};
use crate::failure::Failure;
use crate::output::Output;

/// A file that was read.
pub(super) struct File {
    pub(super) text: String,
    /// What it is called in sentences.
    pub(super) shown: String,
    /// What it is added to, in words.
    pub(super) into: String,
}

pub(super) fn add(
    document: &Document,
    kind: FileKind,
    editor: ForeignEditor,
    layer: &Layer,
    file: &File,
    output: &mut Output,
) -> Result<(), Failure> {
    let current = document.value()?;
    let editor = match editor {
        ForeignEditor::Vscode => Editor::VsCode,
        ForeignEditor::Zed => Editor::Zed,
        ForeignEditor::Jetbrains => Editor::JetBrains,
    };
    let mut local = Vec::new();
    let mut read = match kind {
        FileKind::Settings => translated(foreign::settings(editor, &file.text), file, |settings| {
            let (intents, keys) = foreign::add_settings(layer, &current, settings)?;
            local = keys;
            Ok(intents)
        }),
        FileKind::Keymap => {
            translated(foreign::bindings(editor, &file.text), file, |added| foreign::add_bindings(&current, added))
        }
    }?;
    let stays = |key| Remark { place: key, value: String::new(), about: About::MachineLocal };
    read.remarks.extend(local.into_iter().map(stays));
    let (put, _) = counts(&read.content);
    let (told, json) = (told(&read, put, file), as_json(&read, put));
    if !read.content.is_empty() {
        document.apply(read.content)?;
    }
    output.result(told, &json)
}

/// What was read, with the edit that adds it as content.
fn translated<T>(
    read: Result<Translated<T>, ForeignError>,
    file: &File,
    plan: impl FnOnce(&T) -> Result<Vec<Intent>, Vec<Violation>>,
) -> Result<Translated<Vec<Intent>>, Failure> {
    let Translated { content, taken, remarks, unlisted } =
        read.map_err(|error| Failure::failed("not_understood", format!("{}: {error}", file.shown)))?;
    let content = plan(&content).map_err(|violations| Failure::violations(&file.shown, &violations))?;
    Ok(Translated { content, taken, remarks, unlisted })
}

fn told(read: &Translated<Vec<Intent>>, put: usize, file: &File) -> String {
    let File { shown, into, .. } = file;
    let mut lines = vec![format!("added {} entries of {shown} to {into}: {put} values put", read.taken)];
    lines.extend(read.remarks.iter().map(|remark| format!("  {remark}")));
    if read.unlisted > 0 {
        lines.push(format!("  and {} more that are not listed", read.unlisted));
    }
    // The file is somebody else's: nothing in it moves the cursor.
    let plain = |line: String| line.replace(char::is_control, "�");
    lines.into_iter().map(plain).collect::<Vec<_>>().join("\n")
}

fn as_json(read: &Translated<Vec<Intent>>, put: usize) -> Value {
    let remarks = read.remarks.iter().map(|remark| {
        let about = remark.about;
        json!({ "place": remark.place, "value": remark.value, "code": about.code(), "taken": about.is_taken() })
    });
    json!({ "taken": read.taken, "put": put, "remarks": remarks.collect::<Vec<_>>(), "unlisted": read.unlisted })
}
