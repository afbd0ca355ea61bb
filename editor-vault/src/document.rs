//! Reading and editing one document.

mod conflicts; // what a person has to settle
mod history; // what it was, and who made it so
mod again; // saving what was not saved
mod undo; // taking back, as new edits
mod typed; // as a Rust type of the host
mod publication; // what everybody may see of it

use std::sync::Arc;

use serde_json::Value;
use sync_wire::{DocumentId, SpaceId};

use crate::deferred::Ticket;
pub(crate) use crate::document::again::edit_again;
pub use crate::document::conflicts::{Conflict, ConflictValue, Resolution};
pub use crate::document::history::{Blame, Revision, Version};
pub use crate::document::typed::{TypedDocument, TypedError};
pub(crate) use crate::document::undo::Noted;
use crate::error::{EditError, ReadError, StorageError};
use crate::loaded::{Loaded, Look, State, Window};
use crate::vault::{Inner, Vault};
use crate::{Draft, Intent, Violation};

/// A handle of one document. Cheap to clone; the document itself is loaded on first touch, and may leave memory again.
///
/// Paths are JSON Pointers. A document of a type shows two forms: the *stored* one ([`Self::value`], [`Self::get`]), in
/// which ordered lists are keyed items, and the *plain* one ([`Self::plain`]) of its JSON Schema.
#[derive(Debug, Clone)]
pub struct Document {
    vault: Vault,
    space: SpaceId,
    id: DocumentId,
}

impl Document {
    pub(crate) fn new(vault: Vault, space: SpaceId, id: DocumentId) -> Self {
        Self { vault, space, id }
    }

    /// Its id, unique within its space.
    #[must_use]
    pub fn id(&self) -> DocumentId {
        self.id
    }

    /// Its space, as it is called now.
    #[must_use]
    pub fn space(&self) -> SpaceId {
        self.vault.resolve(self.space)
    }

