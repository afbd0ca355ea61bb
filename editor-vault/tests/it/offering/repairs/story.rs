//! A vault with four edits in the log, which its relay loses and repairs.

use super::super::*;
use super::OTHER;
use crate::voids::head;

/// What is typed goes here.
pub(super) const TEXT: &str = "/base/text";

/// A vault with four edits in the log, of which repairs exclude one.
pub(super) struct Story {
    pub(super) vault: Vault,
    pub(super) hand: Hand,
    /// Where the log ends before any repair.
    pub(super) end: usize,
    pub(super) edits: Vec<ChangeHash>,
}

pub(super) fn write(vault: &Vault, at: usize, text: &str) {
    vault.well_known("settings").unwrap().edit(|draft| draft.splice(TEXT, at, 0, text)).unwrap();
}

/// What a log comes to: the value, and the heads.
pub(super) fn meaning(log: &[Entry]) -> (serde_json::Value, Vec<ChangeHash>) {
    let voids = log.iter().filter(|entry| entry.kind == EntryKind::Void);
    let voids: Vec<Void> = voids.map(|entry| Void::decode(entry.bytes.as_ref().unwrap()).unwrap()).collect();
    let counts = |entry: &&Entry| {
        let is_excluded = voids.iter().any(|void| void.changes().any(|hash| hash == entry.hash));
        entry.kind == EntryKind::Change && !is_excluded
    };
    let changes: Vec<Blob> = log.iter().filter(counts).filter_map(|entry| entry.bytes.clone()).collect();
    let mut document = document::Document::new(None);
    document.apply(&changes).unwrap();
    (document.value(), document.heads())
}

impl Story {
    pub(super) fn new(seed: u64) -> (Sight, Self) {
        let sight = Sight::new(seed);
        let vault = sight.open("a");
        let settings = vault.well_known("settings").unwrap();
        let mut edits = Vec::new();
        for value in 1..=3 {
            put(&vault, value);
            edits.push(head(&settings));
        }
        write(&vault, 0, "abc");
        let hand = settle(&vault);
        let end = hand.log.len();
        (sight, Self { vault, hand, end, edits })
    }

    /// The log is repaired: an edit is excluded, what rests on it is written anew.
    pub(super) fn repair(&mut self, edit: usize) {
        self.exclude(&[self.edits[edit]]);
    }

    pub(super) fn exclude(&mut self, changes: &[ChangeHash]) {
        let place = |hash| self.hand.log.iter().position(|entry| entry.hash == hash).unwrap();
        let places: Vec<usize> = changes.iter().map(|hash| place(*hash)).collect();
        self.hand.void(&places);
    }

    /// Delivers what follows a place, all at once: a void and its replacements are one batch.
    pub(super) fn deliver(&mut self, epoch: Epoch, after: usize) {
        let hand = &mut self.hand;
        let upto = hand.log.len();
        let (entries, chain) = (hand.log[after..].to_vec(), hand.chains[upto]);
        let (after, receipt) = (place(epoch, after as u64), receipt(upto as u64));
        hand.say(RelayFrame::Deliver(Deliver { space: SPACE, after, entries, chain, receipt }));
    }

    /// The first repair is in the log, and the vault has it.
    pub(super) fn repaired(seed: u64, edit: usize) -> (Sight, Self) {
        let (sight, mut story) = Self::new(seed);
        let end = story.end;
        story.hand.welcome(place(EPOCH, end as u64), Resume::Continue);
        story.repair(edit);
        story.deliver(EPOCH, end);
        assert_eq!(story.shown(), meaning(&story.hand.log));
        (sight, story)
    }

    /// Somebody else has written three edits on top, and a repair has excluded some of his and of the vault's.
    pub(super) fn repaired_beside(
        seed: u64,
        excluded: impl FnOnce(&[ChangeHash], &[ChangeHash]) -> Vec<ChangeHash>,
    ) -> (Sight, Self, Vec<ChangeHash>) {
        let (sight, mut story) = Self::new(seed);
        let end = story.end;
        story.hand.welcome(place(EPOCH, end as u64), Resume::Continue);
        story.hand.edit_elsewhere(&[7, 8, 9]);
        let theirs: Vec<ChangeHash> = story.hand.log[end..].iter().map(|entry| entry.hash).collect();
        story.deliver(EPOCH, end);
        let repaired = story.hand.log.len();
        story.exclude(&excluded(&story.edits, &theirs));
        story.deliver(EPOCH, repaired);
        (sight, story, theirs)
    }

