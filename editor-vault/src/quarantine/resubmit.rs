//! A refused change as a new edit: what it did, carried out on the document as it is now.

use std::collections::HashSet;

use document::{Document as Bytes, Violation};
use sync_wire::{Actor, Blob, ChangeHash};

use super::past::Past;
use super::{Quarantine, QuarantineError};
use crate::Intent;
use crate::document::Noted;
use crate::error::EditError;
use crate::storage::QuarantineRow;

/// Who tries it out; nothing of that is ever sealed.
const NOBODY: Actor = Actor([0x51; Actor::LEN]);

impl Quarantine<'_> {
    /// The note tells that it was said again, so that who ends between the edit and its mark does not say it twice.
    pub(super) fn resubmit_change(&self, row: &QuarantineRow, hash: ChangeHash) -> Result<(), QuarantineError> {
        let unreadable = |detail: String| QuarantineError::Unreadable { id: row.id, detail };
        let past = self.past(row, hash)?.map_err(unreadable)?;
        let note = format!("resubmit {hash}");
        let document = self.vault.document(row.space, row.document)?;
        let mut failed = None;
        let done = document.edit_noted(|now, _| {
            let is_done = now.history().is_ok_and(|past| past.iter().any(|one| one.message.as_ref() == Some(&note)));
            let intents = if is_done { Ok(Vec::new()) } else { intents(now, &past, row.continued_by) };
            let intents = intents.unwrap_or_else(|detail| {
                failed = Some(detail);
                Vec::new()
            });
            Ok::<_, EditError>(Noted { intents, note, result: () })
        });
        done?;
        failed.map_or(Ok(()), |detail| Err(unreadable(detail)))
    }
}

/// What leads from the document to what it would be with the change, but without what else was lost.
fn intents(now: &Bytes, past: &Past, continued_by: Option<ChangeHash>) -> Result<Vec<Intent>, String> {
    let heads = now.heads();
    let mut others: Vec<ChangeHash> = past.changes.iter().map(|change| change.hash()).collect();
    others.retain(|hash| *hash != past.change.hash() && !now.contains(hash));
    others.extend(continued_by.filter(|hash| now.contains(hash)));
    let mut with = now.clone();
    let bytes: Vec<Blob> = past.changes.iter().map(|change| change.bytes.clone()).collect();
    with.apply(&bytes).map_err(|error| error.to_string())?;
    let taken_back = with.intents_undoing(&others).map_err(|error| error.to_string())?;
    let tried =
        with.edit::<_, Violation>(NOBODY, |draft| taken_back.into_iter().try_for_each(|intent| draft.apply(intent)));
    tried.map_err(|error| error.to_string())?;
    let own = with.difference(&past.change.header.deps, &[past.change.hash()]).map_err(|error| error.to_string())?;
    let touched: HashSet<String> = own.into_iter().map(|difference| difference.path).collect();
    let mut intents = with.intents_from(&heads).map_err(|error| error.to_string())?;
    // What was lost beside it and is said anew elsewhere is none of its business.
    intents.retain(|intent| touched.contains(intent.path()));
    Ok(intents)
}
