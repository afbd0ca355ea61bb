//! A batch comes: judged in the order of the protocol, then written or kept as refused.

use std::collections::BTreeSet;

use document::{Change, Seed};
use relay_storage::{BatchContent, ParsedBatch};
use sync_wire::log::{EntryKind, marker_hash};
use sync_wire::{BatchId, ChangeHash, DeviceId, DocumentId, FateCode};

use super::{Answer, Entry, FateKey, Kept, Pushing, Space, Waits, Way};

/// The answer, before anything was written.
type Judged<T> = Result<T, Answer>;

fn refused(code: FateCode, change: &Change) -> Answer {
    Answer::Refused { code, culprit: Some(change.hash()) }
}

fn nobodys_fault(code: FateCode) -> Answer {
    Answer::Refused { code, culprit: None }
}

fn is_seed(change: &Change) -> bool {
    Seed::is_seed_actor(&change.header.actor)
}

impl Space {
    /// A request: batches in order, up to the first that is not taken.
    pub(in crate::model) fn push(
        &mut self,
        mut who: Pushing,
        document: DocumentId,
        way: Way,
        batches: &[ParsedBatch],
    ) -> Vec<Answer> {
        let mut answers = Vec::new();
        for batch in batches {
            let is_open = answers.iter().all(|answer| matches!(answer, Answer::At { .. } | Answer::Stored));
            answers.push(if is_open { self.batch(&mut who, document, way, batch) } else { Answer::Skipped });
        }
        answers
    }

    pub(super) fn batch(&mut self, who: &mut Pushing, document: DocumentId, way: Way, batch: &ParsedBatch) -> Answer {
        let judged = match &batch.content {
            BatchContent::Changes(changes) => self.changes_batch(who, document, way, batch.id, changes),
            BatchContent::Tombstone { heads } => {
                return self.tombstone(who, document, way, batch.id, heads).unwrap_or_else(|answer| answer);
            }
            BatchContent::Restore => return self.restore(who, document, way, batch.id).unwrap_or_else(|answer| answer),
            BatchContent::Rejected { culprit, code, .. } => {
                let culprit = culprit.expect("every verdict of the test names a change");
                let again = self.again(document, who.device, &culprit).filter(|_| *code != FateCode::WITH);
                if let Some(stays) = again.or_else(|| who.objection.map(Answer::Parked)) {
                    return stays;
                }
                Err(Answer::Refused { code: *code, culprit: Some(culprit) })
            }
            BatchContent::TooLarge => panic!("no story has one"),
        };
        judged.unwrap_or_else(|answer| {
            if let Answer::Refused { code, culprit: Some(culprit) } = &answer {
                self.keep(who, document, way, batch, *code, *culprit);
            }
            answer
        })
    }

    /// The answer that a change got that was refused for ever.
    fn again(&self, document: DocumentId, device: DeviceId, hash: &ChangeHash) -> Option<Answer> {
        let kept = self.fates.get(&(document, *hash, device)).filter(|kept| kept.is_final)?;
        Some(Answer::Refused { code: kept.code, culprit: Some(kept.culprit.unwrap_or(*hash)) })
    }

    /// Whom the first refused change among these went with, unless it is here all the same.
    fn refused_among(
        &self,
        who: &Pushing,
        document: DocumentId,
        way: Way,
        hashes: &[ChangeHash],
    ) -> Option<ChangeHash> {
        hashes.iter().find_map(|hash| {
            let kept = self.fates.get(&(document, *hash, who.device)).filter(|kept| kept.is_final)?;
            self.find(document, way, hash).is_none().then_some(kept.culprit.unwrap_or(*hash))
        })
    }

