//! The results of the check worker: each moves the checked position by compare-and-set, together with what it made.

use rusqlite::{OptionalExtension, params};
use sync_wire::{DocumentId, LogPosition, Position, SpaceId};

use super::projections::store_projection;
use super::shelves::doubt_shelves;
use super::snapshots::store_snapshot;
use super::{DocumentState, NewProjection, NewSnapshot};
use crate::accounts::move_limits;
use crate::change_log::{ReadError, log_end, log_key, position_of, unsigned};
use crate::error::StorageError;
use crate::storage::{Reader, Storage, Writer};

/// What a check found.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreChecked {
    /// The space.
    pub space: SpaceId,
    /// The document.
    pub document: DocumentId,
    /// The checked position that the check began from.
    pub expected_checked: Position,
    /// Everything up to here is sound. May equal `expected_checked` to store a projection or snapshot alone.
    pub new_checked: Position,
    /// The merged state there.
    pub projection: Option<NewProjection>,
    /// One chunk of all changes up to there.
    pub snapshot: Option<NewSnapshot>,
}

/// Whether the results of a check were stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// They were.
    Done,
    /// Somebody else moved the checked position meanwhile; nothing was stored.
    Moved {
        /// Where it is now.
        checked: Position,
    },
}

/// The row of a document, as far as checks need it.
pub(super) struct CheckedRow {
    pub(super) space_key: i64,
    pub(super) document_key: i64,
    pub(super) checked: Position,
    last: Position,
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

impl Storage {
    /// Documents with entries after their checked position that are not held, oldest document first.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn next_unchecked(&self, limit: usize) -> Result<Vec<DocumentState>, StorageError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let condition = "d.checked_position < d.last_position AND d.held IS NULL ORDER BY d.document_key LIMIT ?1";
        self.read(move |reader| reader.documents_where(condition, &[&limit])).await
    }

    /// At most how many entries of a space wait for their check, held documents left out.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn unchecked_entries(&self, space: SpaceId) -> Result<u64, StorageError> {
        self.read(move |reader| {
            let mut statement = reader.connection.prepare_cached(
                "SELECT coalesce(sum(min(d.entries, d.last_position - d.checked_position)), 0)
                 FROM documents d JOIN spaces s USING (space_key)
                 WHERE s.id = ?1 AND d.checked_position < d.last_position AND d.held IS NULL",
            )?;
            Ok(statement.query_row([space.0], |row| unsigned(row, 0))?)
        })
        .await
    }

    /// The last position of a log up to which nothing waits for its check, held documents left out; `None` if there is
    /// no such space. Costs a look-up for each document that waits.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn checked_through(&self, space: SpaceId) -> Result<Option<LogPosition>, StorageError> {
        self.read(move |reader| reader.checked_through(space)).await
    }

    /// Stores what a check found, in one transaction, unless the checked position has moved.
    ///
    /// # Errors
    /// [`ReadError`] for a document that is not there or a position after its end.
    pub async fn store_checked(&self, checked: StoreChecked) -> Result<Stored, ReadError> {
        self.write(move |writer| writer.store_checked(&checked)).await
    }

    /// Makes a document read-only: entries of it failed their check. The others go on.
    ///
    /// # Errors
    /// [`ReadError`] for a document that is not there.
    pub async fn hold(&self, space: SpaceId, document: DocumentId, reason: &str) -> Result<(), ReadError> {
        let reason = Some(reason.chars().take(1000).collect::<String>());
        self.write(move |writer| writer.set_held(space, document, reason)).await
    }

    /// Takes [`Storage::hold`] back: the document is checked and may be written again.
    ///
    /// # Errors
    /// [`ReadError`] for a document that is not there.
    pub async fn release(&self, space: SpaceId, document: DocumentId) -> Result<(), ReadError> {
        self.write(move |writer| writer.set_held(space, document, None)).await
    }
}

