//! Batches leave the intake: into the log, or refused or parked with all that rests on them, in one transaction.

use std::collections::HashMap;
use std::time::Duration;

use document::Change;
use rusqlite::{Connection, OptionalExtension, Row, params};
use sync_wire::log::EntryKind;
use sync_wire::planted::{self, Bug};
use sync_wire::{AccountId, BatchId, Blob, ChangeHash, DeviceId, DocumentId, FateCode, Position, SpaceId};

use super::super::frontier::{heads_from_bytes, kind_of, unsigned};
use super::super::offer::UNREAD;
use super::super::{AppendRequest, BatchContent, Check, MadeBy, Outcome, ParsedBatch, log_end};
use super::keep::{Scope, count, subtract};
use super::outcomes::{self, Whose};
use super::{Ahead, CheckVerdict, Settled, SettledBatch, WaitingBatch};
use crate::error::StorageError;
use crate::storage::{Reader, Writer};

/// A row of the intake.
struct Waiting {
    key: i64,
    batch: BatchId,
    account: AccountId,
    account_key: i64,
    device: DeviceId,
    kind: EntryKind,
    stored_at: i64,
    size: u64,
    named: Vec<ChangeHash>,
    /// Of its changes.
    hashes: Vec<ChangeHash>,
    /// None of them, if one does not read as what was stored.
    changes: Vec<Change>,
}

/// The intake of a document while batches leave it.
struct Leaving {
    space: SpaceId,
    space_key: i64,
    document: DocumentId,
    ahead: Ahead,
    settled: Vec<SettledBatch>,
}

/// Why dependants leave.
struct Because {
    /// Changes that are gone, each with its bytes where they are known.
    gone: HashMap<ChangeHash, Option<Blob>>,
    device: DeviceId,
    outcome: Outcome,
}

const WAITING: &str = "SELECT b.batch_key, b.batch, a.id, b.account_key, b.device, b.kind, b.stored_at, b.size, b.named
                       FROM intake_batches b JOIN accounts a USING (account_key)";

impl Waiting {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            key: row.get(0)?,
            batch: BatchId(row.get(1)?),
            account: AccountId(row.get(2)?),
            account_key: row.get(3)?,
            device: DeviceId(row.get(4)?),
            kind: kind_of(row, 5)?,
            stored_at: row.get(6)?,
            size: unsigned(row, 7)?,
            named: heads_from_bytes(row.get_ref(8)?.as_blob()?),
            hashes: Vec::new(),
            changes: Vec::new(),
        })
    }

    fn read_changes(&mut self, connection: &Connection) -> Result<(), StorageError> {
        let mut statement = connection
            .prepare_cached("SELECT hash, bytes FROM intake_changes WHERE batch_key = ?1 ORDER BY change_key")?;
        let mut rows = statement.query([self.key])?;
        while let Some(row) = rows.next()? {
            let hash = ChangeHash(row.get(0)?);
            let parsed = Change::parse(row.get::<_, Vec<u8>>(1)?.into());
            self.hashes.push(hash);
            self.changes.extend(parsed.ok().filter(|change| change.hash() == hash));
        }
        if self.is_damaged() {
            self.changes.clear();
        }
        Ok(())
    }

    fn is_damaged(&self) -> bool {
        self.changes.len() < self.hashes.len()
    }

    /// What it rests on, and what else it stands and falls with.
    fn rests_on(&self, gone: &HashMap<ChangeHash, Option<Blob>>) -> bool {
        let deps = self.changes.iter().flat_map(|change| &change.header.deps);
        self.named.iter().chain(deps).any(|hash| gone.contains_key(hash))
    }

    /// Its changes, as far as they can be read with their bytes; those that wait elsewhere without them.
    fn take_along(&self, gone: &mut HashMap<ChangeHash, Option<Blob>>) {
        let named = if self.kind == EntryKind::Change { &self.named[..] } else { &[] };
        for hash in self.hashes.iter().chain(named) {
            gone.entry(*hash).or_default();
        }
        gone.extend(self.changes.iter().map(|change| (change.hash(), Some(change.bytes.clone()))));
    }

    fn content(&self) -> BatchContent {
        match self.kind {
            EntryKind::Tombstone => BatchContent::Tombstone { heads: self.named.clone() },
            EntryKind::Restore => BatchContent::Restore,
            _ => BatchContent::Changes(self.changes.clone()),
        }
    }

    fn bytes(&self) -> impl Iterator<Item = Blob> {
        self.changes.iter().map(|change| change.bytes.clone())
    }
}

