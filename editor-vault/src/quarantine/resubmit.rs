//! A refused change as a new edit: what it did, carried out on the document as it is now.

use document::resubmission_note;
use sync_wire::ChangeHash;

use super::{Quarantine, QuarantineError};
use crate::document::Noted;
use crate::error::EditError;
use crate::storage::QuarantineRow;

impl Quarantine<'_> {
    /// The note tells that it was said again, so that who ends between the edit and its mark does not say it twice.
    pub(super) fn resubmit_change(&self, row: &QuarantineRow, hash: ChangeHash) -> Result<(), QuarantineError> {
        let unreadable = |detail: String| QuarantineError::Unreadable { id: row.id, detail };
        let past = self.past(row, hash)?.map_err(|error| unreadable(error.to_string()))?;
        let note = resubmission_note(&hash);
        let document = self.vault.document(row.space, row.document)?;
        let mut failed = None;
        let done = document.edit_noted(|now, _| {
            let is_done = now.history().is_ok_and(|past| past.iter().any(|one| one.message.as_ref() == Some(&note)));
            let intents = if is_done { Ok(Vec::new()) } else { past.again(now, row.continued_by) };
            let intents = intents.unwrap_or_else(|error| {
                failed = Some(error.to_string());
                Vec::new()
            });
            Ok::<_, EditError>(Noted { intents, note, result: () })
        });
        done?;
        failed.map_or(Ok(()), |detail| Err(unreadable(detail)))
    }
}
