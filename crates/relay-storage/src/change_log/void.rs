//! Voids: which changes a log does without, and the one way in for an entry that says so.
//!
//! Nothing is excluded automatically: whoever calls [`Storage::append_void`] acts for a person. What a void excludes
//! keeps its row, its bytes and its place in the chain, and counts for nothing that is derived from the log. All of it
//! is read from the entries themselves, so there is nothing beside the log that could disagree with it.

use std::collections::{HashMap, HashSet};

use document::{Change, Header};
use rusqlite::{Connection, OptionalExtension, params};
use sync_wire::limits::{FRAME_BYTES_MAX, VOID_DEPENDENTS_MAX};
use sync_wire::log::{EntryIdentity, EntryKind};
use sync_wire::{
    Actor, BatchId, Blob, ChangeHash, DeviceId, DocumentId, FateCode, LogPosition, Position, SpaceId, Void,
};

use super::fates::{NewFate, Permanence, Place};
use super::frontier::Frontier;
use super::purge::RELAY;
use super::rules::ENTRY_OVERHEAD_BYTES;
use super::state::Space;
use super::{ReadError, log_end, log_key, position_of};
use crate::error::{StorageError, storage_arm};
use crate::storage::{Context, Reader, Storage, Writer};

/// Room of a frame for a void with its replacements; the rest is the envelope.
const BATCH_BYTES_MAX: usize = FRAME_BYTES_MAX - 2048;

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

/// A change that a void names, with whose it is.
struct Named {
    actor: Actor,
    device: DeviceId,
    owner: Option<(i64, DeviceId)>,
    bytes: Vec<u8>,
    batch: [u8; 16],
}

impl Writer {
    /// See [`Storage::append_void`].
    pub(super) fn append_void(&mut self, new: &NewVoid) -> Result<Voided, AppendVoidError> {
        let unknown = || AppendVoidError::Unknown { space: new.space, document: new.document };
        let space = self.log.space(&self.connection, new.space)?.ok_or_else(unknown)?;
        let mut frontier = self.log.take_frontier(&self.connection, space.key, new.document)?;
        let Some(document_key) = frontier.document_key else { return Err(unknown()) };
        let payload = new.void.encode();
        let batch = Void::batch(&payload, new.space, new.document);
        let mut work = Work { writer: self, new, payload, batch, space, document_key, rows: 0 };
        let ready = match work.prepare(&mut frontier) {
            Ok(ready) => ready,
            Err(error) => {
                let key = work.space.key;
                self.log.put_frontier(key, new.document, frontier);
                return error;
            }
        };
        let voided = work.append(&mut frontier, &ready)?;
        let space = work.space;
        self.put_touched(&space, new.document, frontier);
        Ok(voided)
    }
}

/// A void on its way into a log.
struct Work<'w> {
    writer: &'w mut Writer,
    new: &'w NewVoid,
    payload: Blob,
    batch: BatchId,
    space: Space,
    document_key: i64,
    rows: usize,
}

/// What was looked up for it.
struct Ready {
    hash: ChangeHash,
    /// The replacements that the log does not have, with what they replace.
    fresh: Vec<(ChangeHash, Change)>,
    /// Everything that the void excludes.
    named: HashMap<ChangeHash, Named>,
}

