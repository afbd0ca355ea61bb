//! What the log rules know of a document without loading it: its heads, and the last change of every actor.
//!
//! A frontier is stored with its document now and then and brought up to date from the rows after it, so it can
//! always be made again from the log alone. Older changes are found through an index of hashes that is made from the
//! document's rows when a change names one of them, and kept while the document is in use.

use std::collections::{BTreeMap, HashMap, VecDeque};

use document::Header;
use rusqlite::{Connection, OptionalExtension, params};
use sync_wire::log::EntryKind;
use sync_wire::{Actor, ChangeHash, DocumentId};

use super::void::{Without, voids_of};
use super::{fates, log_key, position_of};
use crate::error::StorageError;

/// How many changes beside heads and actors' last ones are remembered with their operations.
const RECENT_MAX: usize = 256;
const FORMAT: u8 = 1;

/// A document as the writer knows it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Frontier {
    /// `None` until the first entry is appended.
    pub(super) document_key: Option<i64>,
    pub(super) type_name: Option<String>,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) checked: u64,
    pub(super) entries: u64,
    pub(super) ops: u64,
    pub(super) bytes: u64,
    pub(super) is_deleted: bool,
    /// Its bytes are gone for good: nothing is taken any more.
    pub(super) is_purged: bool,
    pub(super) held: Option<String>,
    /// Each head with the largest operation counter at it. Ordered like the actors: the stored form is the same for
    /// the same log.
    pub(super) heads: BTreeMap<ChangeHash, u64>,
    pub(super) actors: BTreeMap<Actor, LastChange>,
    pub(super) max_op: u64,
    /// The stored form covers entries up to here.
    pub(super) stored_at: u64,
    /// The document's row is behind.
    pub(super) is_touched: bool,
    /// Changes of it were refused, and their fates are kept.
    pub(super) is_fated: bool,
    /// Entries since then; the stored form is renewed when they outweigh it.
    pub(super) unstored: u64,
    /// What its voids exclude.
    pub(super) without: Without,
    recent: Recent,
    index: Option<HashIndex>,
}

/// The last change of an actor in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LastChange {
    pub(super) actor_key: i64,
    pub(super) seq: u64,
    pub(super) hash: ChangeHash,
}

impl Frontier {
    /// Of a document without entries.
    pub(super) fn empty() -> Self {
        Self {
            document_key: None,
            type_name: None,
            first: 0,
            last: 0,
            checked: 0,
            entries: 0,
            ops: 0,
            bytes: 0,
            is_deleted: false,
            is_purged: false,
            held: None,
            heads: BTreeMap::new(),
            actors: BTreeMap::new(),
            max_op: 0,
            stored_at: 0,
            is_touched: false,
            is_fated: false,
            unstored: 0,
            without: Without::default(),
            recent: Recent::default(),
            index: None,
        }
    }

    /// Reads the frontier of a document, and brings it up to date from the rows after its stored form.
    pub(super) fn load(connection: &Connection, space_key: i64, document: DocumentId) -> Result<Self, StorageError> {
        let mut statement = connection.prepare_cached(
            "SELECT document_key, type, first_position, last_position, checked_position, entries, ops, bytes, deleted,
                    held, frontier_position, frontier,
                    EXISTS (SELECT 1 FROM fates WHERE fates.space_key = ?1 AND fates.document = ?2),
                    deleted AND EXISTS (SELECT 1 FROM log l WHERE l.document_key = documents.document_key AND kind <> 1
                                        AND kind = 5)
             FROM documents WHERE space_key = ?1 AND id = ?2",
        )?;
        let found = statement.query_row(params![space_key, document.0], |row| {
            let frontier = Self {
                document_key: Some(row.get(0)?),
                type_name: row.get(1)?,
                first: unsigned(row, 2)?,
                last: unsigned(row, 3)?,
                checked: unsigned(row, 4)?,
                entries: unsigned(row, 5)?,
                ops: unsigned(row, 6)?,
                bytes: unsigned(row, 7)?,
                is_deleted: row.get(8)?,
                held: row.get(9)?,
                stored_at: unsigned(row, 10)?,
                is_fated: row.get(12)?,
                is_purged: row.get(13)?,
                ..Self::empty()
            };
            Ok((frontier, row.get::<_, Vec<u8>>(11)?))
        });
        let Some((mut frontier, stored)) = found.optional()? else {
            let is_fated = fates::are_there(connection, space_key, document)?;
            return Ok(Self { is_fated, ..Self::empty() });
        };
        frontier.decode(&stored).ok_or_else(|| damaged(document, "its stored frontier does not read"))?;
        let voids = frontier.document_key.map_or(Ok(Vec::new()), |key| voids_of(connection, key))?;
        if voids.last().is_some_and(|void| void.position.0 > frontier.stored_at) {
            frontier.make_again(connection, space_key, document)?;
        } else {
            frontier.without = voids.iter().map(|entry| &entry.void).collect();
            frontier.replay(connection, space_key, document)?;
        }
        Ok(frontier)
    }

