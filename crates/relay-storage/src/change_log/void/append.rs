//! A void on its way into a log: the rules of voids first, then its row, those of its replacements, and what its author
//! keeps of what is excluded.

use std::collections::{HashMap, HashSet};

use document::{Change, Header};
use rusqlite::params;
use sync_wire::limits::{FRAME_BYTES_MAX, VOID_DEPENDENTS_MAX};
use sync_wire::log::{EntryIdentity, EntryKind};
use sync_wire::{Actor, BatchId, Blob, ChangeHash, DeviceId, FateCode, LogPosition, Position, Void};

use super::{AppendVoidError, NewVoid, Voided};
use crate::change_log::fates::{NewFate, Permanence, Place};
use crate::change_log::frontier::Frontier;
use crate::change_log::purge::RELAY;
use crate::change_log::rules::ENTRY_OVERHEAD_BYTES;
use crate::change_log::state::{Holder, Space};
use crate::change_log::{log_key, position_of};
use crate::error::StorageError;
use crate::storage::{Context, Writer};

/// Room of a frame for a void with its replacements; the rest is the envelope.
pub(super) const BATCH_BYTES_MAX: usize = FRAME_BYTES_MAX - 2048;

impl Writer {
    /// See [`Storage::append_void`].
    pub(in crate::change_log) fn append_void(&mut self, new: &NewVoid) -> Result<Voided, AppendVoidError> {
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

/// A change that a void names, with whose it is.
struct Named {
    actor: Actor,
    device: DeviceId,
    owner: Option<Holder>,
    bytes: Vec<u8>,
    batch: [u8; 16],
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
            if owner.is_some_and(|owner| owner.is_another_than(original.owner))
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
                    owner: account.map(|account| (account, device)),
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