impl From<Waiting> for WaitingBatch {
    fn from(waiting: Waiting) -> Self {
        let batch = ParsedBatch { id: waiting.batch, content: waiting.content() };
        let Waiting { key, account, device, stored_at, .. } = waiting;
        Self { key, batch, account, device, stored_at }
    }
}

impl Reader {
    pub(super) fn waiting_batches(
        &self,
        space: SpaceId,
        document: DocumentId,
        bytes_target: usize,
    ) -> Result<Vec<WaitingBatch>, StorageError> {
        let Some(log) = log_end(&self.connection, space)? else { return Ok(Vec::new()) };
        let mut statement = self.connection.prepare_cached(&format!(
            "{WAITING} WHERE b.intake_key = (SELECT intake_key FROM intake_documents
                                             WHERE space_key = ?1 AND document = ?2) ORDER BY b.batch_key"
        ))?;
        let mut rows = statement.query(params![log.space_key, document.0])?;
        let (mut batches, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let mut waiting = Waiting::read(row)?;
            bytes += usize::try_from(waiting.size).unwrap_or(usize::MAX);
            if bytes > bytes_target && !batches.is_empty() {
                break;
            }
            waiting.read_changes(&self.connection)?;
            batches.push(waiting.into());
        }
        Ok(batches)
    }
}

impl Writer {
    /// See [`crate::Storage::settle_intake`].
    pub(super) fn settle_intake(
        &mut self,
        space: SpaceId,
        document: DocumentId,
        checked: &[(i64, CheckVerdict)],
    ) -> Result<Option<Settled>, StorageError> {
        let Some(space_key) = self.log.space(&self.connection, space)?.map(|space| space.key) else { return Ok(None) };
        let Some(ahead) = Ahead::load(&self.connection, space_key, document)? else {
            return Ok(Some(Settled::default()));
        };
        if !self.holds_intake(ahead.key)? {
            return Ok(None);
        }
        let before = self.last_of(space_key, document)?;
        let mut leaving = Leaving { space, space_key, document, ahead, settled: Vec::new() };
        for (key, verdict) in checked {
            let Some(waiting) = self.waiting(ahead.key, *key)? else { continue };
            let outcome = self.judge_waiting(&leaving, &waiting, verdict)?;
            let is_appended = matches!(outcome, Outcome::Appended { .. });
            let mut because = Because { gone: HashMap::new(), device: waiting.device, outcome: outcome.clone() };
            waiting.take_along(&mut because.gone);
            self.leave(&mut leaving, &waiting, outcome)?;
            if !is_appended {
                // What was checked behind it was checked on top of it.
                self.take_dependants(&mut leaving, because)?;
                break;
            }
        }
        let mut waiting = self.close_intake(&leaving)?;
        if planted::is(Bug::DependantsStay) {
            waiting = 0; // PLANTED: whatever was left there is taken for settled
        }
        Ok(Some(Settled { batches: leaving.settled, waiting, before }))
    }

    /// The last entry of a document. As everywhere, damage of one does not stop the others: of such a document nobody
    /// knows it.
    fn last_of(&mut self, space_key: i64, document: DocumentId) -> Result<Position, StorageError> {
        match self.log.take_frontier(&self.connection, space_key, document) {
            Ok(frontier) => {
                let last = frontier.last;
                self.log.put_frontier(space_key, document, frontier);
                Ok(Position(last))
            }
            Err(StorageError::Corrupt { .. }) => Ok(Position(u64::MAX)),
            Err(error) => Err(error),
        }
    }

    fn waiting(&self, intake: i64, key: i64) -> Result<Option<Waiting>, StorageError> {
        let mut statement =
            self.connection.prepare_cached(&format!("{WAITING} WHERE b.intake_key = ?1 AND b.batch_key = ?2"))?;
        let Some(mut waiting) = statement.query_row([intake, key], Waiting::read).optional()? else { return Ok(None) };
        waiting.read_changes(&self.connection)?;
        Ok(Some(waiting))
    }

