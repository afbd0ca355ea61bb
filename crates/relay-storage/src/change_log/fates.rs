//! What became of refused changes, where the log's rules meet it: looked up before anything else is judged, kept in the
//! transaction that refuses (PROTOCOL §5).
//!
//! A document without refusals pays nothing: its frontier knows that there are none.

use std::collections::{HashMap, HashSet};

use document::{Change, Header, Seed};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest as _, Sha256};
use sync_wire::limits::FRAME_BYTES_MAX;
use sync_wire::{BatchId, Blob, ChangeHash, DeviceId, DocumentId, FateCode};

use super::append::Lane;
use super::rules::{Fate, Stop};
use super::{BatchContent, Outcome, ParsedBatch};
use crate::error::StorageError;
use crate::storage::Context;

/// What the hash of a change begins after: magic and checksum of its chunk.
const PREFIX_BYTES: usize = 8;
/// Chunks of this type have the hash of what stands in them; others have to be inflated first.
const TYPE_CHANGE: u8 = 1;

/// A refusal that was kept.
pub(super) struct Kept {
    /// The change at fault, if that is another one.
    pub(super) culprit: Option<ChangeHash>,
    code: FateCode,
    detail: String,
}

/// A refusal that is to be kept.
pub(super) struct Verdict<'a> {
    pub(super) culprit: ChangeHash,
    pub(super) code: FateCode,
    pub(super) detail: &'a str,
}

/// Where a change was refused, and to whom.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) space_key: i64,
    pub(crate) document: DocumentId,
    pub(crate) account_key: i64,
    pub(crate) device: DeviceId,
    pub(crate) batch: BatchId,
    pub(crate) now: i64,
}

/// One row.
pub(crate) struct NewFate<'a> {
    pub(crate) hash: ChangeHash,
    pub(crate) code: FateCode,
    pub(crate) culprit: Option<ChangeHash>,
    pub(crate) detail: &'a str,
    pub(crate) permanence: Permanence,
    /// The change, for the quarantine.
    pub(crate) bytes: Option<&'a [u8]>,
}

/// Whether a refusal is repeated for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permanence {
    /// It is.
    Final,
    /// The change came with one that is at fault; without that one it is judged anew.
    UntilPushedAlone,
}

/// The hash of a change that does not parse, if it can be read at all: the checksum must be right, or it would be
/// anybody's guess which change was meant.
#[must_use]
pub fn readable_hash(bytes: &[u8]) -> Option<ChangeHash> {
    let (prefix, body) = bytes.split_at_checked(PREFIX_BYTES)?;
    let hash: [u8; 32] = Sha256::digest(body).into();
    let is_readable = body.first() == Some(&TYPE_CHANGE) && prefix[4..] == hash[..4];
    is_readable.then_some(ChangeHash(hash))
}

/// Whether any change of a document was ever refused.
pub(super) fn are_there(connection: &Connection, space_key: i64, document: DocumentId) -> Result<bool, StorageError> {
    let mut statement =
        connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM fates WHERE space_key = ?1 AND document = ?2)")?;
    Ok(statement.query_row(params![space_key, document.0], |row| row.get(0))?)
}

