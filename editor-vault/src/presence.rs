//! Who is in a document at the moment, and where: cursors, selections, names. Never in the file.
//!
//! What this vault shows is said to the relay while there is a connection, again and again until it is hidden; what
//! others show is known for as long as the connection and the own presence last. The sync thread says one thing at a
//! time and asks here when the next is due; everything else happens on the threads of callers.

mod board; // what is shown and known, with time as an argument

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use sync_core::client::Link;
use sync_wire::limits::{PRESENCE_BYTES_MAX, PRESENCE_DOCUMENTS_MAX};
use sync_wire::{AccountId, DeviceId, DocumentId, Presence, ShowPresence, SpaceId};

use self::board::Board;
use crate::document::Document;
use crate::error::ReadError;
use crate::vault::Inner;

/// Somebody else who is in a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Present {
    /// Whose device it is, by the relay's word.
    pub account: AccountId,
    /// Which one.
    pub device: DeviceId,
    /// What its host shows; null from one that only looks, and from one whose content is no JSON.
    pub content: Value,
    /// Since when it is known here, in seconds since 1970 (UTC).
    pub since_unix_seconds: i64,
}

/// Why presence is not shown or not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PresenceError {
    /// It is meant for cursors and names.
    #[error(
        "a presence of {bytes} bytes as JSON; at most {PRESENCE_BYTES_MAX} are shown: what is larger is a document"
    )]
    TooLarge {
        /// As JSON.
        bytes: usize,
    },
    /// A relay shows no device in more.
    #[error("presence is shown in {PRESENCE_DOCUMENTS_MAX} documents already: hide it in one of them first")]
    TooManyDocuments,
    /// Only the process that syncs has a connection, and what is not stored passes nowhere else.
    #[error("another process syncs this vault, and only that one shows and knows presence: ask it, or end it")]
    AnotherProcess,
    /// As for reading.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl PresenceError {
    /// The stable word for this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::TooManyDocuments => "too_many_documents",
            Self::AnotherProcess => "another_process",
            Self::Read(error) => error.code(),
        }
    }
}

impl Document {
    /// Shows whoever else is in the document where this person is, until [`Self::hide_presence`]: renewed by itself,
    /// shown anew after every reconnect, gone with the vault. From then on [`Self::presence`] knows the others; with
    /// [`Value::Null`] a host only looks. Returns at once, also offline; several in a tenth of a second become one.
    ///
    /// Best effort: it may be late or lost, and nothing of it is ever stored. A document shows at most 64 devices; in a
    /// fuller one nobody is shown or known.
    ///
    /// # Errors
    /// [`PresenceError::TooLarge`], [`PresenceError::TooManyDocuments`], [`PresenceError::AnotherProcess`],
    /// [`PresenceError::Read`] after a fork.
    ///
    /// # Example: a cursor is shown, and a file is not
    /// ```
    /// # let dir = editor_vault::doctest::directory()?;
    /// # let vault = editor_vault::Vault::open(dir.path())?;
    /// use editor_vault::PresenceError;
    /// use serde_json::json;
    ///
    /// let note = vault.create("note", Some("draft"), None)?;
    /// note.show_presence(&json!({ "name": "Ada", "line": 3 }))?;
    /// assert!(note.presence()?.is_empty()); // nobody else is there, or nothing is connected
    /// let refused = note.show_presence(&json!("x".repeat(2000)));
    /// assert!(matches!(refused, Err(PresenceError::TooLarge { bytes: 2002 })));
    /// note.hide_presence()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn show_presence(&self, content: &Value) -> Result<(), PresenceError> {
        let inner = self.presence_place()?;
        let content = content.to_string();
        if content.len() > PRESENCE_BYTES_MAX {
            return Err(PresenceError::TooLarge { bytes: content.len() });
        }
        if !inner.presence.lock().show((self.space(), self.id()), content.into_bytes().into()) {
            return Err(PresenceError::TooManyDocuments);
        }
        inner.sync.wake();
        Ok(())
    }

    /// Shows this person no longer, and forgets who else is there. No error if it was not shown.
    ///
    /// # Errors
    /// [`PresenceError::AnotherProcess`], [`PresenceError::Read`] after a fork.
    pub fn hide_presence(&self) -> Result<(), PresenceError> {
        let inner = self.presence_place()?;
        inner.presence.lock().hide((self.space(), self.id()));
        inner.sync.wake();
        Ok(())
    }

    /// Who else is in the document, by account and device; nobody while [`Self::show_presence`] was not called, or
    /// nothing is connected. Whoever watches the vault is hinted at the document when this changes.
    ///
    /// # Errors
    /// [`PresenceError::AnotherProcess`], [`PresenceError::Read`] after a fork.
    pub fn presence(&self) -> Result<Vec<Present>, PresenceError> {
        let inner = self.presence_place()?;
        Ok(inner.presence.lock().others((self.space(), self.id())))
    }

    fn presence_place(&self) -> Result<&Inner, PresenceError> {
        let inner = self.vault().live()?;
        match self.vault().sync_status().link {
            Link::InLine => Err(PresenceError::AnotherProcess),
            _ => Ok(inner),
        }
    }
}

/// What all threads of a vault know of presence.
#[derive(Debug, Default)]
pub(crate) struct Presences(Mutex<Board>);

impl Presences {
    fn lock(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// What to say to the relay now, if anything.
    pub(crate) fn take_presence(&self, link: &Link) -> Option<ShowPresence> {
        let mut board = self.presence.lock();
        if *link != Link::Online {
            let left = board.disconnected();
            drop(board);
            self.hint_all(left);
            return None;
        }
        board.take_due(self.sources.monotonic(), |space| self.resolve(space))
    }

    /// In how long [`Self::take_presence`] is to be asked again.
    pub(crate) fn next_presence(&self, link: &Link) -> Option<Duration> {
        let board = self.presence.lock();
        if board.is_connected() != (*link == Link::Online) {
            return Some(Duration::ZERO); // it has not heard of that yet
        }
        board.next_due(self.sources.monotonic())
    }

    /// The relay said where somebody else is.
    pub(crate) fn take_in_presence(&self, presence: Presence) {
        let (space, document) = (presence.space, presence.document);
        if self.presence.lock().take_in(presence, self.sources.unix_seconds()) {
            self.hint(space, document);
        }
    }

    fn hint_all(&self, places: Vec<(SpaceId, DocumentId)>) {
        places.into_iter().for_each(|(space, document)| self.hint(space, document));
    }
}
