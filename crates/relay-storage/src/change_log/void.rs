//! Voids: which changes a log does without, and the one way in for an entry that says so.
//!
//! Nothing is excluded automatically: whoever calls [`Storage::append_void`] acts for a person. What a void excludes
//! keeps its row, its bytes and its place in the chain, and counts for nothing that is derived from the log. All of it
//! is read from the entries themselves, so there is nothing beside the log that could disagree with it.

mod append; // a void on its way into a log

use std::collections::HashMap;

use document::Change;
use rusqlite::{Connection, OptionalExtension, params};
use sync_wire::limits::VOID_DEPENDENTS_MAX;
use sync_wire::{ChangeHash, DocumentId, LogPosition, Position, SpaceId, Void};

use self::append::BATCH_BYTES_MAX;
use super::{ReadError, log_end, position_of};
use crate::error::{StorageError, storage_arm};
use crate::storage::{Reader, Storage};

/// A void to be appended.
#[derive(Debug, Clone, PartialEq)]
pub struct NewVoid {
    /// The space.
    pub space: SpaceId,
    /// The document.
    pub document: DocumentId,
    /// What it says.
    pub void: Void,
    /// The changes that it names as replacements, in that order; those that are in the log already may be left out.
    pub replacements: Vec<Change>,
    /// Why each excluded change has to go, for its author; in the order of the void.
    pub reasons: Vec<String>,
}

/// A void of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoidEntry {
    /// Where it is.
    pub position: Position,
    /// The hash of the entry.
    pub hash: ChangeHash,
    /// When it was appended, by the relay's clock, in unix milliseconds.
    pub appended_at: i64,
    /// What it says.
    pub void: Void,
}

/// What a void did to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voided {
    /// The place of its last entry.
    pub at: LogPosition,
    /// How many entries it made just now; 0 if it was there already.
    pub entries: usize,
}

/// Why a void was not appended. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendVoidError {
    /// No such space or document.
    #[error("no document {document} in space {space}; name one that is listed there")]
    Unknown {
        /// The space.
        space: SpaceId,
        /// The document.
        document: DocumentId,
    },
    /// Its bytes are gone.
    #[error("document {document} is purged; there is nothing to repair")]
    Purged {
        /// The document.
        document: DocumentId,
    },
    /// What was checked is never excluded.
    #[error("change {hash} was checked, or is not in the log of this document; name one after the checked position")]
    Checked {
        /// The change.
        hash: ChangeHash,
    },
    /// What rests on the excluded changes is not what the void says.
    #[error("the document's log is not what the repair was made for; repair again")]
    Moved,
    /// An excluded change can be excluded once.
    #[error("change {hash} is excluded already")]
    Again {
        /// The change.
        hash: ChangeHash,
    },
    /// Another change has the name and number of a replacement.
    #[error("replacement {hash} has actor and number of another change; exclude what it replaces as well")]
    NameTaken {
        /// The replacement.
        hash: ChangeHash,
    },
    /// It would not fit one delivery.
    #[error(
        "a repair on which {dependents} changes rest, of {bytes} bytes with their replacements; at most \
         {VOID_DEPENDENTS_MAX} and {BATCH_BYTES_MAX} are possible in one"
    )]
    TooLarge {
        /// How many changes rest on what it excludes.
        dependents: usize,
        /// How much it takes.
        bytes: usize,
    },
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
storage_arm!(AppendVoidError);

impl AppendVoidError {
    /// The stable word for this failure.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "document_unknown",
            Self::Purged { .. } => "document_purged",
            Self::Checked { .. } => "change_checked",
            Self::Moved => "repair_outdated",
            Self::Again { .. } => "change_excluded",
            Self::NameTaken { .. } => "replacement_taken",
            Self::TooLarge { .. } => "repair_too_large",
            Self::Storage(error) => error.code(),
        }
    }
}

impl Storage {
    /// Appends a void with its replacements as one batch, in one transaction, and lets the document be checked and
    /// written again. Its snapshot is dropped; the next check makes all anew. Appending it again changes nothing.
    ///
    /// Call it only for an explicit act of a person, with an owner's grant or the operator's hands.
    ///
    /// # Errors
    /// [`AppendVoidError`].
    pub async fn append_void(&self, void: NewVoid) -> Result<Voided, AppendVoidError> {
        self.write(move |writer| writer.append_void(&void)).await
    }

    /// The voids of a document, in the order of the log.
    ///
    /// # Errors
    /// [`ReadError::UnknownSpace`]; [`ReadError::Storage`].
    pub async fn voids(&self, space: SpaceId, document: DocumentId) -> Result<Vec<VoidEntry>, ReadError> {
        self.read(move |reader| reader.voids(space, document)).await
    }
}

impl Reader {
    fn voids(&self, space: SpaceId, document: DocumentId) -> Result<Vec<VoidEntry>, ReadError> {
        let log = log_end(&self.connection, space)?.ok_or(ReadError::UnknownSpace { space })?;
        let mut statement = self
            .connection
            .prepare_cached("SELECT document_key FROM documents WHERE space_key = ?1 AND id = ?2")
            .map_err(StorageError::from)?;
        let found = statement.query_row(params![log.space_key, document.0], |row| row.get::<_, i64>(0));
        let Some(key) = found.optional().map_err(StorageError::from)? else { return Ok(Vec::new()) };
        Ok(voids_of(&self.connection, key)?)
    }
}

/// The voids of a document, in the order of the log.
pub(crate) fn voids_of(connection: &Connection, document_key: i64) -> Result<Vec<VoidEntry>, StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT log_key, hash, appended_at, bytes FROM log INDEXED BY log_markers
         WHERE document_key = ?1 AND kind <> 1 AND kind = 2 ORDER BY log_key",
    )?;
    let mut rows = statement.query([document_key])?;
    let mut voids = Vec::new();
    while let Some(row) = rows.next()? {
        let position = position_of(row.get(0)?);
        let bytes = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
        let void = Void::decode(bytes)
            .map_err(|error| StorageError::damaged(format!("the void at position {position}: {error}")))?;
        voids.push(VoidEntry { position, hash: ChangeHash(row.get(1)?), appended_at: row.get(2)?, void });
    }
    Ok(voids)
}

/// What a document's log does without: each excluded change, with the one at fault.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Without(HashMap<ChangeHash, ChangeHash>);

impl Without {
    pub(crate) fn load(connection: &Connection, document_key: i64) -> Result<Self, StorageError> {
        Ok(voids_of(connection, document_key)?.iter().map(|entry| &entry.void).collect())
    }

    pub(crate) fn add(&mut self, void: &Void) {
        let Some(first) = void.excluded.first().copied() else { return };
        self.0.extend(void.changes().map(|hash| (hash, first)));
        self.0.extend(void.excluded.iter().map(|hash| (*hash, *hash)));
    }

    pub(crate) fn contains(&self, hash: &ChangeHash) -> bool {
        self.0.contains_key(hash)
    }

    /// A change at fault because of which this one is excluded.
    pub(super) fn culprit(&self, hash: &ChangeHash) -> Option<ChangeHash> {
        self.0.get(hash).copied()
    }
}

impl<'v> FromIterator<&'v Void> for Without {
    fn from_iter<I: IntoIterator<Item = &'v Void>>(voids: I) -> Self {
        let mut without = Self::default();
        voids.into_iter().for_each(|void| without.add(void));
        without
    }
}
