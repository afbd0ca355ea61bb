//! Derived data dropped and made again: snapshots, titles, where readers look for changes. Never a change.

use crate::error::{ReadError, StorageError};
use crate::list::ListFilter;
use crate::vault::Vault;

/// What was dropped and made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Rebuilt {
    /// Snapshots that were dropped. Long documents have new ones; others are quicker without.
    pub snapshots_dropped: u64,
    /// Documents that were put together anew for their titles.
    pub documents: u64,
}

impl Vault {
    /// Drops what is derived from changes and makes it again. Programs that have the vault open load their documents
    /// anew; unsaved edits are kept.
    ///
    /// # Errors
    /// [`ReadError::Storage`]; what was dropped by then is made again when it is needed.
    pub fn rebuild(&self) -> Result<Rebuilt, ReadError> {
        let storage = &self.live()?.storage;
        let snapshots_dropped = storage.write::<_, StorageError>(|tx| tx.drop_derived())?;
        let documents = self.list(&ListFilter { include_deleted: true, ..ListFilter::default() })?.len() as u64;
        // What the list has found out is on its way to the disk.
        storage.write::<_, StorageError>(|_| Ok(()))?;
        Ok(Rebuilt { snapshots_dropped, documents })
    }
}
