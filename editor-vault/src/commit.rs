//! What one edit becomes, and its way into the file.
//!
//! Sealed edits are the seeds they need and one change; each is one batch, whose id and hash are fixed in the
//! transaction that stores it. The transaction looks at what memory cannot know: where what the change rests on was
//! taken away meanwhile, or its name and number, it is written anew.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use document::{Change, Sealed};
use sync_wire::{BatchId, DocumentId, SpaceId};

use crate::actors::Writing;
use crate::deferred::Ticket;
use crate::error::{EditError, StorageError};
use crate::loaded::{Lineage, Loaded, State};
use crate::recovery::follow;
use crate::sources::random16;
use crate::storage::{DocumentPlace, NewBatch, NewChange, Placed, Scope, Tx};
use crate::unsaved::Unsaved;
use crate::vault::Inner;

/// Everything that one transaction stores.
struct LocalCommit {
    space: SpaceId,
    document: DocumentId,
    type_name: Option<String>,
    title: Option<Option<String>>,
    seeds: Vec<(BatchId, Change)>,
    changes: Vec<(BatchId, Change)>,
    writing: Writing,
    lineage: Arc<Lineage>,
    /// The stored generation that the document was loaded of.
    generation: i64,
    unix_seconds: i64,
}

/// What is committed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum As<'a> {
    /// Edits.
    Edit,
    /// An edit whose changes say something of themselves.
    Noted(&'a str),
    /// What was not saved before.
    Again(&'a Unsaved),
}

impl<'a> As<'a> {
    fn note(self) -> Option<&'a str> {
        match self {
            As::Edit => None,
            As::Noted(note) => Some(note),
            As::Again(unsaved) => unsaved.note(),
        }
    }
}

/// Where a commit moved its document.
struct Advance {
    from: i64,
    to: i64,
    is_rewritten: bool,
}

impl Inner {
    /// Seals what is unsealed in a document and sends it to the writer, in the order in which documents are locked.
    /// The ticket is settled when it is durable. The caller holds the document's lock and has counted it as unsaved.
    pub(crate) fn commit_local(
        self: &Arc<Self>,
        loaded: &Arc<Loaded>,
        state: &mut State,
        writing: Writing,
        ticket: Ticket,
    ) {
        self.commit_as(loaded, state, writing, ticket, As::Edit);
    }

    /// As [`Self::commit_local`], for an edit that is more than that.
    pub(crate) fn commit_as(
        self: &Arc<Self>,
        loaded: &Arc<Loaded>,
        state: &mut State,
        writing: Writing,
        ticket: Ticket,
        what: As<'_>,
    ) {
        let now = self.sources.unix_seconds();
        let seal = |document: &mut document::Document| match what.note() {
            Some(note) => document.seal_with_note(now, note),
            None => document.seal(now),
        };
        let mut sealed = match Loaded::in_memory(state).map(seal) {
            Some(Ok(Some(sealed))) => sealed,
            Some(Ok(None)) | None => {
                loaded.end_unsaved();
                return ticket.settle(Ok(()));
            }
            Some(Err(error)) => {
                let error = EditError::NotSealed { detail: error.to_string() };
                loaded.end_unsaved();
                loaded.forget(state, &error);
                return ticket.settle(Err(error));
            }
        };
        loaded.weigh(state);
        let unsaved = match what {
            As::Again(unsaved) => {
                unsaved.is_tried_as(&sealed);
                unsaved.clone()
            }
            As::Edit | As::Noted(_) => Unsaved::of_sealed(loaded, state, &mut sealed, what.note()),
        };
        let commit = self.local_commit(loaded, state, sealed, writing, now);
        let (lineage, writing, scope) = (commit.lineage.clone(), commit.writing.clone(), commit.scope());
        lineage.in_flight.fetch_add(1, Ordering::AcqRel);
        let (inner, loaded) = (self.clone(), loaded.clone());
        self.storage.submit_in(
            scope,
            move |tx| commit.store(tx),
            move |outcome| {
                if outcome.is_ok() && !writing.is_stored() {
                    inner.actors.saved(loaded.space, &writing);
                }
                inner.committed(&loaded, &lineage, outcome, &ticket, unsaved);
            },
        );
    }

    fn local_commit(
        &self,
        loaded: &Loaded,
        state: &mut State,
        sealed: Sealed,
        writing: Writing,
        unix_seconds: i64,
    ) -> LocalCommit {
        let batch = |change| (BatchId(random16(&*self.sources)), change);
        LocalCommit {
            space: loaded.space,
            document: loaded.id,
            type_name: state.type_name.clone(),
            title: self.title(state),
            seeds: sealed.seeds.into_iter().map(batch).collect(),
            changes: sealed.changes.into_iter().map(batch).collect(),
            writing,
            lineage: state.lineage.clone(),
            generation: state.generation(),
            unix_seconds,
        }
    }

