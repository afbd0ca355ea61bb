//! The relay's storage, in memory: one log with its intake, the rules that a test wants, and what is read of it.

use std::collections::{BTreeMap, BTreeSet};

use sync_core::session::{BootstrapCursor, BootstrapPage, LogPage, Outcome, Pushed, Within};
use sync_wire::log::{EntryIdentity, EntryKind, Receipt, marker_hash};
use sync_wire::*;

use super::{EPOCH, SALT, SPACE, change, hash, hashes_of};

/// The relay's storage: one log, and what a test wants it to dislike.
#[derive(Default)]
pub(crate) struct Relay {
    pub(crate) log: Vec<Entry>,
    pub(crate) refuse: BTreeSet<ChangeHash>,
    /// Whether its documents are deleted.
    pub(crate) is_deleted: bool,
    /// Whether the account has no room left.
    pub(crate) is_full: bool,
    pub(crate) limits_version: u64,
    pub(crate) role: Option<Role>,
    pub(crate) access_version: u64,
    pub(crate) appends: usize,
    /// What waits for its check, if it checks before it appends.
    pub(crate) intake: Option<Vec<(DeviceId, DocumentId, Pushed)>>,
    /// Batches that left the intake otherwise than into the log.
    pub(crate) outcomes: BTreeMap<(DeviceId, BatchId), Outcome>,
    /// Whether the check is so quick that it is over before the push is answered.
    pub(crate) checks_at_once: bool,
    /// Whether the intake has no room.
    pub(crate) intake_is_full: bool,
}

impl Relay {
    pub(crate) fn with_editor() -> Self {
        Self { role: Some(Role::Editor), limits_version: 1, ..Self::default() }
    }

    pub(crate) fn end(&self) -> Position {
        Position(self.log.len() as u64)
    }

    pub(super) fn log_end(&self) -> LogPosition {
        LogPosition { epoch: EPOCH, position: self.end() }
    }

    pub(super) fn chain(&self, at: Position) -> Chain {
        self.log[..at.0 as usize].iter().fold(Chain::START, |chain, entry| chain.extend(&digest(entry)))
    }

    pub(crate) fn append_change(&mut self, device: DeviceId, document: DocumentId, n: u16, deps: &[u16]) {
        let pushed = Pushed {
            batch: BatchId(hash(n).0[..16].try_into().unwrap()),
            content: Content::Changes(vec![change(n, deps)]),
        };
        assert!(matches!(self.judge(device, document, &pushed), Outcome::Appended { .. }));
    }

    /// Another account writes, whatever the grant of the devices here.
    pub(crate) fn append_change_as_owner(&mut self, device: DeviceId, document: DocumentId, n: u16) {
        let role = self.role.replace(Role::Editor);
        self.append_change(device, document, n, &[]);
        self.role = role;
    }

    /// Another device takes the deletion of a document back.
    pub(crate) fn append_restore(&mut self, device: DeviceId, document: DocumentId) {
        self.is_deleted = false;
        let (kind, batch) = (EntryKind::Restore, BatchId([0xee; 16]));
        let hash = marker_hash(kind, SPACE, document, batch, &[]);
        self.log.push(Entry { kind, document, hash, device, batch, bytes: None, heads: None });
    }

