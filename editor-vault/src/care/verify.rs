//! The thorough look: every change read and hashed, every document put together anew, and what is kept beside its rows
//! compared with that.

use document::{Change, Document};
use document_index::{Mark, content_of};
use schemas::DocumentType;
use sync_wire::Chain;

use super::replay::{Replayed, replay};
use super::{Caretaker, Finding, INDEX_WRONG, LIST, REBUILD, Severity, unless_unreadable};
use crate::error::StorageError;
use crate::storage::{DocumentRow, ListRow, Origin, SnapshotRow, StoredChange, Tx};
use crate::vault::{Inner, Vault};

const RESTORE: &str = "restore a backup; what the relay has comes back by itself";

impl Vault {
    /// Reads and checks everything: SQLite's whole check of the file, the hash and the place of every change, hashes
    /// that batches were sealed with, every document put together from its rows, snapshots and titles against that, and
    /// the resume points. Empty means sound. What only waits for a person is for [`Vault::doctor`]. One document is in
    /// memory at a time.
    ///
    /// # Errors
    /// [`StorageError`] if the file cannot be read at all.
    pub fn verify(&self) -> Result<Vec<Finding>, StorageError> {
        Ok(self.inner().verify_for(None)?.unwrap_or_default())
    }
}

impl Inner {
    /// As [`Vault::verify`], for a caretaker that may be stopped. Nothing if it was, before the end.
    pub(super) fn verify_for(&self, caretaker: Option<&Caretaker>) -> Result<Option<Vec<Finding>>, StorageError> {
        let is_stopped = || caretaker.is_some_and(Caretaker::is_stopped);
        let integrity = |tx: &Tx<'_>| match caretaker {
            Some(caretaker) => caretaker.interruptible(tx, |tx| tx.integrity()),
            None => tx.integrity(),
        };
        let mut findings = self.damaged_pages(self.storage.read(integrity)?);
        if is_stopped() {
            return Ok(None);
        }
        let looked = self.verify_rows(&mut findings);
        unless_unreadable(looked, "the rows of all changes", &mut findings)?;
        let all = self.storage.read(|tx| tx.list(None, None, true));
        for listed in unless_unreadable(all, LIST, &mut findings)?.unwrap_or_default() {
            if is_stopped() {
                return Ok(None);
            }
            let looked = self.verify_document(&listed, &mut findings);
            unless_unreadable(looked, &format!("document {}", listed.id), &mut findings)?;
        }
        Ok(Some(findings))
    }

    fn verify_rows(&self, findings: &mut Vec<Finding>) -> Result<(), StorageError> {
        self.storage.read_at_once(|tx| {
            tx.each_stored_change(|stored| findings.extend(damage(&stored)))?;
            let orphaned = tx.orphaned_changes()?;
            if orphaned > 0 {
                findings.push(Finding::error("orphaned", format!("{orphaned} changes have no document; {RESTORE}")));
            }
            for (document, actor, what) in tx.gaps()? {
                let detail = format!("document {document}, actor {actor}: {what}, some are missing; {RESTORE}");
                findings.push(Finding::error("seq_gap", detail));
            }
            for batch in tx.wrong_batches()? {
                let detail = format!("batch {batch} was sealed with other hashes than its change has; {RESTORE}");
                findings.push(Finding::error("batch_wrong", detail));
            }
            for document in tx.unseen_rows()? {
                let detail = format!("document {document} has changes that its readers do not look for; {REBUILD}");
                findings.push(Finding::error("point_wrong", detail));
            }
            for (document, hash) in tx.unapplied_voids()? {
                let detail = format!("document {document} shows change {hash}, which a repair excluded; {RESTORE}");
                findings.push(Finding::error("void_not_applied", detail));
            }
            for space in tx.impossible_cursors(&Chain::START.0)? {
                let detail = format!("space {space}: its place in the log and the chain there do not fit; {RESTORE}");
                findings.push(Finding::error("resume_point_wrong", detail));
            }
            Ok(())
        })
    }

    fn verify_document(&self, listed: &ListRow, findings: &mut Vec<Finding>) -> Result<(), StorageError> {
        // Read again, so that rows and what is beside them are of one moment.
        let read = self.storage.read_at_once(|tx| match tx.document(listed.space, listed.id)? {
            Some(row) => Ok(Some((replay(tx, &row)?, row))),
            None => Ok(None),
        })?;
        let Some((replayed, row)) = read else { return Ok(()) };
        let mut fault = |code, what: &str, remedy: &str| {
            findings.push(Finding::error(code, format!("document {}: {what}; {remedy}", listed.id)));
        };
        for (code, what) in &replayed.faults {
            match *code {
                // A held document says why; that is for the doctor.
                "does_not_apply" if row.held.is_some() => {}
                "rests_on_missing" if self.is_being_fetched(listed)? => {}
                code => fault(code, what, RESTORE),
            }
        }
        for stored in &replayed.snapshots {
            if let Some(what) = replayed.disagreement(stored) {
                fault("snapshot_wrong", &what, REBUILD);
            }
        }
        let schema = row.type_name.as_deref().and_then(|name| self.schemas.get(name));
        if let Some(schema) = schema.filter(|_| !row.title_is_stale && replayed.faults.is_empty())
            && schema.title(&replayed.document.value()) != row.title
        {
            fault("title_wrong", "its title is not what its changes say", REBUILD);
        }
        if let Some(schema) = schema.filter(|_| !row.deleted && replayed.faults.is_empty())
            && !self.is_found_rightly(schema, &row, &replayed.document)?
        {
            fault(INDEX_WRONG, "what it is found by is not what its changes say", REBUILD);
        }
        Ok(())
    }

    /// Whether what is kept of a document for queries is what is in it.
    fn is_found_rightly(
        &self,
        schema: &DocumentType,
        row: &DocumentRow,
        document: &Document,
    ) -> Result<bool, StorageError> {
        let (declared, kept) = self.storage.read_at_once(|tx| Ok((tx.declared(&schema.name)?, tx.kept(row.row)?)))?;
        let Some(kept) = kept else { return Ok(true) }; // it is taken in when somebody asks
        let title = schema.title_index().map(|index| index.path.as_str());
        let mut content = content_of(title, &declared, |path| document.get(path)).as_kept(&Mark::NONE);
        if !self.storage.read(|tx| tx.can_find_words())? {
            content.texts = None;
        }
        Ok(content == kept)
    }

    /// Whether whole documents of its space are still to come.
    fn is_being_fetched(&self, listed: &ListRow) -> Result<bool, StorageError> {
        let space = self.storage.read(|tx| tx.space(listed.space))?;
        let resuming = space.and_then(|space| space.resuming);
        Ok(resuming.is_some_and(|resuming| resuming.bootstrap.is_some()))
    }
}

