//! What a vault has only within a snapshot of a relay that has lost it since. Found by the simulated world.

use editor_vault::DocumentState;

use super::*;

const OTHER: Epoch = Epoch([2; 8]);

/// A vault that began with a snapshot of another one's edits, which no log has any more.
struct Story {
    vault: Vault,
    hand: Hand,
    /// What the snapshot holds.
    inside: Vec<Entry>,
}

impl Story {
    /// `is_filled`: the changes of the snapshot have rows by the time.
    fn new(seed: u64, kind: SpaceKind, is_filled: bool) -> Self {
        let sight = Sight::new(seed);
        let log = settled(&sight.open("a"));
        let vault = sight.open("b");
        let mut hand = Hand::new(&vault);
        hand.kind = kind;
        (hand.log, hand.chains) = (log.log.clone(), log.chains.clone());
        begin_with_all(&mut hand, &vault);
        if is_filled {
            while vault.run_due() > 0 {}
        }
        Self { vault, inside: std::mem::take(&mut hand.log), hand }
    }

    /// The relay is put back, and its log goes another way. Gives what was pushed before the vault heard of that, and
    /// has yet to be answered.
    fn put_back(&mut self, log: Vec<Entry>) -> Vec<Push> {
        let Self { hand, inside, .. } = self;
        assert_eq!(hand.connect()[0].at, place(EPOCH, inside.len() as u64));
        hand.chains = vec![Chain::START];
        log.into_iter().for_each(|entry| hand.append(entry));
        hand.welcome(place(OTHER, hand.log.len() as u64), Resume::Offer);
        let early = hand.pushed_before_the_offer();
        let OfferPart::Checkpoints(_) = hand.offered() else { panic!("checkpoints first") };
        hand.want(0);
        assert_eq!(hand.offered(), OfferPart::Done, "it has no entry");
        hand.from(OTHER, 0);
        hand.deliver(OTHER, 0);
        early
    }

    /// The relay lacks what an edit rests on: what is pushed then.
    fn need(&mut self, Push { space, document, batch, .. }: &Push) -> Vec<Push> {
        let (space, document, batch) = (*space, *document, *batch);
        let hashes = vec![self.inside.last().unwrap().hash];
        self.hand.say(RelayFrame::Need(Need { space, document, batch, hashes }));
        while self.vault.run_due() > 0 {}
        if self.hand.sync.has_unseen_saves() {
            self.hand.feed(Input::Saved);
        }
        self.hand.pushed()
    }

    fn document(&self) -> editor_vault::Document {
        self.vault.document(SPACE, self.inside[0].document).unwrap()
    }

    fn edit(&self, key: &str) {
        self.document().edit(|draft| draft.put(key, 1.into())).unwrap();
    }

    fn value(&self, key: &str) -> Option<serde_json::Value> {
        self.document().get(key).unwrap()
    }
}

fn hashes(pushed: &[Push]) -> Vec<ChangeHash> {
    let hash = |push: &Push| match &push.content {
        Content::Changes(changes) => document::Change::parse(changes[0].clone()).unwrap().hash(),
        other => panic!("a change, and not {other:?}"),
    };
    pushed.iter().map(hash).collect()
}

/// Seed 1037461: the device that had written it was put back to a backup as well, and what it wrote on it waited for
/// ever.
#[test]
fn what_an_edit_rests_on_that_is_nowhere_but_in_a_snapshot_is_pushed_before_it() {
    for is_filled in [true, false] {
        let mut story = Story::new(21, SpaceKind::Personal, is_filled);
        story.edit("/base/later");
        let last = story.put_back(Vec::new()).pop().unwrap();
        let pushed = story.need(&last);
        let (supplied, again) = pushed.split_at(pushed.len() - 1);
        let inside: Vec<ChangeHash> = story.inside.iter().map(|entry| entry.hash).collect();
        assert_eq!(hashes(supplied), inside, "all that the log is not known to have, causes first");
        for (push, hash) in supplied.iter().zip(&inside) {
            assert_eq!(push.batch, BatchId::derived(push.document, hash), "nobody's in particular");
        }
        assert_eq!(again, [Push { lane: again[0].lane, ..last }]);
        pushed.iter().for_each(|push| story.hand.ack(push));
        story.hand.deliver(OTHER, 0);
        assert!(story.hand.sync.status().is_settled(), "{:?}", story.hand.sync.status());
        assert_eq!((story.value(TAB_SIZE), story.value("/base/later")), (Some(3.into()), Some(1.into())));
        assert_eq!(story.vault.verify().unwrap(), []);
    }
}

/// Nobody may push there what somebody else has written, who may be there and have it.
#[test]
fn in_a_shared_space_what_others_wrote_is_left_to_them() {
    let mut story = Story::new(22, SpaceKind::Team, true);
    story.edit("/base/later");
    let last = story.put_back(Vec::new()).pop().unwrap();
    assert_eq!(story.need(&last), []);
    let state = story.document().status().unwrap().state;
    assert!(matches!(state, DocumentState::Parked { code: FateCode::MISSING, .. }), "{state:?}");
}

/// Seed 1140111: the vault called the delivery wrong, and connected anew for ever.
#[test]
fn an_edit_within_a_snapshot_whose_name_the_log_has_for_another_gets_another_name() {
    for is_filled in [true, false] {
        let mut story = Story::new(23, SpaceKind::Personal, is_filled);
        story.edit("/base/later");
        let last = story.inside.last().unwrap().clone();
        let header = document::Change::parse(last.bytes.clone().unwrap()).unwrap().header;
        let ops = vec![document::forge::put("/base/rival", 1)];
        let rival = document::forge::Forged::by(header.actor, header.seq, header.start_op, &header.deps, ops);
        let rival = document::Change::parse(rival.blob()).unwrap();
        let rival = Entry { hash: rival.hash(), bytes: Some(rival.bytes), batch: BatchId([8; 16]), ..last };
        let log = story.inside[..story.inside.len() - 1].iter().cloned().chain([rival]).collect();
        let last = story.put_back(log).pop().unwrap();
        let pushed = story.need(&last);
        assert_eq!(pushed.len(), 2, "what has lost its name, and what rests on it");
        assert!(story.hand.sync.status().link == sync_core::client::Link::Online, "{:?}", story.hand.sync.status());
        pushed.iter().for_each(|push| story.hand.ack(push));
        for (key, value) in [(TAB_SIZE, 3), ("/base/rival", 1), ("/base/later", 1)] {
            assert_eq!(story.value(key), Some(value.into()), "{key}");
        }
        assert_eq!(story.vault.quarantine().list().unwrap().len(), 0);
        assert_eq!(story.vault.verify().unwrap(), []);
    }
}
