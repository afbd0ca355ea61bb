//! Derived data made again from the log, document by document: counts, frontier, snapshot, projection. Never the log
//! itself, and no checked position moves. That a state was published, where and by which rules, is no derived data: it
//! stays, unless the checked state passes. What is shown of it is made again from the log there.

use document::Snapshot;
use rusqlite::Connection;
use sync_wire::{DocumentId, Position, SpaceId};

use super::Project;
use super::derived;
use super::doctor::each_document;
use super::entries::Entries;
use super::finding::{Finding, Findings};
use super::logs::{self, SpaceRow};
use crate::accounts::{move_limits, recount};
use crate::change_log::ReadError;
use crate::documents::{NewSnapshot, Remade, Stored};
use crate::error::StorageError;
use crate::storage::Storage;

/// Documents with fewer changes are quicker without a snapshot.
const SNAPSHOT_CHANGES_MIN: u64 = 8;

/// What was made again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rebuilt {
    /// Documents whose derived data was made again.
    pub documents: u64,
    /// Snapshots among it.
    pub snapshots: u64,
    /// Projections among it.
    pub projections: u64,
    /// Documents that were left as they are, because their log cannot be put together.
    pub findings: Vec<Finding>,
}

impl Storage {
    /// Drops and remakes what is derived from the log, of everything or of one space. Nothing else may write
    /// meanwhile: a relay that runs remembers what was there.
    ///
    /// # Errors
    /// [`StorageError`]; what was remade by then stays.
    pub async fn rebuild(&self, only: Option<SpaceId>, project: &Project) -> Result<Rebuilt, StorageError> {
        let mut rebuilt = Rebuilt::default();
        let mut findings = Findings::default();
        if only.is_none() {
            self.recount_intake().await?;
        }
        let list = move |connection: &Connection| {
            let mut spaces = Vec::new();
            logs::each_space(connection, only, |space| spaces.push(space)).map(|()| spaces)
        };
        for space in self.look("storage-rebuild", list).await? {
            let listed = space.clone();
            let documents = self.look("storage-rebuild", move |connection| documents_of(connection, &listed)).await?;
            for (document_key, document) in documents {
                let at = (space.id, document);
                let project = project.clone();
                let put_together = self
                    .look("storage-rebuild", move |connection| remade(connection, at, document_key, &project))
                    .await?;
                match put_together {
                    Ok(remade) => self.put(at, remade, &mut rebuilt).await?,
                    Err(reason) => {
                        let what = format!("its checked entries cannot be put together: {reason}");
                        findings.document("log_does_not_apply", at, &what);
                    }
                }
            }
        }
        // What was damaged may be whole again, and what was parked for it may go on.
        let is_all = only.is_none();
        self.write(move |writer| {
            if is_all {
                recount(&writer.connection)?;
            }
            move_limits(&writer.connection, &writer.context.random)
        })
        .await?;
        Ok(Rebuilt { findings: findings.into_list(), ..rebuilt })
    }

    async fn put(
        &self,
        (space, document): (SpaceId, DocumentId),
        remade: Remade,
        rebuilt: &mut Rebuilt,
    ) -> Result<(), StorageError> {
        let made = (remade.snapshot.is_some(), remade.projection.is_some());
        match self.remake(space, document, remade).await {
            Ok(Stored::Done) => {
                rebuilt.documents += 1;
                rebuilt.snapshots += u64::from(made.0);
                rebuilt.projections += u64::from(made.1);
                Ok(())
            }
            // Somebody checks it right now, and stores what he finds.
            Ok(Stored::Moved { .. }) => Ok(()),
            Err(ReadError::Storage(error)) => Err(error),
            Err(error) => Err(StorageError::Unexpected { detail: error.to_string() }),
        }
    }
}

fn documents_of(connection: &Connection, space: &SpaceRow) -> Result<Vec<(i64, DocumentId)>, StorageError> {
    let mut documents = Vec::new();
    each_document(connection, space, |key, document| {
        documents.push((key, document));
        Ok(())
    })?;
    Ok(documents)
}

/// What a document's log gives up to its checked position; or why it gives nothing.
fn remade(
    connection: &Connection,
    at: (SpaceId, DocumentId),
    document_key: i64,
    project: &Project,
) -> Result<Result<Remade, String>, StorageError> {
    let moment = connection.unchecked_transaction()?;
    let marks = derived::read(&moment, document_key)?;
    let checked = marks.checked;
    let mut positions: Vec<u64> = marks.published.into_iter().chain([checked]).collect();
    positions.sort_unstable();
    positions.dedup();
    let mut entries = Entries::new(at, positions, checked, project);
    // What is wrong with single entries is for `verify` to say.
    entries.walk(&moment, document_key, &mut Findings::default())?;
    if let Some(reason) = entries.replay.failure() {
        return Ok(Err(reason.to_owned()));
    }
    let is_anything_checked = checked > 0 && !entries.is_purged;
    let projection = entries.replay.projection_at(checked).filter(|_| is_anything_checked).cloned();
    let published = marks.published.and_then(|position| entries.replay.projection_at(position)).cloned();
    let is_worth_it =
        !entries.is_purged && entries.at.get(&checked).is_some_and(|at| at.changes >= SNAPSHOT_CHANGES_MIN);
    // A document without a snapshot is slow to load and otherwise well.
    let snapshot = if is_worth_it { entries.replay.document().snapshot().ok() } else { None };
    let snapshot =
        snapshot.map(|Snapshot { heads, changes, digest, bytes }| NewSnapshot { heads, changes, digest, bytes });
    Ok(Ok(Remade { checked: Position(checked), projection, published, snapshot }))
}
