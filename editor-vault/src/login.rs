//! Credentials, in a file of their own beside the vault, so that a copy of the vault holds none.

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;

use file_systems::Access;
use serde_json::{Value, json};

use crate::error::ConnectError;
use crate::sync::Connection;
use crate::vault::Vault;

/// Stored credentials. Shown without the token.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The relay.
    pub url: String,
    /// The bearer token.
    pub token: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Vault {
    /// The stored credentials, if there are any.
    ///
    /// # Errors
    /// [`ConnectError::File`] if the file is there and cannot be read.
    pub fn login_stored(&self) -> Result<Option<Login>, ConnectError> {
        let path = self.credentials_file();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ConnectError::File { path, source }),
        };
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        let field = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        match (field("url"), field("token")) {
            (Some(url), Some(token)) => Ok(Some(Login { url, token })),
            _ => {
                let source = std::io::Error::new(ErrorKind::InvalidData, "not credentials: log in again");
                Err(ConnectError::File { path, source })
            }
        }
    }

    /// Stores credentials for later processes, readable by their owner only. Checks their form, not the relay.
    ///
    /// # Errors
    /// [`ConnectError::Url`], [`ConnectError::Token`], [`ConnectError::File`].
    pub fn set_login(&self, url: &str, token: &str) -> Result<(), ConnectError> {
        Connection::new(url).token(token).check()?;
        let path = self.credentials_file();
        let text = json!({ "url": url, "token": token }).to_string();
        let written = file_systems::replace(&path, text.as_bytes(), "new", Access::Owner);
        written.map_err(|source| ConnectError::File { path, source })
    }

    /// Forgets the stored credentials. What is in the vault stays.
    ///
    /// # Errors
    /// [`ConnectError::File`].
    pub fn clear_login(&self) -> Result<(), ConnectError> {
        let path = self.credentials_file();
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => Err(ConnectError::File { path, source }),
            _ => Ok(()),
        }
    }

    /// Connects with the stored credentials.
    ///
    /// # Errors
    /// [`ConnectError::NotLoggedIn`] if there are none; else as [`Vault::connect`].
    pub fn connect_stored(&self) -> Result<(), ConnectError> {
        let missing = || ConnectError::NotLoggedIn { path: self.path().to_path_buf() };
        let login = self.login_stored()?.ok_or_else(missing)?;
        self.connect(Connection::new(login.url).token(login.token))
    }

    fn credentials_file(&self) -> PathBuf {
        self.path().join("credentials")
    }
}
