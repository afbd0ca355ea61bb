//! What the examples in this crate's documentation need. Not part of the API.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::storage::VERSION_UNIT;
use crate::vault::Vault;

/// A directory that is removed at the end.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A new directory.
///
/// # Errors
/// What the system said.
pub fn directory() -> std::io::Result<Directory> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("vault-example-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&path)?;
    Ok(Directory(path))
}

/// A vault whose file has this major version.
///
/// # Errors
/// What went wrong.
pub fn vault_of_version(major: u32) -> Result<Directory, Box<dyn std::error::Error>> {
    let directory = directory()?;
    let file = Vault::open(directory.path())?.file().to_path_buf();
    crate::storage::set_version(&file, major * VERSION_UNIT)?;
    Ok(directory)
}

/// Bytes and number of the documents that a vault has in memory.
#[must_use]
pub fn memory(vault: &Vault) -> (usize, usize) {
    vault.inner().shelf.weight()
}

/// From now on the file of a vault cannot grow, as on a full disk.
///
/// # Errors
/// What went wrong.
pub fn fill_disk(vault: &Vault) -> Result<(), crate::StorageError> {
    vault.inner().storage.write(|tx| tx.forbid_growth())
}

/// Makes the reserve of room now, which a vault makes soon after it was opened.
///
/// # Errors
/// What the system said.
pub fn keep_reserve(vault: &Vault) -> std::io::Result<()> {
    let inner = vault.inner();
    inner.caretaker.keep_reserve(&inner.directory)
}

/// There is room again.
///
/// # Errors
/// What went wrong.
pub fn free_disk(vault: &Vault) -> Result<(), crate::StorageError> {
    vault.inner().storage.write(|tx| tx.allow_growth())
}
