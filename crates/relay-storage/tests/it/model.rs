//! The log and its intake beside a naive reading of the rules: whatever happens, in whatever order, both answer alike
//! and hold the same, after every step and after a restart at any of them.
//!
//! `PROPTEST_CASES` and `PROPTEST_RNG_SEED` make a run longer, or another one.

mod step; // what happens
mod naive; // the rules once more, by looking through lists
mod compare; // what is seen of both

use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use document::{Change, Seed};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseError, TestError, TestRunner};
use relay_storage::{
    AppendRequest, BatchContent, Check, CheckVerdict, NewVoid, Outcome, ParsedBatch, Quota, RoleRead, Shell,
    StoreChecked, Stored,
};
use sync_wire::planted::{Bug, plant};
use sync_wire::{
    AccountId, Actor, BatchId, ChangeHash, DeviceId, DocumentId, FateCode, Position, Role, Salt, SpaceKind,
};

use self::naive::{Answer, Pushing, Space, Way};
use self::step::{Checked, Fault, Knows, Place, Step, WRITERS, Writes, story};
use crate::world::{Draft, Pusher, Relay, batch, wait};

const ALL: usize = 1 << 30;
const UNKNOWN: ChangeHash = ChangeHash([0xee; 32]);
const NO_LIMIT: u64 = 1 << 30;

/// The relay, the model, and what was pushed so far.
struct Both {
    relay: Option<Relay>,
    writers: [Pusher; WRITERS],
    /// The personal space of the first account, and the team's.
    spaces: [Space; 2],
    salts: [Salt; 2],
    /// Of the second account in the team.
    writes: Writes,
    quotas: BTreeMap<AccountId, u64>,
    pushed: Vec<(Place, ParsedBatch)>,
    drafts: u64,
    /// Every kind of answer that was given.
    seen: BTreeSet<String>,
}

fn document(place: Place) -> DocumentId {
    DocumentId([0xd0 + place.document; 16])
}

fn way(place: Place) -> Way {
    if place.is_team { Way::Intake } else { Way::Log }
}

impl Both {
    fn new() -> Self {
        let relay = Relay::new(Shell::Inline);
        let (ada, bob) = (relay.pusher("ada"), relay.pusher("bob"));
        let desktop = ada.on_device("desktop");
        wait(relay.storage.bind_device(ada.account.id, desktop.device, "test")).unwrap();
        let team = wait(relay.storage.create_space("team", SpaceKind::Team, Some(ada.account.id))).unwrap();
        wait(relay.storage.grant(team, bob.account.id, Role::Editor)).unwrap();
        let grants = wait(relay.storage.grants_of(ada.account.id)).unwrap();
        let ids = [ada.space, team];
        let salts = ids.map(|id| grants.iter().find(|grant| grant.space == id).unwrap().salt);
        let spaces = ids.map(Space::empty);
        let writers = [ada, desktop, bob];
        let (writes, quotas, pushed) = (Writes::Yes, BTreeMap::new(), Vec::new());
        Self { relay: Some(relay), writers, spaces, salts, writes, quotas, pushed, drafts: 0, seen: BTreeSet::new() }
    }

    fn relay(&self) -> &Relay {
        self.relay.as_ref().expect("open between steps")
    }

    fn space(&self, is_team: bool) -> &Space {
        &self.spaces[usize::from(is_team)]
    }

    fn room_of(&self, account: AccountId) -> u64 {
        let used: u64 = self.spaces.iter().map(|space| space.bytes_of(account)).sum();
        self.quotas.get(&account).copied().unwrap_or(NO_LIMIT).saturating_sub(used)
    }