    /// Judges a batch by the log alone, as it is now: a grant may be gone, or the document.
    fn judge_waiting(
        &mut self,
        leaving: &Leaving,
        waiting: &Waiting,
        verdict: &CheckVerdict,
    ) -> Result<Outcome, StorageError> {
        let (content, check) = match verdict {
            CheckVerdict::Passed => (waiting.content(), Check::Pending),
            CheckVerdict::Unfit => (waiting.content(), Check::Unfit),
            CheckVerdict::Failed { culprit, code, detail } => {
                let (culprit, code, detail, changes) = (*culprit, *code, detail.clone(), waiting.bytes().collect());
                (BatchContent::Rejected { culprit, code, detail, changes }, Check::Pending)
            }
        };
        if waiting.is_damaged() {
            let detail = "the relay's copy of it is damaged: it has to be pushed again".to_owned();
            return Ok(Outcome::Parked { code: FateCode::MISSING, judged_by: 0, detail });
        }
        if waiting.kind == EntryKind::Change && waiting.changes.is_empty() {
            // It only repeats what another batch brought, which is in the log: its changes come with that.
            return self.place_of(leaving, waiting);
        }
        let outcome = self.append_waiting(leaving, waiting, content, check, None)?;
        Ok(match outcome {
            Outcome::Need { hashes } => missing(&hashes),
            outcome => outcome,
        })
    }

    fn append_waiting(
        &mut self,
        leaving: &Leaving,
        waiting: &Waiting,
        content: BatchContent,
        check: Check,
        vouched: Option<i64>,
    ) -> Result<Outcome, StorageError> {
        let request = AppendRequest {
            space: leaving.space,
            document: leaving.document,
            account: waiting.account,
            device: waiting.device,
            grant: UNREAD,
            made_by: MadeBy::Relay, // whose it is was looked at when it was stored
            check,
            batches: vec![ParsedBatch { id: waiting.batch, content }],
        };
        let outcomes = self.append_as(&request, vouched)?;
        Ok(outcomes.into_iter().next().map_or(Outcome::Skipped, |(_, outcome)| outcome))
    }

    /// The place of the last of the changes that a batch repeats.
    fn place_of(&mut self, leaving: &Leaving, waiting: &Waiting) -> Result<Outcome, StorageError> {
        let Some(space) = self.log.space(&self.connection, leaving.space)? else { return Ok(missing(&waiting.named)) };
        let mut frontier = match self.log.take_frontier(&self.connection, space.key, leaving.document) {
            Ok(frontier) => frontier,
            // As everywhere, damage of one document does not stop the others.
            Err(StorageError::Corrupt { .. }) => return Ok(missing(&waiting.named)),
            Err(error) => return Err(error),
        };
        let mut last = Some(0);
        for hash in &waiting.named {
            let found = frontier.locate(&self.connection, space.key, hash)?;
            last = last.zip(found).map(|(last, found)| last.max(found));
        }
        self.log.put_frontier(space.key, leaving.document, frontier);
        Ok(match last {
            Some(position) => space.known(position),
            None => missing(&waiting.named),
        })
    }

    /// Takes a batch out, and keeps for its device what became of it.
    fn leave(&mut self, leaving: &mut Leaving, waiting: &Waiting, outcome: Outcome) -> Result<(), StorageError> {
        let Waiting { key, batch, device, stored_at, size, .. } = *waiting;
        self.connection.prepare_cached("DELETE FROM intake_changes WHERE batch_key = ?1")?.execute([key])?;
        self.connection.prepare_cached("DELETE FROM intake_batches WHERE batch_key = ?1")?.execute([key])?;
        let ahead = &mut leaving.ahead;
        ahead.batches = ahead.batches.saturating_sub(1);
        ahead.size = ahead.size.saturating_sub(size);
        ahead.entries = ahead.entries.saturating_sub(waiting.hashes.len() as u64);
        ahead.ops = ahead.ops.saturating_sub(waiting.changes.iter().map(|change| change.header.ops).sum());
        for scope in [Scope::Space(leaving.space_key), Scope::Account(waiting.account_key)] {
            subtract(&self.connection, scope, size)?;
        }
        let (space_key, document) = (leaving.space_key, leaving.document);
        let whose = Whose { space_key, document, device, batch };
        let now = (self.context.clock)();
        outcomes::keep(&self.connection, &whose, &outcome, now)?;
        let waited = Duration::from_millis(now.saturating_sub(stored_at).max(0).cast_unsigned());
        leaving.settled.push(SettledBatch { key, batch, device, waited, outcome });
        Ok(())
    }

