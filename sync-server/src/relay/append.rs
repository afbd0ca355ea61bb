//! The write path, and the only one: parse, append or store, then tell those who follow. What is stored goes on in
//! `check/intake`.

use std::sync::Arc;
use std::time::Duration;

use relay_storage::{
    AppendRequest, BatchContent, Check, MadeBy, Outcome as Stored, ParsedBatch, StorageError, readable_hash,
};
use sync_core::session::{Outcome, Pushed};
use sync_wire::limits::FRAME_BYTES_MAX;
use sync_wire::log::{EntryKind, marker_hash};
use sync_wire::{BatchId, Blob, ChangeHash, Content, DeviceId, DocumentId, Entry, FateCode, Proof, SpaceId, SpaceKind};
use tokio::time::Instant;
use tracing::debug;

use crate::access::Writable;
use crate::app::App;
use crate::metrics;
use crate::relay::hub::Bell;
use crate::relay::rates::{Spent, Turn};
use crate::relay::read::Run;

/// With so many operations a check is expected to take long, whatever it turns out to take: the ordinary ones must not
/// wait behind it.
const HEAVY_OPERATIONS: u64 = 2_048;

/// To parse more than this takes a millisecond or thirty, for which other sessions on the same thread would wait.
const PARSED_HERE_BYTES_MAX: usize = 32 << 10;

/// Batches of one document, pushed by one device.
#[derive(Debug, Clone)]
pub struct Pushes {
    /// The document.
    pub document: DocumentId,
    /// The device whose credentials carried them.
    pub device: DeviceId,
    /// Who made them.
    pub made_by: MadeBy,
    /// In order.
    pub batches: Vec<Pushed>,
    /// Where the session that pushes hears hints: not of this append, whose outcome it gets.
    pub bell: Arc<Bell>,
}

/// Makes batches part of the log, up to the first that is not taken; or, in a space with other people, of the intake,
/// where nothing unchecked has a place (PROTOCOL §2). What it returns as appended or stored is durable.
///
/// # Errors
/// Storage failed: nothing is known to have happened; the device pushes again.
pub async fn append(app: &App, target: &Writable, pushes: Pushes) -> Result<Vec<(BatchId, Outcome)>, StorageError> {
    let Pushes { document, device, made_by, batches, bell } = pushes;
    if let Some(closed) = app.gate.closed() {
        return Ok(first_parked(&batches, FateCode::QUOTA, closed.detail()));
    }
    let is_personal = target.kind() == SpaceKind::Personal;
    if is_personal {
        app.checker.room(target.space()).await;
    }
    // Whoever waits for room in one space has no turn meanwhile, or it would keep its account's other spaces waiting.
    let meter = app.rates.of(target.account(), Instant::now());
    let pushed = batches.iter().map(bytes).sum();
    let turn = meter.turn(pushed).await;
    let batches = parse_all(app, batches, pushed).await?;
    let request = AppendRequest {
        space: target.space(),
        document,
        account: target.account(),
        device,
        grant: *target.grant(),
        made_by,
        check: if is_personal { Check::Pending } else { Check::Before },
        batches,
    };
    let operations: u64 = request.batches.iter().map(operations).sum();
    let (shared_bytes, shared_operations) = if is_personal { (0, 0) } else { (pushed as u64, operations) };
    meter.spend(Instant::now(), Spent { operations, shared_bytes, shared_operations, ..Spent::default() });
    if operations >= HEAVY_OPERATIONS {
        app.checker.expect_slow(request.space, document);
    }
    let outcomes =
        if is_personal { commit(app, request, &bell).await? } else { store(app, request, turn, &bell).await? };
    Ok(outcomes.into_iter().map(|(batch, outcome)| (batch, session_outcome(outcome))).collect())
}

