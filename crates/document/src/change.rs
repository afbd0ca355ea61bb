//! A change that has passed every check that needs nothing but its bytes.

use std::borrow::Cow;

use sync_wire::{Blob, ChangeHash};

use crate::header::{Header, HeaderError, canonical};
use crate::seed;

/// A canonical change with its header. [`Change::parse`] is the only way to have one from foreign bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it says about itself.
    pub header: Header,
    /// The canonical (type 1) chunk; its SHA-256 is `header.hash`.
    pub bytes: Blob,
}

impl Change {
    /// Brings `bytes` into canonical form, parses the header and, if the actor is reserved for seeds, regenerates the
    /// seed.
    ///
    /// # Errors
    /// [`HeaderError`], whose code is `undecodable`.
    pub fn parse(bytes: Blob) -> Result<Self, HeaderError> {
        let bytes = match canonical(&bytes)? {
            Cow::Borrowed(_) => bytes,
            Cow::Owned(canonical) => canonical.into(),
        };
        let header = Header::parse(&bytes)?;
        seed::verify(&header)?;
        Ok(Self { header, bytes })
    }

    /// Its identity.
    #[must_use]
    pub const fn hash(&self) -> ChangeHash {
        self.header.hash
    }
}
