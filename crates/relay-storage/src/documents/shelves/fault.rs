//! What was taken in of a document, against what it was taken from.

use document_index::content_of;
use rusqlite::{Connection, OptionalExtension};
use serde_json::Value;

use super::{Shelf, index};
use crate::error::StorageError;

/// Whether anything of the content of a document is kept.
pub(crate) fn is_kept(connection: &Connection, document_key: i64) -> Result<bool, StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT 1 FROM indexed WHERE document = ?1 AND (shown IS NOT NULL OR position IS NOT NULL)
         UNION ALL SELECT 1 FROM fields WHERE document = ?1 UNION ALL SELECT 1 FROM words WHERE rowid = ?1",
    )?;
    Ok(statement.exists([document_key])?)
}

/// What is wrong with what is kept of a document. What moved since it was taken in is taken in when somebody asks, and
/// so is nothing wrong.
pub(crate) fn fault(connection: &Connection, document_key: i64) -> Result<Option<&'static str>, StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT x.shelf, h.space_key, h.type, h.title,
                CASE WHEN h.shelf IS NULL THEN NULL ELSE h.space_key = d.space_key AND h.type IS d.type END,
                x.declared IS h.declared AND x.position IS (CASE WHEN d.deleted THEN NULL ELSE p.position END),
                CASE WHEN d.deleted THEN NULL ELSE p.json END
         FROM indexed x JOIN documents d ON d.document_key = x.document LEFT JOIN shelves h USING (shelf)
         LEFT JOIN projections p USING (document_key) WHERE x.document = ?1",
    )?;
    let found = statement.query_row([document_key], |row| {
        let shelf = Shelf {
            row: row.get(0)?,
            space_key: row.get::<_, Option<i64>>(1)?.unwrap_or_default(),
            type_name: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
            title: row.get(3)?,
            declared: Vec::new(),
            through: 0,
            version: 0,
        };
        let (is_right, is_current) = (row.get::<_, Option<bool>>(4)?, row.get::<_, bool>(5)?);
        Ok((shelf, is_right, is_current, row.get::<_, Option<String>>(6)?))
    });
    let Some((shelf, is_right, is_current, json)) = found.optional()? else {
        let is_left = is_kept(connection, document_key)?;
        return Ok(is_left.then_some("it has values or words, and is on no shelf"));
    };
    match is_right {
        None => return Ok(Some("it is on a shelf that is not there")),
        Some(_) if !is_current => return Ok(None),
        Some(false) => return Ok(Some("it is on the shelf of another space or type")),
        Some(true) => {}
    }
    let index = index(connection);
    let value: Option<Value> = json.and_then(|json| serde_json::from_str(&json).ok());
    let declared = index.declared(&shelf.type_name)?;
    let get = |path: &str| value.as_ref()?.pointer(path).cloned();
    let expected = value.as_ref().map(|_| content_of(shelf.title.as_deref(), &declared, get)).unwrap_or_default();
    let kept = index.kept(document_key)?.unwrap_or_default();
    Ok((kept != expected.as_kept(&shelf.mark())).then_some("what it is found by is not what its projection says"))
}