    fn changes_batch(
        &mut self,
        who: &mut Pushing,
        document: DocumentId,
        way: Way,
        batch: BatchId,
        changes: &[Change],
    ) -> Judged<Answer> {
        let (mut fresh, mut named, mut displaced, mut known) = (Vec::new(), Vec::new(), None, 0);
        for change in changes {
            let name = (change.header.actor, change.header.seq);
            let is_there = |there: &&Change| (there.header.actor, there.header.seq) == name;
            match self.changes(document, way).find(is_there).map(Change::hash) {
                None => fresh.push(change.clone()),
                Some(there) if there != change.hash() => displaced = displaced.or(Some(change.clone())),
                Some(there) => match self.place(document, &there) {
                    Some(position) => known = known.max(position),
                    None => named.push(change.clone()),
                },
            }
        }
        if fresh.is_empty() && displaced.is_none() {
            if !named.is_empty() && self.has_stored(document, way, batch, who.device) {
                return Ok(Answer::Stored);
            }
            if named.is_empty() && known > 0 {
                return Ok(self.known(known));
            }
        }
        let all: Vec<&Change> = displaced.iter().chain(&fresh).chain(&named).collect();
        if let Some(again) = all.iter().find_map(|change| self.again(document, who.device, &change.hash())) {
            return Ok(again); // and not kept again
        }
        if let Some(culprit) = all.iter().find_map(|change| self.refused_among(who, document, way, &change.header.deps))
        {
            self.may_write(who)?;
            return Err(Answer::Refused { code: FateCode::WITH, culprit: Some(culprit) });
        }
        self.may_write(who)?;
        self.may_edit(who, document, way)?;
        if let Some(change) = &displaced {
            return Err(refused(FateCode::EQUIVOCATION, change));
        }
        let without = self.without(document);
        let below = |change: &Change| change.header.deps.iter().find_map(|dep| without.get(dep).copied());
        if let Some(culprit) = fresh.iter().find_map(below) {
            return Err(Answer::Refused { code: FateCode::WITH, culprit: Some(culprit) });
        }
        for (at, change) in fresh.iter().enumerate() {
            self.judge(who, document, way, &fresh[..at], change)?;
        }
        let added: u64 = fresh.iter().map(|change| change.bytes.len() as u64).sum();
        if who.room.is_some_and(|room| added > room) {
            return Err(Answer::Parked(FateCode::QUOTA));
        }
        match way {
            Way::Nowhere => Err(Answer::Parked(FateCode::MISSING)),
            Way::Intake if !named.is_empty() || !fresh.iter().all(is_seed) => {
                let named = named.iter().map(Change::hash).collect();
                Ok(self.store(who, document, batch, EntryKind::Change, named, fresh))
            }
            Way::Intake | Way::Log => Ok(self.append(who, document, batch, fresh)),
        }
    }

    fn may_write(&self, who: &Pushing) -> Judged<()> {
        who.objection.map_or(Ok(()), |code| Err(Answer::Parked(code)))
    }

    fn is_there(&self, document: DocumentId) -> Judged<()> {
        if self.purged.contains(&document) { Err(nobodys_fault(FateCode::GONE)) } else { Ok(()) }
    }

    fn may_edit(&self, who: &Pushing, document: DocumentId, way: Way) -> Judged<()> {
        self.is_there(document)?;
        if self.is_deleted(document, way) {
            // A deletion that waits may fail its check: until then the batch waits for room.
            let is_for_good = self.is_deleted(document, Way::Log);
            return Err(Answer::Parked(if is_for_good { FateCode::DELETED } else { FateCode::QUOTA }));
        }
        if self.held.contains(&document) && !who.is_vouched() { Err(Answer::Parked(FateCode::HELD)) } else { Ok(()) }
    }

