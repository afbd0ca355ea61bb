//! What somebody acts with: a token of a device or a program, or the session of a browser.

use super::{TokenId, WebSessionId};
use crate::error::StorageError;
use crate::storage::{Reader, Storage};

/// Something that stood for an account when it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Credential {
    /// A token.
    Token(TokenId),
    /// A browser that is signed in.
    Session(WebSessionId),
}

impl Storage {
    /// Whether what was accepted before still is.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn credential_is_valid(&self, credential: Credential) -> Result<bool, StorageError> {
        self.read(move |reader| reader.credential_is_valid(credential)).await
    }
}

impl Reader {
    pub(super) fn credential_is_valid(&self, credential: Credential) -> Result<bool, StorageError> {
        match credential {
            Credential::Token(token) => self.token_is_valid(token),
            Credential::Session(session) => self.web_session_is_valid(session),
        }
    }
}