    /// What rests on a batch that did not get into the log leaves with it.
    fn take_dependants(&mut self, leaving: &mut Leaving, mut because: Because) -> Result<(), StorageError> {
        // Planted: they will be refused when their turn comes.
        if planted::is(Bug::DependantsStay) || !because.has_dependants() {
            return Ok(());
        }
        for key in self.waiting_keys(leaving.ahead.key)? {
            let Some(waiting) = self.waiting(leaving.ahead.key, key)? else { continue };
            if !waiting.rests_on(&because.gone) {
                continue;
            }
            waiting.take_along(&mut because.gone);
            let outcome = match &because.outcome {
                Outcome::Refused { culprit, code, detail } => {
                    let culprit = culprit.or_else(|| because.gone.keys().min().copied());
                    let content = because.rejection(&waiting, culprit, *code, detail);
                    // Whatever became of its grant: it is over.
                    let vouched = Some(waiting.account_key);
                    self.append_waiting(leaving, &waiting, content, Check::Pending, vouched)?
                }
                outcome => because.parked(&waiting, outcome),
            };
            self.leave(leaving, &waiting, outcome)?;
        }
        Ok(())
    }

    fn waiting_keys(&self, intake: i64) -> Result<Vec<i64>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT batch_key FROM intake_batches WHERE intake_key = ?1 ORDER BY batch_key")?;
        let keys = statement.query_map([intake], |row| row.get(0))?;
        Ok(keys.collect::<rusqlite::Result<_>>()?)
    }

    /// Writes how much waits; a document of which nothing does is forgotten. Whoever settles keeps the lease.
    fn close_intake(&mut self, leaving: &Leaving) -> Result<u64, StorageError> {
        let mut ahead = leaving.ahead;
        if ahead.batches == 0 {
            self.connection
                .prepare_cached("DELETE FROM intake_documents WHERE intake_key = ?1")?
                .execute([ahead.key])?;
            return Ok(0);
        }
        let mut statement = self
            .connection
            .prepare_cached("SELECT coalesce(max(max_op), 0) FROM intake_changes WHERE intake_key = ?1")?;
        ahead.max_op = statement.query_row([ahead.key], |row| unsigned(row, 0))?;
        drop(statement);
        count(&self.connection, &ahead)?;
        self.renew_intake_leases(&[(leaving.space, leaving.document)])?;
        Ok(ahead.batches)
    }
}

impl Because {
    /// What stands against one batch of a purged document, or of one nobody may write, stands against each.
    fn has_dependants(&self) -> bool {
        !matches!(self.outcome, Outcome::Refused { code: FateCode::GONE, .. })
    }

    fn rejection(&self, waiting: &Waiting, culprit: Option<ChangeHash>, code: FateCode, detail: &str) -> BatchContent {
        let again = waiting.named.iter().filter_map(|hash| self.gone.get(hash)?.clone());
        let changes = again.chain(waiting.bytes()).collect();
        // It may hold the refused change itself, pushed by another device.
        if culprit.is_some_and(|culprit| waiting.kind == EntryKind::Change && waiting.named.contains(&culprit)) {
            return BatchContent::Rejected { culprit, code, detail: detail.to_owned(), changes };
        }
        let short = culprit.map(|culprit| culprit.short().to_string()).unwrap_or_default();
        let detail = format!("this batch goes with change {short}, which was refused");
        BatchContent::Rejected { culprit, code: FateCode::WITH, detail, changes }
    }

    /// Of the same device it waits for the same; another device's waits for a change that is not there.
    fn parked(&self, waiting: &Waiting, outcome: &Outcome) -> Outcome {
        match outcome {
            Outcome::Parked { .. } if waiting.device == self.device => outcome.clone(),
            _ => missing(&self.gone.keys().min().copied().into_iter().collect::<Vec<_>>()),
        }
    }
}

/// Judged by nothing (0): it may be pushed again at any time.
fn missing(hashes: &[ChangeHash]) -> Outcome {
    let first = hashes.first().map_or_else(String::new, ChangeHash::to_string);
    let detail = format!("rests on changes that did not get into the log, among them {first}");
    Outcome::Parked { code: FateCode::MISSING, judged_by: 0, detail }
}