    /// One change, with those before it in its batch.
    fn judge(&self, who: &Pushing, document: DocumentId, way: Way, before: &[Change], change: &Change) -> Judged<()> {
        let header = &change.header;
        let of_actor = |one: &&Change| one.header.actor == header.actor;
        let in_batch = before.iter().rev().find(of_actor);
        if is_seed(change) {
            return if in_batch.is_some() { Err(nobodys_fault(FateCode::UNDECODABLE)) } else { Ok(()) };
        }
        let owner = self.owners.get(&header.actor).filter(|_| !who.is_vouched());
        if in_batch.is_none() && owner.is_some_and(|owner| *owner != Some((who.account, who.device))) {
            return Err(Answer::Parked(FateCode::DEVICE));
        }
        let last = in_batch.or_else(|| self.last_of(document, way, header.actor));
        if let Some(last) = last.filter(|last| header.seq <= last.header.seq) {
            let is_twice = last.hash() == header.hash;
            let fault = refused(FateCode::EQUIVOCATION, change);
            return Err(if is_twice { nobodys_fault(FateCode::UNDECODABLE) } else { fault });
        }
        let find = |hash: &ChangeHash| {
            before.iter().find(|one| one.hash() == *hash).or_else(|| self.find(document, way, hash))
        };
        let is_first = before.is_empty()
            && self.of(document).next().is_none()
            && self.waits(document, way).all(|waits| waits.changes.is_empty());
        if header.deps.is_empty() && !is_first {
            return Err(refused(FateCode::DANGEROUS, change));
        }
        let mut missing: Vec<ChangeHash> = header.deps.iter().filter(|dep| find(dep).is_none()).copied().collect();
        if !missing.is_empty() {
            missing.sort_unstable();
            return Err(Answer::Need(missing));
        }
        let below = header.deps.iter().filter_map(find).map(|dep| dep.header.max_op()).max().unwrap_or(0);
        let newest = before.iter().map(|one| one.header.max_op()).max().unwrap_or(0).max(self.max_op(document, way));
        let previous = last.filter(|last| last.header.seq + 1 == header.seq);
        let is_numbered = header.seq == 1 || previous.is_some();
        let mut stack = header.deps.clone();
        let mut past = BTreeSet::new();
        while let Some(hash) = stack.pop() {
            if past.insert(hash) {
                stack.extend(find(&hash).into_iter().flat_map(|found| found.header.deps.clone()));
            }
        }
        let rests_on_own = previous.is_none_or(|previous| past.contains(&previous.hash()));
        let is_sound = header.start_op > below && header.start_op <= newest + 1 && is_numbered && rests_on_own;
        if is_sound { Ok(()) } else { Err(refused(FateCode::DANGEROUS, change)) }
    }

    fn tombstone(
        &mut self,
        who: &mut Pushing,
        document: DocumentId,
        way: Way,
        batch: BatchId,
        heads: &[ChangeHash],
    ) -> Judged<Answer> {
        let hash = marker_hash(EntryKind::Tombstone, self.id, document, batch, heads);
        self.marked_before(who, document, way, batch, hash)?;
        self.is_there(document)?;
        if heads.is_empty() {
            return Err(nobodys_fault(FateCode::UNDECODABLE));
        }
        let missing: Vec<ChangeHash> =
            heads.iter().filter(|head| self.find(document, way, head).is_none()).copied().collect();
        if let Some(culprit) = self.refused_among(who, document, way, &missing) {
            return Err(Answer::Refused { code: FateCode::WITH, culprit: Some(culprit) });
        }
        if !missing.is_empty() {
            let missing: BTreeSet<ChangeHash> = missing.into_iter().collect();
            return Err(Answer::Need(missing.into_iter().collect()));
        }
        if !self.heads(document, way).iter().all(|head| heads.contains(head)) {
            return Err(Answer::Parked(FateCode::CONTESTED));
        }
        Ok(self.mark(who, document, way, batch, EntryKind::Tombstone, hash, heads))
    }

    fn restore(&mut self, who: &mut Pushing, document: DocumentId, way: Way, batch: BatchId) -> Judged<Answer> {
        let hash = marker_hash(EntryKind::Restore, self.id, document, batch, &[]);
        self.marked_before(who, document, way, batch, hash)?;
        self.is_there(document)?;
        if self.of(document).next().is_none() && self.waits(document, way).next().is_none() {
            return Err(nobodys_fault(FateCode::UNDECODABLE));
        }
        Ok(self.mark(who, document, way, batch, EntryKind::Restore, hash, &[]))
    }

    fn marked_before(
        &self,
        who: &Pushing,
        document: DocumentId,
        way: Way,
        batch: BatchId,
        hash: ChangeHash,
    ) -> Judged<()> {
        if let Some(position) = self.place(document, &hash) {
            return Err(self.known(position));
        }
        if self.has_stored(document, way, batch, who.device) {
            return Err(Answer::Stored);
        }
        self.may_write(who)
    }

