//! A refused change as a new edit: what it did, carried out on the document as it is now.

use document::{PastChange, resubmission_note};
use sync_wire::{ChangeHash, SpaceKind};

use super::{Quarantine, QuarantineError};
use crate::document::Noted;
use crate::error::{EditError, ReadError, StorageError};
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
            let mut said = now.history().unwrap_or_default();
            said.retain(|past| past.message.as_ref() == Some(&note));
            let is_done = self.is_one_own(&said, row, &hash)?;
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

    /// Whether one of these changes is of this account. Where others write, the note alone is anybody's.
    fn is_one_own(&self, said: &[PastChange], row: &QuarantineRow, hash: &ChangeHash) -> Result<bool, EditError> {
        if said.is_empty() {
            return Ok(false);
        }
        let (space, document, refused) = (row.space, row.document_row, (row.id, hash));
        let read = self.vault.inner().storage.read(|tx| {
            let kind = tx.space(space)?.and_then(|space| space.kind);
            if kind.is_none_or(|kind| kind == SpaceKind::Personal) {
                return Ok(true);
            }
            for again in said {
                if tx.is_own_resubmission(document, &again.hash, refused)? {
                    return Ok(true);
                }
            }
            Ok::<_, StorageError>(false)
        });
        Ok(read.map_err(ReadError::from)?)
    }
}