/// Stores batches in the intake. If that has no room, their credit is withheld for a while; then they are parked, and
/// the device tries again.
async fn store(
    app: &App,
    request: AppendRequest,
    mut turn: Turn<'_>,
    bell: &Arc<Bell>,
) -> Result<Vec<(BatchId, Stored)>, StorageError> {
    let until = Instant::now() + Duration::from_millis(app.config.intake.room_wait_milliseconds);
    let mut rest = request;
    let mut answered = Vec::with_capacity(rest.batches.len());
    loop {
        let room = app.checker.room_in_intake();
        let outcomes = commit(app, rest.clone(), bell).await?;
        if outcomes.iter().any(|(_, outcome)| *outcome == Stored::Stored) {
            app.checker.stored(rest.account, rest.space, rest.document);
        }
        let Some(full) = outcomes.iter().position(|(_, outcome)| outcome.is_for_want_of_room()) else {
            answered.extend(outcomes);
            return Ok(answered);
        };
        let has_room;
        (turn, has_room) = turn.interrupted_by(app.runtime.within(until, room)).await;
        if !has_room {
            answered.extend(outcomes);
            return Ok(answered);
        }
        answered.extend(outcomes.into_iter().take(full));
        rest.batches.drain(..full);
    }
}

/// Appends in one transaction, then fills the tail, then hints: in this order, or a reader finds a gap.
async fn commit(app: &App, request: AppendRequest, bell: &Arc<Bell>) -> Result<Vec<(BatchId, Stored)>, StorageError> {
    let AppendRequest { space, document, device, .. } = request;
    let origin = Origin { space, document, device };
    // Made before storage takes the batches; nobody needs them unless somebody follows.
    let is_followed = app.hub.is_followed(space);
    let mut made: Vec<_> =
        request.batches.iter().map(|batch| if is_followed { origin.entries(batch) } else { None }).collect();
    let changes: Vec<u64> = request.batches.iter().map(|batch| change_count(&batch.content)).collect();
    let began = Instant::now();
    let outcomes = app.storage.append(vec![request]).await?.pop().unwrap_or_default();
    measure(&outcomes, &changes, began.elapsed());
    let (mut end, mut runs) = (None, Vec::new());
    for (index, (batch, outcome)) in outcomes.iter().enumerate() {
        let Stored::Appended { at, entries: len, proof } = outcome else {
            if *outcome != Stored::Stored {
                debug!(
                    batch.id = %batch, document.id = %document,
                    "Batch {batch} of document {document} was not taken: {outcome:?}"
                );
            }
            continue;
        };
        end = end.into_iter().chain([*at]).max_by_key(|end| end.position);
        if let (Some(Proof { chain, receipt }), Some(entries)) = (*proof, made.get_mut(index).and_then(Option::take)) {
            runs.push(Run { end: *at, len: *len as u64, entries, chain, receipt });
        }
    }
    app.tails.add(space, runs);
    if let Some(end) = end {
        app.hub.hint_others(space, end, bell);
        app.checker.changed(space, document, changes.iter().sum());
    }
    Ok(outcomes)
}

fn measure(outcomes: &[(BatchId, Stored)], changes: &[u64], took: Duration) {
    let is_new = |outcome: &Stored| matches!(outcome, Stored::Appended { proof: Some(_), .. });
    let new = outcomes.iter().zip(changes).filter(|((_, outcome), _)| is_new(outcome));
    // A marker is an entry without a change.
    let (batches, entries) =
        new.fold((0, 0), |(batches, entries), (_, changes)| (batches + 1, entries + (*changes).max(1)));
    metrics::appended(batches, entries, took);
}

/// Where a batch belongs and who pushed it.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    pub(super) space: SpaceId,
    pub(super) document: DocumentId,
    pub(super) device: DeviceId,
}

impl Origin {
    /// What storage will write for a batch; the tail verifies it.
    pub(super) fn entries(self, batch: &ParsedBatch) -> Option<Vec<Entry>> {
        Some(match &batch.content {
            BatchContent::Changes(changes) => changes
                .iter()
                .map(|change| Entry {
                    bytes: Some(change.bytes.clone()),
                    ..self.entry(EntryKind::Change, change.header.hash, batch.id)
                })
                .collect(),
            BatchContent::Tombstone { heads } => {
                let entry = self.marker(EntryKind::Tombstone, batch.id, heads);
                vec![Entry { heads: Some(heads.clone()), ..entry }]
            }
            BatchContent::Restore => vec![self.marker(EntryKind::Restore, batch.id, &[])],
            BatchContent::Rejected { .. } | BatchContent::TooLarge => return None,
        })
    }

