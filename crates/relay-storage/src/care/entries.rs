//! The entries of one document, read one by one: each change is what its row says, each actor's numbers have no gap,
//! and what they lead to is counted along.

use std::collections::BTreeMap;

use document::Header;
use rusqlite::{Connection, Row};
use sync_wire::log::EntryKind;
use sync_wire::{Actor, Blob, ChangeHash, DocumentId, SpaceId};

use super::Project;
use super::finding::Findings;
use super::replay::Replay;
use crate::change_log::{Tips, Without, kind_of, position_of};
use crate::error::StorageError;

/// A walk over the entries of one document.
pub(super) struct Entries {
    space: SpaceId,
    /// Positions of which the heads are wanted, ascending.
    wanted: Vec<u64>,
    checked: u64,
    pub(super) count: u64,
    changes: u64,
    pub(super) is_deleted: bool,
    /// Its bytes are gone, so what they make is not known.
    pub(super) is_purged: bool,
    /// What its voids exclude.
    without: Without,
    /// What the entries lead to.
    pub(super) tips: Tips,
    /// What they led to at each wanted position.
    pub(super) at: BTreeMap<u64, HeadsAt>,
    /// The document, applied up to the checked position.
    pub(super) replay: Replay,
}

/// What the entries up to a position lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeadsAt {
    /// Ascending.
    pub(super) heads: Vec<ChangeHash>,
    pub(super) changes: u64,
}

impl Entries {
    pub(super) fn new(
        (space, document): (SpaceId, DocumentId),
        wanted: Vec<u64>,
        checked: u64,
        project: &Project,
    ) -> Self {
        Self {
            space,
            replay: Replay::new(document, wanted.clone(), project.clone()),
            wanted,
            checked,
            count: 0,
            changes: 0,
            is_deleted: false,
            is_purged: false,
            without: Without::default(),
            tips: Tips::default(),
            at: BTreeMap::new(),
        }
    }

    pub(super) fn walk(
        &mut self,
        connection: &Connection,
        document_key: i64,
        findings: &mut Findings,
    ) -> Result<(), StorageError> {
        let mut erased = connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM log WHERE document_key = ?1 AND kind <> 1 AND kind = 5)")?;
        self.is_purged = erased.query_row([document_key], |row| row.get(0))?;
        self.without = Without::load(connection, document_key)?;
        let mut statement = connection.prepare_cached(
            "SELECT l.log_key, l.kind, l.hash, l.seq, l.ops, l.max_op, a.actor, l.bytes
             FROM log l LEFT JOIN actors a USING (actor_key) WHERE l.document_key = ?1 ORDER BY l.log_key",
        )?;
        let mut rows = statement.query([document_key])?;
        while let Some(row) = rows.next()? {
            let position = position_of(row.get(0)?).0;
            self.note_before(position);
            self.count += 1;
            match kind_of(row, 1)? {
                EntryKind::Change if self.is_purged => self.changes += 1,
                EntryKind::Change => self.change(row, position, findings)?,
                EntryKind::Tombstone => self.is_deleted = true,
                EntryKind::Restore => self.is_deleted = false,
                EntryKind::Void | EntryKind::Erased => {}
            }
        }
        self.note_before(u64::MAX);
        self.replay.finish();
        Ok(())
    }

    /// Keeps the heads of wanted positions that lie before an entry.
    fn note_before(&mut self, position: u64) {
        while let Some(wanted) = self.wanted.first().copied().filter(|wanted| *wanted < position) {
            self.wanted.remove(0);
            let heads = self.tips.heads.keys().copied().collect();
            self.at.insert(wanted, HeadsAt { heads, changes: self.changes });
        }
    }

    fn change(&mut self, row: &Row<'_>, position: u64, findings: &mut Findings) -> Result<(), StorageError> {
        let at = (self.space, position);
        let bytes = row.get_ref(7)?.as_blob().map_err(rusqlite::Error::from)?;
        let header = match Header::parse(bytes) {
            Ok(header) => header,
            Err(error) => {
                findings.entry("entry_damaged", at, &error.to_string());
                self.replay.give_up("an entry is damaged");
                return Ok(());
            }
        };
        let hash = ChangeHash(row.get(2)?);
        if header.hash != hash {
            findings.entry("hash_wrong", at, &format!("its bytes have the hash {}, its row {hash}", header.hash));
        }
        let number = |column| row.get::<_, Option<i64>>(column).map(|found| found.map(i64::cast_unsigned));
        let actor: Option<[u8; 16]> = row.get(6)?;
        let stored = (number(3)?, number(4)?, number(5)?, actor.map(Actor));
        if stored != (Some(header.seq), Some(header.ops), Some(header.max_op()), Some(header.actor)) {
            findings.entry("entry_fields_wrong", at, "number, operations or actor are not those of its change");
        }
        let last = self.tips.actors.get(&header.actor).map_or(0, |(seq, _)| *seq);
        if header.seq != last + 1 {
            let what = format!("change {} of actor {} follows its change {last}", header.seq, header.actor);
            findings.entry("seq_gap", at, &what);
        }
        self.advance(&header);
        if position <= self.checked && !self.without.contains(&header.hash) {
            self.replay.take(position, Blob::from(bytes.to_vec()));
        }
        Ok(())
    }

    fn advance(&mut self, header: &Header) {
        self.tips.actors.insert(header.actor, (header.seq, header.hash));
        if self.without.contains(&header.hash) {
            return;
        }
        self.changes += 1;
        for dep in &header.deps {
            self.tips.heads.remove(dep);
        }
        self.tips.heads.insert(header.hash, header.max_op());
        self.tips.max_op = self.tips.max_op.max(header.max_op());
    }
}
