//! Deletions that a person decides on, how many there were lately, and documents that are deleted for good.

use rusqlite::params;
use sync_wire::{ChangeHash, DocumentId, FateCode, LogPosition, SpaceId};

use super::batches::{BatchState, Refusal, split};
use super::documents::PURGED;
use super::tx::{signed, unsigned};
use super::{SpaceRow, Tx};
use crate::error::StorageError;

/// How long deletions are counted together.
const WINDOW_SECONDS: i64 = 3600;
/// So many deletions within that time never are too many.
const DELETIONS_MAX: u64 = 20;
/// More than one of so many documents is too many.
const DOCUMENTS_PER_DELETION: u64 = 4;

/// Who deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// This vault.
    Here,
    /// Others, through the log.
    Elsewhere,
}

/// A deletion that waits for a person.
#[derive(Debug, Clone)]
pub(crate) struct WaitingDeletion {
    /// Of its batch.
    pub(crate) row: i64,
    pub(crate) space: SpaceId,
    pub(crate) document: DocumentId,
    /// The document's row.
    pub(crate) document_row: i64,
    pub(crate) type_name: Option<String>,
    /// As it was last found out.
    pub(crate) title: Option<String>,
    pub(crate) detail: String,
    /// What its author saw.
    pub(crate) heads: Vec<ChangeHash>,
}

/// Deletions since a moment; as stored: three numbers of eight bytes.
#[derive(Debug, Clone, Copy)]
struct Window {
    began: i64,
    deletions: u64,
    /// How many documents there were when it began.
    documents: u64,
}

