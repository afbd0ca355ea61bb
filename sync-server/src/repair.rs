//! What a repair of a held document would do, from storage alone: the relay and its operator's command share it.
//!
//! Everything up to the checked position is sound and stays. Of what came after, the changes that fail the check are
//! found one by one; they are excluded by a void, and what rests on them is written anew. Nothing here happens by
//! itself: [`carry_out`] is called for a person who asked for it.

use document::{ApplyError, Change, Document, Repair, Snapshot, on_roomy_stack};
use relay_storage::{
    AppendVoidError, DocumentState, NewVoid, ReadError, Storage, StorageError, StoredSnapshot, Voided,
};
use sync_wire::log::EntryKind;
use sync_wire::{Blob, ChangeHash, DeviceId, DocumentId, Entry, LogPosition, Position, PositionedEntry, SpaceId};

/// Roughly how much of a log is read at once.
const PAGE_BYTES: usize = 4 << 20;

/// Why a document is not repaired. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// No such document.
    #[error("no document {document} in space {space}; name one that is listed there")]
    Unknown {
        /// The space.
        space: SpaceId,
        /// The document.
        document: DocumentId,
    },
    /// A change was named, and nothing is wrong with the document.
    #[error("document {document} is not held, and change {hash} is not excluded; only a held document is repaired")]
    NotHeld {
        /// The document.
        document: DocumentId,
        /// The change.
        hash: ChangeHash,
    },
    /// What was checked once does not apply any more: that is never excluded.
    #[error("the checked part of the document cannot be put together ({0}); export it, or restore a backup")]
    Checked(ApplyError),
    /// It cannot be found out what has to go.
    #[error(transparent)]
    Repair(#[from] document::RepairError),
    /// The void is not appended.
    #[error(transparent)]
    Append(#[from] AppendVoidError),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl RepairError {
    /// The stable word for this failure.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "document_unknown",
            Self::NotHeld { .. } => "document_not_held",
            Self::Checked(_) => "document_log_invalid",
            Self::Repair(_) => "repair_impossible",
            Self::Append(error) => error.code(),
            Self::Storage(error) => error.code(),
        }
    }
}

impl From<ReadError> for RepairError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Storage(error) => Self::Storage(error),
            other => Self::Storage(StorageError::Unexpected { detail: other.to_string() }),
        }
    }
}

/// What a repair would do, or did.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The document as it stands.
    pub state: DocumentState,
    /// What has to go, in the order of the log; nothing if the document passes its check as it is.
    pub excluded: Vec<Excluded>,
    /// What rests on that, in the order of the log.
    pub dependents: Vec<Dependent>,
    /// What is to be appended.
    void: Option<NewVoid>,
}

/// A change that has to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excluded {
    /// The change.
    pub hash: ChangeHash,
    /// Where it is.
    pub position: Position,
    /// Who wrote it.
    pub device: DeviceId,
    /// What the check has against it.
    pub reason: String,
}

/// A change that goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependent {
    /// The change.
    pub hash: ChangeHash,
    /// Where it is.
    pub position: Position,
    /// Who wrote it.
    pub device: DeviceId,
    /// What says in its place what could be kept.
    pub by: Option<ChangeHash>,
    /// How many of its operations are lost.
    pub lost: u64,
}

/// What is read of a document before anything is tried.
#[derive(Debug)]
pub struct Ground {
    state: DocumentState,
    snapshot: Option<StoredSnapshot>,
    /// What follows the snapshot, up to the checked position.
    checked: Vec<Blob>,
    /// What was not checked.
    run: Vec<(Position, Entry)>,
}

/// Where a document is that is to be repaired, and which changes somebody named.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its space.
    pub space: SpaceId,
    /// The document.
    pub document: DocumentId,
    /// Changes that are to go whatever the check says.
    pub named: Vec<ChangeHash>,
}

/// Reads what a repair needs to know; `None` if nothing is to be repaired: the document is not held.
///
/// # Errors
/// [`RepairError`]
pub async fn read(storage: &Storage, target: &Target) -> Result<Option<Ground>, RepairError> {
    let Target { space, document, .. } = *target;
    let state = storage.document(space, document).await?.ok_or(RepairError::Unknown { space, document })?;
    if state.held.is_none() {
        return not_held(storage, target).await.map(|()| None);
    }
    let snapshot = storage.load_snapshot(space, document).await?.filter(|stored| stored.covers <= state.checked);
    let covered = snapshot.as_ref().map_or(Position::START, |stored| stored.covers);
    let checked = changes(storage, target, covered, state.checked).await?;
    let run = changes(storage, target, state.checked, state.end.position).await?;
    let checked = checked.into_iter().filter_map(|(_, entry)| entry.bytes).collect();
    Ok(Some(Ground { state, snapshot, checked, run }))
}

