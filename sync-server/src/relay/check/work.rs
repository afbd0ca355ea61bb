//! What is done with one document: bring it to the end of its log, store what follows from that.

use document::{ApplyError, Document, Snapshot};
use relay_storage::{
    BatchContent, Condemned, DocumentState, NewProjection, NewSnapshot, ReadError, RefusedChange, StoreChecked, Stored,
    StoredSnapshot, WaitingBatch,
};
use schemas::Registry;
use sync_wire::log::EntryKind;
use sync_wire::{AccountId, Blob, ChangeHash, DeviceId, DocumentId, Position, SpaceId};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::attempts::{Attempt, Thing, Underway};
use super::loaded::{Checkout, Loaded};
use super::{blobs, hashes_of};
use crate::app::App;
use crate::publication;

/// Roughly how much of a log is applied at once.
const PAGE_BYTES: usize = 4 << 20;
/// How often the checked position may move under a worker before it leaves the document to the next round.
const MOVED_MAX: usize = 3;

/// Why a document could not be checked now. Nothing was condemned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// Storage failed, or has no such document.
    #[error(transparent)]
    Read(ReadError),
    /// Its entries up to here do not apply, so nothing can be checked after them.
    #[error("the document's log does not apply: {0}")]
    Log(ApplyError),
    /// The worker's thread failed.
    #[error("the check ended in a panic: {0}")]
    Panicked(String),
}

impl CheckError {
    /// The stable word for this failure.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Read(error) => error.code(),
            Self::Log(_) => "document_log_invalid",
            Self::Panicked(_) => "check_panicked",
        }
    }
}

/// Checks what is unchecked of a document. A failing document is held and that is no error.
pub(super) async fn check_document(app: &App, space: SpaceId, document: DocumentId) -> Result<(), CheckError> {
    let mut checkout = app.checker.checkout(space, document).await;
    for _ in 0..MOVED_MAX {
        let Some(state) = app.storage.document(space, document).await? else { return Ok(()) };
        if state.held.is_some() {
            return Ok(());
        }
        if state.is_checked() {
            // The check before this one took in what it waited for; it had more to come, and asked for no snapshot.
            want_snapshot(app, &state, false);
            return Ok(());
        }
        match bring_to(app, &mut checkout, &state).await {
            Ok(()) => {}
            Err(CheckError::Log(error)) => return hold(app, &mut checkout, &error.to_string()).await,
            Err(error) => return Err(error),
        }
        let with_snapshot = state.snapshot_is_due();
        let with = if with_snapshot { With::Both } else { With::Projection };
        if store(app, &mut checkout, &state, with).await? == Stored::Done {
            debug!(
                space.id = %space, document.id = %document, position = %state.end,
                "Checked document {document} up to {}", state.end
            );
            app.reached.checked(space);
            want_snapshot(app, &state, with_snapshot);
            return Ok(());
        }
    }
    Ok(())
}

/// A tail that is too short for a snapshot while the document is written gets one when it is quiet, so that a new
/// device need not replay it.
fn want_snapshot(app: &App, state: &DocumentState, with_snapshot: bool) {
    if !with_snapshot && state.snapshot_is_due_when_quiet() {
        app.checker.queue.want_snapshot(state.space, state.document);
    }
}

/// Makes a snapshot of a document that is checked and quiet, if its tail is still long.
pub(super) async fn make_snapshot(app: &App, space: SpaceId, document: DocumentId) -> Result<(), CheckError> {
    let mut checkout = app.checker.checkout(space, document).await;
    let Some(state) = app.storage.document(space, document).await? else { return Ok(()) };
    if state.held.is_some() || !state.is_checked() || !state.snapshot_is_due_when_quiet() {
        return Ok(());
    }
    bring_to(app, &mut checkout, &state).await?;
    let stored = store(app, &mut checkout, &state, With::Snapshot).await?;
    debug!(space.id = %space, document.id = %document, ?stored, "Made a snapshot of the quiet document {document}");
    Ok(())
}

