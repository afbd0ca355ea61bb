//! Nobody sends more than the other side allowed.

use sync_core::session::{Authorized, Effect, Input, Session};
use sync_core::time::Instant;
use sync_wire::limits::{DELIVER_CREDIT, FRAME_BYTES_MAX, PUSH_CREDIT, PUSH_CREDIT_BYTES, TEXT_BYTES_MAX};
use sync_wire::*;

use crate::world::{SPACE, World, document};

#[test]
fn a_long_outbox_is_pushed_within_the_credit_and_completely() {
    let mut world = World::new(1);
    for n in 0..1000 {
        world.save(0, document((n % 7) as u8), n, &[]);
    }
    world.start(0);
    world.settle();
    assert_eq!(world.relay.log.len(), 1000);
    world.check_converged();
}

/// Pushes until the relay closes; the pushes and bytes that it took.
fn taken(change_bytes: usize) -> (usize, usize) {
    let mut session = Session::new(Instant::default());
    let mut effects = Vec::new();
    let versions = VersionRange { oldest: 1, newest: 1 };
    let hello = Hello { versions, device: DeviceId([1; 16]), agent: "greedy".into(), cursors: Vec::new() };
    session.handle(Instant::default(), Input::Frame(DeviceFrame::Hello(hello)), &mut effects);
    for n in 0.. {
        let content = Content::Changes(vec![vec![0; change_bytes].into()]);
        let push = Push { space: SPACE, document: document(1), lane: 0, batch: BatchId([n as u8; 16]), content };
        session.handle(Instant::default(), Input::Frame(DeviceFrame::Push(push)), &mut effects);
        if let Some(Effect::Close(goodbye)) = effects.last() {
            assert!(goodbye.code == GoodbyeCode::PROTOCOL && goodbye.detail.contains("credit"), "{goodbye:?}");
            return (n, n * change_bytes);
        }
    }
    unreachable!("it takes whatever comes")
}

#[test]
fn a_device_that_pushes_one_beyond_its_credit_is_closed() {
    assert_eq!(taken(10).0, PUSH_CREDIT as usize);
}

#[test]
fn a_device_that_pushes_more_bytes_than_its_credit_is_closed() {
    // The last push may begin within the credit and end beyond it.
    let most = PUSH_CREDIT_BYTES + FRAME_BYTES_MAX;
    let step = 256 << 10;
    assert_eq!(taken(step).1, most);
}

#[test]
fn the_answers_to_a_whole_credit_fit_where_one_frame_of_full_size_does() {
    let (code, detail) = (FateCode::UNDECODABLE, "x".repeat(TEXT_BYTES_MAX));
    let (document, batch, culprit) = (document(1), BatchId([9; 16]), Some(ChangeHash([7; 32])));
    let refuse = RelayFrame::Refuse(Refuse { space: SPACE, document, batch, culprit, code, detail });
    assert!(encode_relay_frame(&refuse).len() * PUSH_CREDIT as usize <= FRAME_BYTES_MAX);
}

#[test]
fn a_device_that_does_not_confirm_costs_a_cursor_and_no_queue() {
    let mut world = World::new(1);
    world.start(0);
    world.settle();
    for n in 0..200 {
        world.relay.append_change(DeviceId([77; 16]), document(1), n, &[]);
    }
    world.poll(0);
    let mut delivered = 0;
    while world.step_down(0) {
        delivered += 1; // the confirmations stay in flight
    }
    assert_eq!(delivered, DELIVER_CREDIT, "the rest stays in the log until the device confirms");
    world.settle();
    world.check_converged();
}

#[test]
fn confirming_what_was_not_sent_is_a_breach() {
    let mut session = Session::new(Instant::default());
    let mut effects = Vec::new();
    let versions = VersionRange { oldest: 1, newest: 1 };
    let hello = Hello { versions, device: DeviceId([1; 16]), agent: "liar".into(), cursors: Vec::new() };
    session.handle(Instant::default(), Input::Frame(DeviceFrame::Hello(hello)), &mut effects);
    let found = Authorized { account: AccountId([2; 16]), limits_version: 1, grants: Vec::new() };
    session.handle(Instant::default(), Input::Authorized(found), &mut effects);
    let confirm = Confirm { space: SPACE, position: Position(5), frames: 1 };
    session.handle(Instant::default(), Input::Frame(DeviceFrame::Confirm(confirm)), &mut effects);
    assert!(matches!(effects.last(), Some(Effect::Close(goodbye)) if goodbye.code == GoodbyeCode::PROTOCOL));
}
