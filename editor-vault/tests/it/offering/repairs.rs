//! A relay that has lost a repair: it gets it back, or was repaired anew in another way before anybody could do so.
//! Found by the simulated world: what the first one had written anew stayed in the document beside what the second one
//! had, and edits on top of it waited for ever.

mod story; // what they begin with

use self::story::{Story, TEXT, meaning, write};
use super::*;

const OTHER: Epoch = Epoch([2; 8]);
const THIRD: Epoch = Epoch([3; 8]);

#[test]
fn a_repair_that_the_relay_has_lost_is_given_back_with_what_it_excludes_and_what_replaces_it() {
    let sight = Sight::new(6);
    let vault = sight.open("a");
    let mut hand = settled(&vault);
    let end = hand.log.len();
    hand.welcome(place(EPOCH, end as u64), Resume::Continue);
    hand.void(&[end - 2]); // the last edit rests on it
    let (repaired, shown) = (hand.log.len(), Some(3.into()));
    assert_eq!(repaired, end + 2, "the void, and the last edit written anew");
    // A void and its replacements are one batch, so they come as one.
    let (entries, chain) = (hand.log[end..].to_vec(), hand.chains[repaired]);
    let (after, receipt) = (place(EPOCH, end as u64), receipt(repaired as u64));
    hand.say(RelayFrame::Deliver(Deliver { space: SPACE, after, entries, chain, receipt }));
    assert_eq!(vault.well_known("settings").unwrap().get(TAB_SIZE).unwrap(), shown);

    assert_eq!(hand.connect()[0].at, place(EPOCH, repaired as u64));
    hand.welcome(place(EPOCH, end as u64 - 2), Resume::Offer);
    let OfferPart::Checkpoints(_) = hand.offered() else { panic!("checkpoints first") };
    let mut given = Vec::new();
    hand.want(end as u64 - 2);
    loop {
        match hand.offered() {
            OfferPart::Run(run) => {
                let (before, last) = (hand.chains[run.after.0 as usize], hand.chains[run.upto.0 as usize]);
                assert!(run.voucher.is_some_and(|voucher| (voucher.before, voucher.chain) == (before, last)));
                given.extend(run.entries);
                hand.want(run.upto.0);
            }
            OfferPart::Done => break,
            OfferPart::Checkpoints(again) => panic!("a run, not {again:?}"),
        }
    }
    assert_eq!(given, hand.log[end - 2..], "excluded changes with their bytes, the void with what it says");
    hand.from(EPOCH, repaired as u64);
    assert!(hand.sync.status().is_settled(), "{:?}", hand.sync.status());
    assert_eq!((hand.pushed(), vault.well_known("settings").unwrap().get(TAB_SIZE).unwrap()), (Vec::new(), shown));
    assert_eq!(vault.verify().unwrap(), []);
}

/// Found by the simulated world. The document had no way to be put together, and what it rested on would never come.
#[test]
fn what_others_wrote_on_a_change_that_was_excluded_before_it_could_be_given_back_is_kept_in_quarantine() {
    let sight = Sight::new(8);
    let vault = sight.open("a");
    let mut hand = settled(&vault);
    let end = hand.log.len();
    let theirs = hand.edit_elsewhere(&[4, 5]);
    hand.welcome(place(EPOCH, end as u64), Resume::Continue);
    hand.deliver(EPOCH, end);
    assert_eq!(vault.well_known("settings").unwrap().get(TAB_SIZE).unwrap(), Some(5.into()));

    // A relay of before that repairs what they rest on, and then takes nothing of it back.
    assert_eq!(hand.connect()[0].at, place(EPOCH, end as u64 + 2));
    hand.log.truncate(end);
    hand.chains.truncate(end + 1);
    hand.void(&[end - 1]);
    hand.welcome(place(EPOCH, end as u64 + 1), Resume::Offer);
    let OfferPart::Checkpoints(_) = hand.offered() else { panic!("checkpoints first") };
    hand.want(end as u64);
    let mut given = 0;
    while let OfferPart::Run(run) = hand.offered() {
        given += run.entries.len();
        hand.want(run.upto.0);
    }
    assert_eq!(given, 2);
    let other = Epoch([2; 8]);
    hand.from(other, end as u64);
    hand.deliver(other, end);

    assert_eq!(vault.well_known("settings").unwrap().get(TAB_SIZE).unwrap(), Some(2.into()));
    let quarantined: Vec<_> = vault.quarantine().list().unwrap().into_iter().map(|refused| refused.code).collect();
    assert_eq!(quarantined.len(), 1 + theirs, "the excluded edit, and what rests on it: {quarantined:?}");
    assert_eq!(hand.pushed(), [], "it is not theirs to say anew");
    assert!(hand.sync.status().is_settled(), "{:?}", hand.sync.status());
    assert_eq!(vault.verify().unwrap(), []);
}

