//! Nobody sends more than the other side allowed.

use sync_core::session::{Authorized, Effect, Input, Outcome, Session};
use sync_core::time::Instant;
use sync_wire::limits::{DELIVER_CREDIT, FRAME_BYTES_MAX, HASHES_MAX, PUSH_CREDIT, PUSH_CREDIT_BYTES, TEXT_BYTES_MAX};
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

fn greeted() -> Session {
    let mut session = Session::new(Instant::default());
    let versions = VersionRange { oldest: 1, newest: 1 };
    let hello =
        Hello { versions, device: DeviceId([1; 16]), agent: "greedy".into(), cursors: Vec::new(), attempt: None };
    session.handle(Instant::default(), Input::Frame(DeviceFrame::Hello(hello)), &mut Vec::new());
    session
}

fn welcomed() -> Session {
    let end = LogPosition { epoch: Epoch([1; 8]), position: Position(0) };
    let (kind, role, name, salt) = (SpaceKind::Team, Role::Editor, "team".to_owned(), Salt([2; 32]));
    let grant = Grant { space: SPACE, kind, role, name, salt, access_version: 1, end, resume: Resume::Continue };
    let found = Authorized { account: AccountId([2; 16]), limits_version: 1, grants: vec![grant] };
    let mut session = greeted();
    session.handle(Instant::default(), Input::Authorized(found), &mut Vec::new());
    session
}

fn numbered(n: usize) -> BatchId {
    let mut id = [3; 16];
    id[..8].copy_from_slice(&n.to_be_bytes());
    BatchId(id)
}

/// Pushes this, each time into another document, until the relay closes; how often it took it.
fn taken(session: &mut Session, space: SpaceId, content: &Content) -> usize {
    let mut effects = Vec::new();
    for n in 0..2000 {
        let (batch, content) = (numbered(n), content.clone());
        let push = Push { space, document: DocumentId(batch.0), lane: 0, batch, content };
        session.handle(Instant::default(), Input::Frame(DeviceFrame::Push(push)), &mut effects);
        if let Some(Effect::Close(goodbye)) = effects.last() {
            assert!(goodbye.code == GoodbyeCode::PROTOCOL && goodbye.detail.contains("credit"), "{goodbye:?}");
            return n;
        }
    }
    2000
}

fn change(bytes: usize) -> Content {
    Content::Changes(vec![vec![0; bytes].into()])
}

/// The last push may begin within the credit and end beyond it.
const MOST_BYTES: usize = PUSH_CREDIT_BYTES + FRAME_BYTES_MAX;

#[test]
fn a_device_that_pushes_one_beyond_its_credit_is_closed() {
    for mut session in [greeted(), welcomed()] {
        assert_eq!(taken(&mut session, SPACE, &change(10)), PUSH_CREDIT as usize);
    }
}

#[test]
fn a_device_that_pushes_more_bytes_than_its_credit_is_closed() {
    for open in [greeted, welcomed] {
        let step = 256 << 10;
        assert_eq!(taken(&mut open(), SPACE, &change(step)) * step, MOST_BYTES);
        // A deletion has the heads that it names.
        let heads = Content::Tombstone(vec![ChangeHash([1; 32]); HASHES_MAX]);
        assert_eq!(taken(&mut open(), SPACE, &heads) * HASHES_MAX * 32, MOST_BYTES);
    }
}

#[test]
fn every_answer_gives_back_what_its_push_took() {
    // What is not there is answered at once.
    assert_eq!(taken(&mut welcomed(), SpaceId([9; 16]), &change(64 << 10)), 2000);
    let step = 256 << 10;
    let fit = MOST_BYTES / step;
    let at = LogPosition { epoch: Epoch([1; 8]), position: Position(1) };
    let appended = Outcome::Appended { at, proof: None };
    let refused = Outcome::Refused { culprit: None, code: FateCode::DANGEROUS, detail: String::new() };
    for (outcome, is_open) in [(appended, true), (refused, false)] {
        let mut session = welcomed();
        // All in one lane: the first is appended, and the others wait behind it.
        let lane = DocumentId([7; 16]);
        let push = |n, bytes, document| {
            let (batch, content) = (numbered(n), change(bytes));
            Input::Frame(DeviceFrame::Push(Push { space: SPACE, document, lane: 0, batch, content }))
        };
        for n in 0..fit {
            session.handle(Instant::default(), push(n, step, lane), &mut Vec::new());
        }
        let mut effects = Vec::new();
        let outcomes = vec![(numbered(0), outcome)];
        session.handle(Instant::default(), Input::Appended { space: SPACE, document: lane, outcomes }, &mut effects);
        let is_skipped = |effect: &&Effect| matches!(effect, Effect::Send(RelayFrame::Skipped(_)));
        let answered = 1 + effects.iter().filter(is_skipped).count();
        assert_eq!(answered, if is_open { 1 } else { fit });
        // Whoever begins a lane too late is answered at once as well.
        if !is_open {
            session.handle(Instant::default(), push(fit, step, lane), &mut effects);
        }
        assert_eq!(taken(&mut session, SPACE, &change(step)), answered);
    }
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
    let hello = Hello { versions, device: DeviceId([1; 16]), agent: "liar".into(), cursors: Vec::new(), attempt: None };
    session.handle(Instant::default(), Input::Frame(DeviceFrame::Hello(hello)), &mut effects);
    let found = Authorized { account: AccountId([2; 16]), limits_version: 1, grants: Vec::new() };
    session.handle(Instant::default(), Input::Authorized(found), &mut effects);
    let confirm = Confirm { space: SPACE, position: Position(5), frames: 1 };
    session.handle(Instant::default(), Input::Frame(DeviceFrame::Confirm(confirm)), &mut effects);
    assert!(matches!(effects.last(), Some(Effect::Close(goodbye)) if goodbye.code == GoodbyeCode::PROTOCOL));
}
