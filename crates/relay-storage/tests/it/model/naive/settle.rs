//! What was checked leaves the intake, with what rests on it where it failed; repairs; and purges.

use std::collections::{BTreeMap, BTreeSet};

use document::{Change, Seed};
use relay_storage::{BatchContent, CheckVerdict, ParsedBatch};
use sync_wire::log::{EntryKind, marker_hash};
use sync_wire::{AccountId, BatchId, Blob, ChangeHash, Dependent, DeviceId, DocumentId, FateCode, Void};

use super::{Answer, Entry, Kept, Pushing, Space, Waits, Way};
use crate::world::Draft;

impl Space {
    /// The first batches that wait of a document were checked.
    pub(in crate::model) fn settle(
        &mut self,
        document: DocumentId,
        verdicts: &[CheckVerdict],
        standing: &dyn Fn(&Self, AccountId, DeviceId) -> Pushing,
    ) -> Vec<Answer> {
        let mut answers = Vec::new();
        for verdict in verdicts {
            let Some(at) = self.waiting.iter().position(|waits| waits.document == document) else { break };
            let waits = self.waiting[at].clone();
            let who = standing(self, waits.account, waits.device);
            let answer = self.judge_waiting(who, &waits, verdict);
            self.leave(&waits, &answer);
            answers.push(answer.clone());
            if !matches!(answer, Answer::At { .. }) {
                // What stands against one batch of a purged document stands against each.
                if !matches!(answer, Answer::Refused { code: FateCode::GONE, .. }) {
                    self.take_dependants(&waits, &answer, &mut answers);
                }
                break;
            }
        }
        answers
    }

    fn judge_waiting(&mut self, mut who: Pushing, waits: &Waits, verdict: &CheckVerdict) -> Answer {
        let missing = Answer::Parked(FateCode::MISSING);
        if waits.kind == EntryKind::Change && waits.changes.is_empty() {
            let places: Option<Vec<u64>> = waits.named.iter().map(|hash| self.place(waits.document, hash)).collect();
            return places.and_then(|places| places.into_iter().max()).map_or(missing, |position| self.known(position));
        }
        let content = match waits.kind {
            EntryKind::Tombstone => BatchContent::Tombstone { heads: waits.named.clone() },
            EntryKind::Restore => BatchContent::Restore,
            _ => BatchContent::Changes(waits.changes.clone()),
        };
        let (content, way) = match verdict {
            CheckVerdict::Passed => (content, Way::Log),
            CheckVerdict::Unfit => (content, Way::Nowhere),
            CheckVerdict::Failed { culprit, code, .. } => {
                let changes = waits.changes.iter().map(|change| change.bytes.clone()).collect();
                (rejection(*culprit, *code, changes), Way::Log)
            }
        };
        let batch = ParsedBatch { id: waits.batch, content };
        match self.batch(&mut who, waits.document, way, &batch) {
            Answer::Need(_) => missing,
            answer => answer,
        }
    }

    fn leave(&mut self, waits: &Waits, answer: &Answer) {
        let at = self.waiting.iter().position(|it| it == waits).unwrap();
        self.waiting.remove(at);
        if matches!(answer, Answer::Refused { .. } | Answer::Parked(_)) {
            self.told.insert((waits.document, waits.batch, waits.device), answer.clone());
        }
    }