impl Lane<'_> {
    /// The refusal of a change of this batch that was refused for ever before, or of one that rests on such a change.
    pub(super) fn own_fate<'c>(
        &mut self,
        changes: impl Iterator<Item = &'c &'c Change> + Clone,
    ) -> Result<Option<Refusal>, StorageError> {
        if !self.frontier.is_fated {
            return Ok(None);
        }
        for change in changes.clone() {
            if let Some(again) = self.refused_before(&change.header.hash)? {
                return Ok(Some(Refusal::Again(again)));
            }
        }
        for change in changes {
            if let Some(culprit) = self.refused_among(&change.header.deps)? {
                let what = format!("change {}", change.header.hash.short());
                return Ok(Some(Refusal::Dependant(with(culprit, &what))));
            }
        }
        Ok(None)
    }

    /// The answer that the push of a change got that was refused for ever.
    pub(super) fn refused_before(&self, hash: &ChangeHash) -> Result<Option<Outcome>, StorageError> {
        if !self.frontier.is_fated {
            return Ok(None);
        }
        Ok(self.kept(hash)?.map(|Kept { culprit, code, detail }| Outcome::Refused {
            culprit: Some(culprit.unwrap_or(*hash)),
            code,
            detail,
        }))
    }

    /// The first refused change that one of these is or went with, unless another device's push of it was accepted.
    pub(super) fn refused_among(&mut self, hashes: &[ChangeHash]) -> Result<Option<ChangeHash>, StorageError> {
        if !self.frontier.is_fated {
            return Ok(None);
        }
        for hash in hashes {
            if let Some(Kept { culprit, .. }) = self.kept(hash)?
                && !self.rules().missing(&[*hash])?.is_empty()
            {
                return Ok(Some(culprit.unwrap_or(*hash)));
            }
        }
        Ok(None)
    }

    fn kept(&self, hash: &ChangeHash) -> Result<Option<Kept>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT culprit, code, detail FROM fates
             WHERE space_key = ?1 AND document = ?2 AND hash = ?3 AND device = ?4 AND final",
        )?;
        let key = params![self.space.key, self.request.document.0, hash.0, self.request.device.0];
        let kept = statement.query_row(key, |row| {
            let culprit = row.get::<_, Option<[u8; 32]>>(0)?.map(ChangeHash);
            Ok(Kept { culprit, code: FateCode(row.get(1)?), detail: row.get(2)? })
        });
        Ok(kept.optional()?)
    }

    /// Keeps the fate of every change of a refused batch, and its bytes: its own code for the culprit, `with` for the
    /// others. What is in the log already and what belongs to nobody (seeds) is left alone.
    pub(super) fn keep(&mut self, batch: &ParsedBatch, verdict: &Verdict<'_>) -> Result<(), Stop> {
        let place = Place {
            space_key: self.space.key,
            document: self.request.document,
            account_key: self.account_key,
            device: self.request.device,
            batch: batch.id,
            now: self.now,
        };
        let mut bad = HashSet::from([verdict.culprit]);
        for Readable { hash, header, bytes } in batch.readable() {
            let deps = header.as_ref().map_or(&[][..], |header| &header.deps);
            let is_left_alone = match &header {
                Some(header) => is_seed(header) || matches!(self.rules().fate(header)?, Fate::Appended(_)),
                None => hash != verdict.culprit,
            };
            if is_left_alone {
                continue;
            }
            let detail = with_detail(&format!("change {}", hash.short()), &verdict.culprit);
            let goes_with = NewFate {
                hash,
                code: FateCode::WITH,
                culprit: Some(verdict.culprit),
                detail: &detail,
                permanence: Permanence::UntilPushedAlone,
                bytes: Some(&bytes),
            };
            let fate = if hash == verdict.culprit {
                NewFate {
                    code: verdict.code,
                    culprit: None,
                    detail: verdict.detail,
                    permanence: Permanence::Final,
                    ..goes_with
                }
            } else if deps.iter().any(|dep| bad.contains(dep)) || self.refused_among(deps)?.is_some() {
                bad.insert(hash);
                NewFate { permanence: Permanence::Final, ..goes_with }
            } else {
                goes_with
            };
            self.log.keep_fate(self.connection, self.context, place, &fate).map_err(Stop::Write)?;
            self.frontier.is_fated = true;
        }
        Ok(())
    }

    /// Forgets that changes went with a culprit: they were taken without it.
    pub(super) fn forget_companions(&mut self, changes: &[&Change]) -> Result<(), StorageError> {
        if !self.frontier.is_fated {
            return Ok(());
        }
        let mut find = self.connection.prepare_cached(
            "SELECT fate_key FROM fates
             WHERE space_key = ?1 AND document = ?2 AND hash = ?3 AND device = ?4 AND NOT final",
        )?;
        let mut drop_row = self.connection.prepare_cached("DELETE FROM fates WHERE fate_key = ?1")?;
        let mut drop_bytes = self.connection.prepare_cached("DELETE FROM refused WHERE fate_key = ?1")?;
        for change in changes {
            let hash = change.hash().0;
            let key = params![self.space.key, self.request.document.0, hash, self.request.device.0];
            if let Some(fate_key) = find.query_row(key, |row| row.get::<_, i64>(0)).optional()? {
                drop_row.execute([fate_key])?;
                drop_bytes.execute([fate_key])?;
                self.log.forget_shelf();
            }
        }
        Ok(())
    }
}

/// Why a batch is not looked at any further.
pub(super) enum Refusal {
    /// Its change was refused before.
    Again(Outcome),
    /// Its change rests on one that was.
    Dependant(Outcome),
}

pub(super) fn with(culprit: ChangeHash, what: &str) -> Outcome {
    Outcome::Refused { culprit: Some(culprit), code: FateCode::WITH, detail: with_detail(what, &culprit) }
}

fn with_detail(what: &str, culprit: &ChangeHash) -> String {
    format!("{what} goes with change {}, which was refused", culprit.short())
}

fn is_seed(header: &Header) -> bool {
    Seed::is_seed_actor(&header.actor)
}

/// A change of which at least the hash is known.
struct Readable {
    hash: ChangeHash,
    header: Option<Header>,
    bytes: Blob,
}

impl From<Change> for Readable {
    fn from(Change { header, bytes }: Change) -> Self {
        Self { hash: header.hash, header: Some(header), bytes }
    }
}

impl ParsedBatch {
    /// Its changes in order, as far as they can be told.
    fn readable(&self) -> Vec<Readable> {
        match &self.content {
            BatchContent::Changes(changes) => changes.iter().cloned().map(Readable::from).collect(),
            BatchContent::Rejected { changes, .. } => {
                // Whoever sends much in little gets no more of it kept than fits one frame.
                let mut room = FRAME_BYTES_MAX;
                changes.iter().filter_map(|bytes| readable(bytes, &mut room)).collect()
            }
            BatchContent::Tombstone { .. } | BatchContent::Restore | BatchContent::TooLarge => Vec::new(),
        }
    }
}