    fn title(&self, state: &mut State) -> Option<Option<String>> {
        let schema = self.schemas.get(state.type_name.as_deref()?)?;
        let document = Loaded::in_memory(state)?;
        Some(schema.title_from(|path| document.get(path)))
    }

    /// Runs on the writer's thread, after COMMIT.
    fn committed(
        &self,
        loaded: &Loaded,
        lineage: &Lineage,
        outcome: Result<Advance, StorageError>,
        ticket: &Ticket,
        unsaved: Unsaved,
    ) {
        let outcome = match outcome {
            Ok(advance) => {
                lineage.advance(advance.from, advance.to);
                if advance.is_rewritten {
                    loaded.mark_stale();
                    self.actors.forget();
                }
                Ok(())
            }
            Err(reason) => {
                // It may yet have become durable: never use this name for another change.
                lineage.break_off();
                self.actors.rotate(&*self.sources);
                if matches!(reason, StorageError::Full { .. }) {
                    self.caretaker.spend_reserve();
                }
                Err(EditError::NotSaved { reason, edit: Some(unsaved) })
            }
        };
        lineage.in_flight.fetch_sub(1, Ordering::AcqRel);
        loaded.end_unsaved();
        // Hints go first: who waits for the ticket finds that everything about this edit has been said.
        self.hint(loaded.space, loaded.id);
        if outcome.is_ok() {
            self.sync.saved();
        }
        ticket.settle(outcome);
        self.sealer.wake();
    }
}

impl LocalCommit {
    /// One change under a known name is checked before anything is written.
    fn scope(&self) -> Scope {
        let is_single = self.seeds.is_empty() && self.changes.len() == 1;
        if is_single && self.writing.is_stored() { Scope::Group } else { Scope::Own }
    }

    fn store(self, tx: &Tx<'_>) -> Result<Advance, StorageError> {
        if self.lineage.is_broken() {
            return Err(tx.unexpected("an edit before this one could not be saved"));
        }
        let place = self.place(tx)?;
        self.writing.store(tx, self.space)?;
        let is_groundless = place.moved.generation != self.generation && self.is_groundless(tx, place.row)?;
        let from = place.moved.point;
        let mut end = End { row: from, bytes: 0 };
        for (batch, change) in &self.seeds {
            save(tx, place.row, *batch, change, &mut end)?;
        }
        let mut is_rewritten = false;
        for (batch, change) in &self.changes {
            if is_rewritten || is_groundless || save(tx, place.row, *batch, change, &mut end)? == Saved::Taken {
                is_rewritten = true;
                tx.add_stray(place.row, NewChange { change, position: None, device: None, batch: *batch })?;
            }
        }
        tx.set_edited(place.row, end.row, end.bytes, self.title.as_ref().map(|title| title.as_deref()))?;
        if is_rewritten {
            follow(tx, place.row, self.unix_seconds)?;
        }
        Ok(Advance { from, to: end.row, is_rewritten })
    }

    /// The row of the document, made if it is not there.
    fn place(&self, tx: &Tx<'_>) -> Result<DocumentPlace, StorageError> {
        if let Some(place) = tx.edited(self.space, self.document)?
            && (place.is_typed || self.type_name.is_none())
        {
            return Ok(place);
        }
        let space = tx.space(self.space)?.ok_or_else(|| tx.unexpected(format!("no space {}", self.space)))?;
        tx.ensure_document(&space, self.document, self.type_name.as_deref())
    }

    /// Something was taken out of the document since it was loaded: whether it is what the edit rests on.
    fn is_groundless(&self, tx: &Tx<'_>, document: i64) -> Result<bool, StorageError> {
        for dep in self.changes.iter().flat_map(|(_, change)| &change.header.deps) {
            if tx.is_excluded(document, dep)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The last row of a document, and the bytes that came with it.
struct End {
    row: i64,
    bytes: usize,
}

/// What became of a change to be saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Saved {
    Kept,
    /// Nothing was stored: another change has its actor and number.
    Taken,
}

/// Stores a change with its batch. A seed that another process stored meanwhile is the same seed.
fn save(tx: &Tx<'_>, document: i64, batch: BatchId, change: &Change, end: &mut End) -> Result<Saved, StorageError> {
    let new = NewChange { change, position: None, device: None, batch };
    match tx.add_own(document, new)? {
        Placed::New(row) => {
            tx.save_batch(batch, document, NewBatch::Change { row, hash: &change.header.hash })?;
            *end = End { row, bytes: end.bytes + change.bytes.len() };
            Ok(Saved::Kept)
        }
        Placed::Known(_) => Ok(Saved::Kept),
        Placed::Taken { .. } => Ok(Saved::Taken),
    }
}
