//! A change that has passed every check that needs nothing but its bytes.

use std::borrow::Cow;

use sync_wire::{Blob, ChangeHash};

use crate::header::{Header, HeaderError, canonical, canonical_within};
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
        let expanded = expanded(canonical(&bytes)?);
        Self::of(expanded.unwrap_or(bytes))
    }

    /// As [`Self::parse`], for whoever has no use for a change that is larger than `bytes_max` in canonical form:
    /// `None` if it is. What is sent compressed can be a thousand times as large, and is expanded no further than that.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_within(bytes: Blob, bytes_max: usize) -> Result<Option<Self>, HeaderError> {
        let Some(canonical) = canonical_within(&bytes, bytes_max)? else { return Ok(None) };
        let expanded = expanded(canonical);
        Self::of(expanded.unwrap_or(bytes)).map(Some)
    }

    fn of(bytes: Blob) -> Result<Self, HeaderError> {
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

/// The canonical form, where it is not what was sent.
fn expanded(canonical: Cow<'_, [u8]>) -> Option<Blob> {
    match canonical {
        Cow::Borrowed(_) => None,
        Cow::Owned(expanded) => Some(expanded.into()),
    }
}
