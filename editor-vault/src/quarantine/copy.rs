//! A refused edit elsewhere: in a document of its own, or in a file.

use std::path::Path;

use file_systems::Access;
use serde_json::{Value, json};

use super::{Quarantine, QuarantineError, Quarantined, Refused};
use crate::document::Document;
use crate::error::EditError;
use crate::storage::QuarantineRow;

/// The type of documents that hold any text.
const NOTE: &str = "note";

impl Quarantine<'_> {
    pub(super) fn copy_of(&self, row: &QuarantineRow, title: Option<&str>) -> Result<Document, QuarantineError> {
        let no_copy = |rule: &str| QuarantineError::NoCopy { id: row.id, rule: rule.to_owned() };
        let (_, hash) = row.change.ok_or_else(|| no_copy("it holds no content"))?;
        let past = self.past(row, hash)?.map_err(|detail| QuarantineError::Unreadable { id: row.id, detail })?;
        let type_name = row.type_name.as_deref().ok_or_else(|| no_copy("its document has no type"))?;
        let schema = self.vault.inner().schemas.get(type_name).ok_or_else(|| no_copy("its type is not known here"))?;
        let called = row.title.as_deref().unwrap_or(type_name);
        let default = format!("{called} (refused)");
        let title = title.unwrap_or(&default);
        let space = Some(row.space);
        if schema.well_known {
            let plain = schema.plain(&past.document.value());
            let text = serde_json::to_string_pretty(&plain).unwrap_or_default();
            let note = self.vault.create(NOTE, Some(title), space)?;
            note.edit(|draft| draft.replace_text("/body", &text))?;
            return Ok(note);
        }
        let intents = past.document.intents_from(&[]).map_err(|error| no_copy(&error.to_string()))?;
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
            sync_wire::Content::Changes(changes) => changes.first().map(|bytes| hexadecimal(bytes)),
            sync_wire::Content::Tombstone(_) | sync_wire::Content::Restore => None,
        };
        let mut json = Quarantined::from(row.clone()).json();
        if let Value::Object(members) = &mut json {
            members.insert("refused".into(), self.show(row.id)?.json());
            members.insert("bytes_hexadecimal".into(), json!(bytes));
        }
        let failed = |source| QuarantineError::File { path: file.to_path_buf(), source };
        let text = format!("{json:#}\n");
        file_systems::create(file, text.as_bytes(), "new", Access::Owner).map_err(failed)
    }
}

impl Quarantined {
    /// As programs read it.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({ "id": self.id.to_string(), "space": self.space.to_string(), "document": self.document.to_string(),
            "type": self.type_name, "title": self.title, "change": self.change.map(|hash| hash.to_string()),
            "code": self.code.name(), "detail": self.detail, "remedy": self.remedy,
            "culprit": self.culprit.map(|hash| hash.to_string()), "unix_seconds": self.unix_seconds,
            "continued_by": self.continued_by.map(|hash| hash.to_string()) })
    }
}

impl Refused {
    /// As programs read it.
    #[must_use]
    pub fn json(&self) -> Value {
        match self {
            Self::Values(differences) => {
                let difference =
                    |one: &crate::Difference| json!({ "path": one.path, "before": one.before, "after": one.after });
                json!({ "values": differences.iter().map(difference).collect::<Vec<_>>() })
            }
            Self::Deletion => json!({ "deletion": true }),
            Self::Restoration => json!({ "restoration": true }),
            Self::Unreadable { detail } => json!({ "unreadable": detail }),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