impl Work<'_> {
    /// Writes nothing. Where there is nothing to write, the answer is the error's.
    fn prepare(&mut self, frontier: &mut Frontier) -> Result<Ready, Result<Voided, AppendVoidError>> {
        let hash = Void::hash(&self.payload, self.new.space, self.new.document, self.batch);
        if let Some(position) = self.last_of_batch(&hash).map_err(|error| Err(error.into()))? {
            return Err(Ok(self.voided(position, 0)));
        }
        self.judge(frontier).map_err(Err)?;
        let named = self.named().map_err(|error| Err(error.into()))?;
        let fresh = self.fresh(frontier, &named).map_err(Err)?;
        Ok(Ready { hash, fresh, named })
    }

    fn append(&mut self, frontier: &mut Frontier, ready: &Ready) -> Result<Voided, StorageError> {
        let (payload, is_last) = (self.payload.clone(), ready.fresh.is_empty());
        let kind = EntryKind::Void;
        self.write(&Row { kind, hash: ready.hash, device: RELAY, change: None, bytes: &payload, is_last })?;
        for (index, (of, change)) in ready.fresh.iter().enumerate() {
            let Some(original) = ready.named.get(of) else { continue };
            let (kind, hash, device) = (EntryKind::Change, change.hash(), original.device);
            let actor_key = self.bind(change, original)?;
            let is_last = index + 1 == ready.fresh.len();
            let written = Some((&change.header, actor_key));
            self.write(&Row { kind, hash, device, change: written, bytes: &change.bytes, is_last })?;
            frontier.ops += change.header.ops;
            frontier.bytes += change.bytes.len() as u64;
            if let Some((account_key, _)) = original.owner {
                let Writer { log, connection, .. } = &mut *self.writer;
                log.usage(connection, account_key)?.add(change.bytes.len() as u64);
            }
        }
        self.keep_fates(frontier, &ready.named)?;
        frontier.last = self.space.end;
        frontier.entries += self.rows as u64;
        frontier.held = None;
        frontier.make_again(&self.writer.connection, self.space.key, self.new.document)?;
        let space = self.space.clone();
        self.writer.log.put_space(&space);
        self.drop_derived()?;
        Ok(self.voided(self.space.end, self.rows))
    }

    fn voided(&self, position: u64, entries: usize) -> Voided {
        Voided { at: LogPosition { epoch: self.space.epoch, position: Position(position) }, entries }
    }

    /// The last position of the batch of this void, if it is in the log.
    fn last_of_batch(&self, hash: &ChangeHash) -> Result<Option<u64>, StorageError> {
        let mut statement = self.writer.connection.prepare_cached(
            "SELECT min(e.log_key) FROM log v INDEXED BY log_markers JOIN log e ON e.log_key >= v.log_key
             WHERE v.document_key = ?1 AND v.kind <> 1 AND v.hash = ?2 AND e.log_key < v.log_key + 4200
               AND e.chain IS NOT NULL",
        )?;
        let found: Option<i64> = statement.query_row(params![self.document_key, hash.0], |row| row.get(0))?;
        Ok(found.map(|key| position_of(key).0))
    }

    /// The rules of voids: only what is in the log, unchecked, and not excluded yet; and everything that rests on it.
    fn judge(&self, frontier: &mut Frontier) -> Result<(), AppendVoidError> {
        let NewVoid { document, void, replacements, .. } = self.new;
        if frontier.is_purged {
            return Err(AppendVoidError::Purged { document: *document });
        }
        let made: usize = replacements.iter().map(|change| change.bytes.len() + ENTRY_OVERHEAD_BYTES).sum();
        let bytes = self.payload.len() + ENTRY_OVERHEAD_BYTES + made;
        let dependents = void.dependents.len();
        if bytes > BATCH_BYTES_MAX || dependents > VOID_DEPENDENTS_MAX {
            return Err(AppendVoidError::TooLarge { dependents, bytes });
        }
        for hash in &void.excluded {
            if frontier.without.contains(hash) {
                return Err(AppendVoidError::Again { hash: *hash });
            }
            let position = frontier.locate(&self.writer.connection, self.space.key, hash)?;
            if position.is_none_or(|position| position <= frontier.checked) {
                return Err(AppendVoidError::Checked { hash: *hash });
            }
        }
        let dependents: Vec<ChangeHash> = void.dependents.iter().map(|dependent| dependent.change).collect();
        if self.dependents(frontier)? != dependents { Err(AppendVoidError::Moved) } else { Ok(()) }
    }

    /// What rests on the excluded changes, in the order of the log.
    fn dependents(&self, frontier: &Frontier) -> Result<Vec<ChangeHash>, StorageError> {
        let mut statement = self.writer.connection.prepare_cached(
            "SELECT bytes FROM log WHERE document_key = ?1 AND log_key > ?2 AND kind = 1 ORDER BY log_key",
        )?;
        let mut rows = statement.query(params![self.document_key, log_key(self.space.key, frontier.checked)])?;
        let mut gone: HashSet<ChangeHash> = self.new.void.excluded.iter().copied().collect();
        let mut dependents = Vec::new();
        while let Some(row) = rows.next()? {
            let bytes = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            let header = Header::parse(bytes).map_err(|error| StorageError::damaged(error.to_string()))?;
            let is_excluded = gone.contains(&header.hash) || frontier.without.contains(&header.hash);
            if !is_excluded && header.deps.iter().any(|dep| gone.contains(dep)) {
                gone.insert(header.hash);
                dependents.push(header.hash);
            }
        }
        Ok(dependents)
    }

    /// The replacements that the log does not have, each with what it replaces. Another holder of the same changes may
    /// have pushed one before.
    fn fresh(
        &mut self,
        frontier: &mut Frontier,
        named: &HashMap<ChangeHash, Named>,
    ) -> Result<Vec<(ChangeHash, Change)>, AppendVoidError> {
        let mut fresh = Vec::new();
        let given: HashMap<ChangeHash, &Change> =
            self.new.replacements.iter().map(|change| (change.hash(), change)).collect();
        for dependent in &self.new.void.dependents {
            let Some(hash) = dependent.by else { continue };
            if frontier.locate(&self.writer.connection, self.space.key, &hash)?.is_some() {
                continue;
            }
            let change = *given.get(&hash).ok_or(AppendVoidError::Moved)?;
            let original = named.get(&dependent.change).ok_or(AppendVoidError::Moved)?;
            let Writer { log, connection, .. } = &mut *self.writer;
            let owner = log.owner(connection, self.space.key, change.header.actor)?;
            let is_of_another = owner.is_some_and(|owner| owner.account_key.zip(owner.device) != original.owner);
            if is_of_another
                || frontier.actors.get(&change.header.actor).is_some_and(|last| change.header.seq <= last.seq)
            {
                return Err(AppendVoidError::NameTaken { hash });
            }
            fresh.push((dependent.change, change.clone()));
        }
        Ok(fresh)
    }

    /// The rows of everything that the void excludes.
    fn named(&self) -> Result<HashMap<ChangeHash, Named>, StorageError> {
        let mut statement = self.writer.connection.prepare_cached(
            "SELECT l.hash, l.device, l.batch, a.actor, a.account_key, a.device, l.bytes
             FROM log l JOIN actors a USING (actor_key) WHERE l.document_key = ?1 AND l.kind = 1",
        )?;
        let wanted: HashSet<ChangeHash> = self.new.void.changes().collect();
        let mut rows = statement.query([self.document_key])?;
        let mut named = HashMap::new();
        while let Some(row) = rows.next()? {
            let hash = ChangeHash(row.get(0)?);
            if wanted.contains(&hash) {
                let account: Option<i64> = row.get(4)?;
                let device = row.get::<_, Option<[u8; 16]>>(5)?.map(DeviceId);
                let found = Named {
                    actor: Actor(row.get(3)?),
                    device: DeviceId(row.get(1)?),
                    owner: account.zip(device),
                    bytes: row.get(6)?,
                    batch: row.get(2)?,
                };
                named.insert(hash, found);
            }
        }
        Ok(named)
    }

    /// The key of a replacement's actor: it belongs to whoever wrote what is replaced.
    fn bind(&mut self, change: &Change, original: &Named) -> Result<i64, StorageError> {
        let Writer { log, connection, .. } = &mut *self.writer;
        let actor = change.header.actor;
        match log.owner(connection, self.space.key, actor)? {
            Some(owner) => Ok(owner.actor_key),
            None => Ok(log.bind(connection, self.space.key, actor, original.owner)?.actor_key),
        }
    }

    /// What is excluded is in its author's quarantine, for as long as that keeps bytes.
    fn keep_fates(&mut self, frontier: &mut Frontier, named: &HashMap<ChangeHash, Named>) -> Result<(), StorageError> {
        let now = self.now();
        for (index, hash) in self.new.void.excluded.iter().enumerate() {
            let Some(found) = named.get(hash) else { continue };
            let Some((account_key, _)) = found.owner else { continue };
            let reason = self.new.reasons.get(index).map_or("", String::as_str);
            let detail = format!("change {} of actor {} was excluded by a repair: {reason}", hash.short(), found.actor);
            let place = Place {
                space_key: self.space.key,
                document: self.new.document,
                account_key,
                device: found.device,
                batch: BatchId(found.batch),
                now,
            };
            let (code, permanence) = (FateCode::VOID, Permanence::Final);
            let fate =
                NewFate { hash: *hash, code, culprit: None, detail: &detail, permanence, bytes: Some(&found.bytes) };
            let Writer { log, connection, context, .. } = &mut *self.writer;
            log.keep_fate(connection, context, place, &fate)?;
            frontier.is_fated = true;
        }
        Ok(())
    }

    fn now(&self) -> i64 {
        let context: &Context = &self.writer.context;
        (context.clock)()
    }

    fn drop_derived(&self) -> Result<(), StorageError> {
        for derived in [
            "DELETE FROM snapshots WHERE document_key = ?1",
            "UPDATE documents SET held = NULL WHERE document_key = ?1",
        ] {
            self.writer.connection.prepare_cached(derived)?.execute([self.document_key])?;
        }
        Ok(())
    }

    fn write(&mut self, row: &Row<'_>) -> Result<(), StorageError> {
        let Row { kind, hash, device, change, bytes, is_last } = *row;
        let (document, batch) = (self.new.document, self.batch);
        let digest = EntryIdentity { kind, document, hash, device, batch }.digest(&self.space.salt);
        self.space.end += 1;
        self.space.chain = self.space.chain.extend(&digest);
        self.rows += 1;
        let mut statement = self.writer.connection.prepare_cached(
            "INSERT INTO log (log_key, document_key, kind, actor_key, seq, ops, max_op, appended_at, device, batch,
                              hash, digest, chain, bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?;
        statement.execute(params![
            log_key(self.space.key, self.space.end),
            self.document_key,
            kind as u8,
            change.map(|(_, actor_key)| actor_key),
            change.map(|(header, _)| header.seq.cast_signed()),
            change.map(|(header, _)| header.ops.cast_signed()),
            change.map(|(header, _)| header.max_op().cast_signed()),
            self.now(),
            device.0,
            batch.0,
            hash.0,
            digest,
            is_last.then_some(self.space.chain.0),
            &bytes[..],
        ])?;
        Ok(())
    }
}

/// An entry to be written.
struct Row<'a> {
    kind: EntryKind,
    hash: ChangeHash,
    device: DeviceId,
    change: Option<(&'a Header, i64)>,
    bytes: &'a Blob,
    is_last: bool,
}