/// Makes anew what the rules of its type give of a checked document. One that waits for its check gets it there; one
/// that is deleted or held, when it comes back.
pub(crate) async fn retype(app: &App, space: SpaceId, document: DocumentId) -> Result<(), CheckError> {
    let mut checkout = app.checker.checkout(space, document).await;
    let Some(state) = app.storage.document(space, document).await? else { return Ok(()) };
    if state.held.is_some() || state.deleted || !state.is_checked() {
        return Ok(());
    }
    bring_to(app, &mut checkout, &state).await?;
    store(app, &mut checkout, &state, With::Projection).await?;
    app.reached.checked(space);
    Ok(())
}

pub(super) async fn hold(app: &App, checkout: &mut Checkout, reason: &str) -> Result<(), CheckError> {
    let (space, document) = checkout.key();
    checkout.discard();
    warn!(space.id = %space, document.id = %document, "Document {document} of space {space} is held: {reason}");
    app.storage.hold(space, document, reason).await?;
    // Nobody waits for it any more.
    app.reached.checked(space);
    Ok(())
}

/// Brings the loaded document to the end of its log, for a check before an append; which of the changes that are to be
/// checked were refused before.
pub(super) async fn catch_up(
    app: &App,
    checkout: &mut Checkout,
    device: DeviceId,
    hashes: Vec<ChangeHash>,
) -> Result<Vec<ChangeHash>, CheckError> {
    let (space, document) = checkout.key();
    let (state, refused) = app.storage.document_and_refused(space, document, device, hashes).await?;
    match state {
        Some(state) => bring_to(app, checkout, &state).await?,
        None => checkout.put_current(Loaded { document: Document::new(None), through: Position::START }),
    }
    Ok(refused)
}

/// How the reason begins for which a document is held that was attempted too often.
const ENDED: &str = "the relay ended";

/// Whether a document is held because its check ended the relay.
pub(crate) fn has_ended_the_relay(reason: &str) -> bool {
    reason.starts_with(ENDED)
}

/// What was attempted too often is not run again: a pushed change is refused, a document of the log is held.
pub(super) async fn condemn(app: &App, attempt: &Attempt) -> Result<(), CheckError> {
    let Attempt { thing, times, .. } = *attempt;
    let detail = format!("{ENDED} {times} times while it was checked");
    match thing {
        Thing::Log { space, document } => {
            warn!(space.id = %space, document.id = %document, "Document {document} of space {space} is held: {detail}");
            match app.storage.hold(space, document, &detail).await {
                Ok(()) | Err(ReadError::UnknownDocument { .. }) => Ok(()),
                Err(error) => Err(error.into()),
            }
        }
        Thing::Push { space, document, hash } => {
            warn!(
                space.id = %space, document.id = %document,
                "Change {hash} of document {document} is refused unseen: {detail}"
            );
            let Attempt { account, device, batch, .. } = *attempt;
            let detail = format!("change {}: {detail}", hash.short());
            Ok(app.storage.condemn(Condemned { space, document, hash, account, device, batch, detail }).await?)
        }
    }
}

/// Loads the document if need be, and applies the entries up to the end of its log, each page as one batch.
async fn bring_to(app: &App, checkout: &mut Checkout, state: &DocumentState) -> Result<(), CheckError> {
    let mut loaded = match checkout.take() {
        Some(loaded) if loaded.through <= state.end.position => loaded,
        _ => load(app, state).await?,
    };
    let end = state.end.position;
    let mut after = loaded.through;
    while after < end {
        let page = app.storage.read_document(state.space, state.document, after, end, PAGE_BYTES).await?;
        let changes = page.entries.into_iter().filter(|positioned| positioned.entry.kind == EntryKind::Change);
        let changes: Vec<Blob> = changes.filter_map(|positioned| positioned.entry.bytes).collect();
        after = page.next.unwrap_or(end);
        loaded = on_log(app, state, move || {
            loaded.document.apply(&changes).map_err(CheckError::Log)?;
            loaded.through = after;
            Ok::<_, CheckError>(loaded)
        })
        .await??;
    }
    checkout.put_current(loaded);
    Ok(())
}

