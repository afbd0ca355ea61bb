//! Batches that a relay has stored and not checked: what becomes of them comes unasked, or is asked for again
//! (PROTOCOL §2, §4).

use sync_core::client::Verdict;
use sync_core::session::{Effect, Input, LogPage, Outcome};
use sync_wire::limits::PUSH_CREDIT;
use sync_wire::log::{EntryKind, Receipt};
use sync_wire::*;

use crate::alone::{self, Relay, SPACE};
use crate::world::{World, document, hash};

/// A world whose relay checks before it appends.
fn world(devices: u8) -> World {
    let mut world = World::new(devices);
    world.relay.intake = Some(Vec::new());
    world
}

fn pushes(world: &World) -> usize {
    world.devices[0].frames.iter().filter(|frame| **frame == "Push").count()
}

fn fate(world: &World, batch: BatchId) -> &Verdict {
    &world.devices[0].vault.fates[&batch]
}

fn is_refused(world: &World, batch: BatchId) -> bool {
    matches!(fate(world, batch), Verdict::Refused { code: FateCode::DANGEROUS, .. })
}

fn is_parked(world: &World, batch: BatchId) -> bool {
    matches!(fate(world, batch), Verdict::Parked { code: FateCode::GRANT, .. })
}

fn is_accepted(world: &World, batch: BatchId) -> bool {
    matches!(fate(world, batch), Verdict::Accepted { .. })
}

#[test]
fn a_stored_batch_is_not_settled_before_it_is_delivered() {
    let mut world = world(2);
    let batch = world.save(0, document(1), 1, &[]);
    (0..2).for_each(|device| world.start(device));
    world.settle();
    assert_eq!(*fate(&world, batch), Verdict::Stored);
    assert!(!world.devices[0].status.is_settled() && world.devices[1].status.is_settled());
    world.check_intake();
    world.settle();
    assert!(is_accepted(&world, batch));
    assert_eq!(pushes(&world), 1, "and it came by hash, or its bytes would not be there twice");
    world.check_converged();
}

#[test]
fn what_rests_on_a_stored_batch_is_pushed_without_waiting() {
    let mut world = world(1);
    world.start(0);
    let batches = [world.save(0, document(1), 1, &[]), world.save(0, document(1), 2, &[1])];
    world.settle();
    assert!(batches.iter().all(|batch| *fate(&world, *batch) == Verdict::Stored));
    world.check_intake();
    world.settle();
    world.check_converged();
}

#[test]
fn a_refusal_or_parking_comes_unasked_and_costs_no_credit() {
    for (change, is_fate) in [(Some(hash(7)), is_refused as fn(&World, BatchId) -> bool), (None, is_parked)] {
        let mut world = world(1);
        world.start(0);
        // So many that a credit given back twice would break the rule.
        let count = PUSH_CREDIT as u16 + 40;
        world.relay.refuse.extend(change);
        let batches: Vec<BatchId> = (1..=count).map(|n| world.save(0, document(n as u8), n, &[])).collect();
        world.settle();
        assert!(batches.iter().all(|batch| *fate(&world, *batch) == Verdict::Stored));
        if change.is_none() {
            world.relay.role = Some(Role::Viewer);
        }
        world.check_intake();
        world.settle();
        let fated = batches.iter().filter(|batch| is_fate(&world, **batch)).count();
        assert_eq!(fated, if change.is_some() { 1 } else { batches.len() });
        assert_eq!(pushes(&world), batches.len());
        assert!(world.devices[0].status.is_settled(), "{:?}", world.devices[0].status);
        world.relay.role = Some(Role::Editor);
        world.access_changed(0);
        let more: Vec<BatchId> = (1..=count).map(|n| world.save(0, document(n as u8), n + 1000, &[])).collect();
        world.settle();
        world.check_intake();
        world.settle();
        assert!(more.iter().all(|batch| is_accepted(&world, *batch)));
    }
}

