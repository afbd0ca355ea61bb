//! Checks what waits in the intake of a document, and brings what passes into the log; tells everybody concerned.
//!
//! One worker at a time has a document, in this process by its checkout and among several by its lease in storage.
//! What was checked on top of a batch that did not get into the log is checked again.

use relay_storage::{BatchContent, CheckVerdict, Outcome, Settled, SettledBatch, WaitingBatch};
use sync_wire::planted::{self, Bug};
use sync_wire::{DocumentId, LogPosition, Position, Proof, SpaceId};
use tracing::{debug, warn};

use super::loaded::Checkout;
use super::queue::Lane;
use super::{CheckError, hashes_of, runs, work};
use crate::app::App;
use crate::metrics;
use crate::relay::append::Origin;
use crate::relay::read::Run;

/// Roughly how much of an intake is checked at once.
const PAGE_BYTES: usize = 4 << 20;
/// How often a worker goes on with one document before others have their turn.
const ROUNDS_MAX: usize = 8;

/// Settles what waits of a document, as long as it is this process's to do. What came meanwhile and is expected to take
/// long is left to the slow lane.
pub(super) async fn settle(app: &App, space: SpaceId, document: DocumentId, lane: Lane) -> Result<(), CheckError> {
    let mut checkout = app.checker.checkout(space, document).await;
    let mut account = None;
    for _ in 0..ROUNDS_MAX {
        let waiting = app.storage.take_intake(space, document, PAGE_BYTES).await?;
        let Some(first) = waiting.first() else { return Ok(()) };
        account = Some(first.account);
        // Asked now: whoever stores what takes long says so before.
        if lane == Lane::Fast && app.checker.intake.is_slow((space, document)) {
            app.checker.stored(first.account, space, document);
            return Ok(());
        }
        let checked = match examine(app, &mut checkout, &waiting).await {
            Ok(checked) => checked,
            Err(CheckError::Log(error)) => {
                work::hold(app, &mut checkout, &error.to_string()).await?;
                // They are parked as the document is held.
                waiting.iter().map(|batch| (batch.key, CheckVerdict::Passed)).collect()
            }
            Err(error) => return Err(error),
        };
        let settled = app.storage.settle_intake(space, document, checked).await;
        let appended = settled.as_ref().ok().and_then(|settled| all_appended(settled.as_ref()?));
        match appended {
            Some((before, last)) => checkout.advance(before, last),
            None => checkout.discard(), // it may hold changes that the log does not
        }
        let Some(settled) = settled? else { return Ok(()) };
        announce(app, (space, document), &waiting, &settled);
        if settled.waiting == 0 {
            return Ok(());
        }
    }
    if let Some(account) = account {
        app.checker.stored(account, space, document); // the rest has its turn later
    }
    Ok(())
}

/// Where the document ended before them, and the place of the last of them, if all were appended.
fn all_appended(settled: &Settled) -> Option<(Position, Position)> {
    let last = settled.batches.iter().try_fold(Position::START, |last, settled| match settled.outcome {
        Outcome::Appended { at, .. } => Some(last.max(at.position)),
        _ => None,
    });
    Some((settled.before, last?))
}

/// Runs batches on top of the whole log, in their order, up to the first that does not apply. What was refused before
/// is not run again: storage has its fate.
async fn examine(
    app: &App,
    checkout: &mut Checkout,
    waiting: &[WaitingBatch],
) -> Result<Vec<(i64, CheckVerdict)>, CheckError> {
    let passed = |waiting: &[WaitingBatch]| waiting.iter().map(|batch| (batch.key, CheckVerdict::Passed)).collect();
    // Planted: the check behind the log will do.
    if planted::is(Bug::UncheckedInTeam) {
        return Ok(passed(waiting));
    }
    let open = open_batches(app, checkout, waiting).await?;
    let mut checked: Vec<(i64, CheckVerdict)> = Vec::with_capacity(waiting.len());
    for run in runs(app, checkout, &waiting[..open]) {
        let failed = work::try_batches(app, checkout, run).await?;
        let sound = failed.as_ref().map_or(run.len(), |failed| failed.index);
        checked.extend(run[..sound].iter().map(|batch| (batch.key, CheckVerdict::Passed)));
        if let Some(work::Failed { index, rejection }) = failed {
            checked.extend(run.get(index).map(|batch| (batch.key, verdict(rejection))));
            return Ok(checked);
        }
    }
    checked.extend(waiting.get(open).map(|batch| (batch.key, CheckVerdict::Passed)));
    Ok(checked)
}

fn verdict(rejection: Option<BatchContent>) -> CheckVerdict {
    match rejection {
        Some(BatchContent::Rejected { culprit, code, detail, .. }) => CheckVerdict::Failed { culprit, code, detail },
        _ => CheckVerdict::Unfit,
    }
}

/// How many of the batches, from the first on, hold nothing that was refused for ever before, say because its check had
/// ended the relay. Brings the document to the end of its log.
async fn open_batches(app: &App, checkout: &mut Checkout, waiting: &[WaitingBatch]) -> Result<usize, CheckError> {
    let mut open = waiting.len();
    for of_device in waiting.chunk_by(|one, next| one.device == next.device) {
        let hashes = of_device.iter().flat_map(|batch| hashes_of(&batch.batch.content)).collect();
        let refused = work::catch_up(app, checkout, of_device[0].device, hashes).await?;
        let is_refused = |batch: &WaitingBatch| hashes_of(&batch.batch.content).any(|hash| refused.contains(&hash));
        let key = of_device.iter().find(|batch| is_refused(batch)).map(|batch| batch.key);
        if let Some(first) = key.and_then(|key| waiting.iter().position(|batch| batch.key == key)) {
            open = open.min(first);
        }
    }
    Ok(open)
}

/// Fills the tail, then hints, in this order, or a reader finds a gap.
fn announce(app: &App, (space, document): (SpaceId, DocumentId), waiting: &[WaitingBatch], settled: &Settled) {
    let (mut end, mut runs, mut changes, mut is_told) = (None::<LogPosition>, Vec::new(), 0, false);
    for batch in &settled.batches {
        metrics::settled(&batch.outcome, batch.waited);
        let Outcome::Appended { at, entries, proof } = batch.outcome else {
            is_told = true;
            report(document, batch);
            continue;
        };
        end = end.into_iter().chain([at]).max_by_key(|end| end.position);
        changes += entries as u64;
        let origin = Origin { space, document, device: batch.device };
        let entries_made = waiting.iter().find(|it| it.key == batch.key).and_then(|it| origin.entries(&it.batch));
        if let (Some(Proof { chain, receipt }), Some(made)) = (proof, entries_made) {
            runs.push(Run { end: at, len: entries as u64, entries: made, chain, receipt });
        }
    }
    app.tails.add(space, runs);
    if let Some(end) = end {
        app.hub.hint(space, end);
        app.checker.changed(space, document, changes);
    }
    if is_told {
        app.hub.settled(space);
    }
    app.checker.made_room();
}

fn report(document: DocumentId, settled: &SettledBatch) {
    let SettledBatch { batch, outcome, .. } = settled;
    match outcome {
        Outcome::Refused { code, detail, .. } => {
            let code = code.name();
            warn!(batch.id = %batch, document.id = %document, code, "Batch {batch} of the intake is refused: {detail}");
        }
        outcome => {
            debug!(batch.id = %batch, document.id = %document, "Batch {batch} of the intake was not taken: {outcome:?}");
        }
    }
}