/// A document as its log has it, to be worked on apart; none inside if it is deleted or held, none at all if there are
/// no entries of it.
pub(crate) async fn copy(
    app: &App,
    space: SpaceId,
    document: DocumentId,
) -> Result<Option<(Option<Document>, DocumentState)>, CheckError> {
    let mut checkout = app.checker.checkout(space, document).await;
    let Some(state) = app.storage.document(space, document).await? else { return Ok(None) };
    if state.deleted || state.held.is_some() {
        return Ok(Some((None, state)));
    }
    bring_to(app, &mut checkout, &state).await?;
    let Some(loaded) = checkout.take() else { return Ok(None) };
    let (loaded, copy) = on_log(app, &state, move || {
        let copy = loaded.document.clone();
        (loaded, copy)
    })
    .await?;
    checkout.put_current(loaded);
    Ok(Some((Some(copy), state)))
}

/// From the stored snapshot; from nothing, if there is none or it cannot be used: it is derived data.
async fn load(app: &App, state: &DocumentState) -> Result<Loaded, CheckError> {
    let empty = || Loaded { document: Document::new(None), through: Position::START };
    let Some(stored) = app.storage.load_snapshot(state.space, state.document).await? else { return Ok(empty()) };
    let document = state.document;
    let loaded = on_log(app, state, move || {
        let StoredSnapshot { covers, heads, changes, digest, bytes } = stored;
        let snapshot = Snapshot { heads, changes, digest, bytes };
        Document::load(&snapshot).map(|document| Loaded { document, through: covers })
    })
    .await?;
    Ok(loaded.unwrap_or_else(|error| {
        warn!(document.id = %document, "The snapshot of document {document} is not used: {error}");
        empty()
    }))
}

/// What is stored with a checked position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum With {
    Projection,
    Snapshot,
    Both,
}

/// Stores checked position, projection and snapshot, in one compare-and-set.
async fn store(app: &App, checkout: &mut Checkout, state: &DocumentState, with: With) -> Result<Stored, CheckError> {
    let Some(mut loaded) = checkout.take() else { return Ok(Stored::Moved { checked: state.checked }) };
    // Taken while nobody else has the document: what is published after this makes it anew.
    let (types, id) = (app.types.current(), state.document);
    let (loaded, projection, snapshot) = on_log(app, state, move || {
        if let Some(known) = loaded.document.type_name().and_then(|name| types.shared(&name)) {
            publication::prepare(&mut loaded.document, &known);
        }
        let projection = (with != With::Snapshot).then(|| project(&types, id, &loaded.document));
        let snapshot = (with != With::Projection).then(|| loaded.document.snapshot());
        (loaded, projection, snapshot)
    })
    .await?;
    checkout.put(loaded);
    let snapshot = match snapshot.transpose() {
        Ok(snapshot) => snapshot,
        // A document without a snapshot is slow to load and otherwise well.
        Err(error) => {
            warn!(document.id = %state.document, "No snapshot of document {}: {error}", state.document);
            None
        }
    };
    let checked = StoreChecked {
        space: state.space,
        document: state.document,
        expected_checked: state.checked,
        new_checked: state.end.position,
        projection,
        snapshot: snapshot.map(|Snapshot { heads, changes, digest, bytes }| NewSnapshot {
            heads,
            changes,
            digest,
            bytes,
        }),
    };
    Ok(app.storage.store_checked(checked).await?)
}

/// The merged JSON of the document with an id, with what its type says: its title, and whether it is for everybody.
pub(crate) fn project(types: &Registry, id: DocumentId, document: &Document) -> NewProjection {
    let value = document.value();
    let known = document.type_name().and_then(|name| types.get(&name));
    let title = known.and_then(|document_type| document_type.title(&value));
    let judgement = publication::judge((id, document), known, &value);
    let (type_name, heads) = (document.type_name(), document.heads());
    NewProjection { type_name, title, heads, json: value.to_string(), judgement }
}

/// The first batch of a run that does not apply.
pub(super) struct Failed {
    pub(super) index: usize,
    /// What becomes of it, if that is its own fault; nothing if the log's rules have the word for it.
    pub(super) rejection: Option<BatchContent>,
}

