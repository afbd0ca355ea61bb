//! Batches that a relay has stored and not checked: what becomes of them comes unasked, or is asked for again
//! (PROTOCOL §2, §4).

use sync_core::client::Verdict;
use sync_wire::limits::PUSH_CREDIT;
use sync_wire::{BatchId, FateCode, Role};

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