#[test]
fn a_lost_hint_is_healed_by_the_poll() {
    let mut world = world(1);
    world.start(0);
    world.relay.refuse.insert(hash(2));
    let (good, bad) = (world.save(0, document(1), 1, &[]), world.save(0, document(2), 2, &[]));
    world.settle();
    world.check_intake_silently();
    world.settle();
    assert_eq!((fate(&world, good), fate(&world, bad)), (&Verdict::Stored, &Verdict::Stored));
    world.poll(0);
    world.settle();
    assert!(is_accepted(&world, good) && is_refused(&world, bad));
}

/// Found by the simulated world: a batch stayed parked for a quota that had been raised long before it was told.
#[test]
fn what_was_parked_by_a_version_that_the_device_knows_to_be_over_is_pushed_again() {
    for code in [FateCode::QUOTA, FateCode::GRANT] {
        let mut world = world(1);
        world.relay.access_version = 1;
        world.start(0);
        let batch = world.save(0, document(1), 1, &[]);
        world.settle();
        let set = |world: &mut World, may_write: bool| {
            match code {
                FateCode::QUOTA => world.relay.is_full = !may_write,
                _ => world.relay.role = Some(if may_write { Role::Editor } else { Role::Viewer }),
            }
            world.relay.limits_version += 1;
            world.access_changed(0);
            world.settle();
        };
        set(&mut world, false);
        world.check_intake_silently();
        set(&mut world, true);
        assert_eq!(*fate(&world, batch), Verdict::Stored, "it is not told yet");
        world.poll(0);
        world.settle();
        assert_eq!(pushes(&world), 2, "{:?}", fate(&world, batch));
        world.check_intake();
        world.settle();
        assert!(is_accepted(&world, batch));
        world.check_converged();
    }
}

#[test]
fn what_was_parked_by_a_version_that_the_device_is_yet_to_hear_of_is_not_pushed_again_for_that() {
    let mut world = world(1);
    world.start(0);
    let batch = world.save(0, document(1), 1, &[]);
    world.settle();
    (world.relay.is_full, world.relay.limits_version) = (true, 2);
    world.check_intake();
    world.settle();
    assert!(matches!(fate(&world, batch), Verdict::Parked { code: FateCode::QUOTA, judged_by: 2, .. }));
    assert_eq!(world.devices[0].frames.iter().filter(|frame| **frame == "LimitsChanged").count(), 1);
    assert_eq!(pushes(&world), 1);
}

#[test]
fn of_a_version_that_the_device_knows_it_is_not_told_again() {
    for code in [FateCode::QUOTA, FateCode::GRANT] {
        let mut world = world(1);
        world.relay.access_version = 5;
        world.start(0);
        let batch = world.save(0, document(1), 1, &[]);
        world.settle();
        match code {
            FateCode::QUOTA => (world.relay.is_full, world.relay.limits_version) = (true, 2),
            _ => world.relay.role = Some(Role::Viewer),
        }
        world.access_changed(0);
        world.settle();
        let news = |world: &World| {
            let is_news = |frame: &&&str| ["LimitsChanged", "GrantChanged"].contains(frame);
            world.devices[0].frames.iter().filter(is_news).count()
        };
        let before = news(&world);
        world.check_intake();
        world.settle();
        assert!(matches!(fate(&world, batch), Verdict::Parked { judged_by: 2.., .. }), "{:?}", fate(&world, batch));
        assert_eq!(news(&world), before, "{}", code.name());
    }
}

#[test]
fn a_check_that_is_over_before_the_answer_is_told_after_it() {
    let mut world = world(1);
    world.start(0);
    world.relay.checks_at_once = true;
    world.relay.refuse.insert(hash(2));
    let (good, bad) = (world.save(0, document(1), 1, &[]), world.save(0, document(2), 2, &[]));
    world.settle();
    assert!(is_accepted(&world, good) && is_refused(&world, bad), "{:?}", world.devices[0].vault.fates);
    assert!(world.devices[0].status.is_settled());
}