    #[expect(clippy::too_many_arguments, reason = "a model in the words of what it stands for")]
    fn mark(
        &mut self,
        who: &mut Pushing,
        document: DocumentId,
        way: Way,
        batch: BatchId,
        kind: EntryKind,
        hash: ChangeHash,
        heads: &[ChangeHash],
    ) -> Answer {
        if way == Way::Intake {
            return self.store(who, document, batch, kind, heads.to_vec(), Vec::new());
        }
        let (account, device) = (Some(who.account), who.device);
        self.entries.push(Entry {
            kind,
            document,
            hash,
            account,
            device,
            batch,
            is_batch_end: true,
            change: None,
            void: None,
            heads: if kind == EntryKind::Tombstone { heads.to_vec() } else { Vec::new() },
        });
        Answer::At { position: self.end(), entries: 1 }
    }

    fn append(&mut self, who: &mut Pushing, document: DocumentId, batch: BatchId, fresh: Vec<Change>) -> Answer {
        let count = fresh.len();
        for (at, change) in fresh.into_iter().enumerate() {
            self.bind(who, &change);
            who.room = who.room.map(|room| room - change.bytes.len() as u64);
            let companion = (document, change.hash(), who.device);
            if self.fates.get(&companion).is_some_and(|kept| !kept.is_final) {
                self.fates.remove(&companion);
            }
            self.entries.push(Entry {
                kind: EntryKind::Change,
                document,
                hash: change.hash(),
                account: Some(who.account),
                device: who.device,
                batch,
                is_batch_end: at + 1 == count,
                change: Some(change),
                void: None,
                heads: Vec::new(),
            });
        }
        Answer::At { position: self.end(), entries: count }
    }

    fn store(
        &mut self,
        who: &Pushing,
        document: DocumentId,
        batch: BatchId,
        kind: EntryKind,
        named: Vec<ChangeHash>,
        changes: Vec<Change>,
    ) -> Answer {
        changes.iter().for_each(|change| self.bind(who, change));
        self.told.remove(&(document, batch, who.device));
        let (account, device) = (who.account, who.device);
        self.waiting.push(Waits { document, batch, account, device, kind, named, changes });
        Answer::Stored
    }

    fn bind(&mut self, who: &Pushing, change: &Change) {
        let owner = (!is_seed(change)).then_some((who.account, who.device));
        let known = self.owners.entry(change.header.actor).or_insert(owner);
        // Not a seed's, which is nobody's for ever.
        if who.is_vouched() && known.is_some() {
            *known = owner;
        }
    }

    /// Keeps what a refused batch held: for ever the change at fault and what rests on it, the others for now.
    fn keep(
        &mut self,
        who: &Pushing,
        document: DocumentId,
        way: Way,
        batch: &ParsedBatch,
        code: FateCode,
        culprit: ChangeHash,
    ) {
        let changes: Vec<Change> = match &batch.content {
            BatchContent::Changes(changes) => changes.clone(),
            BatchContent::Rejected { changes, .. } => {
                changes.iter().map(|bytes| Change::parse(bytes.clone()).unwrap()).collect()
            }
            _ => Vec::new(),
        };
        let mut bad = BTreeSet::from([culprit]);
        for change in changes {
            let hash = change.hash();
            if is_seed(&change) || self.place(document, &hash).is_some() {
                continue;
            }
            let deps = &change.header.deps;
            let is_culprit = hash == culprit;
            let goes =
                deps.iter().any(|dep| bad.contains(dep)) || self.refused_among(who, document, way, deps).is_some();
            if !is_culprit && goes {
                bad.insert(hash);
            }
            let kept = if is_culprit {
                Kept { code, culprit: None, is_final: true }
            } else {
                Kept { code: FateCode::WITH, culprit: Some(culprit), is_final: goes }
            };
            self.note((document, hash, who.device), kept);
        }
    }

    /// What is refused for ever stays as it was said first.
    pub(super) fn note(&mut self, key: FateKey, kept: Kept) {
        if self.fates.get(&key).is_none_or(|before| !before.is_final) {
            self.fates.insert(key, kept);
        }
    }
}