    /// Forgets what the entries lead to, and makes it again from all of them: a void has taken some out of the middle.
    pub(super) fn make_again(
        &mut self,
        connection: &Connection,
        space_key: i64,
        document: DocumentId,
    ) -> Result<(), StorageError> {
        self.heads.clear();
        self.actors.clear();
        (self.max_op, self.stored_at, self.recent, self.index) = (0, 0, Recent::default(), None);
        self.without = self.document_key.map_or(Ok(Without::default()), |key| Without::load(connection, key))?;
        self.replay(connection, space_key, document)?;
        self.unstored = u64::MAX; // the stored form knows no void
        Ok(())
    }

    fn replay(&mut self, connection: &Connection, space_key: i64, document: DocumentId) -> Result<(), StorageError> {
        let mut statement = connection.prepare_cached(
            "SELECT log_key, actor_key, bytes FROM log
             WHERE document_key = ?1 AND log_key > ?2 AND log_key <= ?3 AND kind = 1 AND length(bytes) > 0
             ORDER BY log_key",
        )?;
        let (after, upto) = (log_key(space_key, self.stored_at), log_key(space_key, self.last));
        let mut rows = statement.query(params![self.document_key, after, upto])?;
        self.unstored = 0;
        while let Some(row) = rows.next()? {
            let bytes = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
            let header = Header::parse(bytes)
                .map_err(|error| damaged(document, &format!("entry {} {error}", position_of(row.get_unwrap(0)))))?;
            self.advance(&header, row.get(1)?);
        }
        Ok(())
    }

    /// Takes one more change into account.
    pub(super) fn advance(&mut self, header: &Header, actor_key: i64) {
        // Names and numbers stay taken, whatever became of what was said under them.
        self.actors.insert(header.actor, LastChange { actor_key, seq: header.seq, hash: header.hash });
        self.unstored = self.unstored.saturating_add(1);
        if self.without.contains(&header.hash) {
            return;
        }
        for dep in &header.deps {
            self.heads.remove(dep);
        }
        self.heads.insert(header.hash, header.max_op());
        self.max_op = self.max_op.max(header.max_op());
        self.recent.push(header.hash, header.max_op());
    }

    /// Adds a change that was just appended to the index of hashes, if there is one.
    pub(super) fn index(&mut self, hash: &ChangeHash, position: u64) {
        if let Some(index) = &mut self.index {
            index.insert(hash, position);
        }
    }

    /// The largest operation counter at a change of this document; `None` if it has no such change.
    pub(super) fn max_op_at(
        &mut self,
        connection: &Connection,
        space_key: i64,
        hash: &ChangeHash,
    ) -> Result<Option<u64>, StorageError> {
        if let Some(max_op) = self.heads.get(hash).or_else(|| self.recent.get(hash)) {
            return Ok(Some(*max_op));
        }
        let mut statement =
            connection.prepare_cached("SELECT max_op FROM log WHERE log_key = ?1 AND hash = ?2 AND kind = 1")?;
        for position in self.candidates(connection, hash)? {
            let row = params![log_key(space_key, position), hash.0];
            if let Some(max_op) = statement.query_row(row, |row| unsigned(row, 0)).optional()? {
                self.recent.push(*hash, max_op);
                return Ok(Some(max_op));
            }
        }
        Ok(None)
    }

    /// The position of a change of this document.
    pub(super) fn locate(
        &mut self,
        connection: &Connection,
        space_key: i64,
        hash: &ChangeHash,
    ) -> Result<Option<u64>, StorageError> {
        let mut statement = connection.prepare_cached("SELECT hash = ?2 FROM log WHERE log_key = ?1 AND kind = 1")?;
        for position in self.candidates(connection, hash)? {
            let is_it =
                statement.query_row(params![log_key(space_key, position), hash.0], |row| row.get(0)).optional()?;
            if is_it == Some(true) {
                return Ok(Some(position));
            }
        }
        Ok(None)
    }

