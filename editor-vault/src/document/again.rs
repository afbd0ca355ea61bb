//! Makes an edit again that was not saved, unless it was after all.

use std::sync::Arc;

use super::Document;
use crate::commit::As;
use crate::deferred::Ticket;
use crate::error::{EditError, ReadError, StorageError};
use crate::loaded::{Loaded, Look, State, Window};
use crate::unsaved::Unsaved;
use crate::vault::{Inner, Vault};

/// Nothing if it is saved already; else what tells when it is.
pub(crate) fn edit_again(vault: &Vault, edit: &Unsaved) -> Result<Option<Ticket>, EditError> {
    let document = Document::new(vault.clone(), edit.space(), edit.document());
    let (inner, loaded) = document.place()?;
    let mut state = loaded.lock();
    find_again(inner, &loaded, &mut state, edit)?;
    if is_saved(inner, &state, edit)? {
        return Ok(None);
    }
    state.check_editable(loaded.id)?;
    // What was deferred meanwhile came later, and is a change of its own.
    if let Some(Window { ticket, writing }) = state.window.take() {
        inner.commit_local(&loaded, &mut state, writing, ticket);
    }
    let writing = inner.actors.writing(&inner.storage, &*inner.sources, loaded.space)?;
    loaded.current(inner, &mut state, Look::Memory)?.edit_again(writing.actor, edit.intents())?;
    loaded.add_unsaved();
    let ticket = Ticket::default();
    inner.commit_as(&loaded, &mut state, writing, ticket.clone(), As::Again(edit));
    Ok(Some(ticket))
}

/// The document as it is on disk; an empty one if the edit would have made it.
fn find_again(inner: &Arc<Inner>, loaded: &Arc<Loaded>, state: &mut State, edit: &Unsaved) -> Result<(), EditError> {
    match loaded.current(inner, state, Look::File) {
        Err(ReadError::NotFound { .. }) if edit.type_name().is_some() => {
            edit.type_name().into_iter().for_each(|type_name| state.begin(type_name));
            Ok(())
        }
        found => Ok(found.map(drop)?),
    }
}

fn is_saved(inner: &Inner, state: &State, edit: &Unsaved) -> Result<bool, StorageError> {
    let Some(stored) = &state.stored else { return Ok(false) };
    let attempts = edit.attempts();
    inner.storage.read(|tx| {
        for hash in &attempts {
            if tx.has_change(stored.row, hash)? {
                return Ok(true);
            }
        }
        Ok(false)
    })
}