/// Applies batches of the intake in order, up to the first that does not apply.
pub(super) async fn try_batches(
    app: &App,
    checkout: &mut Checkout,
    run: &[WaitingBatch],
) -> Result<Option<Failed>, CheckError> {
    let Some(attempt) = attempt(checkout, run) else { return Ok(None) };
    let Some(mut loaded) = checkout.take() else { return Ok(None) };
    let batches: Vec<Vec<Blob>> = run.iter().map(|batch| blobs(&batch.batch.content)).collect();
    let kept = batches.clone();
    let (loaded, failure) = blocking(app, attempt, move || {
        let all: Vec<Blob> = batches.concat();
        let failure = match loaded.document.apply(&all) {
            Ok(_) => None,
            Err(_) => first_failure(&mut loaded.document, &batches),
        };
        (loaded, failure)
    })
    .await?;
    checkout.put(loaded);
    match failure {
        Some((_, ApplyError::Broken)) => Err(CheckError::Panicked(ApplyError::Broken.to_string())),
        Some((index, error)) => {
            let changes = kept.into_iter().nth(index).unwrap_or_default();
            Ok(Some(Failed { index, rejection: rejection(&error, changes) }))
        }
        None => Ok(None),
    }
}

/// What to call a run, should it end the relay. Nothing to run: no name.
fn attempt(checkout: &Checkout, run: &[WaitingBatch]) -> Option<Attempt> {
    let (space, document) = checkout.key();
    let named = |waiting: &WaitingBatch| hashes_of(&waiting.batch.content).next();
    let (first, hash) = run.iter().find_map(|waiting| Some((waiting, named(waiting)?)))?;
    let WaitingBatch { account, device, .. } = *first;
    let batch = first.batch.id;
    // Of several batches it would not be known which one it was: that attempt names nobody.
    let times = if run.len() == 1 { 1 } else { 0 };
    Some(Attempt { thing: Thing::Push { space, document, hash }, account, device, batch, times })
}

fn first_failure(document: &mut Document, batches: &[Vec<Blob>]) -> Option<(usize, ApplyError)> {
    batches.iter().enumerate().find_map(|(index, batch)| document.apply(batch).err().map(|error| (index, error)))
}

fn rejection(error: &ApplyError, changes: Vec<Blob>) -> Option<BatchContent> {
    match error {
        ApplyError::Dangerous { .. } => {
            let detail = error.to_string();
            Some(BatchContent::Rejected { culprit: error.culprit(), code: error.code(), detail, changes })
        }
        // Storage decides these by its own rules, with the better answer.
        _ => None,
    }
}

/// Runs work on what is in the log of a document.
async fn on_log<T: Send + 'static>(
    app: &App,
    state: &DocumentState,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CheckError> {
    blocking(app, Attempt::on_log(state.space, state.document), work).await
}

/// Runs work on a refused change of an account, and on those below it that were refused as well, `together` in number:
/// nobody has checked them. Should that end the relay twice, the change loses its kept bytes, so that it is not looked
/// at again. Of several it would not be known which one it was: that attempt names nobody.
pub(crate) async fn on_refused<T: Send + 'static>(
    app: &App,
    account: AccountId,
    change: &RefusedChange,
    together: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CheckError> {
    let RefusedChange { space, document, hash, device, batch, .. } = *change;
    let thing = Thing::Push { space, document, hash };
    blocking(app, Attempt { thing, account, device, batch, times: u8::from(together == 1) }, work).await
}

/// Whether something that somebody pushed to a document was under way when an earlier process ended: then each change
/// goes for itself, so that it is known which one it is.
pub(crate) fn is_suspect(app: &App, space: SpaceId, document: DocumentId) -> bool {
    app.checker.attempts.is_suspect(space, document)
}

/// Runs work on a document where it may take its time, and remembers how much it took. Should it end the relay, the
/// next start finds the attempt.
async fn blocking<T: Send + 'static>(
    app: &App,
    attempt: Attempt,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CheckError> {
    let key = (attempt.thing.space(), attempt.thing.document());
    let underway: Underway = app.checker.attempts.begin(attempt);
    let ran = app.runtime.blocking(move || {
        let began = Instant::now();
        let done = work();
        drop(underway);
        (done, began.elapsed())
    });
    let (done, took) = ran.await.map_err(CheckError::Panicked)?;
    app.checker.took(key, took);
    Ok(done)
}
