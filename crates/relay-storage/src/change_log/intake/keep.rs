//! A batch comes into the intake, if there is room for it.

use document::Change;
use rusqlite::{Connection, OptionalExtension, params};
use sync_wire::log::EntryKind;
use sync_wire::{BatchId, ChangeHash};

use super::super::Outcome;
use super::super::append::Lane;
use super::super::frontier::{heads_to_bytes, unsigned};
use super::super::rules::{Stop, for_now};
use super::lease::until;
use super::{Ahead, BATCH_OVERHEAD_BYTES};
use crate::error::StorageError;

/// The share of its account's room that one document may take: one whose check is slow must leave some to others.
const DOCUMENT_SHARE: u64 = 4;

/// What a batch that waits holds.
pub(in super::super) struct Waits<'a> {
    pub(in super::super) kind: EntryKind,
    /// Those of its changes that are new.
    pub(in super::super) changes: &'a [&'a Change],
    /// Of a tombstone its heads, else its changes that wait already.
    pub(in super::super) named: &'a [ChangeHash],
}

/// Of what all that waits is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Space(i64),
    Account(i64),
}

/// How much waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Amount {
    pub(super) batches: u64,
    pub(super) size: u64,
}

impl Waits<'_> {
    fn size(&self) -> u64 {
        let bytes: usize = self.changes.iter().map(|change| change.bytes.len()).sum();
        (bytes + self.named.len() * ChangeHash::LEN) as u64 + BATCH_OVERHEAD_BYTES
    }
}

impl Lane<'_> {
    /// Stores a judged batch behind what waits of its document.
    pub(in super::super) fn store(&mut self, batch: BatchId, waits: &Waits<'_>) -> Result<Outcome, Stop> {
        let size = waits.size();
        self.has_room(size)?;
        self.write_waiting(batch, waits, size).map_err(Stop::Write)
    }

    fn has_room(&self, size: u64) -> Result<(), Stop> {
        let limits = self.context.limits.intake;
        let of_document =
            self.ahead.map_or(Amount::default(), |ahead| Amount { batches: ahead.batches, size: ahead.size });
        let of_space = amount(self.connection, Scope::Space(self.space.key))?;
        let of_account = amount(self.connection, Scope::Account(self.account_key))?;
        let document_max = (limits.account_batches_max / DOCUMENT_SHARE, limits.account_bytes_max / DOCUMENT_SHARE);
        let bounds = [
            ("document", of_document, document_max),
            ("account", of_account, (limits.account_batches_max, limits.account_bytes_max)),
            ("space", of_space, (limits.space_batches_max, limits.space_bytes_max)),
        ];
        // Whatever the bounds are, one batch has room.
        let is_over = |waits: &Amount, (batches_max, bytes_max): (u64, u64)| {
            waits.batches > 0 && (waits.batches >= batches_max || waits.size + size > bytes_max)
        };
        match bounds.into_iter().find(|(_, waits, most)| is_over(waits, *most)) {
            None => Ok(()),
            Some((of, waits, (batches_max, bytes_max))) => {
                let Amount { batches, size } = waits;
                let detail = format!(
                    "{batches} batches of {size} bytes of this {of} wait for their check; at most {batches_max} of \
                     {bytes_max} may; try again in a moment"
                );
                Err(for_now(detail))
            }
        }
    }

    fn write_waiting(&mut self, batch: BatchId, waits: &Waits<'_>, size: u64) -> Result<Outcome, StorageError> {
        let mut ahead = match self.ahead {
            Some(ahead) => ahead,
            None => self.open_intake()?,
        };
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO intake_batches (intake_key, batch, device, account_key, kind, stored_at, size, named)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        let (device, kind, named) = (self.request.device, waits.kind as u8, heads_to_bytes(waits.named));
        let (account_key, now) = (self.account_key, self.now);
        let key = statement.insert(params![
            ahead.key,
            batch.0,
            device.0,
            account_key,
            kind,
            now,
            size.cast_signed(),
            named
        ])?;
        for change in waits.changes {
            self.actor_key(batch, change)?; // its first use binds it, here as in the log
            insert_change(self.connection, key, ahead.key, change)?;
            ahead.entries += 1;
            ahead.ops += change.header.ops;
            ahead.max_op = ahead.max_op.max(change.header.max_op());
        }
        ahead.batches += 1;
        ahead.size += size;
        if waits.kind != EntryKind::Change {
            ahead.is_deleted = Some(waits.kind == EntryKind::Tombstone);
        }
        count(self.connection, &ahead)?;
        for scope in [Scope::Space(self.space.key), Scope::Account(account_key)] {
            add(self.connection, scope, size)?;
        }
        self.forget_outcome(batch)?;
        self.log.note_stored();
        self.ahead = Some(ahead);
        Ok(Outcome::Stored)
    }

    /// The first batch of a document: whoever stores it has the lease as well, so that no check waits for one.
    fn open_intake(&self) -> Result<Ahead, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO intake_documents (space_key, document, batches, size, entries, ops, max_op, holder,
                                           leased_until)
             VALUES (?1, ?2, 0, 0, 0, 0, 0, ?3, ?4)",
        )?;
        let document = self.request.document.0;
        let key = statement.insert(params![self.space.key, document, self.context.holder, until(self.now)])?;
        Ok(Ahead { key, batches: 0, size: 0, entries: 0, ops: 0, max_op: 0, is_deleted: None })
    }

    /// What became of it before does not count any more.
    fn forget_outcome(&self, batch: BatchId) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "DELETE FROM intake_outcomes WHERE space_key = ?1 AND device = ?2 AND batch = ?3 AND document = ?4",
        )?;
        let (device, document) = (self.request.device.0, self.request.document.0);
        statement.execute(params![self.space.key, device, batch.0, document])?;
        Ok(())
    }
}

