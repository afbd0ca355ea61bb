//! The write path: own fate, grant, rules, rows; one request at a time, inside the group's transaction.
//!
//! The order is PROTOCOL §2's: a batch that is in the log already is acknowledged whatever became of the grant.

mod markers; // deletions, and taking them back
mod row; // one entry as a row of the log

use std::sync::atomic::AtomicU64;

use document::{Change, Seed};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use sync_wire::limits::FRAME_BYTES_MAX;
use sync_wire::log::EntryKind;
use sync_wire::planted::{self, Bug};
use sync_wire::{BatchId, ChangeHash, FateCode, LogPosition, Position, Proof};

use row::{INSERT, Row};

use super::fates::{Refusal, Verdict};
use super::frontier::Frontier;
use super::intake::{Ahead, Waits, waiting_bytes};
use super::rules::{Fate, Room, Rules, Stop, for_now, refused};
use super::state::{LogState, Space, store};
use super::{AppendRequest, BatchContent, Check, HELD, MadeBy, Outcome, ParsedBatch};
use crate::error::StorageError;
use crate::spaces::role_from_code;
use crate::storage::{Context, Writer, commit_in_between};

/// One request under way: a document, who pushes, and whether he may.
pub(super) struct Lane<'a> {
    pub(super) connection: &'a Connection,
    pub(super) log: &'a mut LogState,
    pub(super) context: &'a Context,
    commits: &'a AtomicU64,
    /// [`INSERT`]. What all rows of a batch have in common stays bound.
    insert: CachedStatement<'a>,
    pub(super) request: &'a AppendRequest,
    pub(super) space: Space,
    pub(super) frontier: Frontier,
    /// What waits of the document in the intake, if that is where the batches go.
    pub(super) ahead: Option<Ahead>,
    pub(super) account_key: i64,
    /// Why nothing of this request may be written, if so.
    objection: Option<Outcome>,
    /// It was in the log before: that its document is held now is no reason to leave it out.
    is_vouched: bool,
    /// What the account may still add; what somebody vouches for was in a log once and needs none.
    room: Option<Room>,
    pub(super) now: i64,
    /// Something was appended, so rows are behind memory.
    is_behind: bool,
}

impl Writer {
    /// See [`crate::Storage::append`].
    pub(crate) fn append(&mut self, requests: &[AppendRequest]) -> Result<Vec<Vec<(BatchId, Outcome)>>, StorageError> {
        requests.iter().map(|request| self.append_request(request)).collect()
    }

    fn append_request(&mut self, request: &AppendRequest) -> Result<Vec<(BatchId, Outcome)>, StorageError> {
        self.append_as(request, None)
    }

    /// `vouched`: the key of the account that wrote it once, whatever became of its grant.
    pub(super) fn append_as(
        &mut self,
        request: &AppendRequest,
        vouched: Option<i64>,
    ) -> Result<Vec<(BatchId, Outcome)>, StorageError> {
        let Some(space) = self.log.space(&self.connection, request.space)? else {
            let detail = format!("no space {} for this account", request.space);
            // Parked, not refused: a grant may come (back).
            let parked = Outcome::Parked { code: FateCode::NO_SUCH_SPACE, judged_by: 0, detail };
            return Ok(answer_first(request, parked));
        };
        let space_key = space.key;
        let frontier = match self.log.take_frontier(&self.connection, space_key, request.document) {
            Ok(frontier) => frontier,
            Err(StorageError::Corrupt { detail }) => {
                return Ok(answer_first(request, damaged(&self.context, &self.connection, request, &detail)));
            }
            Err(error) => return Err(error),
        };
        let (account_key, objection) = match vouched {
            Some(account_key) => (account_key, None),
            None => self.standing(request, &space)?,
        };
        let ahead = match request.check {
            Check::Before => Ahead::load(&self.connection, space_key, request.document)?,
            Check::Pending | Check::Done | Check::Unfit => None,
        };
        let now = (self.context.clock)();
        let Self { connection, log, context, commits, .. } = self;
        let room = match vouched {
            Some(_) => None,
            None => {
                let left = log.usage(connection, account_key)?.room(&context.limits);
                // What waits is in no log yet, and mostly will be.
                let waits = if request.check == Check::Before { waiting_bytes(connection, account_key)? } else { 0 };
                Some(Room { left, waits })
            }
        };
        let insert = connection.prepare_cached(INSERT)?;
        let mut lane = Lane {
            connection,
            log,
            context,
            commits,
            insert,
            request,
            space,
            frontier,
            ahead,
            account_key,
            objection,
            is_vouched: vouched.is_some(),
            room,
            now,
            is_behind: false,
        };
        let outcomes = lane.run()?;
        lane.finish();
        Ok(outcomes)
    }

