//! Devices push: what is new, sound or with a fault; what was pushed before; deletions; and edits said in one go.

use document::{Change, Seed};
use relay_storage::{AppendRequest, BatchContent, Check, Outcome, ParsedBatch, RoleRead};
use sync_wire::{Actor, BatchId, ChangeHash, FateCode, Role, SpaceKind};

use super::naive::{Answer, Pushing};
use super::step::{Fault, Knows, Place, WRITERS};
use super::{Both, answer, document, way};
use crate::world::{Draft, Pusher, batch, wait};

const UNKNOWN: ChangeHash = ChangeHash([0xee; 32]);

impl Both {
    /// Pushes batches to both, and compares what both say.
    pub(super) fn push(&mut self, who: usize, place: Place, batches: Vec<ParsedBatch>) -> Vec<Answer> {
        let (pusher, id) = (self.writers[who].clone(), self.space(place.is_team).id);
        let account = pusher.account.id;
        let role = wait(self.relay().storage.role_of(account, id)).unwrap();
        let unread = RoleRead { role: Role::Owner, access_version: u64::MAX, kind: SpaceKind::Team };
        let check = if place.is_team { Check::Before } else { Check::Pending };
        let pusher = Pusher { space: id, grant: role.unwrap_or(unread), ..pusher };
        let request = AppendRequest { check, ..pusher.request(document(place), batches.clone()) };
        let outcomes = self.relay().append(request);

        let waits = if place.is_team { self.space(true).waiting_of(account) } else { 0 };
        let room = Some(self.room_of(account).saturating_sub(waits));
        let objection = (!self.may_write(place.is_team, account)).then_some(FateCode::GRANT);
        let pushing = Pushing { account, device: pusher.device, objection, room };
        let space = &mut self.spaces[usize::from(place.is_team)];
        let expected = space.push(pushing, document(place), way(place), &batches);
        let answers: Vec<Answer> = outcomes.iter().map(answer).collect();
        assert_eq!(answers, expected, "{outcomes:?}");
        self.seen.extend(answers.iter().map(Answer::kind));
        let epochs = outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Appended { at, .. } => Some(at.epoch),
            _ => None,
        });
        assert!(epochs.into_iter().all(|epoch| epoch == self.space(place.is_team).epoch));
        self.remember_parked(place, &batches, &answers);
        self.pushed.extend(batches.into_iter().map(|batch| (place, batch)));
        answers
    }

    /// The edits of a lane that was closed, from the batch on that closed it.
    fn remember_parked(&mut self, place: Place, batches: &[ParsedBatch], answers: &[Answer]) {
        let Some(first) = answers.iter().position(|answer| matches!(answer, Answer::Parked(_))) else { return };
        let edits = batches[first..].iter().flat_map(|batch| match &batch.content {
            BatchContent::Changes(changes) => &changes[..],
            _ => &[],
        });
        let edits: Vec<Change> = edits.filter(|edit| !Seed::is_seed_actor(&edit.header.actor)).cloned().collect();
        if !edits.is_empty() {
            self.parked.push((place, edits));
        }
    }

    pub(super) fn edit(&mut self, who: usize, place: Place, sees: u8, batches: &[usize], fault: Fault) {
        let mut made: Vec<Change> = Vec::new();
        let mut pushed = Vec::new();
        for (at, count) in batches.iter().enumerate() {
            let first = made.len();
            for number in 1..=*count {
                let fault = if at == 0 && number == *count { fault } else { Fault::None };
                made.push(self.draft(who, place, sees, &made, fault));
            }
            let mut changes = made[first..].to_vec();
            if at == 0 && fault == Fault::Twice {
                changes.extend(changes.last().cloned());
            }
            pushed.push(batch(&changes));
        }
        self.push(who, place, pushed);
    }

    /// A change on top of what is there and of those made before it, with a fault or without.
    pub(super) fn draft(&mut self, who: usize, place: Place, sees: u8, before: &[Change], fault: Fault) -> Change {
        self.drafts += 1;
        let (space, id, way) = (self.space(place.is_team), document(place), way(place));
        let name = |who: usize| Actor([0x70 + who as u8; 16]);
        let actor = if fault == Fault::Foreign { name((who + 1) % WRITERS) } else { name(who) };
        let own = before.last().or_else(|| space.last_of(id, way, actor));
        let mut deps: Vec<ChangeHash> = match before.last() {
            Some(last) => vec![last.hash()],
            None => {
                let heads = space.heads(id, way);
                heads.iter().enumerate().filter(|(at, _)| sees >> (at % 8) & 1 == 1).map(|(_, head)| *head).collect()
            }
        };
        deps.extend(own.map(Change::hash).filter(|own| fault != Fault::Apart && !deps.contains(own)));
        if deps.is_empty() {
            deps.extend(space.heads(id, way).first().copied());
        }
        match fault {
            Fault::Orphan => deps = vec![UNKNOWN],
            Fault::NoDeps => deps.clear(),
            Fault::OnRefused => deps.extend(space.fates.keys().next_back().map(|(_, hash, _)| *hash)),
            _ => {}
        }
        deps.sort_unstable();
        deps.dedup();
        let find = |hash: &ChangeHash| {
            before.iter().chain(space.changes(id, way)).find(|change| change.hash() == *hash).cloned()
        };
        let below = deps.iter().filter_map(find).map(|dep| dep.header.max_op()).max().unwrap_or(0);
        let newest = before.iter().map(|one| one.header.max_op()).max().unwrap_or(0).max(space.max_op(id, way));
        let start_op = match fault {
            Fault::EarlyOps => below.max(1),
            Fault::LateOps => newest + 2,
            _ => (below + 1).min(newest + 1),
        };
        let seq = own.map_or(0, |own| own.header.seq)
            + match fault {
                Fault::Equivocates => 0,
                Fault::Gap => 2,
                _ => 1,
            };
        Draft { deps, ops: 1 + self.drafts % 3, time: self.drafts, ..Draft::new(actor, seq.max(1), start_op) }.seal()
    }

    pub(super) fn again(&mut self, who: usize, which: &[usize]) {
        if self.pushed.is_empty() {
            return;
        }
        let found: Vec<_> = which.iter().map(|which| self.pushed[which % self.pushed.len()].clone()).collect();
        let (place, one) = found[0].clone();
        let mut changes: Vec<Change> = Vec::new();
        for (_, batch) in found.iter().filter(|(other, _)| *other == place) {
            if let BatchContent::Changes(some) = &batch.content {
                let new: Vec<Change> = some.iter().filter(|change| !changes.contains(change)).cloned().collect();
                changes.extend(new);
            }
        }
        let is_packed = found.len() > 1 && !changes.is_empty();
        self.push(who, place, vec![if is_packed { batch(&changes) } else { one }]);
    }

    pub(super) fn marker(&mut self) -> BatchId {
        self.drafts += 1;
        BatchId(u128::from(self.drafts).to_be_bytes())
    }

    pub(super) fn delete(&mut self, who: usize, place: Place, knows: Knows) {
        let space = self.space(place.is_team);
        let mut heads: Vec<ChangeHash> = space.heads(document(place), way(place)).into_iter().collect();
        match knows {
            Knows::All => {}
            Knows::Older => {
                let newest = space.changes(document(place), way(place)).next_back();
                let deps = newest.map(|newest| newest.header.deps.clone()).unwrap_or_default();
                heads.retain(|head| newest.is_none_or(|newest| newest.hash() != *head));
                heads.extend(deps);
            }
            Knows::Nothing => heads.clear(),
            Knows::Unknown => heads.push(space.fates.keys().next().map_or(UNKNOWN, |(_, hash, _)| *hash)),
        }
        let id = self.marker();
        self.push(who, place, vec![ParsedBatch { id, content: BatchContent::Tombstone { heads } }]);
    }

    pub(super) fn seed(&mut self, who: usize, place: Place, text: u8) {
        let seed = Seed::Text { path: format!("/{text}") }.change();
        self.push(who, place, vec![batch(&[seed])]);
    }

    pub(super) fn restore(&mut self, who: usize, place: Place) {
        let (id, content) = (self.marker(), BatchContent::Restore);
        self.push(who, place, vec![ParsedBatch { id, content }]);
    }

    /// A device says parked edits in one go. Whoever holds the same edits makes the same bytes.
    pub(super) fn squash(&mut self, who: usize, which: usize) {
        let Some((place, edits)) = which.checked_rem(self.parked.len()).map(|at| self.parked[at].clone()) else {
            return;
        };
        let inside: Vec<ChangeHash> = edits.iter().map(Change::hash).collect();
        let below = edits.iter().flat_map(|edit| edit.header.deps.clone()).filter(|dep| !inside.contains(dep));
        let mut deps: Vec<ChangeHash> = below.collect();
        deps.sort_unstable();
        deps.dedup();
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"squash");
        for hash in deps.iter().chain(&inside) {
            hasher.update(&hash.0);
        }
        let mut actor = Actor([0x51; 16]);
        actor.0[1..].copy_from_slice(&hasher.finalize().as_bytes()[1..16]);
        let space = self.space(place.is_team);
        let find = |hash: &ChangeHash| space.changes(document(place), way(place)).find(|one| one.hash() == *hash);
        let start_op = deps.iter().filter_map(find).map(|dep| dep.header.max_op()).max().unwrap_or(0) + 1;
        let squashed = Draft { deps, ..Draft::new(actor, 1, start_op) }.seal();
        let answers = self.push(who, place, vec![batch(&[squashed])]);
        self.seen.extend(answers.iter().map(|answer| format!("squashed: {}", answer.kind())));
    }
}
