//! Documents that were there before a version of their type: they get its titles and publications one after the other,
//! behind everything else. How far that has come is kept, so that an end of the relay repeats little.

use rusqlite::{OptionalExtension, params};
use sync_wire::{DocumentId, SpaceId};

use crate::error::StorageError;
use crate::storage::{Reader, Storage, Writer};

/// Spaces that are looked into for one page.
const SPACES_AT_ONCE: usize = 256;

/// How far the documents of a type are done: up to here, by space and id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetypePlace {
    space_key: i64,
    document: Vec<u8>,
}

/// Some documents of a type that have yet to be looked at by the rules of its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetypePage {
    /// The type.
    pub name: String,
    /// The version, or a later one by now.
    pub version: u32,
    /// The documents, at most as many as were asked for; perhaps none, though there are more.
    pub documents: Vec<(SpaceId, DocumentId)>,
    /// What to say when these are done; `None`: there are no more.
    pub next: Option<RetypePlace>,
}

impl Storage {
    /// The next documents whose types have a version that was published after they were checked; `None` if there are
    /// no such types. Deleted and held ones are left out: they are checked when they come back.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn next_to_retype(&self, limit: usize) -> Result<Option<RetypePage>, StorageError> {
        self.read(move |reader| reader.next_to_retype(limit)).await
    }

    /// Says that a page is done. Nothing, if a later version was published meanwhile: then it begins again.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn retyped(&self, page: RetypePage) -> Result<(), StorageError> {
        self.write(move |writer| writer.retyped(&page)).await
    }
}

impl Reader {
    fn next_to_retype(&self, limit: usize) -> Result<Option<RetypePage>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT name, version, space_key, document FROM retyping ORDER BY name LIMIT 1")?;
        let row = statement.query_row([], |row| {
            let place = RetypePlace { space_key: row.get(2)?, document: row.get(3)? };
            Ok((row.get::<_, String>(0)?, row.get(1)?, place))
        });
        let Some((name, version, from)) = row.optional()? else { return Ok(None) };
        let spaces = self.spaces_from(from.space_key)?;
        let mut page = RetypePage { name, version, documents: Vec::new(), next: None };
        for (space_key, space) in &spaces {
            let after: &[u8] = if *space_key == from.space_key { &from.document } else { &[] };
            let room = limit.max(1) - page.documents.len();
            let found = self.documents_to_retype(*space_key, &page.name, after, room)?;
            let is_full = found.len() == room;
            page.documents.extend(found.iter().map(|document| (*space, *document)));
            if is_full {
                page.next = found.last().map(|last| RetypePlace { space_key: *space_key, document: last.0.to_vec() });
                return Ok(Some(page));
            }
        }
        if spaces.len() == SPACES_AT_ONCE {
            page.next = spaces.last().map(|(key, _)| RetypePlace { space_key: key + 1, document: Vec::new() });
        }
        Ok(Some(page))
    }

    fn spaces_from(&self, space_key: i64) -> Result<Vec<(i64, SpaceId)>, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT space_key, id FROM spaces WHERE space_key >= ?1 ORDER BY space_key LIMIT ?2")?;
        let spaces = statement
            .query_map(params![space_key, SPACES_AT_ONCE as i64], |row| Ok((row.get(0)?, SpaceId(row.get(1)?))))?;
        Ok(spaces.collect::<rusqlite::Result<_>>()?)
    }

    fn documents_to_retype(
        &self,
        space_key: i64,
        name: &str,
        after: &[u8],
        limit: usize,
    ) -> Result<Vec<DocumentId>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT d.id FROM documents d JOIN projections p USING (document_key)
             WHERE d.space_key = ?1 AND d.type = ?2 AND d.id > ?3 AND NOT d.deleted AND d.held IS NULL
             ORDER BY d.id LIMIT ?4",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let documents =
            statement.query_map(params![space_key, name, after, limit], |row| Ok(DocumentId(row.get(0)?)))?;
        Ok(documents.collect::<rusqlite::Result<_>>()?)
    }
}

impl Writer {
    fn retyped(&self, page: &RetypePage) -> Result<(), StorageError> {
        let RetypePage { name, version, next, .. } = page;
        match next {
            Some(RetypePlace { space_key, document }) => self
                .connection
                .prepare_cached("UPDATE retyping SET space_key = ?3, document = ?4 WHERE name = ?1 AND version = ?2")?
                .execute(params![name, version, space_key, document])?,
            None => self
                .connection
                .prepare_cached("DELETE FROM retyping WHERE name = ?1 AND version = ?2")?
                .execute(params![name, version])?,
        };
        Ok(())
    }
}