#[test]
fn what_a_lost_repair_had_written_anew_gives_way_to_what_another_one_has() {
    let (_sight, mut story) = Story::repaired(21, 1);
    write(&story.vault, 3, "def");
    write(&story.vault, 6, "g");
    let end = story.end;
    story.repaired_anew(end, 0);
    assert_eq!(story.pushed(), [], "the log may bring the first repair again");
    story.deliver(OTHER, end);
    story.ends(OTHER, 2);
    assert_eq!(story.shown().0["base"], serde_json::json!({ "editor.tabSize": 3, "text": "abcdefg" }));
    assert_eq!(story.quarantined(), [Some(story.edits[0])], "the edit that the first one excluded counts again");
}

/// As in the log of the first repair, where the edit had its place already.
#[test]
fn an_accepted_edit_on_what_a_lost_repair_had_written_anew_is_said_again() {
    let (_sight, mut story) = Story::repaired(22, 1);
    write(&story.vault, 3, "def");
    let (from, cursor) = (story.hand.log.len(), story.hand.connect());
    story.hand.welcome(cursor[0].at, Resume::Continue);
    let pushed = story.pushed();
    pushed.iter().for_each(|push| story.hand.ack(push));
    story.deliver(EPOCH, from);
    assert_eq!(story.shown(), meaning(&story.hand.log));

    let end = story.end;
    story.repaired_anew(end, 0);
    story.deliver(OTHER, end);
    story.ends(OTHER, 1);
    assert_eq!(story.shown().0["base"]["text"], "abcdef");
}

#[test]
fn what_others_had_written_anew_by_a_lost_repair_goes_without_being_pushed() {
    let (_sight, mut story) = Story::new(23);
    let end = story.end;
    story.hand.welcome(place(EPOCH, end as u64), Resume::Continue);
    story.hand.edit_elsewhere(&[7]);
    story.end = story.hand.log.len();
    story.deliver(EPOCH, end);
    story.repair(2);
    let theirs = story.end;
    story.deliver(EPOCH, theirs);
    assert_eq!(story.shown(), meaning(&story.hand.log));
    write(&story.vault, 3, "def");

    story.repaired_anew(theirs, 1);
    story.deliver(OTHER, theirs);
    story.ends(OTHER, 1);
    assert_eq!(story.shown().0["base"], serde_json::json!({ "editor.tabSize": 7, "text": "abcdef" }));
    assert_eq!(story.quarantined(), [Some(story.edits[1])]);
}

#[test]
fn what_was_pending_when_the_lost_repair_came_is_decided_on_anew() {
    let (_sight, mut story) = Story::new(24);
    let end = story.end;
    write(&story.vault, 3, "def");
    let run = story.vault.well_known("settings").unwrap().read(|document| document.changes().unwrap()).unwrap();
    story.hand.welcome(place(EPOCH, end as u64), Resume::Continue);
    story.repair(1);
    story.deliver(EPOCH, end);
    write(&story.vault, 6, "g");

    story.repaired_anew(end, 0);
    story.deliver(OTHER, end);
    let pushed = story.ends(OTHER, 2);
    assert_eq!(story.shown().0["base"]["text"], "abcdefg");
    // The same as of whoever has never heard of the first repair.
    let expected = document::mend(&[story.edits[0]], &run, |_| None).replacements.pop().unwrap();
    assert_eq!(pushed[0].content, Content::Changes(vec![expected.bytes]));
}