fn insert_change(connection: &Connection, batch: i64, intake: i64, change: &Change) -> Result<(), StorageError> {
    let header = &change.header;
    let mut statement = connection.prepare_cached(
        "INSERT INTO intake_changes (batch_key, intake_key, actor, seq, hash, max_op, ops, bytes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let [seq, max_op, ops] = [header.seq, header.max_op(), header.ops].map(u64::cast_signed);
    statement.execute(params![batch, intake, header.actor.0, seq, header.hash.0, max_op, ops, &change.bytes[..]])?;
    Ok(())
}

/// Writes how much waits of a document.
pub(super) fn count(connection: &Connection, ahead: &Ahead) -> Result<(), StorageError> {
    let mut statement = connection.prepare_cached(
        "UPDATE intake_documents SET batches = ?2, size = ?3, entries = ?4, ops = ?5, max_op = ?6
         WHERE intake_key = ?1",
    )?;
    let Ahead { key, batches, size, entries, ops, max_op, .. } = *ahead;
    let [batches, size, entries, ops, max_op] = [batches, size, entries, ops, max_op].map(u64::cast_signed);
    statement.execute(params![key, batches, size, entries, ops, max_op])?;
    Ok(())
}

impl Scope {
    pub(super) const fn row(self) -> (i64, i64) {
        match self {
            Self::Space(key) => (1, key),
            Self::Account(key) => (2, key),
        }
    }
}

pub(super) fn amount(connection: &Connection, scope: Scope) -> Result<Amount, StorageError> {
    let (scope, key) = scope.row();
    let mut statement =
        connection.prepare_cached("SELECT batches, size FROM intake_totals WHERE scope = ?1 AND key = ?2")?;
    let amount = statement
        .query_row([scope, key], |row| Ok(Amount { batches: unsigned(row, 0)?, size: unsigned(row, 1)? }))
        .optional()?;
    Ok(amount.unwrap_or_default())
}

/// Bytes of an account that wait, in all spaces.
pub(in super::super) fn waiting_bytes(connection: &Connection, account_key: i64) -> Result<u64, StorageError> {
    Ok(amount(connection, Scope::Account(account_key))?.size)
}

fn add(connection: &Connection, scope: Scope, size: u64) -> Result<(), StorageError> {
    let (scope, key) = scope.row();
    let mut statement = connection.prepare_cached(
        "INSERT INTO intake_totals (scope, key, batches, size) VALUES (?1, ?2, 1, ?3)
         ON CONFLICT (scope, key) DO UPDATE SET batches = batches + 1, size = size + excluded.size",
    )?;
    statement.execute(params![scope, key, size.cast_signed()])?;
    Ok(())
}

/// Takes a batch off; a row that says nothing any more goes.
pub(super) fn subtract(connection: &Connection, scope: Scope, size: u64) -> Result<(), StorageError> {
    let (scope, key) = scope.row();
    let mut statement = connection.prepare_cached(
        "UPDATE intake_totals SET batches = batches - 1, size = size - ?3 WHERE scope = ?1 AND key = ?2",
    )?;
    statement.execute(params![scope, key, size.cast_signed()])?;
    let mut statement =
        connection.prepare_cached("DELETE FROM intake_totals WHERE scope = ?1 AND key = ?2 AND batches <= 0")?;
    statement.execute([scope, key])?;
    Ok(())
}