#[test]
fn a_stored_batch_is_pushed_again_after_hello_and_gets_the_fate_that_it_has_by_then() {
    let mut world = world(1);
    world.start(0);
    world.relay.refuse.insert(hash(2));
    let (good, bad) = (world.save(0, document(1), 1, &[]), world.save(0, document(2), 2, &[]));
    let waits = world.save(0, document(3), 3, &[]);
    world.settle();
    for when in ["while it waits", "when it has its fate"] {
        world.cut(0);
        if when == "when it has its fate" {
            world.check_intake_silently();
        }
        let before = pushes(&world);
        world.wake();
        world.settle();
        assert_eq!(pushes(&world), before + 3, "{when}");
        assert_eq!(world.relay.intake.as_ref().unwrap().len(), if before == 3 { 3 } else { 0 }, "{when}");
    }
    assert!(is_accepted(&world, good) && is_accepted(&world, waits) && is_refused(&world, bad));
    assert_eq!(world.relay.appends, 2, "nothing is appended twice");
    assert!(world.devices[0].status.is_settled());
}

#[test]
fn a_relay_that_lost_its_intake_gets_it_again() {
    let mut world = world(1);
    world.start(0);
    let batch = world.save(0, document(1), 1, &[]);
    world.settle();
    world.relay.intake = Some(Vec::new());
    world.cut(0);
    world.wake();
    world.settle();
    world.check_intake();
    world.settle();
    assert!(is_accepted(&world, batch));
    world.check_converged();
}

#[test]
fn what_is_stored_is_not_pushed_again_on_the_same_connection() {
    let mut world = world(1);
    world.start(0);
    world.save(0, document(1), 1, &[]);
    world.settle();
    world.access_changed(0); // the whole outbox is looked at again
    world.save(0, document(2), 2, &[]);
    world.settle();
    assert_eq!(pushes(&world), 2);
    world.check_intake();
    world.settle();
    world.check_converged();
}

#[test]
fn a_grant_that_is_taken_and_given_again_brings_what_was_stored() {
    let mut world = world(1);
    world.start(0);
    let batch = world.save(0, document(1), 1, &[]);
    world.settle();
    world.relay.role = None;
    world.access_changed(0);
    world.settle();
    world.check_intake();
    world.relay.role = Some(Role::Editor);
    world.access_changed(0);
    world.settle();
    world.check_intake();
    world.settle();
    assert!(is_accepted(&world, batch), "{:?}", fate(&world, batch));
}

#[test]
fn a_lane_for_which_there_was_no_room_rests_and_begins_anew() {
    let mut world = world(1);
    world.start(0);
    world.relay.intake_is_full = true;
    let batches = [world.save(0, document(1), 1, &[]), world.save(0, document(1), 2, &[1])];
    world.settle();
    assert!(world.devices[0].vault.fates.is_empty(), "nothing stands against them");
    assert!(!world.devices[0].status.is_settled());
    world.pass(0);
    world.settle();
    assert!(world.devices[0].status.no_room.is_some(), "the user is told why they wait");
    world.relay.intake_is_full = false;
    world.pass(0);
    world.settle();
    world.check_intake();
    world.settle();
    assert!(batches.iter().all(|batch| is_accepted(&world, *batch)));
    assert_eq!(world.devices[0].status.no_room, None);
    world.check_converged();
}

/// The relay's machine, welcomed, with a batch for each number stored.
fn with_stored(numbers: std::ops::Range<u32>) -> Relay {
    let mut relay = Relay::granting(granted());
    numbers.for_each(|n| drop(store(&mut relay, n)));
    relay
}

fn granted() -> Grant {
    alone::grant(alone::place(1, 9), Resume::Continue)
}

fn numbered(n: u32) -> BatchId {
    let mut id = [3; 16];
    id[..4].copy_from_slice(&n.to_be_bytes());
    BatchId(id)
}

fn store(relay: &mut Relay, n: u32) -> Vec<Effect> {
    let (space, document, batch) = (SPACE, document(1), numbered(n));
    relay.frame(DeviceFrame::Push(Push { space, document, lane: 0, batch, content: Content::Restore }));
    relay.feed(Input::Appended { space, document, outcomes: vec![(batch, Outcome::Stored)] })
}

/// How many batches the machine asks about, if it does.
fn asked(effects: &[Effect]) -> Vec<usize> {
    let asked = |effect: &Effect| match effect {
        Effect::ReadOutcomes { batches, .. } => Some(batches.len()),
        _ => None,
    };
    effects.iter().filter_map(asked).collect()
}

