//! Projections: the merged state of documents as JSON, as of their checked positions. Disposable: a fold of the log.

use rusqlite::{Connection, OptionalExtension, Row, params};
use sync_wire::{ChangeHash, DocumentId, Epoch, LogPosition, Position, SpaceId};

use super::checks::CheckedRow;
use super::publications::{Judgement, store_judgement};
use crate::change_log::{heads_from_bytes, heads_to_bytes, unsigned};
use crate::error::StorageError;
use crate::storage::{Reader, Storage};

/// Larger positions do not exist: a log's key has 40 bits for them.
const POSITION_MAX: u64 = (1 << 40) - 1;

/// A projection to be stored; its position is the checked position that is stored with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProjection {
    /// The document's type, if it has one.
    pub type_name: Option<String>,
    /// What people call the document.
    pub title: Option<String>,
    /// The heads of the document.
    pub heads: Vec<ChangeHash>,
    /// The merged state.
    pub json: String,
    /// Whether it is for everybody.
    pub judgement: Judgement,
}

/// The merged state of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    /// Its space.
    pub space: SpaceId,
    /// Its id.
    pub document: DocumentId,
    /// Its type, if it has one.
    pub type_name: Option<String>,
    /// What people call it.
    pub title: Option<String>,
    /// Its heads.
    pub heads: Vec<ChangeHash>,
    /// Its entries up to here are in it.
    pub position: LogPosition,
    /// The merged state.
    pub json: String,
    /// Whether the document is deleted by now.
    pub deleted: bool,
    /// Why it is read-only, if so.
    pub held: Option<String>,
}

/// Which projections to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListProjections {
    /// In these spaces only.
    pub spaces: Vec<SpaceId>,
    /// Of this type only.
    pub type_name: Option<String>,
    /// With or without deleted documents.
    pub deleted: Deleted,
    /// Changed after this position only; positions of different spaces say nothing of each other, so this is for one.
    pub changed_after: Option<Position>,
    /// After this one.
    pub after: Option<(SpaceId, DocumentId)>,
    /// At most so many; at least one.
    pub limit: usize,
}

/// What a list does with deleted documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// Leaves them out.
    Hide,
    /// Lists them.
    Include,
}

/// Projections without their JSON, ascending by (space, document).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectionList {
    /// The projections.
    pub items: Vec<ProjectionSummary>,
    /// If there may be more: what to ask for as `after`.
    pub next: Option<(SpaceId, DocumentId)>,
}

/// A projection in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectionSummary {
    /// Its space.
    pub space: SpaceId,
    /// Its id.
    pub document: DocumentId,
    /// Its type, if it has one.
    pub type_name: Option<String>,
    /// What people call it.
    pub title: Option<String>,
    /// Its entries up to here are in it.
    pub position: LogPosition,
    /// Whether the document is deleted by now.
    pub deleted: bool,
    /// Why it is read-only, if so.
    pub held: Option<String>,
}

impl Storage {
    /// The merged state of a document; `None` if there is none yet.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn projection(&self, space: SpaceId, document: DocumentId) -> Result<Option<Projection>, StorageError> {
        self.read(move |reader| reader.projection(space, document)).await
    }

    /// Lists projections by a seek cursor, so that a page costs the same wherever it begins.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn list_projections(&self, list: &ListProjections) -> Result<ProjectionList, StorageError> {
        let list = list.clone();
        self.read(move |reader| reader.list_projections(&list)).await
    }
}

impl Reader {
    fn projection(&self, space: SpaceId, document: DocumentId) -> Result<Option<Projection>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT s.id, d.id, d.type, p.title, s.epoch, p.position, d.deleted, d.held, p.heads, p.json
             FROM projections p JOIN documents d USING (document_key) JOIN spaces s USING (space_key)
             WHERE s.id = ?1 AND d.id = ?2",
        )?;
        let projection = statement.query_row(params![space.0, document.0], |row| {
            let ProjectionSummary { space, document, type_name, title, position, deleted, held } = summary_of(row)?;
            let heads = heads_from_bytes(row.get_ref(8)?.as_blob()?);
            Ok(Projection { space, document, type_name, title, heads, position, json: row.get(9)?, deleted, held })
        });
        Ok(projection.optional()?)
    }

    fn list_projections(&self, list: &ListProjections) -> Result<ProjectionList, StorageError> {
        let limit = list.limit.max(1);
        let mut spaces = list.spaces.clone();
        spaces.sort_unstable();
        spaces.dedup();
        let mut items = Vec::new();
        for space in spaces {
            let after = match list.after {
                Some((reached, _)) if space < reached => continue,
                Some((reached, document)) if space == reached => Some(document),
                _ => None,
            };
            self.list_space(list, space, after, limit - items.len(), &mut items)?;
            if items.len() == limit {
                let next = items.last().map(|item: &ProjectionSummary| (item.space, item.document));
                return Ok(ProjectionList { items, next });
            }
        }
        Ok(ProjectionList { items, next: None })
    }

    fn list_space(
        &self,
        list: &ListProjections,
        space: SpaceId,
        after: Option<DocumentId>,
        limit: usize,
        items: &mut Vec<ProjectionSummary>,
    ) -> Result<(), StorageError> {
        // Two statements, so that each has its index.
        let of_type = if list.type_name.is_some() { "d.type = ?4" } else { "?4 IS NULL" };
        let sql = format!(
            "SELECT s.id, d.id, d.type, p.title, s.epoch, p.position, d.deleted, d.held
             FROM spaces s JOIN documents d USING (space_key) JOIN projections p USING (document_key)
             WHERE s.id = ?1 AND d.id > ?2 AND (?3 OR NOT d.deleted) AND {of_type} AND p.position > ?6
             ORDER BY d.id LIMIT ?5"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        // The empty blob sorts before every id.
        let after: &[u8] = after.as_ref().map_or(&[], |id| &id.0[..]);
        let with_deleted = list.deleted == Deleted::Include;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let changed_after = list.changed_after.map_or(-1, |position| position.0.min(POSITION_MAX).cast_signed());
        let values = params![space.0, after, with_deleted, list.type_name, limit, changed_after];
        let rows = statement.query_map(values, summary_of)?;
        for row in rows {
            items.push(row?);
        }
        Ok(())
    }
}

fn summary_of(row: &Row<'_>) -> rusqlite::Result<ProjectionSummary> {
    Ok(ProjectionSummary {
        space: SpaceId(row.get(0)?),
        document: DocumentId(row.get(1)?),
        type_name: row.get(2)?,
        title: row.get(3)?,
        position: LogPosition { epoch: Epoch(row.get(4)?), position: Position(unsigned(row, 5)?) },
        deleted: row.get(6)?,
        held: row.get(7)?,
    })
}

pub(super) fn store_projection(
    connection: &Connection,
    row: &CheckedRow,
    position: Position,
    projection: &NewProjection,
) -> Result<(), StorageError> {
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO projections (document_key, position, title, heads, json) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let heads = heads_to_bytes(&projection.heads);
    let NewProjection { type_name, title, json, .. } = projection;
    statement.execute(params![row.document_key, position.0.cast_signed(), title, heads, json])?;
    let mut statement = connection.prepare_cached(
        "UPDATE documents SET type = ?2 WHERE document_key = ?1 AND ?2 IS NOT NULL AND type IS NOT ?2",
    )?;
    statement.execute(params![row.document_key, type_name])?;
    store_judgement(connection, row, position, projection)
}