#[test]
fn a_lost_repair_that_comes_again_leaves_everything_as_it_was() {
    let (_sight, mut story) = Story::repaired(25, 1);
    write(&story.vault, 3, "def");
    let (before, log, end) = (story.shown(), story.hand.log.clone(), story.end);
    story.turn(OTHER, end, log);
    assert_eq!((story.pushed(), story.shown()), (Vec::new(), before.clone()));
    story.deliver(OTHER, end);
    assert_eq!(story.shown(), before, "nothing was written anew");
    story.ends(OTHER, 1);
    assert_eq!(story.quarantined(), [Some(story.edits[1])]);
}

#[test]
fn a_repair_that_was_taken_back_can_come_again() {
    let (_sight, mut story) = Story::repaired(26, 1);
    write(&story.vault, 3, "def");
    let (first, end) = (story.hand.log.clone(), story.end);
    story.repaired_anew(end, 0);
    story.deliver(OTHER, end);
    story.ends(OTHER, 1);
    let second = story.hand.log.clone();
    for (epoch, log, excluded) in [(THIRD, first, 1), (Epoch([4; 8]), second[..second.len() - 1].to_vec(), 0)] {
        story.turn(epoch, end, log);
        story.deliver(epoch, end);
        story.ends(epoch, 1);
        assert_eq!(story.shown().0["base"]["text"], "abcdef", "{epoch}");
        assert_eq!(story.quarantined(), [Some(story.edits[excluded])], "{epoch}");
    }
}

#[test]
fn what_others_had_written_anew_by_a_repair_that_was_taken_back_can_come_again_and_go_again() {
    let (_sight, mut story) = Story::new(29);
    let end = story.end;
    story.hand.welcome(place(EPOCH, end as u64), Resume::Continue);
    story.hand.edit_elsewhere(&[7]);
    story.end = story.hand.log.len();
    story.deliver(EPOCH, end);
    story.repair(2);
    let common = story.end;
    story.deliver(EPOCH, common);
    let first = story.hand.log.clone();
    story.repaired_anew(common, 1);
    story.deliver(OTHER, common);
    story.ends(OTHER, 0);
    let second = story.hand.log.clone();
    for (epoch, log) in [(3, first.clone()), (4, second.clone()), (5, first), (6, second)] {
        let epoch = Epoch([epoch; 8]);
        story.turn(epoch, common, log);
        story.deliver(epoch, common);
        story.ends(epoch, 0);
        assert_eq!(story.shown().0["base"], serde_json::json!({ "editor.tabSize": 7, "text": "abc" }), "{epoch}");
    }
}

#[test]
fn an_edit_that_was_on_its_way_follows_a_repair_that_is_taken_back() {
    // On what was written anew; on what is pending on that; and on what was pending when the first repair came.
    for (seed, before, after) in [(30, "", ""), (31, "", "def"), (32, "def", ""), (33, "de", "f")] {
        let (_sight, mut story) = Story::new(seed);
        let (end, settings) = (story.end, story.vault.well_known("settings").unwrap());
        if !before.is_empty() {
            write(&story.vault, 3, before);
        }
        story.hand.welcome(place(EPOCH, end as u64), Resume::Continue);
        story.repair(1);
        story.deliver(EPOCH, end);
        if !after.is_empty() {
            write(&story.vault, 3 + before.len(), after);
        }
        let at = 3 + before.len() + after.len();
        let (_, ticket) = settings.edit_deferred(|draft| draft.splice(TEXT, at, 0, "!")).unwrap();
        story.repaired_anew(end, 0);
        story.deliver(OTHER, end);
        assert!(!ticket.is_saved(), "it rests on what has gone");
        story.vault.flush().unwrap();
        assert!(ticket.is_saved());
        let pushes = 1 + usize::from(!before.is_empty()) + usize::from(!after.is_empty());
        story.ends(OTHER, pushes);
        assert_eq!(story.shown().0["base"]["text"], format!("abc{before}{after}!"), "{seed}");
        assert_eq!(story.quarantined(), [Some(story.edits[0])]);
    }
}