    fn may_write(&self, is_team: bool, account: AccountId) -> bool {
        let is_bob = account == self.writers[2].account.id;
        if is_team { !is_bob || self.writes == Writes::Yes } else { !is_bob }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Edit { who, place, sees, batches, fault } => self.edit(*who, *place, *sees, batches, *fault),
            Step::Again { who, which } => self.again(*who, &[*which]),
            Step::Repack { who, one, other } => self.again(*who, &[*one, *other]),
            Step::Seed { who, place, text } => {
                let seed = Seed::Text { path: format!("/{text}") }.change();
                self.push(*who, *place, vec![batch(&[seed])]);
            }
            Step::Delete { who, place, knows } => self.delete(*who, *place, *knows),
            Step::Restore { who, place } => {
                let content = BatchContent::Restore;
                let id = self.marker();
                self.push(*who, *place, vec![ParsedBatch { id, content }]);
            }
            Step::Settle { document, most, verdicts } => self.settle(*document, *most, verdicts),
            Step::Check { place, upto } => self.check(*place, *upto),
            Step::Hold { place } | Step::Release { place } => self.hold(*place, matches!(step, Step::Hold { .. })),
            Step::Void { place, which } => self.void(*place, *which),
            Step::Grant { writes } => self.grant(*writes),
            Step::Quota { who, more } => self.quota(*who, *more),
            Step::Reopen => {
                let relay = self.relay.take().unwrap().reopened();
                wait(relay.storage.end_intake_leases()).unwrap();
                assert_eq!(relay.findings(), [""; 0]);
                self.relay = Some(relay);
            }
            Step::Read { is_team, after, bytes } => self.read(*is_team, *after, *bytes),
        }
    }

    /// Pushes batches to both, and compares what both say.
    fn push(&mut self, who: usize, place: Place, batches: Vec<ParsedBatch>) {
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
        self.pushed.extend(batches.into_iter().map(|batch| (place, batch)));
    }

    fn edit(&mut self, who: usize, place: Place, sees: u8, batches: &[usize], fault: Fault) {
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
    fn draft(&mut self, who: usize, place: Place, sees: u8, before: &[Change], fault: Fault) -> Change {
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

    fn again(&mut self, who: usize, which: &[usize]) {
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

    fn marker(&mut self) -> BatchId {
        self.drafts += 1;
        BatchId(u128::from(self.drafts).to_be_bytes())
    }

    fn delete(&mut self, who: usize, place: Place, knows: Knows) {
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

    fn settle(&mut self, number: u8, most: usize, verdicts: &[Checked]) {
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

    fn check(&mut self, place: Place, upto: usize) {
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

    fn hold(&mut self, place: Place, is_held: bool) {
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

    fn void(&mut self, place: Place, which: usize) {
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

    fn grant(&mut self, writes: Writes) {
        let (bob, team) = (self.writers[2].account.id, self.space(true).id);
        let storage = &self.relay().storage;
        match writes {
            Writes::Yes => wait(storage.grant(team, bob, Role::Editor)).unwrap(),
            Writes::No => wait(storage.grant(team, bob, Role::Viewer)).unwrap(),
            Writes::NotEvenReads => drop(wait(storage.revoke_grant(team, bob)).unwrap()),
        }
        self.writes = writes;
    }

    fn quota(&mut self, who: usize, more: u64) {
        let account = self.writers[who].account.id;
        let used: u64 = self.spaces.iter().map(|space| space.bytes_of(account)).sum();
        wait(self.relay().storage.set_quota(account, Quota::Bytes(used + more))).unwrap();
        self.quotas.insert(account, used + more);
    }
}

fn answer(outcome: &Outcome) -> Answer {
    match outcome {
        Outcome::Appended { at, entries, .. } => Answer::At { position: at.position.0, entries: *entries },
        Outcome::Stored => Answer::Stored,
        Outcome::Refused { code, culprit, .. } => Answer::Refused { code: *code, culprit: *culprit },
        Outcome::Parked { code, .. } => Answer::Parked(*code),
        Outcome::Need { hashes } => Answer::Need(hashes.clone()),
        Outcome::Skipped => Answer::Skipped,
    }
}

/// Gives every kind of answer that was given.
fn run(steps: &[Step]) -> BTreeSet<String> {
    let mut both = Both::new();
    for step in steps {
        both.step(step);
        both.compare();
    }
    both.step(&Step::Reopen);
    both.compare();
    both.seen
}

/// Runs stories with a bug planted, or none: every kind of answer that was given, or the shortest story that shows a
/// difference.
fn search(cases: u32, bug: Option<Bug>) -> Result<BTreeSet<String>, TestError<Vec<Step>>> {
    let seed = ProptestConfig::default().rng_seed;
    let rng_seed = if seed == RngSeed::Random { RngSeed::Fixed(7) } else { seed };
    let config = ProptestConfig { cases, failure_persistence: None, rng_seed, ..ProptestConfig::default() };
    let seen = RefCell::new(BTreeSet::new());
    TestRunner::new(config).run(&story(), |steps| {
        plant(bug);
        let result = catch_unwind(AssertUnwindSafe(|| run(&steps)));
        plant(None);
        let said = |panic: Box<dyn Any + Send>| panic.downcast_ref::<String>().cloned().unwrap_or_default();
        seen.borrow_mut().extend(result.map_err(|panic| TestCaseError::fail(said(panic)))?);
        Ok(())
    })?;
    Ok(seen.into_inner())
}

#[test]
fn the_log_answers_and_holds_what_a_naive_reading_of_the_rules_says() {
    let longer = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let seen = search(longer.unwrap_or(150), None).unwrap_or_else(|error| panic!("{error}"));
    // Stories that never lead somewhere would prove nothing about it.
    let ought = [
        "appended, contested, dangerous, deleted, device, equivocation, grant, held, known, missing changes, quota",
        "skipped, stored, undecodable, with",
        "settled: appended, settled: dangerous, settled: grant, settled: held, settled: known, settled: missing",
        "settled: quota, settled: undecodable, settled: with, voided: 1, voided: 2",
    ];
    let ought = ought.iter().flat_map(|line| line.split(", "));
    let unseen: Vec<&str> = ought.filter(|kind| !seen.contains(*kind)).collect();
    assert!(unseen.is_empty(), "no story came to {unseen:?}, all to {seen:?}");
}

#[test]
fn stories_find_each_bug_that_is_planted_in_the_log() {
    for bug in [
        Bug::DuplicateAppliedTwice,
        Bug::EquivocationAcked,
        Bug::OrphanStored,
        Bug::ContestedDeletionApplied,
        Bug::DependantsStay,
    ] {
        let found = search(100, Some(bug));
        let Err(TestError::Fail(_, steps)) = found else { panic!("{bug:?} went unseen") };
        assert!(steps.len() <= 6, "{bug:?}: {steps:#?}");
    }
}
