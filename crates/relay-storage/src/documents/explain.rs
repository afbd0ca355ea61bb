//! Why a document is in the state it is in, for people: everything that storage knows of it, in one look.

use rusqlite::{Connection, params};
use sync_wire::log::EntryKind;
use sync_wire::{ChangeHash, DeviceId, DocumentId, Position, SpaceId};

use super::{DocumentState, document_key};
use crate::change_log::{
    ReadError, VoidEntry, heads_from_bytes, kind_of, log_end, log_key, position_of, stored_tips, unsigned, voids_of,
};
use crate::error::StorageError;
use crate::options::Limits;
use crate::storage::{Reader, Storage};

/// Contributors that are named; those with the most entries first.
const CONTRIBUTORS_MAX: usize = 100;

/// All that storage knows of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Where it stands.
    pub state: DocumentState,
    /// What its entries lead to; or, if its stored frontier is damaged, what is wrong with it.
    pub tips: Result<DocumentTips, String>,
    /// How many entries there are of each kind, in the order of the kinds.
    pub kinds: Vec<(EntryKind, u64)>,
    /// Who wrote them: those with the most entries first, at most 100.
    pub contributors: Vec<Contributor>,
    /// How many contributors are left out of that list.
    pub contributors_left_out: u64,
    /// The first entry after the checked position: the one that waits, or that its check failed on.
    pub first_unchecked: Option<EntryPlace>,
    /// How many entries are after the checked position.
    pub unchecked: u64,
    /// Its last deletion that was not taken back, if it is deleted.
    pub deletion: Option<Deletion>,
    /// Its repairs, in the order of the log; or what is wrong with the entry of one.
    pub voids: Result<Vec<VoidEntry>, String>,
    /// Its projection, if there is one.
    pub projection: Option<ProjectionInfo>,
    /// Fields that wait for a person; nothing if nobody has counted them since its last entry.
    pub conflicts: Option<u64>,
    /// The first and the last time that something of it was appended, in unix milliseconds.
    pub appended_at: (i64, i64),
    /// What is too much for it.
    pub limits: Limits,
}

/// What the entries of a document lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentTips {
    /// Its heads, ascending.
    pub heads: Vec<ChangeHash>,
    /// How many actors wrote it.
    pub actors: u64,
    /// The largest operation counter.
    pub max_op: u64,
}

/// One device, and what it wrote of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contributor {
    /// The device of record.
    pub device: DeviceId,
    /// The name of its account, if it is known.
    pub account: Option<String>,
    /// How many entries are its own.
    pub entries: u64,
    /// Bytes of its changes.
    pub bytes: u64,
    /// Its last entry.
    pub last: Position,
}

/// An entry, and when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryPlace {
    /// Where it is.
    pub position: Position,
    /// By the relay's clock, in unix milliseconds.
    pub appended_at: i64,
}

/// A deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// Its entry.
    pub place: EntryPlace,
    /// Who deleted it.
    pub device: DeviceId,
    /// The heads that its author had seen.
    pub heads: Vec<ChangeHash>,
}

/// That there is a projection, without its JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProjectionInfo {
    /// Its entries up to here are in it.
    pub position: Position,
    /// Size of its JSON.
    pub bytes: u64,
}

impl Storage {
    /// All that storage knows of a document; `None` if the space has no entries of it. Walks the document's entries
    /// without reading their changes.
    ///
    /// # Errors
    /// [`ReadError::UnknownSpace`]; [`ReadError::Storage`].
    pub async fn explain(&self, space: SpaceId, document: DocumentId) -> Result<Option<Explanation>, ReadError> {
        self.read(move |reader| reader.explain(space, document)).await
    }
}

impl Reader {
    fn explain(&self, space: SpaceId, document: DocumentId) -> Result<Option<Explanation>, ReadError> {
        // All statements see one moment.
        let moment = self.connection.unchecked_transaction().map_err(StorageError::from)?;
        let log = log_end(&moment, space)?.ok_or(ReadError::UnknownSpace { space })?;
        let Some(key) = document_key(&moment, log.space_key, document)? else { return Ok(None) };
        let state = self.documents_where("s.id = ?1 AND d.id = ?2", &[&space.0, &document.0])?.pop();
        let Some(state) = state else { return Ok(None) };
        let look = Look { connection: &moment, document_key: key };
        let checked = log_key(log.space_key, state.checked.0);
        let (contributors, contributors_left_out) = look.contributors()?;
        let (first_unchecked, unchecked) = look.unchecked(checked)?;
        Ok(Some(Explanation {
            tips: self.tips(log.space_key, document)?,
            kinds: look.kinds()?,
            contributors,
            contributors_left_out,
            first_unchecked,
            unchecked,
            deletion: if state.deleted { look.deletion()? } else { None },
            voids: of_damage(voids_of(&moment, key))?,
            projection: look.projection()?,
            conflicts: look.conflicts(state.end.position)?,
            appended_at: look.appended_at()?,
            limits: self.context.limits,
            state,
        }))
    }

