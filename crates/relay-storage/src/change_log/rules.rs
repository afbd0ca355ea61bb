//! What a change must satisfy to enter its document's log, given the frontier: PROTOCOL §2, stage 3 of admission.
//!
//! Nothing is written here. A batch is judged with a draft of what it adds to the frontier, so that a batch that
//! fails leaves no trace.

mod room; // how much there may be

use std::collections::{BTreeMap, HashMap, HashSet};

use document::{Change, Header, Seed};
use rusqlite::{Connection, OptionalExtension, params};
use sync_wire::limits::HASHES_MAX;
use sync_wire::planted::{self, Bug};
use sync_wire::{Actor, BatchId, ChangeHash, DeviceId, DocumentId, FateCode};

pub(super) use room::{Room, for_now};

use super::Outcome;
use super::frontier::{Frontier, unsigned};
use super::intake::Ahead;
use super::state::{LogState, Owner};
use crate::accounts::has_revoked;
use crate::error::StorageError;
use crate::storage::Context;

/// Changes of the log that are looked at for a whole batch to find actors' previous changes among the ancestors; beyond
/// that the check decides. No vault and no unmodified Automerge makes a change for which even one is looked at.
const WALK_MAX: usize = 2_048;
/// Dependencies of a batch that are looked up in the log. A vault's batch has one change, whose dependencies are heads
/// of its document, of which there are half as many at most.
///
/// Both are looked at while everybody else who writes waits: a few microseconds each.
const BATCH_DEPS_MAX: usize = 2_048;
/// Changes of a batch that are looked at before an index is made.
const STAGED_NEAR: usize = 4;
/// What an entry costs in a delivery beside its bytes.
pub(super) const ENTRY_OVERHEAD_BYTES: usize = 128;

/// A place where rules are judged: one document, one pusher.
pub(super) struct Rules<'a> {
    pub(super) connection: &'a Connection,
    pub(super) log: &'a mut LogState,
    pub(super) frontier: &'a mut Frontier,
    /// What waits of the document, if the rules look at that as well.
    pub(super) ahead: Option<Ahead>,
    pub(super) space_key: i64,
    pub(super) document: DocumentId,
    pub(super) account_key: i64,
    pub(super) device: DeviceId,
    /// The log had this once, from this very device.
    pub(super) is_vouched: bool,
    /// What the account may still add to logs; none for entries that a log had once.
    pub(super) room: Option<Room>,
    pub(super) context: &'a Context,
}

/// What is known of a change by (document, actor, seq).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Not in the log.
    Unknown,
    /// In the log, at this position.
    Appended(u64),
    /// In the intake.
    Waiting,
    /// Another change is in its place.
    Displaced,
}

/// Either an answer of the rules, or a failure of storage.
pub(super) enum Stop {
    Outcome(Outcome),
    /// Before anything was written.
    Storage(StorageError),
    /// While rows were written: the group must be undone.
    Write(StorageError),
}

impl<E: Into<StorageError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Storage(error.into())
    }
}

/// The document as it would be after the changes judged so far.
struct Draft<'b> {
    last: BTreeMap<Actor, (u64, ChangeHash)>,
    /// How many changes were looked at to find ancestors.
    walked: usize,
    /// How many dependencies were looked up in the log.
    looked_up: usize,
    /// The judged changes of this batch.
    staged: Staged<'b>,
    max_op: u64,
    ops: u64,
    bytes: u64,
    entries: u64,
}

