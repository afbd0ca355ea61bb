//! One workload a file. Each makes its own relay and vaults, and returns its figures.

pub(crate) mod cold_sync; // a new device fetches everything
pub(crate) mod fan_out; // an edit on one device reaches ten others
pub(crate) mod http_read; // the merged state over HTTP, beside bare axum
pub(crate) mod ingest; // devices push prebuilt changes as fast as the relay takes them
pub(crate) mod reconnect; // nothing is new
pub(crate) mod vault_edit; // edits that wait for the disk, and edits that do not
pub(crate) mod warm_read; // a value of a document in memory

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use editor_vault::{Connection, Vault};

/// Long enough for any workload on a slow disk.
const PATIENCE: Duration = Duration::from_secs(120);

/// A vault that is connected and settled.
fn connected(path: &Path, url: &str, token: &str) -> Result<Vault> {
    let vault = Vault::open(path)?;
    vault.connect(Connection::new(url).token(token))?;
    vault.wait_until_settled(PATIENCE)?;
    Ok(vault)
}