fn readable(bytes: &Blob, room: &mut usize) -> Option<Readable> {
    if *room == 0 {
        return None;
    }
    match Change::parse_within(bytes.clone(), *room) {
        Ok(Some(change)) => {
            *room -= change.bytes.len();
            Some(change.into())
        }
        Ok(None) => {
            *room = 0;
            None
        }
        Err(_) => {
            let hash = readable_hash(bytes);
            if hash.is_none() {
                *room -= *room / 8; // it may have been expanded before it was found to be nothing
            }
            hash.map(|hash| Readable { hash, header: None, bytes: bytes.clone() })
        }
    }
}

/// How much is kept for each account, as far as it was asked for.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    totals: HashMap<i64, Total>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Total {
    changes: u64,
    bytes: u64,
}

impl Shelf {
    /// Writes the row of a fate, unless there is one, and keeps the bytes while there is room.
    pub(super) fn keep(
        &mut self,
        connection: &Connection,
        context: &Context,
        place: Place,
        fate: &NewFate<'_>,
    ) -> Result<(), StorageError> {
        let Place { space_key, document, account_key, device, batch, now } = place;
        // The first answer stays; but what went with a culprit may turn out to be at fault itself. Then it is in
        // quarantine again, if its account had discarded it.
        let mut statement = connection.prepare_cached(
            "INSERT INTO fates (space_key, document, hash, device, account_key, batch, code, culprit, detail, judged_by,
                                decided_at, final)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT (space_key, document, hash, device) DO UPDATE
             SET account_key = excluded.account_key, batch = excluded.batch, code = excluded.code,
                 culprit = excluded.culprit, detail = excluded.detail, judged_by = excluded.judged_by,
                 decided_at = excluded.decided_at, final = excluded.final
             WHERE NOT fates.final
             RETURNING fate_key",
        )?;
        let judged_by = context.judged_by(connection).cast_signed();
        let culprit = fate.culprit.map(|culprit| culprit.0);
        let is_final = fate.permanence == Permanence::Final;
        let row = params![
            space_key,
            document.0,
            fate.hash.0,
            device.0,
            account_key,
            batch.0,
            fate.code.0,
            culprit,
            fate.detail,
            judged_by,
            now,
            is_final
        ];
        let Some(fate_key) = statement.query_row(row, |row| row.get(0)).optional()? else { return Ok(()) };
        match fate.bytes {
            Some(bytes) => self.keep_bytes(connection, context, (fate_key, account_key, now), bytes),
            None => Ok(()),
        }
    }

    fn keep_bytes(
        &mut self,
        connection: &Connection,
        context: &Context,
        (fate_key, account_key, now): (i64, i64, i64),
        bytes: &[u8],
    ) -> Result<(), StorageError> {
        let (changes_max, bytes_max) = (context.limits.refused_changes_max, context.limits.refused_bytes_max);
        let size = bytes.len() as u64;
        if size > bytes_max || changes_max == 0 {
            return Ok(());
        }
        let mut total = self.total(connection, account_key)?;
        let mut statement = connection.prepare_cached(
            "INSERT INTO refused (fate_key, account_key, kept_at, size, bytes) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (fate_key) DO NOTHING",
        )?;
        let added = statement.execute(params![fate_key, account_key, now, size.cast_signed(), bytes])? as u64;
        total.changes += added;
        total.bytes += added * size;
        if total.changes > changes_max || total.bytes > bytes_max {
            let after = Total { changes: changes_max - changes_max / 8, bytes: bytes_max - bytes_max / 8 };
            make_room(connection, account_key, &mut total, after)?;
        }
        self.totals.insert(account_key, total);
        Ok(())
    }

    fn total(&self, connection: &Connection, account_key: i64) -> Result<Total, StorageError> {
        if let Some(total) = self.totals.get(&account_key) {
            return Ok(*total);
        }
        let mut statement =
            connection.prepare_cached("SELECT count(*), coalesce(sum(size), 0) FROM refused WHERE account_key = ?1")?;
        Ok(statement.query_row([account_key], |row| {
            Ok(Total { changes: super::unsigned(row, 0)?, bytes: super::unsigned(row, 1)? })
        })?)
    }

    /// What was swept is not there any more.
    pub(super) fn forget(&mut self) {
        self.totals.clear();
    }
}

/// Drops the oldest bytes of an account. A good part at once, so that this is rare.
fn make_room(connection: &Connection, account_key: i64, total: &mut Total, after: Total) -> Result<(), StorageError> {
    let mut oldest =
        connection.prepare_cached("SELECT fate_key, size FROM refused WHERE account_key = ?1 ORDER BY fate_key")?;
    let mut rows = oldest.query([account_key])?;
    let mut upto = None;
    while total.changes > after.changes || total.bytes > after.bytes {
        let Some(row) = rows.next()? else { break };
        upto = Some(row.get::<_, i64>(0)?);
        total.changes = total.changes.saturating_sub(1);
        total.bytes = total.bytes.saturating_sub(super::unsigned(row, 1)?);
    }
    drop(rows);
    let mut statement = connection.prepare_cached("DELETE FROM refused WHERE account_key = ?1 AND fate_key <= ?2")?;
    statement.execute(params![account_key, upto])?;
    Ok(())
}