    fn marker(self, kind: EntryKind, batch: BatchId, heads: &[ChangeHash]) -> Entry {
        self.entry(kind, marker_hash(kind, self.space, self.document, batch, heads), batch)
    }

    fn entry(self, kind: EntryKind, hash: ChangeHash, batch: BatchId) -> Entry {
        let Self { document, device, .. } = self;
        Entry { kind, document, hash, device, batch, bytes: None, heads: None }
    }
}

fn change_count(content: &BatchContent) -> u64 {
    match content {
        BatchContent::Changes(changes) => changes.len() as u64,
        _ => 0,
    }
}

fn bytes(pushed: &Pushed) -> usize {
    match &pushed.content {
        Content::Changes(changes) => changes.iter().map(|change| change.len()).sum(),
        Content::Tombstone(heads) => heads.len() * ChangeHash::LEN,
        Content::Restore => 0,
    }
}

fn operations(batch: &ParsedBatch) -> u64 {
    match &batch.content {
        BatchContent::Changes(changes) => changes.iter().map(|change| change.header.ops).sum(),
        _ => 0,
    }
}

/// Parses what was pushed: here, if it is little.
async fn parse_all(app: &App, batches: Vec<Pushed>, bytes: usize) -> Result<Vec<ParsedBatch>, StorageError> {
    let all = move || batches.into_iter().map(parse).collect();
    if bytes < PARSED_HERE_BYTES_MAX {
        return Ok(all());
    }
    app.runtime.blocking(all).await.map_err(|detail| StorageError::Unexpected { detail })
}

fn parse(pushed: Pushed) -> ParsedBatch {
    let content = match pushed.content {
        Content::Changes(changes) => parse_changes(changes),
        Content::Tombstone(heads) => BatchContent::Tombstone { heads },
        Content::Restore => BatchContent::Restore,
    };
    ParsedBatch { id: pushed.batch, content }
}

fn parse_changes(changes: Vec<Blob>) -> BatchContent {
    if changes.is_empty() {
        let detail = "a batch of no changes; a batch is one local commit".to_owned();
        return BatchContent::Rejected { culprit: None, code: FateCode::UNDECODABLE, detail, changes };
    }
    // Room for all at once: collecting into a `Result` does not know how many there will be, and moves them again and
    // again.
    let mut parsed = Vec::with_capacity(changes.len());
    // A frame of compressed changes can hold a thousand times its size, and more than its size is never taken.
    let mut room = FRAME_BYTES_MAX;
    for change in &changes {
        match document::Change::parse_within(change.clone(), room) {
            Ok(Some(change)) => {
                room -= change.bytes.len();
                parsed.push(change);
            }
            Ok(None) => return BatchContent::TooLarge,
            Err(error) => {
                let (culprit, code, detail) = (readable_hash(change), error.code(), error.to_string());
                return BatchContent::Rejected { culprit, code, detail, changes };
            }
        }
    }
    BatchContent::Changes(parsed)
}

/// What pushes get whose space is not readable (any more): the first says why, the rest of the lane is skipped. Parked,
/// not refused, because a grant may come back.
#[must_use]
pub fn no_such_space(batches: &[Pushed], detail: &str) -> Vec<(BatchId, Outcome)> {
    first_parked(batches, FateCode::NO_SUCH_SPACE, detail.to_owned())
}

/// The first is parked by no version of anything, the rest skipped.
fn first_parked(batches: &[Pushed], code: FateCode, detail: String) -> Vec<(BatchId, Outcome)> {
    let mut first = Some(Outcome::Parked { code, judged_by: 0, detail });
    batches.iter().map(|pushed| (pushed.batch, first.take().unwrap_or(Outcome::Skipped))).collect()
}

/// As the session calls it.
pub(super) fn session_outcome(outcome: Stored) -> Outcome {
    match outcome {
        Stored::Appended { at, proof, .. } => Outcome::Appended { at, proof },
        Stored::Stored => Outcome::Stored,
        Stored::Refused { culprit, code, detail } => Outcome::Refused { culprit, code, detail },
        Stored::Parked { code, judged_by, detail } => Outcome::Parked { code, judged_by, detail },
        Stored::Need { hashes } => Outcome::Need { hashes },
        Stored::Skipped => Outcome::Skipped,
    }
}