    /// What rests on a batch that did not get into the log leaves with it.
    fn take_dependants(&mut self, first: &Waits, because: &Answer, answers: &mut Vec<Answer>) {
        let mut gone: BTreeMap<ChangeHash, Option<Blob>> = BTreeMap::new();
        take_along(first, &mut gone);
        for waits in self.waiting.clone().into_iter().filter(|waits| waits.document == first.document) {
            let deps = waits.changes.iter().flat_map(|change| &change.header.deps);
            if !waits.named.iter().chain(deps).any(|hash| gone.contains_key(hash)) {
                continue;
            }
            take_along(&waits, &mut gone);
            let answer = match because {
                Answer::Refused { code, culprit } => {
                    let culprit = culprit.or_else(|| gone.keys().next().copied()).unwrap();
                    let is_it = waits.kind == EntryKind::Change && waits.named.contains(&culprit);
                    let again = waits.named.iter().filter_map(|hash| gone.get(hash)?.clone());
                    let changes = again.chain(waits.changes.iter().map(|change| change.bytes.clone())).collect();
                    let code = if is_it { *code } else { FateCode::WITH };
                    let (account, device) = (waits.account, waits.device);
                    let mut vouched = Pushing { account, device, objection: None, room: None };
                    let batch = ParsedBatch { id: waits.batch, content: rejection(Some(culprit), code, changes) };
                    self.batch(&mut vouched, waits.document, Way::Log, &batch)
                }
                Answer::Parked(code) if waits.device == first.device => Answer::Parked(*code),
                _ => Answer::Parked(FateCode::MISSING),
            };
            self.leave(&waits, &answer);
            answers.push(answer);
        }
    }

    /// A repair that excludes one change, and what became of it. What its maker would write anew is made up: for the
    /// log it is a change like any other.
    pub(in crate::model) fn repair(
        &mut self,
        document: DocumentId,
        excluded: ChangeHash,
    ) -> (Void, Vec<Change>, Option<usize>) {
        let without = self.without(document);
        let mut anew: BTreeMap<ChangeHash, Option<Change>> = BTreeMap::from([(excluded, None)]);
        let mut dependents = Vec::new();
        for change in self.log_changes(document).filter(|change| !without.contains_key(&change.hash())) {
            let deps = &change.header.deps;
            if change.hash() == excluded || !deps.iter().any(|dep| anew.contains_key(dep)) {
                continue;
            }
            let mut actor = change.header.actor;
            actor.0[0] = 0x52;
            actor.0[1..9].copy_from_slice(&excluded.0[..8]);
            let before = anew.values().flatten().filter(|made| made.header.actor == actor).count() as u64;
            let present = |dep: &ChangeHash| anew.get(dep).map_or(Some(*dep), |made| made.as_ref().map(Change::hash));
            let (deps, start_op) = (deps.iter().filter_map(present).collect(), change.header.start_op);
            let made = Draft { deps, ..Draft::new(actor, before + 1, start_op) }.seal();
            // Of some nothing is left.
            let made = (change.hash().0[0] % 4 > 0).then_some(made);
            dependents.push(Dependent { change: change.hash(), by: made.as_ref().map(Change::hash) });
            anew.insert(change.hash(), made);
        }
        let replacements: Vec<Change> =
            dependents.iter().filter_map(|dependent| anew[&dependent.change].clone()).collect();
        let void = Void { excluded: vec![excluded], dependents };
        let entries = self.append_void(document, &void, &replacements);
        (void, replacements, entries)
    }

    /// How many entries that makes; `None` where the log does not take it.
    pub(super) fn append_void(&mut self, document: DocumentId, void: &Void, replacements: &[Change]) -> Option<usize> {
        if self.of(document).any(|(_, entry)| entry.void.as_ref() == Some(void)) {
            return Some(0);
        }
        let (without, checked) = (self.without(document), self.checked.get(&document).copied().unwrap_or(0));
        let may = |hash: &ChangeHash| {
            let is_unchecked = self.place(document, hash).is_some_and(|position| position > checked);
            is_unchecked && !without.contains_key(hash)
        };
        let dependents: Vec<ChangeHash> = void.dependents.iter().map(|dependent| dependent.change).collect();
        let is_whole = self.dependents(document, &void.excluded) == dependents;
        let may = !self.purged.contains(&document) && void.excluded.iter().all(may) && is_whole;
        may.then(|| self.apply(document, void, replacements)).flatten()
    }

    /// What rests on these changes, in the order of the log.
    fn dependents(&self, document: DocumentId, excluded: &[ChangeHash]) -> Vec<ChangeHash> {
        let without = self.without(document);
        let mut dependents: Vec<ChangeHash> = Vec::new();
        for change in self.log_changes(document).filter(|change| !without.contains_key(&change.hash())) {
            let is_gone = |hash: &ChangeHash| excluded.contains(hash) || dependents.contains(hash);
            if !is_gone(&change.hash()) && change.header.deps.iter().any(is_gone) {
                dependents.push(change.hash());
            }
        }
        dependents
    }