/// As after a relay has lost the keys of its receipts too.
#[test]
fn a_lost_repair_that_never_comes_again_stays_and_its_authors_say_what_it_had_written_anew() {
    for (seed, more) in [(27, ""), (35, "def")] {
        let (_sight, mut story) = Story::repaired(seed, 1);
        if !more.is_empty() {
            write(&story.vault, 3, more);
        }
        let (before, end) = (story.shown(), story.end);
        let log = story.hand.log[..end].to_vec();
        let anew = story.hand.log.len() - end - 1 + usize::from(!more.is_empty());
        story.turn(OTHER, end, log);
        for _ in 0..2 {
            story.pushed().iter().for_each(|push| story.hand.ack(push));
        }
        assert_eq!(story.hand.log.len(), end + anew, "the log ends there, so it brings none");
        story.deliver(OTHER, end);
        assert!(story.hand.sync.status().is_settled(), "{:?}", story.hand.sync.status());
        assert_eq!(story.shown(), before);

        // The log has it all now, so another repair excludes that as well, and nothing is taken back: what is pending
        // gets the name that it gets everywhere.
        write(&story.vault, 3 + more.len(), "!");
        let run = story.vault.well_known("settings").unwrap().read(|document| document.changes().unwrap()).unwrap();
        let from = story.hand.log.len();
        story.repair(0);
        story.deliver(OTHER, from);
        let expected = document::mend(&[story.edits[0]], &run, |_| None).replacements.pop().unwrap();
        assert_eq!(story.ends(OTHER, 1)[0].content, Content::Changes(vec![expected.bytes]));
    }
}

/// What the log has is what counts, and what was at fault does not come back without it.
#[test]
fn what_a_lost_repair_had_excluded_counts_again_where_the_log_has_it() {
    let (_sight, mut story, theirs) = Story::repaired_beside(34, |_, theirs| theirs.to_vec());
    let end = story.end;
    assert_eq!(story.shown().0["base"]["editor.tabSize"], 3);

    // Of the three the relay has the first two now, and excludes the second.
    story.end = end + 2;
    story.excluded_anew(end + 2, theirs[1]);
    story.deliver(OTHER, end + 2);
    story.ends(OTHER, 0);
    assert_eq!((story.shown().0["base"]["editor.tabSize"].clone(), story.quarantined()), (7.into(), Vec::new()));
}

/// Of what others wrote on what was at fault, nothing is there to count.
#[test]
fn what_rests_on_what_stays_out_when_a_repair_is_taken_back_stays_out_as_well() {
    let (_sight, mut story, theirs) = Story::repaired_beside(35, |own, theirs| vec![own[2], theirs[0]]);
    let end = story.end;
    assert_eq!(story.shown().0["base"]["editor.tabSize"], 9);
    write(&story.vault, 3, "def");

    // The relay has lost what they wrote, and the other repair does not know of it.
    story.excluded_anew(end, story.edits[2]);
    story.deliver(OTHER, end);
    story.ends(OTHER, 1);
    assert_eq!(story.shown().0["base"], serde_json::json!({ "editor.tabSize": 2, "text": "abcdef" }));
    let out: std::collections::BTreeSet<_> = story.quarantined().into_iter().flatten().collect();
    assert_eq!(out, [&theirs[..], &story.edits[2..]].concat().into_iter().collect());
}

#[test]
fn what_a_lost_repair_had_written_anew_inside_a_snapshot_gives_way_as_well() {
    let (sight, mut story) = Story::repaired(28, 1);
    let (vault, log, end) = (sight.open("b"), story.hand.log.clone(), story.end);
    story.hand = Hand::new(&vault);
    log.iter().for_each(|entry| story.hand.append(entry.clone()));
    begin_with(&mut story.hand, &vault, |entry| entry.kind == EntryKind::Void);
    story.vault = vault;
    assert_eq!(story.shown(), meaning(&log));
    write(&story.vault, 3, "def");

    story.repaired_anew(0, 0);
    story.deliver(OTHER, 0);
    story.ends(OTHER, 1);
    assert_eq!(story.shown().0["base"], serde_json::json!({ "editor.tabSize": 3, "text": "abcdef" }));
    assert_eq!((story.quarantined(), end), (Vec::new(), story.end));
}
