//! A refused change with everything that it rests on, as this vault has it.

use document::{Document, Past, PastError};
use sync_wire::ChangeHash;

use super::{Quarantine, QuarantineError};
use crate::error::ReadError;
use crate::storage::{Origin, QuarantineRow};

impl Quarantine<'_> {
    /// An error of the second kind says why it cannot be put together.
    pub(super) fn past(
        &self,
        row: &QuarantineRow,
        hash: ChangeHash,
    ) -> Result<Result<Past, PastError>, QuarantineError> {
        let document = row.document_row;
        let read = self.vault.live()?.storage.read_at_once(|tx| Ok((tx.all_bytes(document)?, tx.snapshots(document)?)));
        let (mut known, snapshots) = read.map_err(ReadError::from)?;
        for stored in snapshots.iter().filter(|stored| stored.origin == Origin::Relay) {
            // One that does not load is missed below, where something rests on it.
            let inside = Document::load(&stored.snapshot).ok().and_then(|document| document.changes().ok());
            known.extend(inside.unwrap_or_default());
        }
        Ok(Past::of(hash, known))
    }
}