/// Repairing twice is no mistake; naming a change that stays is one.
async fn not_held(storage: &Storage, target: &Target) -> Result<(), RepairError> {
    let Target { space, document, named } = target;
    let voids = storage.voids(*space, *document).await?;
    let is_excluded = |hash: &ChangeHash| voids.iter().any(|entry| entry.void.changes().any(|gone| gone == *hash));
    match named.iter().find(|hash| !is_excluded(hash)) {
        Some(hash) => Err(RepairError::NotHeld { document: *document, hash: *hash }),
        None => Ok(()),
    }
}

async fn changes(
    storage: &Storage,
    target: &Target,
    after: Position,
    upto: Position,
) -> Result<Vec<(Position, Entry)>, RepairError> {
    let (mut changes, mut next) = (Vec::new(), Some(after));
    while let Some(from) = next {
        let page = storage.read_document(target.space, target.document, from, upto, PAGE_BYTES).await?;
        next = page.next;
        let of_page = page.entries.into_iter().filter(|positioned| positioned.entry.kind == EntryKind::Change);
        changes.extend(of_page.map(|PositionedEntry { position, entry }| (position, entry)));
    }
    Ok(changes)
}

impl Ground {
    /// The document as it stands.
    #[must_use]
    pub const fn state(&self) -> &DocumentState {
        &self.state
    }

    /// Tries what has to go. Takes as long as some checks of the document.
    ///
    /// # Errors
    /// [`RepairError`]
    pub fn plan(self, target: &Target) -> Result<Plan, RepairError> {
        on_roomy_stack(|| self.plan_here(target))
    }

    fn plan_here(self, target: &Target) -> Result<Plan, RepairError> {
        let Self { state, snapshot, checked, run } = self;
        let mut base = match snapshot {
            Some(StoredSnapshot { heads, changes, digest, bytes, .. }) => {
                let loaded = Document::load(&Snapshot { heads, changes, digest, bytes });
                loaded.map_err(|error| StorageError::Unexpected { detail: error.to_string() })?
            }
            None => Document::new(None),
        };
        base.apply(&checked).map_err(RepairError::Checked)?;
        let parse = |(_, entry): &(Position, Entry)| entry.bytes.clone().and_then(|bytes| Change::parse(bytes).ok());
        let parsed: Vec<Change> = run.iter().filter_map(parse).collect();
        let found = document::repair(&base, &parsed, &target.named)?;
        Ok(Plan::of(state, &run, found))
    }
}

impl Plan {
    fn of(state: DocumentState, run: &[(Position, Entry)], found: Repair) -> Self {
        let Repair { mended, reasons } = found;
        let Some(mended) = mended else {
            return Self { state, excluded: Vec::new(), dependents: Vec::new(), void: None };
        };
        let place = |hash: &ChangeHash| {
            let entry = run.iter().find(|(_, entry)| entry.hash == *hash);
            entry.map_or((Position::START, DeviceId([0; 16])), |(position, entry)| (*position, entry.device))
        };
        let excluded = mended.void.excluded.iter().zip(&reasons).map(|(hash, reason)| {
            let (position, device) = place(hash);
            Excluded { hash: *hash, position, device, reason: reason.clone() }
        });
        let dependents = mended.void.dependents.iter().zip(&mended.lost).map(|(dependent, lost)| {
            let (position, device) = place(&dependent.change);
            Dependent { hash: dependent.change, position, device, by: dependent.by, lost: *lost }
        });
        let (excluded, dependents) = (excluded.collect(), dependents.collect());
        let (space, document) = (state.space, state.document);
        let (void, replacements) = (mended.void, mended.replacements);
        Self { state, excluded, dependents, void: Some(NewVoid { space, document, void, replacements, reasons }) }
    }
}

/// Does what was planned: excludes what has to go, or, if nothing fails any more, lets the document go on as it is.
///
/// # Errors
/// [`RepairError`]; [`AppendVoidError::Moved`] if the log has grown meanwhile.
pub async fn carry_out(storage: &Storage, plan: &Plan) -> Result<Voided, RepairError> {
    match plan.void.clone() {
        Some(void) => Ok(storage.append_void(void).await?),
        None => {
            storage.release(plan.state.space, plan.state.document).await?;
            Ok(Voided { at: LogPosition { ..plan.state.end }, entries: 0 })
        }
    }
}
