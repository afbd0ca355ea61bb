//! What a check found: the end of a world.

use std::borrow::Cow;
use std::fmt;

/// A promise that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which check found it.
    pub check: Cow<'static, str>,
    /// What it found.
    pub detail: String,
}

impl Failure {
    /// A failure of a check.
    pub fn new(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check: Cow::Borrowed(check), detail: detail.into() }
    }

    /// As an error of whoever returns one.
    ///
    /// # Errors
    /// Always.
    pub fn raise<T>(check: &'static str, detail: impl Into<String>) -> Result<T, Self> {
        Err(Self::new(check, detail))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.detail)
    }
}

impl std::error::Error for Failure {}

/// The files of a world cannot be read or written.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        anyhow::Error::from(error).into()
    }
}

/// Something that has to work in every world did not.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new("machines work", format!("{error:#}"))
    }
}
