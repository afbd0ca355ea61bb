//! What of an account was refused in a space, for whoever may read it. Next: `past`, which puts one together.

mod past; // a refused change with what it rests on, as far as the relay has it

use document::{Document, Quarantined, Refused, resubmission_note};
use relay_storage::{IntakeTotals, KeptChange, QuarantinePage, QuarantineQuery, RefusedPast, StorageError};
use sync_wire::{AccountId, BatchId, ChangeHash, DocumentId, SpaceId};

use crate::access::Readable;
use crate::app::App;
use crate::projection;
use crate::relay::check::{self, CheckError};
pub(super) use past::{Seen, put_together};

/// A refused change, and what can be said of it here.
#[derive(Debug)]
pub struct Looked {
    /// What is kept.
    pub kept: KeptChange,
    /// For people and for files.
    pub edit: Quarantined,
    /// What it says.
    pub refused: Refused,
    /// The change of its document that says it again, if one does.
    pub resubmitted_by: Option<ChangeHash>,
}

/// The refused changes of one account, the newest first.
///
/// # Errors
/// [`StorageError`]
pub async fn list(
    app: &App,
    source: &Readable,
    account: AccountId,
    before: Option<i64>,
    limit: usize,
) -> Result<QuarantinePage, StorageError> {
    let mine = QuarantineQuery { space: Some(source.space()), account: Some(account), before, ..Default::default() };
    app.storage.quarantine(mine, limit).await
}

/// How much of one account waits in a space for its check.
///
/// # Errors
/// [`StorageError`]
pub async fn waiting(app: &App, source: &Readable, account: AccountId) -> Result<IntakeTotals, StorageError> {
    app.storage.intake_of_account(source.space(), account).await
}

/// In which document and batch an account pushed a refused change; also one that it has discarded.
///
/// # Errors
/// [`StorageError`]
pub async fn place_of(
    app: &App,
    source: &Readable,
    account: AccountId,
    hash: ChangeHash,
) -> Result<Option<(DocumentId, BatchId)>, StorageError> {
    app.storage.refused_in(source.space(), account, hash).await
}

/// Takes a refused change out of the quarantine of its account; `false` if it never was there.
///
/// # Errors
/// [`StorageError`]
pub async fn discard(app: &App, source: &Readable, account: AccountId, hash: ChangeHash) -> Result<bool, StorageError> {
    app.storage.discard_refused(source.space(), account, hash).await
}

/// A refused change of an account with what it says, as far as that can be told; none if there is no such change.
///
/// # Errors
/// Storage failed, or the work was not finished.
pub async fn look(
    app: &App,
    source: &Readable,
    account: AccountId,
    hash: ChangeHash,
) -> Result<Option<Looked>, CheckError> {
    let Some(past) = app.storage.refused_past(source.space(), account, hash).await? else { return Ok(None) };
    let kept = past.kept.clone();
    let document = kept.change.document;
    let shown = projection::current(app, source, document).await?;
    let (type_name, title) = shown.map(|shown| (shown.type_name, shown.title)).unwrap_or_default();
    let Told { refused, continued_by, resubmitted_by } = tell(app, account, past).await?;
    let change = &kept.change;
    let edit = Quarantined {
        id: change.batch,
        space: change.space,
        document,
        type_name,
        title,
        change: Some(hash),
        code: change.code,
        detail: change.detail.clone(),
        remedy: Quarantined::remedy_of(change.code),
        culprit: Some(change.culprit.unwrap_or(hash)),
        unix_seconds: Some(change.decided_at.div_euclid(1000)),
        continued_by,
    };
    Ok(Some(Looked { kept, edit, refused, resubmitted_by }))
}

/// What could be told.
struct Told {
    refused: Refused,
    continued_by: Option<ChangeHash>,
    resubmitted_by: Option<ChangeHash>,
}

impl Told {
    fn unreadable(detail: String) -> Self {
        Self { refused: Refused::Unreadable { detail }, continued_by: None, resubmitted_by: None }
    }
}

async fn tell(app: &App, account: AccountId, past: RefusedPast) -> Result<Told, CheckError> {
    let (space, document, hash) = (past.kept.change.space, past.kept.change.document, past.kept.change.hash);
    if let Some(detail) = past::never_loaded(past.kept.change.code) {
        return Ok(Told::unreadable(detail));
    }
    // It costs what rebuilding a version does.
    let _permit = app.rebuilds.acquire().await.ok();
    let now = match read(app, space, document).await? {
        Ok(now) => now,
        Err(detail) => return Ok(Told::unreadable(detail)),
    };
    let resubmitted_by = match said_again(app, account, (space, document), now.clone(), hash).await? {
        Ok(change) => change,
        Err(detail) => return Ok(Told::unreadable(detail)),
    };
    let seen = match put_together(app, account, now, past).await? {
        Ok(seen) => seen,
        Err(detail) => return Ok(Told { resubmitted_by, ..Told::unreadable(detail) }),
    };
    let work = move || (Refused::from(&seen.past), seen.continued_by);
    let (refused, continued_by) = app.runtime.blocking(work).await.map_err(CheckError::Panicked)?;
    Ok(Told { refused, continued_by, resubmitted_by })
}

/// A document as it is now, an empty one if its first change was refused. An error of the second kind says why it
/// cannot be had.
async fn read(app: &App, space: SpaceId, document: DocumentId) -> Result<Result<Document, String>, CheckError> {
    let max = app.config.api.version_bytes_max;
    let state = app.storage.document(space, document).await?;
    if let Some(bytes) = state.map(|state| state.bytes).filter(|bytes| *bytes > max) {
        let rule = format!("changes are put together up to {max} (api.version_bytes_max)");
        return Ok(Err(format!("its document has {bytes} bytes of changes; {rule}")));
    }
    match check::copy(app, space, document).await {
        Ok(Some((Some(now), _))) => Ok(Ok(now)),
        Ok(Some((None, state))) => Ok(Err(match state.held {
            Some(reason) => format!("its document is read-only: {reason}"),
            None => "its document was deleted".to_owned(),
        })),
        Ok(None) => Ok(Ok(Document::new(None))),
        Err(CheckError::Log(error)) => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}

/// The change of a document that says a refused one again, if it is of the account of that: the note alone is
/// anybody's. An error of the second kind says why nothing can be told.
pub(super) async fn said_again(
    app: &App,
    account: AccountId,
    (space, id): (SpaceId, DocumentId),
    now: Document,
    hash: ChangeHash,
) -> Result<Result<Option<ChangeHash>, String>, CheckError> {
    let note = resubmission_note(&hash);
    let history = app.runtime.blocking(move || now.history()).await.map_err(CheckError::Panicked)?;
    let mut said = match history {
        Ok(history) => history,
        Err(error) => return Ok(Err(error.to_string())),
    };
    said.retain(|past| past.message.as_ref() == Some(&note));
    if said.is_empty() {
        return Ok(Ok(None));
    }
    let names = said.iter().map(|past| (past.actor, past.seq)).collect();
    let written = app.storage.written_by(space, id, names).await?;
    let own = said.iter().zip(written).find(|(_, by)| by.is_some_and(|by| by.account == Some(account)));
    Ok(Ok(own.map(|(past, _)| past.hash)))
}