impl Rules<'_> {
    /// What became of this change before, if anything.
    pub(super) fn fate(&self, header: &Header) -> Result<Fate, StorageError> {
        let last = self.frontier.actors.get(&header.actor).filter(|last| header.seq <= last.seq);
        let Some(last) = last else { return self.waiting_fate(header) };
        let mut statement = self
            .connection
            .prepare_cached("SELECT log_key, hash FROM log WHERE document_key = ?1 AND actor_key = ?2 AND seq = ?3")?;
        let found = statement
            .query_row(params![self.frontier.document_key, last.actor_key, header.seq.cast_signed()], |row| {
                Ok((super::position_of(row.get(0)?).0, ChangeHash(row.get(1)?)))
            });
        let (position, hash) = found.optional()?.ok_or_else(|| {
            StorageError::damaged(format!("actor {} has no entry {} in its document", header.actor, header.seq))
        })?;
        // Planted: whoever has this name and number is taken for this change.
        let is_it = hash == header.hash || planted::is(Bug::EquivocationAcked);
        Ok(if is_it { Fate::Appended(position) } else { Fate::Displaced })
    }

    /// What became of a change that is not in the log.
    fn waiting_fate(&self, header: &Header) -> Result<Fate, StorageError> {
        let Some(ahead) = self.ahead else { return Ok(Fate::Unknown) };
        Ok(match ahead.hash_at(self.connection, header.actor, header.seq)? {
            None => Fate::Unknown,
            Some(hash) if hash == header.hash => Fate::Waiting,
            Some(_) => Fate::Displaced,
        })
    }

    /// Judges the changes of a batch that are not in the log yet.
    pub(super) fn judge(&mut self, batch: BatchId, changes: &[&Change]) -> Result<(), Stop> {
        self.judge_size(changes)?;
        let mut draft = Draft::of(self.frontier, self.ahead);
        for (index, change) in changes.iter().enumerate() {
            if Seed::is_seed_actor(&change.header.actor) {
                self.judge_seed(&change.header, &draft)?;
            } else {
                self.judge_change(batch, &change.header, &mut draft)?;
            }
            draft.count(change);
            if index + 1 < changes.len() {
                draft.stage(&change.header);
            }
        }
        self.judge_room(changes)?;
        self.judge_heads(changes)?;
        self.judge_totals(&draft)
    }

    /// Its bytes were compared with what its message says when it was parsed; nothing else is to be judged.
    fn judge_seed(&self, seed: &Header, draft: &Draft<'_>) -> Result<(), Stop> {
        if draft.last.contains_key(&seed.actor) {
            return Err(twice(seed));
        }
        Ok(())
    }

    fn judge_change(&mut self, batch: BatchId, header: &Header, draft: &mut Draft<'_>) -> Result<(), Stop> {
        if !draft.last.contains_key(&header.actor) {
            self.judge_actor(batch, header)?;
        }
        let previous = self.judge_seq(header, draft)?;
        let deps_max_op = self.judge_deps(header, draft)?;
        if header.start_op <= deps_max_op {
            let rule = format!("starts at operation {}, its deps reach {deps_max_op}", header.start_op);
            return Err(refused(FateCode::DANGEROUS, header, &rule));
        }
        if header.start_op > draft.max_op + 1 {
            let rule = format!("starts at operation {}, the document ends at {}", header.start_op, draft.max_op);
            return Err(refused(FateCode::DANGEROUS, header, &rule));
        }
        if header.seq > 1 && previous.is_none() {
            let rule = format!("is number {} of its actor, the one before it is in no log", header.seq);
            return Err(refused(FateCode::DANGEROUS, header, &rule));
        }
        match previous {
            Some(previous) if !header.deps.contains(&previous) && !self.is_ancestor(&previous, header, draft)? => {
                Err(refused(FateCode::DANGEROUS, header, "does not rest on the change before it of its own actor"))
            }
            _ => Ok(()),
        }
    }

    /// Whoever has used a name since the log forgot its owner has taken it from him, as anybody may who has read his
    /// changes: what is vouched for belongs to whom it says.
    fn judge_actor(&mut self, batch: BatchId, header: &Header) -> Result<(), Stop> {
        if self.is_vouched {
            return Ok(());
        }
        match self.log.owner(self.connection, self.space_key, header.actor)? {
            Some(owner) if !self.may_write_as(&owner, batch, header)? => {
                Err(self.parked(FateCode::DEVICE, format!("actor {} belongs to another device", header.actor)))
            }
            _ => Ok(()),
        }
    }

    /// An actor is its device's. What a device had yet to push when it was revoked is brought by the device that its
    /// vault is after the next login: under the same names, so that nothing is said twice of which an ack was lost.
    /// There may be several such heirs, of copies of one vault; they share its names as the copies did, and where they
    /// say different things under one, that is an equivocation like theirs.
    ///
    /// What every holder may bring ([`BatchId::derived`]) comes by the first one, which may not be the device that says
    /// more under its name: such a name is the account's.
    fn may_write_as(&self, owner: &Owner, batch: BatchId, header: &Header) -> Result<bool, StorageError> {
        if owner.account_key != Some(self.account_key) {
            return Ok(false);
        }
        match owner.device {
            None => Ok(true),
            Some(device) if device == self.device => Ok(true),
            Some(_) if batch == BatchId::derived(self.document, &header.hash) => Ok(true),
            Some(_) if planted::is(Bug::NamesEndWithDevice) => Ok(false),
            Some(_) => has_revoked(self.connection, self.account_key),
        }
    }

    /// The hash of the actor's previous change, if it is the one before this.
    fn judge_seq(&self, header: &Header, draft: &mut Draft<'_>) -> Result<Option<ChangeHash>, Stop> {
        let last = match draft.last.get(&header.actor) {
            Some(last) => Some(*last),
            None => self.last_of(header.actor)?,
        };
        let Some((seq, hash)) = last else { return Ok(None) };
        if header.seq > seq {
            return Ok((header.seq == seq + 1).then_some(hash));
        }
        // What is in the log was found by its fate, so the other one is in this very batch.
        if draft.staged.find(&header.hash).is_some() {
            return Err(twice(header));
        }
        let rule = format!("is a second change number {} of its actor in one batch", header.seq);
        Err(refused(FateCode::EQUIVOCATION, header, &rule))
    }

    /// The last change of an actor before this batch.
    fn last_of(&self, actor: Actor) -> Result<Option<(u64, ChangeHash)>, StorageError> {
        let appended = self.frontier.actors.get(&actor).map(|last| (last.seq, last.hash));
        match self.ahead {
            Some(ahead) => Ok(ahead.last_of(self.connection, actor)?.max(appended)),
            None => Ok(appended),
        }
    }

    /// The largest operation counter at the deps.
    fn judge_deps(&mut self, header: &Header, draft: &mut Draft<'_>) -> Result<u64, Stop> {
        if header.deps.is_empty() && draft.entries > 0 {
            return Err(refused(
                FateCode::DANGEROUS,
                header,
                "has no deps, and is not the first change of its document",
            ));
        }
        let mut max_op = 0;
        let mut missing = Vec::new();
        for dep in &header.deps {
            let found = match draft.staged.find(dep) {
                Some(staged) => Some(staged.max_op()),
                None => self.look_up(dep, draft)?,
            };
            match found {
                Some(found) => max_op = max_op.max(found),
                None => missing.push(*dep),
            }
        }
        // Planted: what is missing will come.
        let is_whole = missing.is_empty() || planted::is(Bug::OrphanStored);
        if is_whole { Ok(max_op) } else { Err(need(missing)) }
    }

    /// As [`Self::max_op_at`], as often as one batch may.
    fn look_up(&mut self, dep: &ChangeHash, draft: &mut Draft<'_>) -> Result<Option<u64>, Stop> {
        draft.looked_up += 1;
        if draft.looked_up > BATCH_DEPS_MAX {
            let detail = format!("batch that rests on more than {BATCH_DEPS_MAX} changes before it; split it");
            return Err(self.parked(FateCode::SIZE, detail));
        }
        Ok(self.max_op_at(dep)?)
    }

    /// The largest operation counter at a change of the document; `None` if there is no such change.
    fn max_op_at(&mut self, hash: &ChangeHash) -> Result<Option<u64>, StorageError> {
        match self.frontier.max_op_at(self.connection, self.space_key, hash)? {
            Some(max_op) => Ok(Some(max_op)),
            None => self.ahead.map_or(Ok(None), |ahead| ahead.max_op_at(self.connection, hash)),
        }
    }

    /// Whether `previous` is among the ancestors of `header`, as far as is known before [`WALK_MAX`] is used up. A log
    /// is in causal order, so nothing at or before its position needs to be looked at.
    fn is_ancestor(&mut self, previous: &ChangeHash, header: &Header, draft: &mut Draft<'_>) -> Result<bool, Stop> {
        let floor = match self.frontier.locate(self.connection, self.space_key, previous)? {
            Some(position) => position,
            // Nothing in the log rests on what waits.
            None => self.ahead.map_or(0, |_| u64::MAX),
        };
        let mut stack = header.deps.clone();
        let mut seen = HashSet::new();
        while let Some(hash) = stack.pop() {
            if hash == *previous {
                return Ok(true);
            }
            if !seen.insert(hash) {
                continue;
            }
            draft.walked += 1;
            if draft.walked > WALK_MAX {
                return Ok(true);
            }
            match draft.staged.find(&hash) {
                Some(staged) => stack.extend(&staged.deps),
                None => stack.extend(self.deps_of(&hash, floor)?),
            }
        }
        Ok(false)
    }

    /// The deps of a change that waits, or that is in the log after `floor`.
    fn deps_of(&mut self, hash: &ChangeHash, floor: u64) -> Result<Vec<ChangeHash>, StorageError> {
        if let Some(ahead) = self.ahead
            && let Some(deps) = ahead.deps_of(self.connection, hash)?
        {
            return Ok(deps);
        }
        let Some(bytes) = self.frontier.bytes_after(self.connection, self.space_key, floor, hash)? else {
            return Ok(Vec::new());
        };
        let header = Header::parse(&bytes).map_err(|error| StorageError::damaged(format!("change {hash} {error}")))?;
        Ok(header.deps)
    }

    /// Which of these changes are not in the document's log.
    pub(super) fn missing(&mut self, hashes: &[ChangeHash]) -> Result<Vec<ChangeHash>, StorageError> {
        let mut missing = Vec::new();
        for hash in hashes {
            if self.max_op_at(hash)?.is_none() {
                missing.push(*hash);
            }
        }
        Ok(missing)
    }

    fn parked(&self, code: FateCode, detail: String) -> Stop {
        Stop::Outcome(Outcome::Parked { code, judged_by: self.context.judged_by(self.connection), detail })
    }
}

