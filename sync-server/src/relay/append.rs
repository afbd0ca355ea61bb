//! The write path, and the only one: parse, check, append, then tell those who follow.

use std::sync::Arc;
use std::time::Duration;

use relay_storage::{AppendRequest, BatchContent, Check, Outcome as Stored, ParsedBatch, StorageError, readable_hash};
use sync_core::session::{Outcome, Pushed};
use sync_wire::log::{EntryKind, marker_hash};
use sync_wire::{
    BatchId, Blob, ChangeHash, Content, DeviceId, DocumentId, Entry, FateCode, Position, Proof, SpaceId, SpaceKind,
};
use tokio::time::Instant;
use tracing::debug;

use crate::access::Writable;
use crate::app::App;
use crate::metrics;
use crate::relay::check::{self, CheckError, Pusher};
use crate::relay::hub::Bell;
use crate::relay::rates::Spent;
use crate::relay::read::Run;

/// Batches of one document, pushed by one device.
#[derive(Debug, Clone)]
pub struct Pushes {
    /// The document.
    pub document: DocumentId,
    /// The device whose credentials carried them.
    pub device: DeviceId,
    /// In order.
    pub batches: Vec<Pushed>,
    /// Where the session that pushes hears hints: not of this append, whose outcome it gets.
    pub bell: Arc<Bell>,
}

/// Why nothing is known to have been appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The document could not be loaded for its check.
    #[error(transparent)]
    Check(#[from] CheckError),
}

/// Makes batches part of the log, up to the first that is not taken. What it returns as appended is durable.
///
/// # Errors
/// [`AppendError`]: nothing is known to have happened; the device pushes again.
pub async fn append(app: &App, target: &Writable, pushes: Pushes) -> Result<Vec<(BatchId, Outcome)>, AppendError> {
    let Pushes { document, device, batches, bell } = pushes;
    let request = AppendRequest {
        space: target.space(),
        document,
        account: target.account(),
        device,
        grant: *target.grant(),
        check: Check::Pending,
        batches: batches.into_iter().map(parse).collect(),
    };
    let spent = Spent { operations: request.batches.iter().map(operations).sum(), ..Spent::default() };
    let now = Instant::now();
    app.rates.of(request.account, now).spend(now, spent);
    let outcomes = if target.kind() == SpaceKind::Personal {
        app.checker.room(target.space()).await;
        commit(app, request, &bell).await?
    } else {
        append_checked(app, target, request, &bell).await?
    };
    Ok(outcomes.into_iter().map(|(batch, outcome)| (batch, session_outcome(outcome))).collect())
}

/// In a space with other people nothing unchecked gets a position (PROTOCOL §2). The check and the append of a
/// document hold its lock together, so that what was checked is what is appended. The checked position itself follows
/// behind the log as elsewhere, together with the projection.
async fn append_checked(
    app: &App,
    target: &Writable,
    mut request: AppendRequest,
    bell: &Arc<Bell>,
) -> Result<Vec<(BatchId, Stored)>, AppendError> {
    let mut checkout = app.checker.checkout(target.space(), request.document).await;
    let pusher = Pusher { account: request.account, device: request.device };
    check::before_append(app, &mut checkout, pusher, &mut request.batches).await?;
    let outcomes = commit(app, request, bell).await;
    let last = outcomes.as_ref().ok().and_then(|outcomes| all_appended(outcomes));
    match last {
        Some(position) => checkout.advance(position),
        None => checkout.discard(), // it may hold changes that the log does not
    }
    Ok(outcomes?)
}

/// The place of the last of them, if all were appended.
fn all_appended(outcomes: &[(BatchId, Stored)]) -> Option<Position> {
    outcomes.iter().try_fold(Position::START, |last, (_, outcome)| match outcome {
        Stored::Appended { at, .. } => Some(last.max(at.position)),
        _ => None,
    })
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
            debug!(
                batch.id = %batch, document.id = %document,
                "Batch {batch} of document {document} was not taken: {outcome:?}"
            );
            continue;
        };
        end = end.max(Some(at.position));
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
struct Origin {
    space: SpaceId,
    document: DocumentId,
    device: DeviceId,
}

impl Origin {
    /// What storage will write for a batch; the tail verifies it.
    fn entries(self, batch: &ParsedBatch) -> Option<Vec<Entry>> {
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
            BatchContent::Rejected { .. } => return None,
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

fn operations(batch: &ParsedBatch) -> u64 {
    match &batch.content {
        BatchContent::Changes(changes) => changes.iter().map(|change| change.header.ops).sum(),
        _ => 0,
    }
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
    for change in &changes {
        match document::Change::parse(change.clone()) {
            Ok(change) => parsed.push(change),
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
    let parked = Outcome::Parked { code: FateCode::NO_SUCH_SPACE, judged_by: 0, detail: detail.to_owned() };
    let mut first = Some(parked);
    batches.iter().map(|pushed| (pushed.batch, first.take().unwrap_or(Outcome::Skipped))).collect()
}

fn session_outcome(outcome: Stored) -> Outcome {
    match outcome {
        Stored::Appended { at, proof, .. } => Outcome::Appended { at, proof },
        Stored::Refused { culprit, code, detail } => Outcome::Refused { culprit, code, detail },
        Stored::Parked { code, judged_by, detail } => Outcome::Parked { code, judged_by, detail },
        Stored::Need { hashes } => Outcome::Need { hashes },
        Stored::Skipped => Outcome::Skipped,
    }
}