fn refused(numbers: std::ops::Range<u32>) -> Input {
    let refused = Outcome::Refused { culprit: None, code: FateCode::DANGEROUS, detail: String::new() };
    let outcomes = numbers.map(|n| (document(1), numbered(n), refused.clone())).collect();
    Input::Outcomes { space: SPACE, outcomes }
}

/// A page of the log with these batches, pushed by this device.
fn page(numbers: std::ops::Range<u32>) -> Input {
    let entry = |n| Entry {
        kind: EntryKind::Change,
        document: document(1),
        hash: hash(1),
        device: alone::DEVICE,
        batch: numbered(n),
        bytes: Some(vec![1].into()),
        heads: None,
    };
    let (after, receipt) = (alone::place(1, 9), Receipt { key: 0, mac: [0; 32] });
    let entries: Vec<Entry> = numbers.map(entry).collect();
    let log_end = Position(9 + entries.len() as u64);
    Input::Read(LogPage { space: SPACE, after, entries, chain: alone::CHAIN, receipt, log_end })
}

const STORED_MAX: u32 = 65_536;

#[test]
fn so_many_stored_batches_are_asked_about_and_those_that_have_their_fate_make_room_for_others() {
    let settled = || Input::Settled { space: SPACE };
    let nothing_is_known = || refused(0..0);
    let most = STORED_MAX as usize;
    let mut relay = with_stored(0..STORED_MAX);
    assert_eq!(asked(&relay.feed(settled())), [most]);
    // Two whose fate is told.
    relay.feed(refused(0..2));
    store(&mut relay, STORED_MAX);
    assert_eq!(asked(&relay.feed(settled())), [most - 1]);
    relay.feed(nothing_is_known());
    // Two that are delivered.
    relay.feed(Input::Hint { space: SPACE, end: alone::place(1, 11) });
    relay.feed(page(2..4));
    store(&mut relay, STORED_MAX + 1);
    assert_eq!(asked(&relay.feed(settled())), [most - 2]);
    // All of a space that is taken and given again.
    for grants in [Vec::new(), vec![granted()]] {
        relay.feed(Input::AccessChanged);
        relay.feed(Input::Regranted { grants, limits_version: 1 });
    }
    assert_eq!(asked(&relay.feed(settled())), [], "of these nothing more is heard");
    assert_eq!(asked(&store(&mut relay, STORED_MAX)), [1], "the hint was quicker");
}

#[test]
fn a_hint_that_comes_while_outcomes_are_read_has_them_read_again() {
    let mut relay = with_stored(0..2);
    assert_eq!(asked(&relay.feed(Input::Settled { space: SPACE })), [2]);
    assert_eq!(asked(&relay.feed(Input::Settled { space: SPACE })), [], "one question at a time");
    assert_eq!(asked(&relay.feed(refused(0..1))), [1]);
    assert_eq!(asked(&relay.feed(refused(1..2))), []);
}

/// A copy of a vault, under the same id, may bring it; and its device may have given it up by then.
#[test]
fn what_has_left_the_intake_comes_with_its_bytes_when_another_holder_brings_it() {
    for (outcomes, has_bytes) in [(refused(0..1), true), (refused(0..0), false)] {
        let mut relay = with_stored(0..1);
        relay.feed(Input::Settled { space: SPACE });
        relay.feed(outcomes);
        relay.feed(Input::Hint { space: SPACE, end: alone::place(1, 10) });
        let effects = relay.feed(page(0..1));
        let Some(Effect::Send(RelayFrame::Deliver(deliver))) = effects.first() else { panic!("{effects:?}") };
        assert_eq!(deliver.entries[0].bytes.is_some(), has_bytes, "{deliver:?}");
    }
}

#[test]
fn what_no_version_opens_again_is_told_and_nothing_else() {
    for code in [FateCode::DELETED, FateCode::CONTESTED] {
        let mut relay = with_stored(0..1);
        let parked = Outcome::Parked { code, judged_by: 7, detail: String::new() };
        let outcomes = vec![(document(1), numbered(0), parked)];
        let effects = relay.feed(Input::Outcomes { space: SPACE, outcomes });
        assert!(matches!(effects[..], [Effect::Send(RelayFrame::Park(_))]), "{effects:?}");
    }
}