/// The judged changes of a batch. Each mostly rests on the one before it, so hashes are indexed only when a dep is
/// none of the last few.
#[derive(Default)]
struct Staged<'b> {
    in_order: Vec<&'b Header>,
    /// By hash, as far as they were indexed.
    index: HashMap<ChangeHash, &'b Header>,
}

impl<'b> Staged<'b> {
    fn find(&mut self, hash: &ChangeHash) -> Option<&'b Header> {
        let near = self.in_order.iter().rev().take(STAGED_NEAR).find(|header| header.hash == *hash);
        if near.is_some() || self.in_order.len() <= STAGED_NEAR {
            return near.copied();
        }
        let indexed = self.index.len();
        self.index.extend(self.in_order[indexed..].iter().map(|header| (header.hash, *header)));
        self.index.get(hash).copied()
    }
}

impl<'b> Draft<'b> {
    /// Before the first change of a batch.
    fn of(frontier: &Frontier, ahead: Option<Ahead>) -> Self {
        let waits = |of: fn(&Ahead) -> u64| ahead.as_ref().map_or(0, of);
        Self {
            last: BTreeMap::new(),
            walked: 0,
            looked_up: 0,
            staged: Staged::default(),
            max_op: frontier.max_op.max(waits(|ahead| ahead.max_op)),
            ops: frontier.ops + waits(|ahead| ahead.ops),
            bytes: frontier.bytes + waits(|ahead| ahead.size),
            entries: frontier.entries + waits(|ahead| ahead.entries),
        }
    }

