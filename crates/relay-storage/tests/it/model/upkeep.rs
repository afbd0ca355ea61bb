//! What the relay does by itself and for its operator: checks, holds, repairs, grants, quotas and purges.

use std::collections::BTreeMap;
use std::time::Duration;

use document::Change;
use relay_storage::{CheckVerdict, NewVoid, Quota, StoreChecked, Stored};
use sync_wire::{AccountId, ChangeHash, DeviceId, FateCode, Position, Role};

use super::naive::{self, Answer, Pushing, Space};
use super::step::{Checked, Place, Writes};
use super::{ALL, Both, NO_LIMIT, answer, document};
use crate::world::wait;

impl Both {
    pub(super) fn settle(&mut self, number: u8, most: usize, verdicts: &[Checked]) {
        let (id, space) = (document(Place { is_team: true, document: number }), self.space(true).id);
        let taken = wait(self.relay().storage.take_intake(space, id, ALL)).unwrap();
        let expected: Vec<_> = self.space(true).waiting.iter().filter(|waits| waits.document == id).cloned().collect();
        let names: Vec<_> = taken.iter().map(|one| (one.batch.id, one.account, one.device)).collect();
        let waits: Vec<_> = expected.iter().map(|one| (one.batch, one.account, one.device)).collect();
        assert_eq!(names, waits);
        let verdict = |(at, waiting): (usize, &naive::Waits)| match (verdicts[at % verdicts.len()], waiting) {
            (Checked::Failed, waiting) if !waiting.changes.is_empty() => {
                let culprit = Some(waiting.changes[at % waiting.changes.len()].hash());
                CheckVerdict::Failed { culprit, code: FateCode::DANGEROUS, detail: "it fails".to_owned() }
            }
            (Checked::Unfit, waiting) if !waiting.changes.is_empty() => CheckVerdict::Unfit,
            _ => CheckVerdict::Passed,
        };
        let checked: Vec<CheckVerdict> = expected.iter().enumerate().map(verdict).take(most).collect();
        let keys = taken.iter().map(|batch| batch.key);
        let settled = wait(self.relay().storage.settle_intake(space, id, keys.zip(checked.clone()).collect()));
        let settled = settled.unwrap().expect("nobody else has the lease");
        let answers: Vec<Answer> = settled.batches.iter().map(|settled| answer(&settled.outcome)).collect();

        let (bob, bob_may) = (self.writers[2].account.id, self.writes == Writes::Yes);
        let elsewhere: BTreeMap<AccountId, u64> =
            self.writers.iter().map(|one| (one.account.id, self.spaces[0].bytes_of(one.account.id))).collect();
        let quotas = self.quotas.clone();
        let standing = move |space: &Space, account: AccountId, device: DeviceId| {
            let may = account != bob || bob_may;
            let quota = quotas.get(&account).copied().unwrap_or(NO_LIMIT);
            let room = Some(quota.saturating_sub(space.bytes_of(account) + elsewhere[&account]));
            Pushing { account, device, objection: (!may).then_some(FateCode::GRANT), room }
        };
        let expected = self.spaces[1].settle(id, &checked, &standing);
        assert_eq!(answers, expected, "{settled:?}");
        self.seen.extend(answers.iter().map(|answer| format!("settled: {}", answer.kind())));
        let left = self.spaces[1].waiting.iter().filter(|waits| waits.document == id).count();
        assert_eq!(settled.waiting, left as u64);
    }

    pub(super) fn check(&mut self, place: Place, upto: usize) {
        let (space, id) = (self.space(place.is_team), document(place));
        let Some((last, _)) = space.of(id).next_back() else { return };
        let from = space.checked.get(&id).copied().unwrap_or(0);
        let to = from + upto as u64 % (last - from + 1);
        let found = StoreChecked {
            space: space.id,
            document: id,
            expected_checked: Position(from),
            new_checked: Position(to),
            projection: None,
            snapshot: None,
        };
        assert_eq!(wait(self.relay().storage.store_checked(found)).unwrap(), Stored::Done);
        self.spaces[usize::from(place.is_team)].checked.insert(id, to);
    }

    pub(super) fn hold(&mut self, place: Place, is_held: bool) {
        let (space, id) = (self.space(place.is_team), document(place));
        let is_there = space.of(id).next().is_some();
        let storage = &self.relay().storage;
        let done = match is_held {
            true => wait(storage.hold(space.id, id, "it fails")),
            false => wait(storage.release(space.id, id)),
        };
        assert_eq!(done.is_ok(), is_there);
        let held = &mut self.spaces[usize::from(place.is_team)].held;
        if is_held && is_there {
            held.insert(id);
        } else {
            held.remove(&id);
        }
    }

    pub(super) fn void(&mut self, place: Place, which: usize) {
        let id = document(place);
        let space = &mut self.spaces[usize::from(place.is_team)];
        let changes: Vec<ChangeHash> = space.log_changes(id).map(Change::hash).collect();
        if changes.is_empty() {
            return;
        }
        let name = space.id;
        let (void, replacements, expected) = space.repair(id, changes[which % changes.len()]);
        let reasons = vec!["it fails".to_owned()];
        let new = NewVoid { space: name, document: id, void, replacements, reasons };
        let voided = wait(self.relay().storage.append_void(new));
        assert_eq!(voided.as_ref().ok().map(|voided| voided.entries), expected, "{voided:?}");
        self.seen.extend(expected.map(|entries| format!("voided: {}", entries.min(2))));
    }

    pub(super) fn grant(&mut self, writes: Writes) {
        let (bob, team) = (self.writers[2].account.id, self.space(true).id);
        let storage = &self.relay().storage;
        match writes {
            Writes::Yes => wait(storage.grant(team, bob, Role::Editor)).unwrap(),
            Writes::No => wait(storage.grant(team, bob, Role::Viewer)).unwrap(),
            Writes::NotEvenReads => drop(wait(storage.revoke_grant(team, bob)).unwrap()),
        }
        self.writes = writes;
    }

    pub(super) fn quota(&mut self, who: usize, more: u64) {
        let account = self.writers[who].account.id;
        let used: u64 = self.spaces.iter().map(|space| space.bytes_of(account)).sum();
        wait(self.relay().storage.set_quota(account, Quota::Bytes(used + more))).unwrap();
        self.quotas.insert(account, used + more);
    }

    /// What is deleted loses its content.
    pub(super) fn purge(&mut self, most: usize) {
        let due: usize = self.spaces.iter().map(|space| space.due_for_purge().len()).sum();
        let purged = wait(self.relay().storage.purge_deleted(Duration::ZERO, most)).unwrap();
        assert_eq!(purged.len(), due.min(most));
        for one in purged {
            let at = usize::from(one.space == self.spaces[1].id);
            assert!(self.spaces[at].due_for_purge().contains(&one.document));
            let log = self.relay().page(one.space, self.relay().start(one.space), ALL).entries;
            self.spaces[at].purge(one.document, log[one.at.position.0 as usize - 1].batch);
            assert_eq!((one.at.epoch, one.at.position.0), (self.spaces[at].epoch, self.spaces[at].end()));
            self.saw("purged");
        }
    }
}