    /// The bytes of a change of this document that is in the log after a position.
    pub(super) fn bytes_after(
        &mut self,
        connection: &Connection,
        space_key: i64,
        after: u64,
        hash: &ChangeHash,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        let mut statement =
            connection.prepare_cached("SELECT bytes FROM log WHERE log_key = ?1 AND hash = ?2 AND kind = 1")?;
        for position in self.candidates(connection, hash)?.into_iter().filter(|position| *position > after) {
            let row = params![log_key(space_key, position), hash.0];
            if let Some(bytes) = statement.query_row(row, |row| row.get(0)).optional()? {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// Where it may be.
    fn candidates(&mut self, connection: &Connection, hash: &ChangeHash) -> Result<Vec<u64>, StorageError> {
        let Some(document_key) = self.document_key else { return Ok(Vec::new()) };
        let index = match &mut self.index {
            Some(index) => index,
            none => none.insert(HashIndex::load(connection, document_key)?),
        };
        Ok(index.candidates(hash).collect())
    }

    /// Whether the stored form should be renewed: its size is paid for by the entries since.
    pub(super) fn is_worth_storing(&self) -> bool {
        self.unstored.saturating_mul(64) >= self.encoded_bytes() as u64
    }

    /// Roughly the memory it takes.
    pub(super) fn bytes_estimate(&self) -> usize {
        let index = self.index.as_ref().map_or(0, |index| index.first.len() * 24);
        512 + self.heads.len() * 64 + self.actors.len() * 112 + self.recent.0.len() * 40 + index
    }

    fn encoded_bytes(&self) -> usize {
        17 + self.heads.len() * 40 + self.actors.len() * 64
    }

    /// The stored form: operations, heads, actors, all of fixed width.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.encoded_bytes());
        bytes.push(FORMAT);
        bytes.extend(self.max_op.to_le_bytes());
        bytes.extend((self.heads.len() as u64).to_le_bytes());
        for (hash, max_op) in &self.heads {
            bytes.extend(hash.0);
            bytes.extend(max_op.to_le_bytes());
        }
        for (actor, last) in &self.actors {
            bytes.extend(actor.0);
            bytes.extend(last.actor_key.to_le_bytes());
            bytes.extend(last.seq.to_le_bytes());
            bytes.extend(last.hash.0);
        }
        bytes
    }

    fn decode(&mut self, bytes: &[u8]) -> Option<()> {
        let mut bytes = Bytes(bytes);
        if bytes.take::<1>()? != [FORMAT] {
            return None;
        }
        self.max_op = bytes.u64()?;
        for _ in 0..bytes.u64()? {
            let hash = ChangeHash(bytes.take()?);
            self.heads.insert(hash, bytes.u64()?);
        }
        while !bytes.0.is_empty() {
            let actor = Actor(bytes.take()?);
            let actor_key = bytes.u64()?.cast_signed();
            let last = LastChange { actor_key, seq: bytes.u64()?, hash: ChangeHash(bytes.take()?) };
            self.actors.insert(actor, last);
        }
        Some(())
    }
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

/// The changes that were appended or named lately, newest last: most deps that are no heads are among them. Looked
/// through from the newest on, because keeping them hashed would cost every append what only concurrent edits need.
#[derive(Debug, Clone, PartialEq, Default)]
struct Recent(VecDeque<(ChangeHash, u64)>);

impl Recent {
    fn get(&self, hash: &ChangeHash) -> Option<&u64> {
        self.0.iter().rev().find(|(known, _)| known == hash).map(|(_, max_op)| max_op)
    }

    fn push(&mut self, hash: ChangeHash, max_op: u64) {
        if self.0.len() >= RECENT_MAX {
            self.0.pop_front();
        }
        self.0.push_back((hash, max_op));
    }
}

/// Where every change of a document is, by the first eight bytes of its hash; a hit is verified against the row.
#[derive(Debug, Clone, PartialEq, Default)]
struct HashIndex {
    first: HashMap<u64, u64>,
    others: HashMap<u64, Vec<u64>>,
}

impl HashIndex {
    fn load(connection: &Connection, document_key: i64) -> Result<Self, StorageError> {
        let mut statement = connection
            .prepare_cached("SELECT log_key, hash FROM log WHERE document_key = ?1 AND kind = 1 ORDER BY log_key")?;
        let mut rows = statement.query([document_key])?;
        let mut index = Self::default();
        while let Some(row) = rows.next()? {
            index.insert(&ChangeHash(row.get(1)?), position_of(row.get(0)?).0);
        }
        Ok(index)
    }

    fn insert(&mut self, hash: &ChangeHash, position: u64) {
        let before = *self.first.entry(prefix(hash)).or_insert(position);
        if before != position {
            self.others.entry(prefix(hash)).or_default().push(position);
        }
    }

    fn candidates(&self, hash: &ChangeHash) -> impl Iterator<Item = u64> {
        let others = self.others.get(&prefix(hash)).into_iter().flatten();
        self.first.get(&prefix(hash)).into_iter().chain(others).copied()
    }
}

fn prefix(hash: &ChangeHash) -> u64 {
    hash.0.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// SQLite keeps signed integers; ours are never negative, so a negative one is damage.
pub(crate) fn unsigned(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

/// The heads in a blob, as tombstones, snapshots and projections keep them.
pub(crate) fn heads_from_bytes(bytes: &[u8]) -> Vec<ChangeHash> {
    bytes.as_chunks::<32>().0.iter().map(|hash| ChangeHash(*hash)).collect()
}

/// The blob of heads.
pub(crate) fn heads_to_bytes(heads: &[ChangeHash]) -> Vec<u8> {
    heads.iter().flat_map(|head| head.0).collect()
}

/// The stored form of an entry kind.
pub(crate) fn kind_of(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<EntryKind> {
    let code: u8 = row.get(column)?;
    EntryKind::from_code(code).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, i64::from(code)))
}

fn damaged(document: DocumentId, what: &str) -> StorageError {
    StorageError::damaged(format!("document {document}: {what}"))
}
