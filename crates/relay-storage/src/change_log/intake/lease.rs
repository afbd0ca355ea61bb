//! Who checks the intake of a document: whoever has its lease. One that is over may be taken by anybody.
//!
//! Whoever stores the first batch of a document gets its lease in the same transaction, so that the ordinary check
//! costs no commit of its own.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};
use sync_wire::{DocumentId, SpaceId};

use super::super::log_end;
use crate::error::StorageError;
use crate::storage::{Reader, Writer};

/// How long a lease of a document's intake lasts, by the clock of the storage. Whoever checks for longer renews it.
pub const INTAKE_LEASE: Duration = Duration::from_mins(1);

/// Who has the lease of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lease {
    Ours,
    /// It may be taken.
    Free,
    /// Somebody else has it, or nothing waits.
    Theirs,
}

/// When a lease ends that is taken now.
pub(super) fn until(now: i64) -> i64 {
    now.saturating_add(i64::try_from(INTAKE_LEASE.as_millis()).unwrap_or(i64::MAX))
}

impl Reader {
    pub(super) fn intake_lease(&self, space: SpaceId, document: DocumentId) -> Result<Lease, StorageError> {
        let Some(log) = log_end(&self.connection, space)? else { return Ok(Lease::Theirs) };
        let mut statement = self.connection.prepare_cached(
            "SELECT holder, leased_until FROM intake_documents WHERE space_key = ?1 AND document = ?2",
        )?;
        let found = statement.query_row(params![log.space_key, document.0], |row| {
            Ok((row.get::<_, Option<[u8; 16]>>(0)?, row.get::<_, i64>(1)?))
        });
        Ok(match found.optional()? {
            // Over or not: nobody else has taken it.
            Some((Some(holder), _)) if holder == self.context.holder => Lease::Ours,
            Some((None, _)) => Lease::Free,
            Some((_, leased_until)) if leased_until < (self.context.clock)() => Lease::Free,
            Some(_) | None => Lease::Theirs,
        })
    }

    pub(super) fn has_intake_leases(&self) -> Result<bool, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM intake_documents WHERE holder IS NOT NULL)")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    pub(super) fn waiting_documents(&self, limit: usize) -> Result<Vec<(SpaceId, DocumentId)>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT s.id, d.document FROM intake_documents d JOIN spaces s USING (space_key)
             WHERE d.holder IS NULL OR d.holder = ?1 OR d.leased_until < ?2
             ORDER BY (SELECT min(batch_key) FROM intake_batches b WHERE b.intake_key = d.intake_key) LIMIT ?3",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = statement.query_map(params![self.context.holder, (self.context.clock)(), limit], |row| {
            Ok((SpaceId(row.get(0)?), DocumentId(row.get(1)?)))
        })?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }
}

impl Writer {
    /// Takes the lease, unless somebody else has it.
    pub(super) fn take_intake_lease(&mut self, space: SpaceId, document: DocumentId) -> Result<bool, StorageError> {
        let Some(log) = log_end(&self.connection, space)? else { return Ok(false) };
        let mut statement = self.connection.prepare_cached(
            "UPDATE intake_documents SET holder = ?3, leased_until = ?4
             WHERE space_key = ?1 AND document = ?2 AND (holder IS NULL OR holder = ?3 OR leased_until < ?5)",
        )?;
        let now = (self.context.clock)();
        let taken = statement.execute(params![log.space_key, document.0, self.context.holder, until(now), now])?;
        Ok(taken > 0)
    }

    pub(super) fn renew_intake_leases(&mut self, documents: &[(SpaceId, DocumentId)]) -> Result<(), StorageError> {
        let leased_until = until((self.context.clock)());
        for (space, document) in documents {
            let mut statement = self.connection.prepare_cached(
                "UPDATE intake_documents SET leased_until = ?3
                 WHERE space_key = (SELECT space_key FROM spaces WHERE id = ?1) AND document = ?2 AND holder = ?4",
            )?;
            statement.execute(params![space.0, document.0, leased_until, self.context.holder])?;
        }
        Ok(())
    }

    pub(super) fn end_intake_leases(&mut self) -> Result<(), StorageError> {
        self.connection.prepare_cached("UPDATE intake_documents SET holder = NULL, leased_until = 0")?.execute([])?;
        Ok(())
    }

    /// Whether the lease is ours still.
    pub(super) fn holds_intake(&self, intake: i64) -> Result<bool, StorageError> {
        let mut statement =
            self.connection.prepare_cached("SELECT holder IS ?2 FROM intake_documents WHERE intake_key = ?1")?;
        let is_ours = statement.query_row(params![intake, self.context.holder], |row| row.get(0)).optional()?;
        Ok(is_ours == Some(true))
    }
}