    pub(super) fn judge(&mut self, device: DeviceId, document: DocumentId, pushed: &Pushed) -> Outcome {
        let Content::Changes(changes) = &pushed.content else { unreachable!("these tests push changes") };
        if self.role != Some(Role::Editor) {
            return Outcome::Parked { code: FateCode::GRANT, judged_by: self.access_version, detail: "viewer".into() };
        }
        if self.is_full {
            let (code, judged_by) = (FateCode::QUOTA, self.limits_version);
            return Outcome::Parked { code, judged_by, detail: "full".into() };
        }
        if self.is_deleted {
            return Outcome::Parked { code: FateCode::DELETED, judged_by: 1, detail: "deleted".into() };
        }
        if self.intake_is_full {
            return Outcome::Parked { code: FateCode::QUOTA, judged_by: 0, detail: "no room".into() };
        }
        let known: BTreeMap<ChangeHash, usize> = self
            .log
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.document == document)
            .map(|(at, entry)| (entry.hash, at + 1))
            .collect();
        let mut needed = Vec::new();
        let mut batch = BTreeSet::new();
        for bytes in changes {
            let hashes = hashes_of(bytes);
            if self.refuse.contains(&hashes[0]) && self.is_checked_when_pushed(hashes[0]) {
                let culprit = Some(hashes[0]);
                return Outcome::Refused { culprit, code: FateCode::DANGEROUS, detail: "planted".into() };
            }
            needed.extend(
                hashes[1..]
                    .iter()
                    .filter(|dep| !known.contains_key(dep) && !batch.contains(*dep) && !self.waits(document, dep)),
            );
            batch.insert(hashes[0]);
        }
        if !needed.is_empty() {
            return Outcome::Need { hashes: needed };
        }
        let position = |at: usize| LogPosition { epoch: EPOCH, position: Position(at as u64) };
        if let Some(at) = changes.iter().map(|bytes| known.get(&hashes_of(bytes)[0])).collect::<Option<Vec<_>>>() {
            return Outcome::Appended { at: position(*at.into_iter().max().unwrap()), proof: None };
        }
        if let Some(intake) = &mut self.intake {
            if !intake.iter().any(|(_, _, waiting)| waiting.batch == pushed.batch) {
                intake.push((device, document, pushed.clone()));
            }
            return Outcome::Stored;
        }
        self.append(device, document, pushed);
        Outcome::Appended { at: position(self.log.len()), proof: None }
    }

    pub(super) fn append(&mut self, device: DeviceId, document: DocumentId, pushed: &Pushed) {
        let Content::Changes(changes) = &pushed.content else { unreachable!("these tests push changes") };
        self.appends += 1;
        for bytes in changes {
            let hash = hashes_of(bytes)[0];
            let (kind, batch, bytes) = (EntryKind::Change, pushed.batch, Some(bytes.clone()));
            self.log.push(Entry { kind, document, hash, device, batch, bytes, heads: None });
        }
    }

    /// Without an intake everything is; with one, what was refused before.
    pub(super) fn is_checked_when_pushed(&self, hash: ChangeHash) -> bool {
        let is_it = |outcome: &Outcome| matches!(outcome, Outcome::Refused { culprit, .. } if *culprit == Some(hash));
        self.intake.is_none() || self.outcomes.values().any(is_it)
    }

    pub(super) fn waits(&self, document: DocumentId, hash: &ChangeHash) -> bool {
        self.intake.iter().flatten().any(|(_, waiting_for, pushed)| {
            let Content::Changes(changes) = &pushed.content else { return false };
            *waiting_for == document && changes.iter().any(|bytes| hashes_of(bytes)[0] == *hash)
        })
    }

    /// Checks all that waits: each gets its place, or leaves with what it rests on.
    pub(super) fn check_intake(&mut self) {
        for (device, document, pushed) in self.intake.as_mut().map(std::mem::take).into_iter().flatten() {
            let Content::Changes(changes) = &pushed.content else { continue };
            let hashes: Vec<ChangeHash> = changes.iter().flat_map(|bytes| hashes_of(bytes)).collect();
            let outcome = match hashes.iter().find(|hash| self.refuse.contains(*hash)) {
                Some(culprit) => {
                    Outcome::Refused { culprit: Some(*culprit), code: FateCode::DANGEROUS, detail: "planted".into() }
                }
                None if self.role != Some(Role::Editor) => {
                    Outcome::Parked { code: FateCode::GRANT, judged_by: self.access_version, detail: "viewer".into() }
                }
                None if self.is_full => {
                    let (code, judged_by) = (FateCode::QUOTA, self.limits_version);
                    Outcome::Parked { code, judged_by, detail: "full".into() }
                }
                None => {
                    self.append(device, document, &pushed);
                    continue;
                }
            };
            self.outcomes.insert((device, pushed.batch), outcome);
        }
    }

    pub(super) fn grants(&self, cursors: &[Cursor]) -> Vec<Grant> {
        let Some(role) = self.role else { return Vec::new() };
        let end = self.log_end();
        let knows = |cursor: &&Cursor| {
            cursor.at.epoch == EPOCH
                && cursor.at.position <= self.end()
                && self.chain(cursor.at.position) == cursor.chain
        };
        let resume = match cursors.iter().find(|cursor| cursor.space == SPACE).filter(knows) {
            Some(_) => Resume::Continue,
            None => Resume::Bootstrap { at: self.end(), chain: self.chain(self.end()) },
        };
        let access_version = self.access_version;
        vec![Grant {
            space: SPACE,
            kind: SpaceKind::Team,
            role,
            name: "team".into(),
            salt: SALT,
            access_version,
            end,
            resume,
        }]
    }

    /// Two entries a page, so that several are needed.
    pub(super) fn read(&self, after: LogPosition) -> LogPage {
        let from = after.position.0 as usize;
        let mut to = (from + 2).min(self.log.len());
        while to < self.log.len() && self.log[to].batch == self.log[to - 1].batch {
            to += 1;
        }
        let end = Position(to as u64);
        let chain = self.chain(end);
        let receipt = Receipt::sign(1, &[7; 32], SPACE, EPOCH, end, &chain);
        LogPage { space: SPACE, after, entries: self.log[from..to].to_vec(), chain, receipt, log_end: self.end() }
    }

    /// One document a page.
    pub(super) fn bootstrap(&self, from: BootstrapCursor) -> BootstrapPage {
        let covered = &self.log[..from.at.0 as usize];
        let mut documents: BTreeSet<DocumentId> = covered.iter().map(|entry| entry.document).collect();
        documents.retain(|document| Some(*document) > from.after);
        let Some(document) = documents.pop_first() else {
            return BootstrapPage { space: SPACE, documents: Vec::new(), next: None, receipt: None };
        };
        let entries = covered
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.document == document)
            .map(|(at, entry)| PositionedEntry { position: Position(at as u64 + 1), entry: entry.clone() })
            .collect();
        let next =
            (!documents.is_empty()).then_some(BootstrapCursor { after: Some(document), within: Within::Start, ..from });
        let document = BootstrapDocument { document, snapshot: None, entries, complete: true };
        BootstrapPage { space: SPACE, documents: vec![document], next, receipt: None }
    }
}

pub(super) fn digest(entry: &Entry) -> [u8; 32] {
    let Entry { kind, document, hash, device, batch, .. } = *entry;
    EntryIdentity { kind, document, hash, device, batch }.digest(&SALT)
}