    /// The relay has another log from a place on; the vault offers all it has, the relay takes nothing of it.
    pub(super) fn turn(&mut self, epoch: Epoch, common: usize, log: Vec<Entry>) {
        self.hand.connect();
        let kept = log.len();
        self.hand.log.clear();
        self.hand.chains.truncate(1);
        log.into_iter().for_each(|entry| self.hand.append(entry));
        let end = place(epoch, kept as u64);
        self.hand.welcome(end, Resume::Offer);
        let early = self.hand.pushed_before_the_offer();
        let OfferPart::Checkpoints(_) = self.hand.offered() else { panic!("checkpoints first") };
        self.hand.want(common as u64);
        while let OfferPart::Run(run) = self.hand.offered() {
            self.hand.want(run.upto.0);
        }
        let resume = Resume::From { at: Position(common as u64), chain: self.hand.chains[common] };
        let grant = Some(self.hand.grant(end, resume));
        self.hand.say(RelayFrame::GrantChanged(GrantChanged { space: SPACE, grant }));
        // What was sent before waits at the relay until then, and rests on what the log lacks.
        for push in early {
            let Content::Changes(changes) = &push.content else { panic!("{push:?}") };
            let hashes = document::Change::parse(changes[0].clone()).unwrap().header.deps;
            let (space, document, batch) = (push.space, push.document, push.batch);
            self.hand.say(RelayFrame::Need(Need { space, document, batch, hashes }));
        }
    }

    /// The relay lost everything after a place, and was repaired anew.
    pub(super) fn repaired_anew(&mut self, common: usize, edit: usize) {
        self.excluded_anew(common, self.edits[edit]);
    }

    pub(super) fn excluded_anew(&mut self, common: usize, change: ChangeHash) {
        let Self { vault, end, edits, .. } = self;
        let mut before = Self { vault: vault.clone(), hand: Hand::new(vault), end: *end, edits: edits.clone() };
        self.hand.log[..self.end].iter().for_each(|entry| before.hand.append(entry.clone()));
        before.exclude(&[change]);
        self.turn(OTHER, common, before.hand.log);
    }

    /// What the vault shows of the settings.
    pub(super) fn shown(&self) -> (serde_json::Value, Vec<ChangeHash>) {
        self.vault.well_known("settings").unwrap().read(|document| (document.value(), document.heads())).unwrap()
    }

    /// What is pushed, after a look at what was saved meanwhile.
    pub(super) fn pushed(&mut self) -> Vec<Push> {
        if self.hand.sync.has_unseen_saves() {
            self.hand.feed(Input::Saved);
        }
        self.hand.pushed()
    }

    /// What is pushed comes into the log, and the vault has what the log has: nothing more, nothing less.
    pub(super) fn ends(&mut self, epoch: Epoch, pushes: usize) -> Vec<Push> {
        let (from, pushed) = (self.hand.log.len(), self.pushed());
        assert_eq!(pushed.len(), pushes, "{pushed:?}");
        for push in &pushed {
            let Content::Changes(changes) = &push.content else { panic!("{push:?}") };
            for bytes in changes {
                let deps = document::Change::parse(bytes.clone()).unwrap().header.deps;
                assert!(deps.iter().all(|dep| self.hand.log.iter().any(|entry| entry.hash == *dep)), "{deps:?}");
            }
            self.hand.ack(push);
        }
        if pushes > 0 {
            self.deliver(epoch, from);
        }
        assert!(self.hand.sync.status().is_settled(), "{:?}", self.hand.sync.status());
        assert_eq!(self.pushed(), []);
        assert_eq!(self.shown(), meaning(&self.hand.log));
        assert_eq!(self.vault.verify().unwrap(), []);
        assert_eq!(self.vault.well_known("settings").unwrap().status().unwrap().pending_batches, 0);
        pushed
    }

    pub(super) fn quarantined(&self) -> Vec<Option<ChangeHash>> {
        self.vault.quarantine().list().unwrap().into_iter().map(|refused| refused.change).collect()
    }
}
