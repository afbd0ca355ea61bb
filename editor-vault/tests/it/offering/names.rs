//! A relay that has lost an edit whose name a copy of the vault used before it could be given back: it goes on under
//! another name, and so does what rests on it. Found by the simulated world.

use super::*;

const OTHER: Epoch = Epoch([2; 8]);

/// A vault whose last edit the log loses.
struct Story {
    vault: Vault,
    hand: Hand,
    lost: Entry,
    change: document::Change,
    /// Where the log ends with it.
    end: usize,
}

impl Story {
    fn new(seed: u64) -> Self {
        let vault = Sight::new(seed).open("a");
        let hand = settled(&vault);
        let (end, lost) = (hand.log.len(), hand.log.last().unwrap().clone());
        let change = document::Change::parse(lost.bytes.clone().unwrap()).unwrap();
        Self { vault, hand, lost, change, end }
    }

    fn edit(&self, key: &str) {
        self.vault.well_known("settings").unwrap().edit(|draft| draft.put(key, 1.into())).unwrap();
    }

    /// A change of the same document by somebody else.
    fn entry(&self, (actor, seq, start_op): (Actor, u64, u64), deps: &[ChangeHash], key: &str) -> Entry {
        let made = document::forge::Forged::by(actor, seq, start_op, deps, vec![document::forge::put(key, 1)]);
        let made = document::Change::parse(made.blob()).unwrap();
        let batch = BatchId::from(*made.hash().0.first_chunk().unwrap());
        Entry { hash: made.hash(), batch, device: DeviceId([9; 16]), bytes: Some(made.bytes), ..self.lost.clone() }
    }

    /// The log comes back without the edit and what came after it, and with another one of its name. What is pushed
    /// before the vault hears of that is answered so. Gives how many edits are pushed then.
    fn go_on(&mut self, answer: impl Fn(&Push) -> RelayFrame) -> usize {
        let (end, known) = (self.end, self.hand.log.len());
        assert_eq!(self.hand.connect()[0].at, place(EPOCH, known as u64));
        let header = &self.change.header;
        let rival = self.entry((header.actor, header.seq, header.start_op), &header.deps, "/base/rival");
        let hand = &mut self.hand;
        hand.log.truncate(end - 1);
        hand.chains.truncate(end);
        hand.append(rival);

        hand.welcome(place(OTHER, end as u64), Resume::Offer);
        let early = hand.pushed_before_the_offer().pop().unwrap();
        let OfferPart::Checkpoints(_) = hand.offered() else { panic!("checkpoints first") };
        for at in end - 1..known {
            hand.want(at as u64);
            let OfferPart::Run(_) = hand.offered() else { panic!("what was lost") };
        }
        hand.want(known as u64);
        hand.from(OTHER, end as u64 - 1);
        hand.say(answer(&early));
        hand.deliver(OTHER, end - 1);
        for Push { space, document, batch, .. } in hand.pushed() {
            hand.say(RelayFrame::Skipped(Skipped { space, document, batch }));
        }
        if hand.sync.has_unseen_saves() {
            hand.feed(Input::Saved);
        }
        hand.pushed().len()
    }

    fn shows(&self, values: &[(&str, i64)]) {
        let settings = self.vault.well_known("settings").unwrap();
        for (key, value) in values {
            assert_eq!(settings.get(key).unwrap(), Some((*value).into()), "{key}");
        }
        assert_eq!(self.vault.quarantine().list().unwrap().len(), 0);
        assert_eq!(self.vault.verify().unwrap(), []);
    }
}

/// What was pending on it was refused with it before it was pushed again itself, and went into quarantine.
#[test]
fn what_is_refused_with_an_own_edit_that_is_pending_again_goes_where_that_one_goes() {
    let mut story = Story::new(11);
    story.edit("/base/later");
    let lost = story.lost.hash;
    let pushed = story.go_on(|Push { space, document, batch, .. }| {
        let (code, detail) = (FateCode::WITH, "what it rests on was refused".to_owned());
        let (space, document, batch) = (*space, *document, *batch);
        RelayFrame::Refuse(Refuse { space, document, batch, culprit: Some(lost), code, detail })
    });
    assert_eq!(pushed, 2, "both under another name");
    story.shows(&[(TAB_SIZE, 3), ("/base/later", 1), ("/base/rival", 1)]);
}

/// Seed 997021: what others had written in between kept its place, and what was written on that waited for ever.
#[test]
fn what_others_wrote_on_an_edit_that_loses_its_name_gets_another_one_as_well() {
    let mut story = Story::new(13);
    let theirs = (Actor([9; 16]), 1, story.change.header.max_op() + 1);
    let theirs = story.entry(theirs, &[story.change.hash()], "/base/theirs");
    let (end, hash) = (story.end, theirs.hash);
    story.hand.append(theirs);
    story.hand.welcome(place(EPOCH, end as u64 + 1), Resume::Continue);
    story.hand.deliver(EPOCH, end);
    story.edit("/base/later");
    let pushed = story.go_on(|Push { space, document, batch, .. }| {
        RelayFrame::Need(Need { space: *space, document: *document, batch: *batch, hashes: vec![hash] })
    });
    assert_eq!(pushed, 3, "all under another name");
    story.shows(&[(TAB_SIZE, 3), ("/base/theirs", 1), ("/base/later", 1), ("/base/rival", 1)]);
}
