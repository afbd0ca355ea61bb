//! One digest over everything that a world did: frames, effects, and what reached the files.
//!
//! Two runs of a seed that differ anywhere differ here.

use std::sync::{Arc, Mutex, PoisonError};

/// A running digest; clones add to the same one.
#[derive(Debug, Clone, Default)]
pub struct Fingerprint {
    hasher: Option<Arc<Mutex<blake3::Hasher>>>,
}

impl Fingerprint {
    /// Takes everything in.
    #[must_use]
    pub fn taken() -> Self {
        Self { hasher: Some(Arc::default()) }
    }

    /// Takes nothing in and costs nothing.
    #[must_use]
    pub fn not_taken() -> Self {
        Self::default()
    }

    /// Whether anything is taken in.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.hasher.is_some()
    }

    /// Adds bytes under a name; `bytes` is not called if nothing is taken in.
    pub fn add<B: AsRef<[u8]>>(&self, name: &str, bytes: impl FnOnce() -> B) {
        let Some(hasher) = &self.hasher else { return };
        let bytes = bytes();
        let bytes = bytes.as_ref();
        let mut hasher = hasher.lock().unwrap_or_else(PoisonError::into_inner);
        hasher.update(name.as_bytes()).update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    }

    /// The digest so far.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let Some(hasher) = &self.hasher else { return [0; 32] };
        *hasher.lock().unwrap_or_else(PoisonError::into_inner).finalize().as_bytes()
    }
}
