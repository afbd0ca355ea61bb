//! What is only here: batches in quarantine, and the past of their changes.

use document::Change;
use rusqlite::{Row, params};
use sync_wire::{BatchId, ChangeHash, Content, DocumentId, FateCode, SpaceId};

use super::Tx;
use super::batches::read_content;
use crate::error::StorageError;

/// A batch in quarantine.
#[derive(Debug, Clone)]
pub(crate) struct QuarantineRow {
    pub(crate) row: i64,
    pub(crate) id: BatchId,
    pub(crate) space: SpaceId,
    pub(crate) document: DocumentId,
    /// The document's row.
    pub(crate) document_row: i64,
    pub(crate) type_name: Option<String>,
    /// As it was last found out.
    pub(crate) title: Option<String>,
    pub(crate) content: Content,
    /// Row and hash of its change, if it holds one.
    pub(crate) change: Option<(i64, ChangeHash)>,
    pub(crate) code: FateCode,
    pub(crate) detail: String,
    pub(crate) culprit: Option<ChangeHash>,
    pub(crate) unix_seconds: Option<i64>,
    /// The change that goes on with a part of it.
    pub(crate) continued_by: Option<ChangeHash>,
}

/// Of a batch in quarantine, what tells who may take it out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QuarantinedChange {
    pub(crate) row: i64,
    pub(crate) id: BatchId,
    pub(crate) code: FateCode,
}

impl Tx<'_> {
    /// Everything in quarantine, by document, in the order in which it was saved.
    pub(crate) fn quarantine_rows(&self) -> Result<Vec<QuarantineRow>, StorageError> {
        self.all(
            "SELECT b.id, b.batch, s.space, d.document, d.id, d.type, d.title, b.code, b.detail, b.culprit, b.decided,
                    c.id, c.hash, n.hash, b.kind, b.hashes, c.bytes
             FROM batches b JOIN documents d ON d.id = b.document JOIN spaces s ON s.id = d.space
             LEFT JOIN changes c ON c.id = b.change
             LEFT JOIN batches r ON r.id = b.replaced LEFT JOIN changes n ON n.id = r.change
             WHERE b.state = 4 ORDER BY b.document, b.id",
            [],
            read_quarantined,
        )
    }

    /// The batches of a document in quarantine that hold this change: one, unless the file was put together anew.
    pub(crate) fn quarantined_as(
        &self,
        document: i64,
        change: &ChangeHash,
    ) -> Result<Vec<QuarantinedChange>, StorageError> {
        self.all(
            "SELECT b.id, b.batch, b.code FROM batches b JOIN changes c ON c.id = b.change
             WHERE b.state = 4 AND b.document = ?1 AND c.hash = ?2",
            params![document, change.0],
            |row| {
                let code = FateCode(row.get::<_, Option<u16>>(2)?.unwrap_or(0));
                Ok(QuarantinedChange { row: row.get(0)?, id: BatchId(row.get(1)?), code })
            },
        )
    }

    /// Whether `again`, a change of the document, was saved here, or proves by its batch that it says `hash` of the
    /// batch `refused` again.
    pub(crate) fn is_own_resubmission(
        &self,
        document: i64,
        again: &ChangeHash,
        (refused, hash): (BatchId, &ChangeHash),
    ) -> Result<bool, StorageError> {
        let found = self.one(
            "SELECT c.batch, EXISTS (SELECT 1 FROM batches b WHERE b.change = c.id)
             FROM changes c WHERE c.document = ?1 AND c.hash = ?2 AND c.excluded = 0",
            params![document, again.0],
            |row| Ok((row.get::<_, Option<_>>(0)?.map(BatchId), row.get(1)?)),
        )?;
        Ok(found.is_some_and(|(batch, is_saved_here): (Option<BatchId>, bool)| {
            is_saved_here || batch.is_some_and(|batch| batch.is_resubmission_of(refused, hash))
        }))
    }

    /// Every change of a document that has bytes here, refused ones included.
    pub(crate) fn all_bytes(&self, document: i64) -> Result<Vec<Change>, StorageError> {
        let rows: Vec<Vec<u8>> = self.all(
            "SELECT bytes FROM changes WHERE document = ?1 AND length(bytes) > 0 ORDER BY id",
            [document],
            |row| row.get(0),
        )?;
        let parse = |bytes: Vec<u8>| Change::parse(bytes.into());
        let parsed = rows.into_iter().map(parse).collect::<Result<Vec<_>, _>>();
        parsed.map_err(|error| self.unexpected(format!("a stored change is damaged: {error}")))
    }

    /// A batch leaves the quarantine, because what it says was said anew. `false`: it was not there.
    pub(crate) fn set_resubmitted(&self, batch: i64) -> Result<bool, StorageError> {
        Ok(self.execute("UPDATE batches SET state = 5 WHERE id = ?1 AND state = 4", [batch])? > 0)
    }

    /// A batch leaves the quarantine for good; the bytes of its change go. `false`: it was not there.
    pub(crate) fn discard(&self, batch: i64) -> Result<bool, StorageError> {
        let discarded = self.execute("UPDATE batches SET state = 6 WHERE id = ?1 AND state = 4", [batch])? > 0;
        if discarded {
            self.execute(
                "UPDATE changes SET bytes = x'' WHERE excluded = 1 AND id = (SELECT change FROM batches WHERE id = ?1)",
                params![batch],
            )?;
        }
        Ok(discarded)
    }
}

fn read_quarantined(row: &Row<'_>) -> rusqlite::Result<QuarantineRow> {
    let detail: Option<String> = row.get(8)?;
    let change = row.get::<_, Option<i64>>(11)?.zip(row.get::<_, Option<_>>(12)?.map(ChangeHash));
    Ok(QuarantineRow {
        row: row.get(0)?,
        id: BatchId(row.get(1)?),
        space: SpaceId(row.get(2)?),
        document: DocumentId(row.get(3)?),
        document_row: row.get(4)?,
        type_name: row.get(5)?,
        title: row.get(6)?,
        code: FateCode(row.get::<_, Option<u16>>(7)?.unwrap_or(0)),
        detail: detail.unwrap_or_default(),
        culprit: row.get::<_, Option<_>>(9)?.map(ChangeHash),
        unix_seconds: row.get(10)?,
        change,
        continued_by: row.get::<_, Option<_>>(13)?.map(ChangeHash),
        content: read_content(row, 14)?,
    })
}