    /// Documents that are deleted and not purged.
    pub(in crate::model) fn due_for_purge(&self) -> BTreeSet<DocumentId> {
        let documents: BTreeSet<DocumentId> = self.entries.iter().map(|entry| entry.document).collect();
        let is_due = |document: &DocumentId| self.is_deleted(*document, Way::Log) && !self.purged.contains(document);
        documents.into_iter().filter(is_due).collect()
    }

    /// The relay drops the content of a document, and says so in the log.
    pub(in crate::model) fn purge(&mut self, document: DocumentId, batch: BatchId) {
        let kind = EntryKind::Erased;
        self.entries.push(Entry {
            kind,
            document,
            hash: marker_hash(kind, self.id, document, batch, &[]),
            account: None,
            device: DeviceId([0; 16]),
            batch,
            is_batch_end: true,
            change: None,
            void: None,
            heads: Vec::new(),
        });
        self.held.remove(&document);
        self.purged.insert(document);
        self.checked.insert(document, self.end());
    }

    fn apply(&mut self, document: DocumentId, void: &Void, replacements: &[Change]) -> Option<usize> {
        let mut fresh = Vec::new();
        let lacks = |hash: &ChangeHash| self.place(document, hash).is_none();
        if void.replacements().filter(lacks).any(|hash| replacements.iter().all(|change| change.hash() != hash)) {
            return None; // neither the log has it, nor whoever brings the void
        }
        for change in replacements.iter().filter(|change| lacks(&change.hash())) {
            let replaced = void.dependents.iter().find(|dependent| dependent.by == Some(change.hash()))?.change;
            let original = self.of(document).find(|(_, entry)| entry.hash == replaced)?.1.clone();
            let actor = change.header.actor;
            let owner = self.owners.get(&original.change.as_ref()?.header.actor).copied().flatten();
            let is_of_another = self.owners.get(&actor).is_some_and(|it| *it != owner);
            let last = self.last_of(document, Way::Log, actor);
            if is_of_another || last.is_some_and(|last| change.header.seq <= last.header.seq) {
                return None;
            }
            fresh.push((original, owner, change.clone()));
        }
        let payload = void.encode();
        let batch = Void::batch(&payload, self.id, document);
        for hash in &void.excluded {
            let entry = self.of(document).find(|(_, entry)| entry.hash == *hash)?.1.clone();
            if !Seed::is_seed_actor(&entry.change.as_ref()?.header.actor) {
                self.note(
                    (document, *hash, entry.device),
                    Kept { code: FateCode::VOID, culprit: None, is_final: true },
                );
            }
        }
        let before = self.entries.len();
        self.entries.push(Entry {
            kind: EntryKind::Void,
            document,
            hash: Void::hash(&payload, self.id, document, batch),
            account: None,
            device: DeviceId([0; 16]),
            batch,
            is_batch_end: fresh.is_empty(),
            change: None,
            void: Some(void.clone()),
            heads: Vec::new(),
        });
        let count = fresh.len();
        for (at, (original, owner, change)) in fresh.into_iter().enumerate() {
            self.owners.entry(change.header.actor).or_insert(owner);
            self.entries.push(Entry {
                hash: change.hash(),
                account: owner.map(|(account, _)| account),
                batch,
                is_batch_end: at + 1 == count,
                change: Some(change),
                ..original
            });
        }
        self.held.remove(&document);
        Some(self.entries.len() - before)
    }
}

fn rejection(culprit: Option<ChangeHash>, code: FateCode, changes: Vec<Blob>) -> BatchContent {
    BatchContent::Rejected { culprit, code, detail: String::new(), changes }
}

fn take_along(waits: &Waits, gone: &mut BTreeMap<ChangeHash, Option<Blob>>) {
    if waits.kind == EntryKind::Change {
        for hash in &waits.named {
            gone.entry(*hash).or_default();
        }
    }
    gone.extend(waits.changes.iter().map(|change| (change.hash(), Some(change.bytes.clone()))));
}
