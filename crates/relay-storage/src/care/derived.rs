//! What is derived from a document's log, compared with what the log gives: its snapshot and its projection; what it is
//! found by, with its projection. And what was published of it, compared with what the log was there.

use document::{Document, Snapshot};
use rusqlite::{Connection, OptionalExtension, params};
use sync_wire::{Blob, ChangeHash, DocumentId, SpaceId};

use super::entries::{Entries, HeadsAt};
use super::finding::Findings;
use crate::change_log::{heads_from_bytes, unsigned};
use crate::documents::{Judgement, index_fault};
use crate::error::StorageError;

/// What a document's rows say of it.
pub(super) struct Marks {
    pub(super) checked: u64,
    pub(super) is_deleted: bool,
    type_name: Option<String>,
    covers: Option<u64>,
    projected: Option<u64>,
    pub(super) published: Option<u64>,
}

pub(super) fn read(connection: &Connection, document_key: i64) -> Result<Marks, StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT d.checked_position, d.deleted, d.type, s.covers, p.position, q.published_position
         FROM documents d LEFT JOIN snapshots s USING (document_key) LEFT JOIN projections p USING (document_key)
         LEFT JOIN publications q USING (document_key)
         WHERE d.document_key = ?1",
    )?;
    let marks = statement.query_row([document_key], |row| {
        let position = |column| row.get::<_, Option<i64>>(column).map(|found| found.map(i64::cast_unsigned));
        Ok(Marks {
            checked: unsigned(row, 0)?,
            is_deleted: row.get(1)?,
            type_name: row.get(2)?,
            covers: position(3)?,
            projected: position(4)?,
            published: position(5)?,
        })
    })?;
    Ok(marks)
}

impl Marks {
    /// The positions at which something derived is to be compared, ascending.
    pub(super) fn positions(&self) -> Vec<u64> {
        let mut positions: Vec<u64> = self.covers.into_iter().chain(self.projected).chain(self.published).collect();
        positions.sort_unstable();
        positions.dedup();
        positions
    }

    pub(super) fn compare(
        &self,
        connection: &Connection,
        document_key: i64,
        at: (SpaceId, DocumentId),
        entries: &Entries,
        findings: &mut Findings,
    ) -> Result<(), StorageError> {
        if let Some(covers) = self.covers
            && let Some(fault) = self.snapshot_fault(connection, document_key, entries.at.get(&covers))?
        {
            findings.document("snapshot_wrong", at, &format!("its snapshot at {covers}: {fault}"));
        }
        if let Some(projected) = self.projected
            && let Some(fault) = self.projection_fault(connection, document_key, entries)?
        {
            findings.document("projection_wrong", at, &format!("its projection at {projected}: {fault}"));
        }
        if let Some(published) = self.published
            && let Some(fault) = self.publication_fault(connection, document_key, published, entries)?
        {
            findings.document("publication_wrong", at, &format!("what is published of it, from {published}: {fault}"));
        }
        if let Some(fault) = index_fault(connection, document_key)? {
            findings.document("index_wrong", at, fault);
        }
        Ok(())
    }

    /// A chunk that loads with these heads is these changes: its loading computes their hashes.
    fn snapshot_fault(
        &self,
        connection: &Connection,
        document_key: i64,
        expected: Option<&HeadsAt>,
    ) -> Result<Option<String>, StorageError> {
        if self.covers > Some(self.checked) {
            return Ok(Some("it covers more than was checked".to_owned()));
        }
        let mut statement =
            connection.prepare_cached("SELECT heads, changes, digest, bytes FROM snapshots WHERE document_key = ?1")?;
        let snapshot = statement.query_row([document_key], |row| {
            Ok(Snapshot {
                heads: heads_from_bytes(row.get_ref(0)?.as_blob()?),
                changes: unsigned(row, 1)?,
                digest: row.get(2)?,
                bytes: Blob::from(row.get::<_, Vec<u8>>(3)?),
            })
        });
        let Some(snapshot) = snapshot.optional()? else { return Ok(None) };
        let found = HeadsAt { heads: sorted(&snapshot.heads), changes: snapshot.changes };
        if expected.is_some_and(|expected| *expected != found) {
            return Ok(Some("its heads or its number of changes are not those of the log there".to_owned()));
        }
        Ok(Document::load(&snapshot).err().map(|error| error.to_string()))
    }

    fn projection_fault(
        &self,
        connection: &Connection,
        document_key: i64,
        entries: &Entries,
    ) -> Result<Option<String>, StorageError> {
        let mut statement = connection
            .prepare_cached("SELECT position, title, heads, json FROM projections WHERE document_key = ?1")?;
        let stored = statement.query_row(params![document_key], |row| {
            let heads: Vec<ChangeHash> = heads_from_bytes(row.get_ref(2)?.as_blob()?);
            Ok((unsigned(row, 0)?, row.get::<_, Option<String>>(1)?, heads, row.get::<_, String>(3)?))
        });
        let Some((position, title, heads, json)) = stored.optional()? else { return Ok(None) };
        if position > self.checked {
            return Ok(Some("it shows more than was checked".to_owned()));
        }
        if entries.at.get(&position).is_some_and(|expected| expected.heads != sorted(&heads)) {
            return Ok(Some("its heads are not those of the log there".to_owned()));
        }
        // If the log could not be put together, that is what is said.
        let Some(expected) = entries.replay.projection_at(position) else { return Ok(None) };
        let fault = if expected.json != json {
            "its JSON is not what the log gives"
        } else if expected.title != title && !self.is_of_published_type() {
            "its title is not what the log gives"
        } else if expected.type_name.is_some() && expected.type_name != self.type_name {
            "its type is not what the log gives"
        } else {
            return Ok(None);
        };
        Ok(Some(fault.to_owned()))
    }

    /// A version of its type may have been published a moment ago: titles follow it one after the other.
    fn is_of_published_type(&self) -> bool {
        self.type_name.as_deref().is_some_and(|name| schemas::namespace_of(name).is_some())
    }

    /// By other rules than those it passed, another JSON is no fault: it is judged again with the next edit.
    fn publication_fault(
        &self,
        connection: &Connection,
        document_key: i64,
        position: u64,
        entries: &Entries,
    ) -> Result<Option<String>, StorageError> {
        if position > self.checked {
            return Ok(Some("it shows more than was checked".to_owned()));
        }
        let mut statement = connection
            .prepare_cached("SELECT published_rules, heads, json FROM publications WHERE document_key = ?1")?;
        let (rules, heads, json) = statement.query_row(params![document_key], |row| {
            let heads: Vec<ChangeHash> = heads_from_bytes(row.get_ref(1)?.as_blob()?);
            Ok((row.get::<_, String>(0)?, heads, row.get::<_, String>(2)?))
        })?;
        if entries.at.get(&position).is_some_and(|expected| expected.heads != sorted(&heads)) {
            return Ok(Some("its heads are not those of the log there".to_owned()));
        }
        let Some(expected) = entries.replay.projection_at(position) else { return Ok(None) };
        let fault = match &expected.judgement {
            Judgement::Public { rules: by, json: expected } if *by == rules && *expected != json => {
                "its JSON is not what the log gives"
            }
            Judgement::Refused { rules: by, .. } if *by == rules => "it breaks rules that it is said to have passed",
            _ => return Ok(None),
        };
        Ok(Some(fault.to_owned()))
    }
}

fn sorted(heads: &[ChangeHash]) -> Vec<ChangeHash> {
    let mut heads = heads.to_vec();
    heads.sort_unstable();
    heads
}