impl Replayed {
    /// What a snapshot has that the rows have not, or the other way round.
    fn disagreement(&self, stored: &SnapshotRow) -> Option<String> {
        if stored.is_given_up() {
            return None;
        }
        let origin = match stored.origin {
            Origin::Relay => "the relay's",
            Origin::Local => "the vault's own",
        };
        let loaded = match Document::load(&stored.snapshot) {
            Ok(loaded) => loaded,
            Err(error) => return Some(format!("{origin} snapshot does not load: {error}")),
        };
        let is_here = stored.snapshot.heads.iter().all(|head| self.document.contains(head));
        // A relay's snapshot may be older than some rows; our own holds all rows up to one.
        let own = |row: i64| stored.origin == Origin::Local && row <= stored.through;
        let has_all = self.rows.iter().filter(|(row, _)| own(*row)).all(|(_, hash)| loaded.contains(hash));
        (!is_here || !has_all).then(|| format!("{origin} snapshot and its changes do not say the same"))
    }
}

fn damage(stored: &StoredChange) -> Option<Finding> {
    let StoredChange { row, document, actor, seq, hash, bytes } = stored;
    let what = match Change::parse(bytes.clone().into()) {
        Ok(change) if change.header.hash != *hash => format!("its bytes have the hash {}", change.header.hash),
        Ok(change) if change.header.seq != *seq || change.header.actor.0[..] != actor[..] => {
            "its row has another actor or number".to_owned()
        }
        Ok(_) => return None,
        Err(error) => error.to_string(),
    };
    let detail = format!("change {hash} of document {document} (row {row}) is damaged ({what}): {RESTORE}");
    Some(Finding { severity: Severity::Error, code: "damaged_change", detail })
}