    /// The key of the account, and what stands against its writing in this space, from the rows as they are now.
    fn standing(&mut self, request: &AppendRequest, space: &Space) -> Result<(i64, Option<Outcome>), StorageError> {
        let Some((account_key, device_may)) = self.log.pusher(&self.connection, request.account, request.device)?
        else {
            return Ok((0, Some(no_grant(request, space))));
        };
        if !self.may_write(request, space, account_key)? {
            return Ok((account_key, Some(no_grant(request, space))));
        }
        if request.made_by == MadeBy::Device && self.context.reserved.contains(&request.document) {
            return Ok((account_key, Some(of_the_relay(request))));
        }
        let revoked = || Outcome::Parked {
            code: FateCode::DEVICE,
            judged_by: self.context.judged_by(&self.connection),
            detail: format!("device {} may not write for this account any more", request.device),
        };
        Ok((account_key, (!device_may).then(revoked)))
    }

    fn may_write(&self, request: &AppendRequest, space: &Space, account_key: i64) -> Result<bool, StorageError> {
        if request.grant.access_version == space.access_version {
            return Ok(request.grant.role.can_write());
        }
        let mut statement =
            self.connection.prepare_cached("SELECT role FROM grants WHERE account_key = ?1 AND space_key = ?2")?;
        let role = statement.query_row([account_key, space.key], |row| role_from_code(row, 0)).optional()?;
        Ok(role.is_some_and(sync_wire::Role::can_write))
    }
}

/// A device cannot have a reason to write it, whatever its account may do.
fn of_the_relay(request: &AppendRequest) -> Outcome {
    let detail = format!("document {} is written by the relay alone; ask it over HTTP for a change", request.document);
    Outcome::Refused { culprit: None, code: FateCode::AUTHORITY, detail }
}

/// Damage of one document must not stop the others: its batches wait on their devices.
fn damaged(context: &Context, connection: &Connection, request: &AppendRequest, detail: &str) -> Outcome {
    tracing::error!(
        space.id = %request.space, document.id = %request.document,
        "The rows of document {} are damaged: {detail}", request.document
    );
    let detail = "the relay's copy of this document is damaged; its operator has to run doctor".to_owned();
    Outcome::Parked { code: HELD, judged_by: context.judged_by(connection), detail }
}