impl Tx<'_> {
    /// Deletions that were parked for this reason, in the order in which they were saved.
    pub(crate) fn waiting_deletions(&self, code: FateCode) -> Result<Vec<WaitingDeletion>, StorageError> {
        self.all(
            "SELECT b.id, s.space, d.document, d.id, d.type, d.title, b.detail, b.hashes
             FROM batches b JOIN documents d ON d.id = b.document JOIN spaces s ON s.id = d.space
             WHERE b.state IN (0, 1, 3) AND b.state = 3 AND b.kind = 2 AND b.code = ?1 ORDER BY b.id",
            [code.0],
            |row| {
                let detail: Option<String> = row.get(6)?;
                Ok(WaitingDeletion {
                    row: row.get(0)?,
                    space: SpaceId(row.get(1)?),
                    document: DocumentId(row.get(2)?),
                    document_row: row.get(3)?,
                    type_name: row.get(4)?,
                    title: row.get(5)?,
                    detail: detail.unwrap_or_default(),
                    heads: split(&row.get::<_, Vec<u8>>(7)?),
                })
            },
        )
    }

    /// Throws the deletions of a document away that were parked for this reason; how many there were.
    pub(crate) fn discard_deletions(&self, document: i64, code: FateCode) -> Result<usize, StorageError> {
        self.execute(
            "UPDATE batches SET state = ?3
             WHERE document = ?1 AND state IN (0, 1, 3) AND state = 3 AND kind = 2 AND code = ?2",
            params![document, code.0, BatchState::Discarded as i64],
        )
    }

    /// Whether its own user's last word, while the log does not have it, deletes a document or takes that back; none if
    /// there is none.
    pub(crate) fn own_mark(&self, document: i64) -> Result<Option<bool>, StorageError> {
        self.one(
            "SELECT kind = 2 FROM batches WHERE document = ?1 AND state IN (0, 1, 3) AND kind IN (2, 3)
             AND code IS NOT ?2 ORDER BY id DESC LIMIT 1",
            params![document, FateCode::CONTESTED.0],
            |row| row.get(0),
        )
    }

    /// Whether the last word of the log, as far as it was delivered or acknowledged, deletes a document or takes that
    /// back; none if it has said neither since the document came. Walks all such words: only for what is rare.
    pub(crate) fn log_mark(&self, document: i64) -> Result<Option<bool>, StorageError> {
        self.one(
            "SELECT deletes FROM
                 (SELECT position, kind = 3 AS deletes FROM markers WHERE document = ?1 AND kind IN (3, 4)
                  UNION ALL SELECT position, kind = 2 FROM batches
                  WHERE document = ?1 AND kind IN (2, 3) AND undelivered IS NOT NULL)
             ORDER BY position DESC LIMIT 1",
            [document],
            |row| row.get(0),
        )
    }

    /// A deletion of its own user has come to nothing: a document is deleted if his last word says so that is left,
    /// else if that of the log does. It was there when it was deleted, so one of which the log says nothing is there.
    pub(crate) fn mark_without_it(&self, document: i64) -> Result<(), StorageError> {
        let deleted = match self.own_mark(document)? {
            Some(own) => own,
            None => self.log_mark(document)?.unwrap_or(false),
        };
        self.set_deleted(document, deleted)
    }

    /// Counts deletions of a space within the last hour. `true`: they are too many, with these: more than 20, and more
    /// than a quarter of the documents that there were.
    pub(crate) fn count_deletions(
        &self,
        side: Side,
        space: &SpaceRow,
        now: i64,
        more: u64,
    ) -> Result<bool, StorageError> {
        let window = self.window(side, space, now)?;
        let window = Window { deletions: window.deletions.saturating_add(more), ..window };
        self.set_window(side, space, window)?;
        Ok(window.are_too_many())
    }

    /// Whether so many more deletions would be the first that are too many. Counts nothing.
    pub(crate) fn would_be_too_many(
        &self,
        side: Side,
        space: &SpaceRow,
        now: i64,
        more: u64,
    ) -> Result<bool, StorageError> {
        let window = self.window(side, space, now)?;
        let with = Window { deletions: window.deletions.saturating_add(more), ..window };
        Ok(!window.are_too_many() && with.are_too_many())
    }

    /// A person has looked: counting begins anew.
    pub(crate) fn forget_deletions(&self, side: Side, space: &SpaceRow, now: i64) -> Result<(), StorageError> {
        let window = self.new_window(space, now)?;
        self.set_window(side, space, window)
    }

    fn window(&self, side: Side, space: &SpaceRow, now: i64) -> Result<Window, StorageError> {
        let stored = self.meta(&key(side, space))?.as_deref().and_then(Window::read);
        // A clock that was set back begins a new one, too.
        match stored.filter(|window| (0..WINDOW_SECONDS).contains(&now.saturating_sub(window.began))) {
            Some(window) => Ok(window),
            None => self.new_window(space, now),
        }
    }

    fn new_window(&self, space: &SpaceRow, now: i64) -> Result<Window, StorageError> {
        let documents =
            self.one("SELECT count(*) FROM documents WHERE space = ?1 AND deleted = 0", [space.row], |row| row.get(0))?;
        Ok(Window { began: now, deletions: 0, documents: documents.map_or(0, unsigned) })
    }

    fn set_window(&self, side: Side, space: &SpaceRow, window: Window) -> Result<(), StorageError> {
        self.set_meta(&key(side, space), &window.bytes())
    }

    /// The log says that a document is gone for good: the bytes of its changes go, but for what the log never had,
    /// which is in quarantine from now on.
    pub(crate) fn purge(&self, document: i64, at: LogPosition) -> Result<(), StorageError> {
        let detail = format!("the document was deleted and is purged by now, at {at}");
        let refusal = Refusal { code: FateCode::GONE, culprit: None, detail: &detail, unix_seconds: None };
        let open =
            self.all("SELECT id, kind FROM batches WHERE document = ?1 AND state IN (0, 1, 3)", [document], |row| {
                Ok((row.get(0)?, row.get::<_, i64>(1)?))
            })?;
        for (batch, kind) in open {
            match kind {
                2 => self.replace(batch, &refusal, None)?, // it is deleted
                _ => self.quarantine(batch, &refusal, None)?,
            }
        }
        self.execute(
            "UPDATE changes SET excluded = 1,
                 bytes = CASE WHEN id IN (SELECT change FROM batches WHERE document = ?1 AND state = 4)
                              THEN bytes ELSE x'' END
             WHERE document = ?1",
            [document],
        )?;
        self.execute("DELETE FROM snapshots WHERE document = ?1", [document])?;
        self.forget_folded(document)?;
        self.execute(
            "UPDATE documents SET deleted = ?2, title = NULL, held = NULL, bytes = 0 WHERE id = ?1",
            params![document, PURGED],
        )?;
        self.begin_generation(document)?;
        self.execute("UPDATE documents SET title_is_stale = 0 WHERE id = ?1", [document])?;
        Ok(())
    }

    /// Whether the log says that a document is deleted: it is marked so, or only a restoration of ours that the log
    /// does not have says otherwise.
    pub(crate) fn is_deleted_in_log(&self, document: i64) -> Result<bool, StorageError> {
        let found = self.one(
            "SELECT 1 FROM documents d WHERE id = ?1 AND (deleted <> 0 OR EXISTS
                 (SELECT 1 FROM batches b WHERE b.document = d.id AND b.kind = 3 AND b.state IN (0, 1, 3, 4)))",
            [document],
            |_| Ok(()),
        )?;
        Ok(found.is_some())
    }
}

impl Window {
    const fn are_too_many(self) -> bool {
        self.deletions > DELETIONS_MAX && self.deletions.saturating_mul(DOCUMENTS_PER_DELETION) > self.documents
    }

    fn bytes(self) -> Vec<u8> {
        [self.began, signed(self.deletions), signed(self.documents)].into_iter().flat_map(i64::to_le_bytes).collect()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let [began, deletions, documents] = bytes.as_chunks::<8>().0 else { return None };
        let [deletions, documents] = [deletions, documents].map(|number| unsigned(i64::from_le_bytes(*number)));
        Some(Self { began: i64::from_le_bytes(*began), deletions, documents })
    }
}

fn key(side: Side, space: &SpaceRow) -> String {
    let side = match side {
        Side::Here => "here",
        Side::Elsewhere => "elsewhere",
    };
    format!("deletions {side} {}", space.row)
}
