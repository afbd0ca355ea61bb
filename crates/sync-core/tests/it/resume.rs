//! Only `Deliver` moves the resume point, and what a connection brought it is not sent back.

use sync_wire::{DeviceId, Position};

use crate::world::{SPACE, World, document, hash};

#[test]
fn an_ack_beyond_somebody_elses_entry_does_not_move_the_resume_point() {
    // At 10; someone's entry is 11, own ack is 12: moving to 12 would lose 11.
    let mut world = World::new(1);
    world.start(0);
    world.settle();
    world.save(0, document(1), 1, &[]);
    world.relay.append_change(DeviceId([77; 16]), document(2), 2, &[]); // its hint is lost
    while world.step_up(0) {}
    let answered = world.devices[0].frames.len();
    while world.devices[0].frames[answered..].iter().all(|frame| *frame != "Ack") {
        assert!(world.step_down(0), "the push is acknowledged");
    }
    assert_eq!(world.devices[0].vault.cursor.map(|cursor| cursor.at.position), Some(Position(0)));
    world.cut(0);
    world.settle();
    assert!(world.devices[0].vault.changes.contains_key(&hash(2)), "the entry in between arrives");
    world.check_converged();
}

#[test]
fn a_lost_ack_repeats_the_push_and_appends_nothing() {
    let mut world = World::new(1);
    world.start(0);
    world.settle();
    world.save(0, document(1), 1, &[]);
    while world.step_up(0) {}
    assert_eq!(world.relay.log.len(), 1);
    world.cut(0); // the ack is in flight and lost
    world.settle();
    assert_eq!((world.relay.log.len(), world.relay.appends), (1, 1));
    world.check_converged();
}

#[test]
fn what_this_connection_pushed_comes_back_by_hash_only_and_to_others_with_bytes() {
    let mut world = World::new(2);
    world.start(0);
    world.start(1);
    world.settle();
    world.save(0, document(1), 1, &[]);
    world.settle();
    world.check_converged();
    // A restored vault has lost the change: it gets it back, with bytes, on another connection.
    world.cut(0);
    let vault = &mut world.devices[0].vault;
    vault.changes.clear();
    vault.outbox.clear();
    vault.cursor = None;
    world.settle();
    world.check_converged();
}

#[test]
fn reconnecting_with_nothing_new_is_one_frame_each_way() {
    let mut world = World::new(1);
    world.start(0);
    for n in 0..100 {
        world.save(0, document(n as u8), n, &[]);
    }
    world.settle();
    world.cut(0);
    world.devices[0].frames.clear();
    world.settle();
    assert_eq!(world.devices[0].frames, ["Hello", "Welcome"]);
    world.check_converged();
}

#[test]
fn a_lost_hint_is_healed_by_the_poll() {
    let mut world = World::new(1);
    world.start(0);
    world.settle();
    world.relay.append_change(DeviceId([77; 16]), document(2), 2, &[]);
    world.settle();
    assert!(world.devices[0].vault.changes.is_empty(), "nobody told");
    world.poll(0);
    world.settle();
    assert!(world.devices[0].vault.changes.contains_key(&hash(2)));
    assert_eq!(world.devices[0].vault.cursor.map(|cursor| cursor.space), Some(SPACE));
}

#[test]
fn a_device_is_not_settled_before_its_cursor_reached_its_own_batches() {
    let mut world = World::new(1);
    world.start(0);
    world.settle();
    world.save(0, document(1), 1, &[]);
    while world.step_up(0) {}
    let answered = world.devices[0].frames.len();
    while world.devices[0].frames[answered..].iter().all(|frame| *frame != "Ack") {
        assert!(world.step_down(0), "the push is acknowledged");
    }
    assert!(world.devices[0].status.outbox_is_empty && !world.devices[0].status.is_settled());
    world.settle();
    assert!(world.devices[0].status.is_settled());
    assert_eq!(world.devices[0].vault.cursor.map(|cursor| cursor.at.position), Some(Position(1)));
}