    /// Remembers a change for those that follow it in the batch.
    fn stage(&mut self, header: &'b Header) {
        self.last.insert(header.actor, (header.seq, header.hash));
        self.staged.in_order.push(header);
    }

    fn count(&mut self, change: &Change) {
        let header = &change.header;
        self.max_op = self.max_op.max(header.max_op());
        self.ops += header.ops;
        self.bytes += change.bytes.len() as u64;
        self.entries += 1;
    }
}

pub(super) fn need(mut hashes: Vec<ChangeHash>) -> Stop {
    hashes.sort_unstable();
    hashes.dedup();
    hashes.truncate(HASHES_MAX);
    Stop::Outcome(Outcome::Need { hashes })
}

pub(super) fn refused(code: FateCode, header: &Header, rule: &str) -> Stop {
    let detail = format!("change {} {rule}", header.hash.short());
    Stop::Outcome(Outcome::Refused { culprit: Some(header.hash), code, detail })
}

/// The batch is at fault, not the change: pushed once, it is fine.
fn twice(header: &Header) -> Stop {
    let detail = format!("change {} is twice in one batch", header.hash.short());
    Stop::Outcome(Outcome::Refused { culprit: None, code: FateCode::UNDECODABLE, detail })
}

/// Whether a tombstone with this hash (or a restore) is in the log, and where.
pub(super) fn marker(
    connection: &Connection,
    frontier: &Frontier,
    hash: &ChangeHash,
) -> Result<Option<u64>, StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT log_key & 1099511627775 FROM log WHERE document_key = ?1 AND hash = ?2 AND kind <> 1",
    )?;
    Ok(statement.query_row(params![frontier.document_key, hash.0], |row| unsigned(row, 0)).optional()?)
}