impl Lane<'_> {
    fn run(&mut self) -> Result<Vec<(BatchId, Outcome)>, StorageError> {
        let mut outcomes = Vec::with_capacity(self.request.batches.len());
        let mut is_open = true;
        for batch in &self.request.batches {
            let outcome = if is_open { self.batch(batch)? } else { Outcome::Skipped };
            is_open = matches!(outcome, Outcome::Appended { .. } | Outcome::Stored);
            outcomes.push((batch.id, outcome));
        }
        Ok(outcomes)
    }

    fn batch(&mut self, batch: &ParsedBatch) -> Result<Outcome, StorageError> {
        let judged = match &batch.content {
            BatchContent::Changes(changes) => self.changes(batch.id, changes),
            BatchContent::Tombstone { heads } => self.tombstone(batch.id, heads),
            BatchContent::Restore => self.restore(batch.id),
            BatchContent::TooLarge => self.too_large(),
            BatchContent::Rejected { culprit, code, detail, .. } => {
                self.rejected(Outcome::Refused { culprit: *culprit, code: *code, detail: detail.clone() })
            }
        };
        match judged.or_else(|stop| self.with_fate(batch, stop)) {
            Ok(outcome) | Err(Stop::Outcome(outcome)) => Ok(outcome),
            Err(Stop::Storage(StorageError::Corrupt { detail })) => {
                Ok(damaged(self.context, self.connection, self.request, &detail))
            }
            Err(Stop::Storage(error) | Stop::Write(error)) => Err(error),
        }
    }

    fn too_large(&self) -> Result<Outcome, Stop> {
        self.may_write()?;
        self.may_edit()?;
        let detail = format!("batch of more than {FRAME_BYTES_MAX} bytes, when it is expanded; split it");
        Err(self.parked(FateCode::SIZE, detail))
    }

    /// What the rules refuse is kept with its reason, before it is answered.
    fn with_fate(&mut self, batch: &ParsedBatch, stop: Stop) -> Result<Outcome, Stop> {
        if let Stop::Outcome(Outcome::Refused { culprit: Some(culprit), code, detail }) = &stop {
            self.keep(batch, &Verdict { culprit: *culprit, code: *code, detail })?;
        }
        Err(stop)
    }

    fn rejected(&mut self, refused: Outcome) -> Result<Outcome, Stop> {
        if let Outcome::Refused { culprit: Some(culprit), code, .. } = &refused
            && *code != FateCode::WITH
            && let Some(again) = self.refused_before(culprit)?
        {
            return Ok(again);
        }
        self.may_write()?;
        Err(Stop::Outcome(refused))
    }

    fn changes(&mut self, batch: BatchId, changes: &[Change]) -> Result<Outcome, Stop> {
        let mut fresh = Vec::with_capacity(changes.len());
        let mut known = 0;
        let mut displaced = None;
        let mut waiting = Vec::new();
        let rules = self.rules();
        for change in changes {
            match rules.fate(&change.header)? {
                Fate::Unknown => fresh.push(change),
                Fate::Waiting => waiting.push(change),
                Fate::Appended(position) => known = known.max(position),
                Fate::Displaced => displaced = displaced.or(Some(change)),
            }
        }
        if !waiting.is_empty() {
            self.adopt_waiting()?;
        }
        let has_nothing_new = fresh.is_empty() && displaced.is_none();
        if has_nothing_new && !waiting.is_empty() && self.has_stored(batch)? {
            return Ok(Outcome::Stored);
        }
        if has_nothing_new && waiting.is_empty() && known > 0 {
            if planted::is(Bug::DuplicateAppliedTwice) {
                let again: Vec<&Change> = changes.iter().collect();
                return self.append_changes(batch, &again).map_err(Stop::Write); // PLANTED: nobody looked for it
            }
            return Ok(self.space.known(known));
        }
        match self.own_fate(displaced.iter().chain(&fresh).chain(&waiting))? {
            Some(Refusal::Again(outcome)) => return Ok(outcome),
            Some(Refusal::Dependant(outcome)) => {
                self.may_write()?;
                return Err(Stop::Outcome(outcome));
            }
            None => {}
        }
        self.may_write()?;
        self.may_edit()?;
        if let Some(change) = displaced {
            let rule = "shares actor and number with another change of this document";
            return Err(refused(FateCode::EQUIVOCATION, &change.header, rule));
        }
        if fresh.is_empty() && waiting.is_empty() {
            let detail = "batch without changes".to_owned();
            return Err(Stop::Outcome(Outcome::Refused { culprit: None, code: FateCode::UNDECODABLE, detail }));
        }
        self.rests_on_void(&fresh)?;
        self.rules().judge(batch, &fresh)?;
        self.take_in(batch, &fresh, &waiting)
    }

    /// What the log does without carries nothing any more: the device has to write its edit anew.
    fn rests_on_void(&self, changes: &[&Change]) -> Result<(), Stop> {
        let culprit_of =
            |change: &&&Change| change.header.deps.iter().find_map(|dep| self.frontier.without.culprit(dep));
        let Some((change, culprit)) = changes.iter().find_map(|change| Some((change, culprit_of(&change)?))) else {
            return Ok(());
        };
        let (short, of) = (change.hash().short(), culprit.short());
        let detail = format!("change {short} rests on change {of}, which a repair has excluded");
        Err(Stop::Outcome(Outcome::Refused { culprit: Some(culprit), code: FateCode::WITH, detail }))
    }

    /// Gives judged changes their places, or stores them where they wait for their check.
    fn take_in(&mut self, batch: BatchId, fresh: &[&Change], waiting: &[&Change]) -> Result<Outcome, Stop> {
        // Parsing a seed was its whole check.
        let is_seed = |change: &&Change| Seed::is_seed_actor(&change.header.actor);
        let needs_no_check = waiting.is_empty() && fresh.iter().all(is_seed);
        match self.request.check {
            Check::Before if !needs_no_check => {
                let named: Vec<ChangeHash> = waiting.iter().map(|change| change.hash()).collect();
                self.store(batch, &Waits { kind: EntryKind::Change, changes: fresh, named: &named })
            }
            Check::Unfit => {
                let detail = "its check has found no way to apply it, and no rule that it breaks".to_owned();
                Err(Stop::Outcome(Outcome::Parked { code: FateCode::MISSING, judged_by: 0, detail }))
            }
            Check::Before | Check::Pending | Check::Done => self.append_changes(batch, fresh).map_err(Stop::Write),
        }
    }

    /// What waits of a device that was revoked would not be taken. Whoever of its account brings the same answers for
    /// it from now on.
    fn adopt_waiting(&self) -> Result<(), StorageError> {
        match self.ahead {
            Some(ahead) if self.objection.is_none() => {
                ahead.adopt(self.connection, self.account_key, self.request.device)
            }
            _ => Ok(()),
        }
    }

    /// Whether this very batch waits already.
    fn has_stored(&self, batch: BatchId) -> Result<bool, StorageError> {
        self.ahead.map_or(Ok(false), |ahead| ahead.has_batch(self.connection, batch, self.request.device))
    }

    fn may_write(&self) -> Result<(), Stop> {
        self.objection.clone().map_or(Ok(()), |objection| Err(Stop::Outcome(objection)))
    }

    /// A purged document takes nothing any more.
    fn is_there(&self) -> Result<(), Stop> {
        if !self.frontier.is_purged {
            return Ok(());
        }
        let detail = "the document was deleted and is purged by now; begin another one".to_owned();
        Err(Stop::Outcome(Outcome::Refused { culprit: None, code: FateCode::GONE, detail }))
    }

    fn may_edit(&self) -> Result<(), Stop> {
        self.is_there()?;
        if self.is_vouched {
            return Ok(()); // the log had it once: nothing that came since keeps it out
        }
        if self.ahead.and_then(|ahead| ahead.is_deleted).unwrap_or(self.frontier.is_deleted) {
            return Err(self.deleted());
        }
        match &self.frontier.held {
            Some(reason) => Err(self.parked(HELD, format!("the document is read-only: {reason}"))),
            None => Ok(()),
        }
    }

    /// A deletion that waits may fail its check, and nothing would tell whoever waits for a restoration.
    fn deleted(&self) -> Stop {
        if self.frontier.is_deleted {
            return self.parked(FateCode::DELETED, "the document was deleted; restore it first".to_owned());
        }
        for_now("a deletion of the document waits for its check; try again in a moment".to_owned())
    }

    fn parked(&self, code: FateCode, detail: String) -> Stop {
        Stop::Outcome(Outcome::Parked { code, judged_by: self.context.judged_by(self.connection), detail })
    }

    pub(super) fn rules(&mut self) -> Rules<'_> {
        Rules {
            connection: self.connection,
            log: self.log,
            frontier: &mut self.frontier,
            ahead: self.ahead,
            space_key: self.space.key,
            account_key: self.account_key,
            device: self.request.device,
            is_vouched: self.is_vouched,
            document: self.request.document,
            room: self.room,
            context: self.context,
        }
    }

    fn append_changes(&mut self, batch: BatchId, changes: &[&Change]) -> Result<Outcome, StorageError> {
        self.begin_batch(batch)?;
        let last = changes.len() - 1;
        for (at, change) in changes.iter().enumerate() {
            let header = &change.header;
            let actor_key = self.actor_key(batch, change)?;
            let row = Row {
                kind: EntryKind::Change,
                hash: header.hash,
                change: Some((change, actor_key)),
                bytes: &change.bytes,
            };
            self.write_row(batch, &row, at == last)?;
            self.frontier.advance(header, actor_key);
            self.frontier.index(&header.hash, self.space.end);
            self.frontier.ops += header.ops;
            self.frontier.bytes += change.bytes.len() as u64;
            if let Some(Seed::Root { type_name }) =
                Seed::is_seed_actor(&header.actor).then(|| Seed::of(header)).flatten()
            {
                self.frontier.type_name.get_or_insert(type_name);
            }
            if planted::is(Bug::BatchHalfAppended) && at != last {
                self.commit_half()?; // PLANTED: a transaction for each change
            }
        }
        self.forget_companions(changes)?;
        self.count_usage(changes)?;
        Ok(self.appended(changes.len()))
    }

    fn count_usage(&mut self, changes: &[&Change]) -> Result<(), StorageError> {
        let added = changes.iter().map(|change| change.bytes.len() as u64).sum();
        let usage = self.log.usage(self.connection, self.account_key)?;
        usage.add(added);
        if let Some(room) = &mut self.room {
            room.left = room.left.saturating_sub(added);
        }
        Ok(())
    }

    fn commit_half(&mut self) -> Result<(), StorageError> {
        self.log.put_space(&self.space);
        store(self.connection, &mut self.frontier)?;
        commit_in_between(self.connection, self.log, self.context, self.commits)
    }

    /// Gives the document its row, at its first entry.
    fn open_document(&mut self) -> Result<(), StorageError> {
        if self.frontier.document_key.is_none() {
            let mut statement = self.connection.prepare_cached(
                "INSERT INTO documents (space_key, id, first_position, last_position, checked_position, entries, ops,
                                        bytes, deleted, frontier_position, frontier)
                 VALUES (?1, ?2, ?3, ?3, 0, 0, 0, 0, 0, 0, ?4)",
            )?;
            let first = self.space.end + 1;
            let empty = self.frontier.encode();
            let values = params![self.space.key, self.request.document.0, first.cast_signed(), empty];
            self.frontier.document_key = Some(statement.insert(values)?);
            self.frontier.first = first;
        }
        Ok(())
    }

    pub(super) fn actor_key(&mut self, batch: BatchId, change: &Change) -> Result<i64, StorageError> {
        let actor = change.header.actor;
        if self.is_vouched {
            let first = (self.account_key, self.request.device);
            self.log.bind_again(self.connection, self.space.key, actor, first)?;
        }
        if let Some(last) = self.frontier.actors.get(&actor) {
            return Ok(last.actor_key);
        }
        let Self { log, connection, .. } = self;
        if let Some(owner) = log.owner(connection, self.space.key, actor)? {
            return Ok(owner.actor_key);
        }
        let device = (batch != BatchId::derived(self.request.document, &change.hash())).then_some(self.request.device);
        let owner = (!Seed::is_seed_actor(&actor)).then_some((self.account_key, device));
        Ok(log.bind(connection, self.space.key, actor, owner)?.actor_key)
    }

    /// The batch is written: its place with the receipt.
    fn appended(&mut self, entries: usize) -> Outcome {
        self.is_behind = true;
        let Space { id, epoch, end, chain, .. } = self.space;
        let position = Position(end);
        let receipt = self.context.receipt_keys.sign(id, epoch, position, &chain);
        let proof = Some(Proof { chain, receipt });
        Outcome::Appended { at: LogPosition { epoch, position }, entries, proof }
    }

    /// Gives the writer's memory back, and notes what the end of the group has to write.
    fn finish(self) {
        let Self { log, request, space, mut frontier, is_behind, .. } = self;
        if is_behind {
            log.put_space(&space);
        }
        if is_behind && !std::mem::replace(&mut frontier.is_touched, true) {
            log.touch(space.key, request.document);
        }
        log.put_frontier(space.key, request.document, frontier);
    }
}

/// The first batch gets `outcome`, the others were not looked at.
fn answer_first(request: &AppendRequest, outcome: Outcome) -> Vec<(BatchId, Outcome)> {
    let rest = std::iter::repeat(Outcome::Skipped);
    request.batches.iter().map(|batch| batch.id).zip(std::iter::once(outcome).chain(rest)).collect()
}

fn no_grant(request: &AppendRequest, space: &Space) -> Outcome {
    let detail =
        format!("the account may not write in space {}; ask an owner for the role of an editor", request.space);
    Outcome::Parked { code: FateCode::GRANT, judged_by: space.access_version, detail }
}
