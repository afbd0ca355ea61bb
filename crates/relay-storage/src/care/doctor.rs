//! The quick look: pages sound, logs whole, and every document's row what its entries count up to. Reads no change;
//! what is in them, and what is derived from them, is for `verify`.

use rusqlite::{Connection, OptionalExtension, params};
use sync_wire::{DocumentId, SpaceId};

use super::finding::{Finding, Findings};
use super::logs::{self, SpaceRow};
use crate::change_log::{examine_intake, position_of, unsigned};
use crate::error::StorageError;

/// Documents whose ids are read at once.
const PAGE_DOCUMENTS: i64 = 256;

/// SQLite's own checks; the first does not compare indexes with their tables.
pub(super) const QUICK: &str = "PRAGMA quick_check(100)";
pub(super) const WHOLE: &str = "PRAGMA integrity_check(100)";

pub(super) fn examine(connection: &Connection, check: &str) -> Result<Vec<Finding>, StorageError> {
    let mut findings = Findings::default();
    pages(connection, check, &mut findings)?;
    for space in spaces(connection, None, &mut findings)? {
        log_and_rows(connection, &space, &mut findings)?;
    }
    intake(connection, &mut findings)?;
    Ok(findings.into_list())
}

/// The pages alone.
pub(super) fn check_pages(connection: &Connection) -> Result<Vec<Finding>, StorageError> {
    let mut findings = Findings::default();
    pages(connection, QUICK, &mut findings)?;
    Ok(findings.into_list())
}

/// Whether what waits is counted as it is.
pub(super) fn intake(connection: &Connection, findings: &mut Findings) -> Result<(), StorageError> {
    let looked = examine_intake(connection, |detail| findings.push("intake_counts_wrong", detail));
    findings.unless_unreadable("what waits for its check", looked)
}

/// Those whose rows can be read.
pub(super) fn spaces(
    connection: &Connection,
    only: Option<SpaceId>,
    findings: &mut Findings,
) -> Result<Vec<SpaceRow>, StorageError> {
    let mut found = Vec::new();
    let looked = logs::each_space(connection, only, |space| found.push(space));
    findings.unless_unreadable("the list of spaces", looked)?;
    Ok(found)
}

/// The part of it that concerns one space.
pub(super) fn log_and_rows(
    connection: &Connection,
    space: &SpaceRow,
    findings: &mut Findings,
) -> Result<(), StorageError> {
    let walked = logs::walk(connection, space, findings);
    findings.unless_unreadable(&format!("the log of space {}", space.id), walked)?;
    let listed = each_document(connection, space, |document_key, document| {
        let looked = counts(connection, document_key, (space.id, document), findings);
        findings.unless_unreadable(&format!("document {document} in space {}", space.id), looked)
    });
    findings.unless_unreadable(&format!("the documents of space {}", space.id), listed)
}

pub(super) fn pages(connection: &Connection, check: &str, findings: &mut Findings) -> Result<(), StorageError> {
    let mut look = || -> Result<(), StorageError> {
        let mut statement = connection.prepare(check)?;
        for answer in statement.query_map([], |row| row.get::<_, String>(0))? {
            let detail = answer?;
            if detail != "ok" {
                findings.push("page_damaged", detail);
            }
        }
        Ok(())
    };
    match look() {
        // What is so bad that the check itself cannot go on is a finding as well.
        Err(StorageError::Corrupt { detail }) => findings.push("page_damaged", detail),
        looked => looked?,
    }
    Ok(())
}

/// Calls `look` with every document of a space, by id; no statement is open meanwhile.
pub(super) fn each_document(
    connection: &Connection,
    space: &SpaceRow,
    mut look: impl FnMut(i64, DocumentId) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    // The empty blob sorts before every id.
    let mut after: Vec<u8> = Vec::new();
    loop {
        let mut statement = connection.prepare_cached(
            "SELECT document_key, id FROM documents WHERE space_key = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
        )?;
        let page = statement.query_map(params![space.key, after, PAGE_DOCUMENTS], |row| {
            Ok((row.get::<_, i64>(0)?, DocumentId(row.get(1)?)))
        })?;
        let page: Vec<_> = page.collect::<rusqlite::Result<_>>()?;
        let Some((_, last)) = page.last() else { return Ok(()) };
        after = last.0.to_vec();
        for (document_key, document) in page {
            look(document_key, document)?;
        }
    }
}

fn counts(
    connection: &Connection,
    document_key: i64,
    at: (SpaceId, DocumentId),
    findings: &mut Findings,
) -> Result<(), StorageError> {
    // One statement, so that an append in between cannot be seen by half.
    let mut statement = connection.prepare_cached(
        "SELECT d.first_position, d.last_position, d.entries, d.bytes, d.ops, d.checked_position,
                count(l.log_key), coalesce(sum(CASE l.kind WHEN 1 THEN length(l.bytes) ELSE 0 END), 0),
                coalesce(sum(l.ops), 0), min(l.log_key), max(l.log_key)
         FROM documents d LEFT JOIN log l ON l.document_key = d.document_key WHERE d.document_key = ?1
         GROUP BY d.document_key",
    )?;
    let found = statement.query_row([document_key], |row| {
        let mut stored = [0; 5];
        for (column, value) in stored.iter_mut().enumerate() {
            *value = unsigned(row, column)?;
        }
        let [first, last] =
            [row.get::<_, Option<i64>>(9)?, row.get(10)?].map(|key| key.map_or(0, |key| position_of(key).0));
        let counted = [first, last, unsigned(row, 6)?, unsigned(row, 7)?, unsigned(row, 8)?];
        Ok((stored, counted, unsigned(row, 5)?))
    });
    let Some((stored, counted, checked)) = found.optional()? else { return Ok(()) };
    if stored != counted {
        let what = format!("row says {stored:?}, its entries {counted:?} (first, last, n, bytes, operations)");
        findings.document("document_counts_wrong", at, &what);
    }
    if checked > stored[1] {
        findings.document("checked_beyond_end", at, "its checked position is after its last entry");
    }
    Ok(())
}
