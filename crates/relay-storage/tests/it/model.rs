//! The log and its intake beside a naive reading of the rules: whatever happens, in whatever order, both answer alike
//! and hold the same, after every step and after a restart at any of them.
//!
//! `PROPTEST_CASES` and `PROPTEST_RNG_SEED` make a run longer, or another one.

mod compare; // what is seen of both
mod naive; // the rules once more, by looking through lists
mod pushing; // what devices say
mod restored; // a backup is put back, and devices give back what it lacks
mod step; // what happens
mod upkeep; // what the relay does

use std::collections::BTreeMap;

use document::Change;
use relay_storage::{Outcome, ParsedBatch, Shell};
use stories::{Seen, Stories};
use sync_wire::planted::Bug;
use sync_wire::{AccountId, DocumentId, Role, Salt, SpaceKind};

use self::naive::{Answer, Space, Way};
use self::restored::{Backup, Lost};
use self::step::{Place, Step, WRITERS, Writes, story};
use crate::world::{Pusher, Relay, wait};

const ALL: usize = 1 << 30;
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
    /// Edits of lanes that were closed.
    parked: Vec<(Place, Vec<Change>)>,
    drafts: u64,
    backup: Option<Backup>,
    /// Logs as they were before a backup was put back.
    lost: Vec<Lost>,
    /// Every kind of answer that was given, and what happened that could have happened.
    seen: Seen,
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
        let spaces = ids.map(|id| Space::empty(id, relay.end(id).epoch));
        let mut both = Self {
            relay: Some(relay),
            writers: [ada, desktop, bob],
            spaces,
            salts,
            writes: Writes::Yes,
            quotas: BTreeMap::new(),
            pushed: Vec::new(),
            parked: Vec::new(),
            drafts: 0,
            backup: None,
            lost: Vec::new(),
            seen: Seen::new(),
        };
        both.back_up();
        both
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
            Step::Squash { who, which } => self.squash(*who, *which),
            Step::Again { who, which } => self.again(*who, &[*which]),
            Step::Repack { who, one, other } => self.again(*who, &[*one, *other]),
            Step::Seed { who, place, text } => self.seed(*who, *place, *text),
            Step::Delete { who, place, knows } => self.delete(*who, *place, *knows),
            Step::Restore { who, place } => self.restore(*who, *place),
            Step::Settle { document, most, verdicts } => self.settle(*document, *most, verdicts),
            Step::Check { place, upto } => self.check(*place, *upto),
            Step::Hold { place } | Step::Release { place } => self.hold(*place, matches!(step, Step::Hold { .. })),
            Step::Void { place, which } => self.void(*place, *which),
            Step::Grant { writes } => self.grant(*writes),
            Step::Quota { who, more } => self.quota(*who, *more),
            Step::Purge { most } => self.purge(*most),
            Step::Backup => self.back_up(),
            Step::PutBack => self.put_back(),
            Step::Offer { who, which, from, upto, proof } => self.offer(*who, *which, [*from, *upto], *proof),
            Step::Reopen => {
                let relay = self.relay.take().unwrap().reopened();
                self.opened(relay);
            }
            Step::Read { is_team, after, bytes } => self.read(*is_team, *after, *bytes),
        }
    }

    /// The relay runs again, with nothing in memory.
    fn opened(&mut self, relay: Relay) {
        wait(relay.storage.end_intake_leases()).unwrap();
        assert_eq!(relay.findings(), [""; 0]);
        self.relay = Some(relay);
    }

    fn saw(&mut self, what: &str) {
        self.seen.insert(what.to_owned());
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

fn run(steps: &[Step]) -> Seen {
    let mut both = Both::new();
    for step in steps {
        both.step(step);
        both.compare();
    }
    both.step(&Step::Reopen);
    both.compare();
    both.seen
}

#[test]
fn the_log_answers_and_holds_what_a_naive_reading_of_the_rules_says() {
    let ought = [
        "appended, contested, dangerous, deleted, device, equivocation, gone, grant, held, known, missing changes",
        "quota, skipped, stored, undecodable, with",
        "settled: appended, settled: dangerous, settled: grant, settled: held, settled: known",
        "settled: missing, settled: quota, settled: undecodable, settled: with, voided: 1, voided: 2",
        "squashed: appended, squashed: stored, squashed: known, purged, backed up, put back",
        "taken back unchanged, nothing taken back, taken back in a new epoch, a new epoch for nothing",
        "taken back without proof, left out",
    ];
    let ought: Vec<&str> = ought.iter().flat_map(|line| line.split(", ")).collect();
    Stories::new(story, |steps| run(steps)).check(250, &ought);
}

#[test]
fn stories_find_each_bug_that_is_planted_in_the_log() {
    for bug in [
        Bug::DuplicateAppliedTwice,
        Bug::EquivocationAcked,
        Bug::OrphanStored,
        Bug::ContestedDeletionApplied,
        Bug::DependantsStay,
        Bug::ReceiptBelieved,
    ] {
        Stories::new(story, |steps| run(steps)).find(bug, 6);
    }
}
