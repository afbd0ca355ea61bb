//! What documents show to everybody: the last state that passed the rules of its type, and why newer ones did not
//! (docs/decisions/0020-publication.md). Moved with the checked position, in its transaction.

use rusqlite::{Connection, OptionalExtension, Row, params};
use sync_wire::{ChangeHash, DocumentId, Epoch, LogPosition, Position, SpaceId};

use super::NewProjection;
use super::checks::CheckedRow;
use crate::change_log::{heads_from_bytes, heads_to_bytes};
use crate::error::StorageError;
use crate::storage::{Reader, Storage};

/// What the rules say of a checked state. Whoever judges knows the types; storage keeps what was said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Judgement {
    /// The type is not known here: whatever was published stays.
    #[default]
    Unknown,
    /// Nothing of the document is for everybody: nothing is published any more.
    Private,
    /// It is shown from now on.
    Public {
        /// By which version of the rules.
        rules: String,
        /// The public form.
        json: String,
    },
    /// What was published before stays.
    Refused {
        /// By which version of the rules.
        rules: String,
        /// Which rules it breaks, as JSON.
        violations: String,
    },
}

/// What is published of a document, and how its newest checked state was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicationState {
    /// Its space.
    pub space: SpaceId,
    /// Its id.
    pub document: DocumentId,
    /// Up to where its entries are in the last judgement.
    pub judged: LogPosition,
    /// By which version of the rules.
    pub rules: String,
    /// Which rules it breaks, as JSON; `None` if it passed.
    pub violations: Option<String>,
    /// The last state that passed.
    pub published: Option<Published>,
    /// Whether the document is deleted by now: then nothing is published.
    pub deleted: bool,
}

/// A published state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The type that the document had.
    pub type_name: Option<String>,
    /// The heads of the document.
    pub heads: Vec<ChangeHash>,
    /// Its entries up to here are in it.
    pub position: LogPosition,
    /// By which version of the rules it passed.
    pub rules: String,
    /// The public form.
    pub json: String,
}

impl Storage {
    /// What is published of a document, and how it was judged; `None` if it never was.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn publication(
        &self,
        space: SpaceId,
        document: DocumentId,
    ) -> Result<Option<PublicationState>, StorageError> {
        self.read(move |reader| reader.publication(space, document)).await
    }
}

impl Reader {
    fn publication(&self, space: SpaceId, document: DocumentId) -> Result<Option<PublicationState>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT s.id, d.id, s.epoch, d.deleted, p.judged_position, p.rules, p.violations,
                    p.published_position, p.published_rules, p.type, p.heads, p.json
             FROM publications p JOIN documents d USING (document_key) JOIN spaces s USING (space_key)
             WHERE s.id = ?1 AND d.id = ?2",
        )?;
        Ok(statement.query_row(params![space.0, document.0], state_of).optional()?)
    }
}

fn state_of(row: &Row<'_>) -> rusqlite::Result<PublicationState> {
    let epoch = Epoch(row.get(2)?);
    let at = |position: i64| LogPosition { epoch, position: Position(position.cast_unsigned()) };
    let published = row.get::<_, Option<i64>>(7)?.map(|position| {
        Ok::<_, rusqlite::Error>(Published {
            position: at(position),
            rules: row.get(8)?,
            type_name: row.get(9)?,
            heads: heads_from_bytes(row.get_ref(10)?.as_blob()?),
            json: row.get(11)?,
        })
    });
    Ok(PublicationState {
        space: SpaceId(row.get(0)?),
        document: DocumentId(row.get(1)?),
        judged: at(row.get(4)?),
        rules: row.get(5)?,
        violations: row.get(6)?,
        published: published.transpose()?,
        deleted: row.get(3)?,
    })
}

/// Keeps what was said of the state at `position`. What was said of a later one stays.
pub(super) fn store_judgement(
    connection: &Connection,
    row: &CheckedRow,
    position: Position,
    projection: &NewProjection,
) -> Result<(), StorageError> {
    let (key, position) = (row.document_key, position.0.cast_signed());
    match &projection.judgement {
        Judgement::Unknown => {}
        Judgement::Private => {
            connection.prepare_cached("DELETE FROM publications WHERE document_key = ?1")?.execute([key])?;
        }
        Judgement::Public { rules, json } => {
            let mut statement = connection.prepare_cached(
                "INSERT INTO publications
                    (document_key, judged_position, rules, published_position, published_rules, type, heads, json)
                 VALUES (?1, ?2, ?3, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (document_key) DO UPDATE SET
                    judged_position = excluded.judged_position, rules = excluded.rules, violations = NULL,
                    published_position = excluded.published_position, published_rules = excluded.published_rules,
                    type = excluded.type, heads = excluded.heads, json = excluded.json
                 WHERE excluded.judged_position >= judged_position",
            )?;
            let heads = heads_to_bytes(&projection.heads);
            statement.execute(params![key, position, rules, projection.type_name, heads, json])?;
        }
        Judgement::Refused { rules, violations } => {
            let mut statement = connection.prepare_cached(
                "INSERT INTO publications (document_key, judged_position, rules, violations) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (document_key) DO UPDATE SET
                    judged_position = excluded.judged_position, rules = excluded.rules,
                    violations = excluded.violations
                 WHERE excluded.judged_position >= judged_position",
            )?;
            statement.execute(params![key, position, rules, violations])?;
        }
    }
    Ok(())
}

/// Makes the published state what the log gave where it is, if it is still judged by the same rules.
pub(super) fn restore_published(
    connection: &Connection,
    row: &CheckedRow,
    there: &NewProjection,
) -> Result<(), StorageError> {
    let Judgement::Public { rules, json } = &there.judgement else { return Ok(()) };
    let mut statement = connection.prepare_cached(
        "UPDATE publications SET type = ?3, heads = ?4, json = ?5 WHERE document_key = ?1 AND published_rules = ?2",
    )?;
    let heads = heads_to_bytes(&there.heads);
    statement.execute(params![row.document_key, rules, there.type_name, heads, json])?;
    Ok(())
}
