//! A refused edit elsewhere: in a document of its own, or in a file.

use std::path::Path;

use file_systems::Access;
use sync_wire::Content;

use super::{Quarantine, QuarantineError, Quarantined};
use crate::document::Document;
use crate::error::EditError;
use crate::storage::QuarantineRow;

/// The type of documents that hold any text.
const NOTE: &str = "note";

impl Quarantine<'_> {
    pub(super) fn copy_of(&self, row: &QuarantineRow, title: Option<&str>) -> Result<Document, QuarantineError> {
        let no_copy = |rule: &str| QuarantineError::NoCopy { id: row.id, rule: rule.to_owned() };
        let (_, hash) = row.change.ok_or_else(|| no_copy("it holds no content"))?;
        let past = self.past(row, hash)?;
        let past = past.map_err(|error| QuarantineError::Unreadable { id: row.id, detail: error.to_string() })?;
        let type_name = row.type_name.as_deref().ok_or_else(|| no_copy("its document has no type"))?;
        let schema = self.vault.inner().schemas.get(type_name).ok_or_else(|| no_copy("its type is not known here"))?;
        let called = row.title.as_deref().unwrap_or(type_name);
        let default = format!("{called} (refused)");
        let title = title.unwrap_or(&default);
        let space = Some(row.space);
        if schema.well_known {
            let plain = schema.plain(&past.document().value());
            let text = serde_json::to_string_pretty(&plain).unwrap_or_default();
            let note = self.vault.create(NOTE, Some(title), space)?;
            note.edit(|draft| draft.replace_text("/body", &text))?;
            return Ok(note);
        }
        let intents = past.document().intents_from(&[]).map_err(|error| no_copy(&error.to_string()))?;
        let named = schema.initial(Some(title));
        let copy = self.vault.create(type_name, Some(title), space)?;
        copy.edit(|draft| {
            intents.into_iter().try_for_each(|intent| draft.apply(intent))?;
            named.into_iter().try_for_each(|intent| draft.apply(intent))
        })
        .map_err(|error: EditError| QuarantineError::Edit(error))?;
        Ok(copy)
    }

    pub(super) fn write_to(&self, row: &QuarantineRow, file: &Path) -> Result<(), QuarantineError> {
        let bytes = match &row.content {
            Content::Changes(changes) => changes.first().map(|bytes| &bytes[..]),
            Content::Tombstone(_) | Content::Restore => None,
        };
        let json = Quarantined::from(row.clone()).exported(&self.show(row.id)?, bytes);
        let failed = |source| QuarantineError::File { path: file.to_path_buf(), source };
        let text = format!("{json:#}\n");
        file_systems::create(file, text.as_bytes(), "new", Access::Owner).map_err(failed)
    }
}
