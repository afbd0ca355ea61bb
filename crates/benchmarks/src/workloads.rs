//! One workload a file. Each makes its own relay and vaults, and returns its figures.

pub(crate) mod ingest; // devices push prebuilt changes as fast as the relay takes them
pub(crate) mod large_text; // one text of 260,000 edits: pushed into, fetched, and changed while it is open
pub(crate) mod fan_out; // an edit on one device reaches ten others
pub(crate) mod cold_sync; // a new device fetches everything
pub(crate) mod reconnect; // nothing is new
pub(crate) mod idle; // what a silent connection costs the relay
pub(crate) mod vault_edit; // edits that wait for the disk, and edits that do not
pub(crate) mod warm_read; // a value of a document in memory
pub(crate) mod open_vault; // a vault with many documents
pub(crate) mod hand_over; // another process takes the syncing of a vault over
pub(crate) mod attack; // honest devices beside an attacker
pub(crate) mod http_read; // the merged state over HTTP, beside bare axum

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use editor_vault::{Connection, Vault};
use sync_wire::{DocumentId, LogPosition, SpaceId};
use system_tests::Relay;
use tokio::runtime::Runtime;

/// Long enough for any workload on a slow disk.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A vault that is connected and settled.
pub(crate) fn connected(path: &Path, url: &str, token: &str) -> Result<Vault> {
    let vault = Vault::open(path)?;
    vault.connect(Connection::new(url).token(token))?;
    vault.wait_until_settled(PATIENCE)?;
    Ok(vault)
}

/// What drives the load.
pub(crate) fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Waits until the relay has checked and folded a document up to a position.
pub(crate) fn wait_until_checked(
    relay: &Relay,
    token: &str,
    (space, document): (SpaceId, DocumentId),
    at: LogPosition,
) -> Result<()> {
    let began = Instant::now();
    loop {
        // The relay itself waits, up to ten seconds at a time.
        let answer = relay.get(&format!("/api/v1/spaces/{space}/documents/{document}?after={at}"), token)?;
        if answer.status == 200 {
            return Ok(());
        }
        anyhow::ensure!(began.elapsed() < PATIENCE, "the relay answered {answer:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