    /// The vault that it is in.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Its type; none for documents of other programs.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn type_name(&self) -> Result<Option<String>, ReadError> {
        let inner = self.vault.live()?;
        if let Some(name) = inner.well_known_type(self.id) {
            return Ok(Some(name));
        }
        let found = inner.storage.read(|tx| tx.document(self.space, self.id))?;
        let missing = ReadError::NotFound { space: self.space(), document: self.id };
        found.map(|row| row.type_name).ok_or(missing)
    }

    /// Applies one edit and returns once it is on disk.
    ///
    /// Edits of several threads share one flush of the disk. If `edit` fails or panics, nothing of it remains.
    ///
    /// # Errors
    /// The [`Violation`] of `edit`; [`EditError::NotSaved`] if it could not be made durable: the document is then as it
    /// was saved last; [`EditError::Deleted`], [`EditError::Held`], [`EditError::Read`].
    ///
    /// # Example: an edit is all or nothing
    /// ```
    /// # let dir = editor_vault::doctest::directory()?;
    /// # let vault = editor_vault::Vault::open(dir.path())?;
    /// let settings = vault.well_known("settings")?;
    /// let refused = settings.edit(|draft| {
    ///     draft.put("/base/editor.tabSize", 2.into())?;
    ///     draft.put("no pointer", 3.into())
    /// });
    /// assert!(refused.is_err());
    /// assert_eq!(settings.get("/base/editor.tabSize")?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn edit<R>(&self, edit: impl FnOnce(&mut Draft<'_>) -> Result<R, Violation>) -> Result<R, EditError> {
        self.edit_with(edit)
    }

    /// Applies one edit in memory, visible at once, and returns without waiting for the disk.
    ///
    /// What is deferred within about 5 ms becomes one change. The ticket tells when it is on disk; until then
    /// [`Self::status`] says `unsaved`.
    ///
    /// # Errors
    /// As [`Self::edit`], except that not being saved is reported by the ticket.
    ///
    /// # Example
    /// ```
    /// # let dir = editor_vault::doctest::directory()?;
    /// # let vault = editor_vault::Vault::open(dir.path())?;
    /// let note = vault.create("note", Some("draft"), None)?;
    /// let (_, ticket) = note.edit_deferred(|draft| draft.splice("/body", 0, 0, "a"))?;
    /// assert_eq!(note.text("/body")?.as_deref(), Some("a"));
    /// ticket.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn edit_deferred<R>(
        &self,
        edit: impl FnOnce(&mut Draft<'_>) -> Result<R, Violation>,
    ) -> Result<(R, Ticket), EditError> {
        let (inner, loaded) = self.place()?;
        let mut state = loaded.lock();
        let was_open = state.window.is_some();
        let result = draft(inner, &loaded, &mut state, edit)?;
        let Some(window) = &state.window else { return Ok((result, Ticket::settled())) };
        let ticket = window.ticket.clone();
        if Loaded::in_memory(&mut state).is_some_and(|document| document.has_unsealed_decision()) {
            // What others write meanwhile must not come under it: sealed here and now, on its way to the disk.
            if let Some(Window { ticket, writing }) = state.window.take() {
                inner.commit_local(&loaded, &mut state, writing, ticket);
            }
        } else if !was_open {
            inner.sealer.gather(inner.sources.monotonic(), loaded.clone());
        }
        Ok((result, ticket))
    }

    /// Whether the document can be edited here; what speaks against it if it cannot.
    ///
    /// # Errors
    /// [`EditError::Deleted`]; [`EditError::Held`]; [`EditError::Violation`] with the code `newer_major` if a program
    /// that knows a newer major version of the type has written it, or `authority` if the relay alone writes documents
    /// of the type; [`EditError::Read`].
    pub fn check_editable(&self) -> Result<(), EditError> {
        let (inner, loaded) = self.place()?;
        let mut state = loaded.lock();
        let only_read = loaded.current(inner, &mut state, Look::Memory)?.check_editable();
        state.check_editable(self.id)?;
        Ok(only_read?)
    }

    /// The smallest edit that makes the document equal to `wanted` (plain form).
    ///
    /// # Errors
    /// [`EditError::Violations`] if `wanted` breaks rules of the type that the document does not break already.
    pub fn plan(&self, wanted: &Value) -> Result<Vec<Intent>, EditError> {
        self.plan_with(|plain| plain.clone_from(wanted))
    }

    /// As [`Self::plan`], for what `change` makes of the document as it is, in its plain form. Others may write
    /// meanwhile: the edit is the difference, and merges with that.
    ///
    /// # Errors
    /// As [`Self::plan`].
    pub fn plan_with(&self, change: impl FnOnce(&mut Value)) -> Result<Vec<Intent>, EditError> {
        let schema = self.schema()?;
        let current = self.read(|document| document.check_editable().map(|()| document.value()))??;
        let mut wanted = schema.plain(&current);
        change(&mut wanted);
        schema.plan(&current, &wanted).map_err(EditError::Violations)
    }

    /// Applies intents as one edit, and returns once it is on disk.
    ///
    /// # Errors
    /// As [`Self::edit`].
    pub fn apply(&self, intents: Vec<Intent>) -> Result<(), EditError> {
        self.edit(|draft| intents.into_iter().try_for_each(|intent| draft.apply(intent)))
    }

    /// Reads the document as it is in memory, deferred edits included. Others wait while `read` runs, so
    /// it must not touch this document through a handle.
    ///
    /// # Errors
    /// [`ReadError::NotFound`], [`ReadError::Unreadable`], [`ReadError::Storage`].
    pub fn read<R>(&self, read: impl FnOnce(&::document::Document) -> R) -> Result<R, ReadError> {
        let (inner, loaded) = self.place()?;
        let mut state = loaded.lock();
        Ok(read(loaded.current(inner, &mut state, Look::Memory)?))
    }

    /// The whole document in its stored form, as nested JSON.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn value(&self) -> Result<Value, ReadError> {
        self.read(::document::Document::value)
    }

    /// The whole document in its plain form: what people and files have.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn plain(&self) -> Result<Value, ReadError> {
        let value = self.value()?;
        Ok(match self.schema() {
            Ok(schema) => schema.plain(&value),
            Err(_) => value,
        })
    }

    /// One value of the stored form.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn get(&self, path: &str) -> Result<Option<Value>, ReadError> {
        self.read(|document| document.get(path))
    }

    /// One text.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn text(&self, path: &str) -> Result<Option<String>, ReadError> {
        self.read(|document| document.text(path))
    }

    /// Gives a new document its type and first content.
    pub(crate) fn begin(&self, type_name: &str, intents: Vec<Intent>) -> Result<(), EditError> {
        let (_, loaded) = self.place()?; // held until it is saved, so that it stays in memory
        loaded.lock().begin(type_name);
        self.apply(intents)
    }

    pub(crate) fn place(&self) -> Result<(&Arc<Inner>, Arc<Loaded>), ReadError> {
        let inner = self.vault.live()?;
        Ok((inner, inner.shelf.place(inner.resolve(self.space), self.id)))
    }

    fn edit_with<R>(&self, edit: impl FnOnce(&mut Draft<'_>) -> Result<R, Violation>) -> Result<R, EditError> {
        let (inner, loaded) = self.place()?;
        let (result, ticket) = {
            let mut state = loaded.lock();
            let result = draft(inner, &loaded, &mut state, edit)?;
            // Sealed here and now, with whatever was deferred before.
            let Some(Window { ticket, writing }) = state.window.take() else { return Ok(result) };
            inner.commit_local(&loaded, &mut state, writing, ticket.clone());
            (result, ticket)
        };
        match ticket.wait() {
            // Somebody gave way: there may be room for this one.
            Err(EditError::NotSaved { reason: StorageError::Full { .. }, edit: Some(edit) })
                if inner.caretaker.spend_reserve() =>
            {
                self.vault.save_again(&edit)?;
            }
            outcome => outcome?,
        }
        Ok(result)
    }

    pub(crate) fn schema(&self) -> Result<Arc<schemas::DocumentType>, ReadError> {
        let inner = self.vault.live()?;
        let name = self.type_name()?.unwrap_or_default();
        let known = || inner.schemas.names().collect::<Vec<_>>().join(", ");
        inner.schemas.shared(&name).ok_or_else(|| ReadError::NoSuchType { name: name.clone(), known: known() })
    }
}

/// Applies one edit in memory, and opens a window for it if something changed.
fn draft<R>(
    inner: &Arc<Inner>,
    loaded: &Arc<Loaded>,
    state: &mut State,
    edit: impl FnOnce(&mut Draft<'_>) -> Result<R, Violation>,
) -> Result<R, EditError> {
    // Deferred edits of one window rest on each other; only the first looks whether another process moved the document.
    let look = if state.window.is_some() { Look::Memory } else { Look::File };
    loaded.current(inner, state, look)?;
    state.check_editable(loaded.id)?;
    let writing = match &state.window {
        Some(window) => window.writing.clone(),
        None => inner.actors.writing(&inner.storage, &*inner.sources, loaded.space)?,
    };
    let document = loaded.current(inner, state, Look::Memory)?;
    let result = document.edit(writing.actor, edit)?;
    if state.window.is_none() && has_unsealed(state) {
        loaded.add_unsaved();
        state.window = Some(Window { ticket: Ticket::default(), writing });
    }
    Ok(result)
}

fn has_unsealed(state: &mut State) -> bool {
    Loaded::in_memory(state).is_some_and(|document| document.has_unsealed())
}