    fn tips(&self, space_key: i64, document: DocumentId) -> Result<Result<DocumentTips, String>, StorageError> {
        let tips = of_damage(stored_tips(&self.connection, space_key, document))?;
        Ok(tips.map(|tips| DocumentTips {
            heads: tips.heads.into_keys().collect(),
            actors: tips.actors.len() as u64,
            max_op: tips.max_op,
        }))
    }
}

/// Whoever asks for the reason of a fault must get an answer.
fn of_damage<T>(read: Result<T, StorageError>) -> Result<Result<T, String>, StorageError> {
    match read {
        Ok(read) => Ok(Ok(read)),
        Err(StorageError::Corrupt { detail }) => Ok(Err(detail)),
        Err(error) => Err(error),
    }
}

/// One document at one moment.
struct Look<'a> {
    connection: &'a Connection,
    document_key: i64,
}

impl Look<'_> {
    fn kinds(&self) -> Result<Vec<(EntryKind, u64)>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT kind, count(*) FROM log WHERE document_key = ?1 GROUP BY kind ORDER BY kind")?;
        let kinds = statement.query_map([self.document_key], |row| Ok((kind_of(row, 0)?, unsigned(row, 1)?)))?;
        Ok(kinds.collect::<rusqlite::Result<_>>()?)
    }

    fn contributors(&self) -> Result<(Vec<Contributor>, u64), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT l.device, (SELECT a.name FROM devices d JOIN accounts a USING (account_key) WHERE d.id = l.device),
                    count(*), sum(CASE l.kind WHEN 1 THEN length(l.bytes) ELSE 0 END), max(l.log_key)
             FROM log l WHERE l.document_key = ?1 GROUP BY l.device ORDER BY count(*) DESC, l.device",
        )?;
        let rows = statement.query_map([self.document_key], |row| {
            Ok(Contributor {
                device: DeviceId(row.get(0)?),
                account: row.get(1)?,
                entries: unsigned(row, 2)?,
                bytes: unsigned(row, 3)?,
                last: position_of(row.get(4)?),
            })
        })?;
        let (mut named, mut left_out) = (Vec::new(), 0);
        for row in rows {
            let contributor = row?;
            if named.len() < CONTRIBUTORS_MAX {
                named.push(contributor);
            } else {
                left_out += 1;
            }
        }
        Ok((named, left_out))
    }

    fn unchecked(&self, checked: i64) -> Result<(Option<EntryPlace>, u64), StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT count(*), min(log_key) FROM log WHERE document_key = ?1 AND log_key > ?2")?;
        let (count, first): (u64, Option<i64>) =
            statement.query_row(params![self.document_key, checked], |row| Ok((unsigned(row, 0)?, row.get(1)?)))?;
        Ok((first.map(|key| self.place(key)).transpose()?, count))
    }

    fn place(&self, key: i64) -> Result<EntryPlace, StorageError> {
        let mut statement = self.connection.prepare_cached("SELECT appended_at FROM log WHERE log_key = ?1")?;
        let appended_at = statement.query_row([key], |row| row.get(0))?;
        Ok(EntryPlace { position: position_of(key), appended_at })
    }

    fn deletion(&self) -> Result<Option<Deletion>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT log_key, appended_at, device, bytes FROM log
             WHERE document_key = ?1 AND kind = 3 ORDER BY log_key DESC LIMIT 1",
        )?;
        let mut rows = statement.query_map([self.document_key], |row| {
            Ok(Deletion {
                place: EntryPlace { position: position_of(row.get(0)?), appended_at: row.get(1)? },
                device: DeviceId(row.get(2)?),
                heads: heads_from_bytes(row.get_ref(3)?.as_blob()?),
            })
        })?;
        Ok(rows.next().transpose()?)
    }

    fn projection(&self) -> Result<Option<ProjectionInfo>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT position, length(CAST(json AS BLOB)) FROM projections WHERE document_key = ?1")?;
        let mut rows = statement.query_map([self.document_key], |row| {
            Ok(ProjectionInfo { position: Position(unsigned(row, 0)?), bytes: unsigned(row, 1)? })
        })?;
        Ok(rows.next().transpose()?)
    }

    fn conflicts(&self, end: Position) -> Result<Option<u64>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT fields FROM open_conflicts WHERE document_key = ?1 AND position = ?2")?;
        let mut rows = statement.query_map(params![self.document_key, end.0.cast_signed()], |row| unsigned(row, 0))?;
        Ok(rows.next().transpose()?)
    }

    fn appended_at(&self) -> Result<(i64, i64), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT coalesce(min(appended_at), 0), coalesce(max(appended_at), 0) FROM log WHERE document_key = ?1",
        )?;
        Ok(statement.query_row([self.document_key], |row| Ok((row.get(0)?, row.get(1)?)))?)
    }
}
