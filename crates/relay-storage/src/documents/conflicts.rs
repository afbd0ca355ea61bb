//! Which documents have fields that wait for a person, and who wrote the values of one.
//!
//! Storage knows no document types, so it keeps what somebody counted who does. An edit pays nothing for it: a count
//! says something as long as nothing was appended to its document, and then the document is looked at again.

use rusqlite::{OptionalExtension, Row, params};
use sync_wire::{AccountId, Actor, DeviceId, DocumentId, Epoch, LogPosition, Position, SpaceId};

use super::document_key;
use crate::change_log::{ReadError, log_end, position_of, unsigned};
use crate::error::StorageError;
use crate::storage::{Reader, Storage};

/// Which documents to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListConflicts {
    /// In these spaces only.
    pub spaces: Vec<SpaceId>,
    /// The types that have such fields, each with the version whose rules count.
    pub types: Vec<(String, u32)>,
    /// After this one.
    pub after: Option<ConflictKey>,
    /// At most so many.
    pub limit: usize,
}

/// Where a document is in the list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConflictKey {
    /// Its space.
    pub space: SpaceId,
    /// Its type.
    pub type_name: String,
    /// Its id.
    pub document: DocumentId,
}

/// A document in which fields wait for a person, or may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MayConflict {
    /// Which.
    pub key: ConflictKey,
    /// What people call it.
    pub title: Option<String>,
    /// Its last entry.
    pub end: LogPosition,
    /// Bytes of its changes.
    pub bytes: u64,
    /// How many fields wait; `None` if nobody has counted since its last entry.
    pub fields: Option<u64>,
}

/// What was counted in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedConflicts {
    /// The space.
    pub space: SpaceId,
    /// The document.
    pub document: DocumentId,
    /// Its last entry then.
    pub position: Position,
    /// The version of its type whose rules count.
    pub type_version: u32,
    /// How many fields wait.
    pub fields: u64,
}

/// Where a change of a document came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenBy {
    /// Where it is.
    pub position: Position,
    /// The device that pushed it.
    pub device: DeviceId,
    /// Whose device that is, if that is known.
    pub account: Option<AccountId>,
    /// When it was appended, by the relay's clock, in unix milliseconds.
    pub appended_at: i64,
}

impl Storage {
    /// Lists documents in which fields wait or may wait, by space, type and id; deleted and held ones are left out.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn list_conflicts(&self, list: ListConflicts) -> Result<Vec<MayConflict>, StorageError> {
        self.read(move |reader| reader.list_conflicts(list)).await
    }

    /// Keeps what was counted, unless the document has moved on.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn note_conflicts(&self, counted: CountedConflicts) -> Result<(), StorageError> {
        self.write(move |writer| {
            let CountedConflicts { space, document, position, type_version, fields } = counted;
            let mut statement = writer.connection.prepare_cached(
                "INSERT OR REPLACE INTO open_conflicts (document_key, position, type_version, fields)
                 SELECT d.document_key, ?3, ?4, ?5 FROM documents d JOIN spaces s USING (space_key)
                 WHERE s.id = ?1 AND d.id = ?2 AND d.last_position = ?3",
            )?;
            let (position, fields) = (position.0.cast_signed(), fields.cast_signed());
            statement.execute(params![space.0, document.0, position, type_version, fields])?;
            Ok(())
        })
        .await
    }

    /// Who wrote changes of a document, each named by its actor and its number among the changes of that; in the same
    /// order, and nothing for a change that the log has not.
    ///
    /// # Errors
    /// [`ReadError`] for a space or document that is not there.
    pub async fn written_by(
        &self,
        space: SpaceId,
        document: DocumentId,
        changes: Vec<(Actor, u64)>,
    ) -> Result<Vec<Option<WrittenBy>>, ReadError> {
        self.read(move |reader| reader.written_by(space, document, &changes)).await
    }
}

impl Reader {
    fn list_conflicts(&self, list: ListConflicts) -> Result<Vec<MayConflict>, StorageError> {
        let ListConflicts { mut spaces, mut types, after, limit } = list;
        spaces.sort_unstable();
        spaces.dedup();
        types.sort_unstable();
        let mut found = Vec::new();
        for space in spaces {
            for (type_name, version) in &types {
                let here = (space, type_name);
                let after = match &after {
                    Some(after) if here < (after.space, &after.type_name) => continue,
                    Some(after) if here == (after.space, &after.type_name) => Some(after.document),
                    _ => None,
                };
                if found.len() == limit {
                    return Ok(found);
                }
                self.list_of_type(space, type_name, *version, after, limit - found.len(), &mut found)?;
            }
        }
        Ok(found)
    }

    fn list_of_type(
        &self,
        space: SpaceId,
        type_name: &str,
        version: u32,
        after: Option<DocumentId>,
        limit: usize,
        found: &mut Vec<MayConflict>,
    ) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT s.id, d.type, d.id, p.title, s.epoch, d.last_position, d.bytes, c.fields
             FROM spaces s JOIN documents d USING (space_key) LEFT JOIN projections p USING (document_key)
             LEFT JOIN open_conflicts c
                 ON c.document_key = d.document_key AND c.position = d.last_position AND c.type_version = ?4
             WHERE s.id = ?1 AND d.type = ?2 AND d.id > ?3 AND NOT d.deleted AND d.held IS NULL AND c.fields IS NOT 0
             ORDER BY d.id LIMIT ?5",
        )?;
        // The empty blob sorts before every id.
        let after: &[u8] = after.as_ref().map_or(&[], |id| &id.0[..]);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        for row in statement.query_map(params![space.0, type_name, after, version, limit], may_conflict)? {
            found.push(row?);
        }
        Ok(())
    }

    fn written_by(
        &self,
        space: SpaceId,
        document: DocumentId,
        changes: &[(Actor, u64)],
    ) -> Result<Vec<Option<WrittenBy>>, ReadError> {
        let log = log_end(&self.connection, space)?.ok_or(ReadError::UnknownSpace { space })?;
        let key = document_key(&self.connection, log.space_key, document)?;
        let key = key.ok_or(ReadError::UnknownDocument { space, document })?;
        let mut statement = self.connection.prepare_cached(
            "SELECT l.log_key, l.device, a.id, l.appended_at
             FROM actors n JOIN log l ON l.document_key = ?2 AND l.actor_key = n.actor_key AND l.seq = ?4
             LEFT JOIN devices d ON d.id = l.device LEFT JOIN accounts a ON a.account_key = d.account_key
             WHERE n.space_key = ?1 AND n.actor = ?3",
        )?;
        let written = changes.iter().map(|(actor, seq)| {
            let row = statement.query_row(params![log.space_key, key, actor.0, seq.cast_signed()], |row| {
                let account: Option<[u8; AccountId::LEN]> = row.get(2)?;
                Ok(WrittenBy {
                    position: position_of(row.get(0)?),
                    device: DeviceId(row.get(1)?),
                    account: account.map(AccountId),
                    appended_at: row.get(3)?,
                })
            });
            Ok(row.optional()?)
        });
        written.collect()
    }
}

fn may_conflict(row: &Row<'_>) -> rusqlite::Result<MayConflict> {
    let fields: Option<i64> = row.get(7)?;
    Ok(MayConflict {
        key: ConflictKey { space: SpaceId(row.get(0)?), type_name: row.get(1)?, document: DocumentId(row.get(2)?) },
        title: row.get(3)?,
        end: LogPosition { epoch: Epoch(row.get(4)?), position: Position(unsigned(row, 5)?) },
        bytes: unsigned(row, 6)?,
        fields: fields.map(i64::cast_unsigned),
    })
}