impl Reader {
    pub(super) fn checked_through(&self, space: SpaceId) -> Result<Option<LogPosition>, StorageError> {
        // The end first: what is appended between the statements is after it, and does not count.
        let Some(log) = log_end(&self.connection, space)? else { return Ok(None) };
        let mut statement = self.connection.prepare_cached(
            "SELECT min((SELECT l.log_key FROM log l
                         WHERE l.document_key = d.document_key AND l.log_key > ?2 + d.checked_position
                         ORDER BY l.log_key LIMIT 1))
             FROM documents d INDEXED BY documents_unchecked
             WHERE d.space_key = ?1 AND d.checked_position < d.last_position AND d.held IS NULL",
        )?;
        let first: Option<i64> =
            statement.query_row(params![log.space_key, log_key(log.space_key, 0)], |row| row.get(0))?;
        let before_first = first.map(|key| Position(position_of(key).0.saturating_sub(1)));
        let position = before_first.map_or(log.end.position, |position| position.min(log.end.position));
        Ok(Some(LogPosition { position, ..log.end }))
    }
}

impl Writer {
    fn store_checked(&mut self, found: &StoreChecked) -> Result<Stored, ReadError> {
        let StoreChecked { space, document, expected_checked, new_checked, .. } = *found;
        let row = self.checked_row(space, document)?;
        if row.checked != expected_checked {
            return Ok(Stored::Moved { checked: row.checked });
        }
        if new_checked < expected_checked || new_checked > row.last {
            let end = log_end(&self.connection, space)?.ok_or(ReadError::UnknownSpace { space })?.end;
            let after = LogPosition { position: new_checked, ..end };
            return Err(ReadError::BeyondEnd { space, after, end: LogPosition { position: row.last, ..end } });
        }
        if let Some(projection) = &found.projection {
            store_projection(&self.connection, &row, new_checked, projection)?;
        }
        if let Some(snapshot) = &found.snapshot {
            store_snapshot(&self.connection, &row, new_checked, snapshot)?;
        }
        let mut statement =
            self.connection.prepare_cached("UPDATE documents SET checked_position = ?2 WHERE document_key = ?1")?;
        statement.execute(params![row.document_key, new_checked.0.cast_signed()])?;
        drop(statement);
        let type_name = found.projection.as_ref().and_then(|projection| projection.type_name.as_deref());
        self.note_checked(row.space_key, document, new_checked, type_name);
        Ok(Stored::Done)
    }

    fn set_held(&mut self, space: SpaceId, document: DocumentId, reason: Option<String>) -> Result<(), ReadError> {
        let row = self.checked_row(space, document)?;
        let mut statement = self.connection.prepare_cached("UPDATE documents SET held = ?2 WHERE document_key = ?1")?;
        statement.execute(params![row.document_key, reason])?;
        drop(statement);
        if reason.is_none() {
            doubt_shelves(&self.connection, row.space_key)?; // what was held is nowhere else in the log
            move_limits(&self.connection, &self.context.random)?; // what was parked as held may go on
        }
        self.note_held(row.space_key, document, reason);
        Ok(())
    }

    pub(super) fn checked_row(&self, space: SpaceId, document: DocumentId) -> Result<CheckedRow, ReadError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT d.space_key, d.document_key, d.checked_position, d.last_position, d.entries, d.bytes
             FROM documents d JOIN spaces s USING (space_key) WHERE s.id = ?1 AND d.id = ?2",
        )?;
        let row = statement.query_row(params![space.0, document.0], |row| {
            Ok(CheckedRow {
                space_key: row.get(0)?,
                document_key: row.get(1)?,
                checked: Position(unsigned(row, 2)?),
                last: Position(unsigned(row, 3)?),
                entries: unsigned(row, 4)?,
                bytes: unsigned(row, 5)?,
            })
        });
        row.optional()?.ok_or(ReadError::UnknownDocument { space, document })
    }
}
