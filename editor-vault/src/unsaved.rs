//! Edits that could not be saved: handed back to whoever made them, and saved again when there is room.
//!
//! After a failed commit nobody knows whether it reached the disk. So an edit that is saved again gets another name,
//! and is looked for first under every name that it had: nothing is lost, and nothing is said twice.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use document::{Intent, Sealed};
use sync_wire::{ChangeHash, DocumentId, SpaceId};

use crate::deferred::Ticket;
use crate::document::edit_again;
use crate::error::{EditError, StorageError};
use crate::loaded::{Loaded, State};
use crate::vault::Vault;

/// An edit that was not saved, whole. Cheap to clone; [`Vault::save_again`] takes it.
#[derive(Clone)]
pub struct Unsaved {
    edit: Arc<Edit>,
}

struct Edit {
    space: SpaceId,
    document: DocumentId,
    /// Of a document that the edit would have made.
    type_name: Option<String>,
    intents: Vec<Intent>,
    note: Option<String>,
    /// The last change of every attempt: a commit is all or nothing.
    attempts: Mutex<Vec<ChangeHash>>,
}

impl fmt::Debug for Unsaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsaved")
            .field("document", &self.edit.document)
            .field("intents", &self.edit.intents.len())
            .finish_non_exhaustive()
    }
}

impl Unsaved {
    /// The space of its document.
    #[must_use]
    pub fn space(&self) -> SpaceId {
        self.edit.space
    }

    /// The document that it is an edit of.
    #[must_use]
    pub fn document(&self) -> DocumentId {
        self.edit.document
    }

    /// What it does, step by step: to be shown, or kept elsewhere.
    #[must_use]
    pub fn intents(&self) -> &[Intent] {
        &self.edit.intents
    }

    pub(crate) fn of_sealed(loaded: &Loaded, state: &State, sealed: &mut Sealed, note: Option<&str>) -> Self {
        let intents = std::mem::take(&mut sealed.edits);
        let unsaved = Self::new(loaded, state, intents, note);
        unsaved.is_tried_as(sealed);
        unsaved
    }

    /// What is gathering, if anything is.
    pub(crate) fn of_unsealed(loaded: &Loaded, state: &mut State) -> Option<Self> {
        let intents = Loaded::in_memory(state)?.unsealed().to_vec();
        (!intents.is_empty()).then(|| Self::new(loaded, state, intents, None))
    }

    fn new(loaded: &Loaded, state: &State, intents: Vec<Intent>, note: Option<&str>) -> Self {
        let edit = Edit {
            space: loaded.space,
            document: loaded.id,
            type_name: state.type_name.clone(),
            intents,
            note: note.map(str::to_owned),
            attempts: Mutex::default(),
        };
        Self { edit: Arc::new(edit) }
    }

    /// The changes that it is stored as, if they are.
    pub(crate) fn is_tried_as(&self, sealed: &Sealed) {
        let last = sealed.changes.last().map(|change| change.header.hash);
        self.edit.attempts.lock().unwrap_or_else(PoisonError::into_inner).extend(last);
    }

    pub(crate) fn attempts(&self) -> Vec<ChangeHash> {
        self.edit.attempts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn type_name(&self) -> Option<&str> {
        self.edit.type_name.as_deref()
    }

    pub(crate) fn note(&self) -> Option<&str> {
        self.edit.note.as_deref()
    }
}

impl EditError {
    /// For what is no edit of a document, and is simply asked for again.
    pub(crate) fn not_saved(reason: StorageError) -> Self {
        Self::NotSaved { reason, edit: None }
    }

    /// The same, of another edit.
    pub(crate) fn about(&self, edit: Option<Unsaved>) -> Self {
        match self {
            Self::NotSaved { reason, .. } => Self::NotSaved { reason: reason.clone(), edit },
            other => other.clone(),
        }
    }
}

impl Vault {
    /// Saves an edit that [`EditError::NotSaved`] handed back, and returns once it is on disk. If it was saved after
    /// all (a disk may fail after it has written), or by an earlier call, nothing is done.
    ///
    /// Edits of one document are saved again in the order in which they were made. What others changed meanwhile stays,
    /// as if both had been written at the same time.
    ///
    /// # Errors
    /// As [`crate::Document::edit`]: while there is no room, [`EditError::NotSaved`] with the same edit.
    ///
    /// # Example
    /// ```
    /// use editor_vault::EditError;
    ///
    /// # let dir = editor_vault::doctest::directory()?;
    /// let vault = editor_vault::Vault::open(dir.path())?;
    /// let settings = vault.well_known("settings")?;
    /// settings.edit(|draft| draft.put("/base/editor.tabSize", 2.into()))?;
    /// # editor_vault::doctest::fill_disk(&vault)?;
    /// // Meanwhile the disk became full.
    /// let large = "x".repeat(20_000);
    /// let failed = settings.edit(|draft| draft.put("/base/banner", large.as_str().into()));
    /// let Err(EditError::NotSaved { edit: Some(edit), .. }) = failed else { panic!("the disk is full") };
    /// # editor_vault::doctest::free_disk(&vault)?;
    /// // The user was told and has made room.
    /// vault.save_again(&edit)?;
    /// assert_eq!(settings.get("/base/banner")?, Some(large.into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn save_again(&self, edit: &Unsaved) -> Result<(), EditError> {
        edit_again(self, edit)?.map_or(Ok(()), |ticket: Ticket| ticket.wait())
    }
}
