//! The thorough look: every change read, hashed and applied; what is derived compared with what the log gives.
//!
//! One document at a time, its rows as a stream, all of it at one moment: the relay may go on meanwhile.

use rusqlite::Connection;
use sync_wire::{DocumentId, SpaceId};

use super::derived;
use super::doctor::{WHOLE, each_document, intake, log_and_rows, pages, spaces};
use super::entries::Entries;
use super::finding::Findings;
use super::logs::SpaceRow;
use super::{Project, Verified, voids};
use crate::accounts::miscounted;
use crate::change_log::{each_damaged_in_intake, stored_tips};
use crate::documents::is_indexed;
use crate::error::StorageError;
use crate::types::each_damaged;

pub(super) fn verify(
    connection: &Connection,
    only: Option<SpaceId>,
    project: &Project,
) -> Result<Verified, StorageError> {
    let mut findings = Findings::default();
    if only.is_none() {
        pages(connection, WHOLE, &mut findings)?;
        let counted = usage(connection, &mut findings);
        findings.unless_unreadable("what accounts use", counted)?;
        intake(connection, &mut findings)?;
        let looked = each_damaged_in_intake(connection, |detail| findings.push("intake_damaged", detail));
        findings.unless_unreadable("what waits for its check", looked)?;
        let looked = each_damaged(connection, |detail| findings.push("type_damaged", detail));
        findings.unless_unreadable("published document types", looked)?;
    }
    let mut verified = Verified::default();
    for space in spaces(connection, only, &mut findings)? {
        let looked = verify_space(connection, &space, project, &mut verified, &mut findings);
        findings.unless_unreadable(&format!("space {}", space.id), looked)?;
        verified.spaces += 1;
    }
    Ok(Verified { findings: findings.into_list(), ..verified })
}

/// Whether what accounts use is what is there.
fn usage(connection: &Connection, findings: &mut Findings) -> Result<(), StorageError> {
    for (account, counted, there) in miscounted(connection)? {
        let what = format!("account {account}: {counted} bytes are counted, {there} are in its logs");
        findings.push("usage_wrong", format!("{what}; `verify --rebuild` counts anew"));
    }
    Ok(())
}

fn verify_space(
    connection: &Connection,
    space: &SpaceRow,
    project: &Project,
    verified: &mut Verified,
    findings: &mut Findings,
) -> Result<(), StorageError> {
    log_and_rows(connection, space, findings)?;
    each_document(connection, space, |document_key, document| {
        let looked = verify_document(connection, space, (document_key, document), project, findings);
        let counted = looked.map(|entries| verified.entries += entries);
        findings.unless_unreadable(&format!("document {document} in space {}", space.id), counted)?;
        verified.documents += 1;
        Ok(())
    })
}

fn verify_document(
    connection: &Connection,
    space: &SpaceRow,
    (document_key, document): (i64, DocumentId),
    project: &Project,
    findings: &mut Findings,
) -> Result<u64, StorageError> {
    let moment = connection.unchecked_transaction()?;
    let at = (space.id, document);
    let marks = derived::read(&moment, document_key)?;
    let mut entries = Entries::new(at, marks.positions(), marks.checked, project);
    entries.walk(&moment, document_key, findings)?;
    voids::verify(&moment, document_key, at, findings)?;
    match stored_tips(&moment, space.key, document) {
        Ok(stored) if entries.is_purged || stored == entries.tips => {}
        Ok(_) => findings.document("frontier_wrong", at, "its frontier is not what its entries make"),
        Err(StorageError::Corrupt { detail }) => findings.document("frontier_wrong", at, &detail),
        Err(error) => return Err(error),
    }
    if marks.is_deleted != entries.is_deleted {
        findings.document("deletion_wrong", at, "whether it is deleted is not what its entries say");
    }
    if entries.is_purged {
        if !marks.positions().is_empty() || is_indexed(&moment, document_key)? {
            findings.document(
                "purge_incomplete",
                at,
                "it is purged, and a snapshot or projection of it is still there, or it can be found",
            );
        }
        return Ok(entries.count);
    }
    marks.compare(&moment, document_key, at, &entries, findings)?;
    if let Some(reason) = entries.replay.failure() {
        let what = format!("its checked entries cannot be put together: {reason}");
        findings.document("log_does_not_apply", at, &what);
    }
    Ok(entries.count)
}
