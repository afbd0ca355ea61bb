//! A failure in one document delays no other, and its own lane begins anew after it (PROTOCOL §5).

use sync_core::client::Verdict;
use sync_core::session::{Authorized, Effect, Input, LogPage, Outcome, Pushed, Session};
use sync_core::time::Instant;
use sync_wire::log::{EntryKind, Receipt};
use sync_wire::*;

use crate::world::{SPACE, World, document, hash};

#[test]
fn a_refused_batch_skips_its_lane_and_no_other() {
    let mut world = World::new(1);
    world.relay.refuse.insert(hash(1));
    let bad = world.save(0, document(1), 1, &[]);
    let behind = world.save(0, document(1), 2, &[]);
    let elsewhere = world.save(0, document(2), 3, &[]);
    world.start(0);
    world.settle();
    let fates = &world.devices[0].vault.fates;
    assert!(matches!(fates[&bad], Verdict::Refused { code: FateCode::DANGEROUS, .. }));
    assert!(matches!(fates[&behind], Verdict::Accepted { .. }), "pushed again in the next lane");
    assert!(matches!(fates[&elsewhere], Verdict::Accepted { .. }));
    let skipped = |world: &World| world.devices[0].frames.iter().filter(|frame| **frame == "Skipped").count();
    assert_eq!(skipped(&world), 1);
    assert!(world.devices[0].status.is_settled());
    let later = world.save(0, document(1), 4, &[2]);
    world.settle();
    assert!(matches!(world.devices[0].vault.fates[&later], Verdict::Accepted { .. }));
    assert_eq!(skipped(&world), 1, "what comes later is pushed in the lane that began anew");
}

#[test]
fn a_parked_lane_waits_and_goes_on_when_the_grant_changes() {
    let mut world = World::new(1);
    world.relay.role = Some(Role::Viewer);
    let first = world.save(0, document(1), 1, &[]);
    let second = world.save(0, document(1), 2, &[1]);
    world.start(0);
    world.settle();
    assert!(matches!(world.devices[0].vault.fates[&first], Verdict::Parked { code: FateCode::GRANT, .. }));
    assert!(!world.devices[0].vault.fates.contains_key(&second), "kept behind it");
    assert!(world.devices[0].status.is_settled(), "a parked lane keeps nobody waiting");
    world.relay.role = Some(Role::Editor);
    world.access_changed(0);
    world.settle();
    assert_eq!(world.relay.log.len(), 2);
    world.check_converged();
}

#[test]
fn a_lane_that_was_parked_for_a_quota_goes_on_when_the_quota_is_raised() {
    let mut world = World::new(1);
    world.relay.is_full = true;
    let first = world.save(0, document(1), 1, &[]);
    world.save(0, document(1), 2, &[1]);
    world.start(0);
    world.settle();
    assert!(matches!(world.devices[0].vault.fates[&first], Verdict::Parked { code: FateCode::QUOTA, .. }));
    world.access_changed(0);
    world.settle();
    assert!(!world.devices[0].frames.contains(&"LimitsChanged"), "nothing has changed for it");
    (world.relay.is_full, world.relay.limits_version) = (false, 2);
    world.access_changed(0);
    world.settle();
    assert_eq!(world.relay.log.len(), 2, "on the same connection");
    world.check_converged();
}

/// Found by the simulated world: the batch was pending again, and nobody looked at it until the next connection.
#[test]
fn a_lane_that_was_parked_for_a_deletion_goes_on_when_another_device_restores_the_document() {
    let mut world = World::new(1);
    world.relay.is_deleted = true;
    let waiting = world.save(0, document(1), 1, &[]);
    world.start(0);
    world.settle();
    assert!(matches!(world.devices[0].vault.fates[&waiting], Verdict::Parked { code: FateCode::DELETED, .. }));
    world.relay.append_restore(DeviceId([9; 16]), document(1));
    world.poll(0);
    world.settle();
    assert!(matches!(world.devices[0].vault.fates[&waiting], Verdict::Accepted { .. }));
}

#[test]
fn a_lane_that_was_parked_for_missing_changes_goes_on_when_another_device_brings_them() {
    let mut world = World::new(2);
    let orphan = world.save(0, document(1), 2, &[1]);
    world.start(0);
    world.settle();
    assert!(matches!(world.devices[0].vault.fates[&orphan], Verdict::Parked { code: FateCode::MISSING, .. }));
    world.save(1, document(1), 1, &[]);
    world.start(1);
    world.settle();
    world.poll(0);
    world.settle();
    assert!(matches!(world.devices[0].vault.fates[&orphan], Verdict::Accepted { .. }), "on the same connection");
    world.check_converged();
}

#[test]
fn a_needed_change_is_supplied_before_its_lane_goes_on() {
    // The relay was restored to a state before change 1, which the device believes accepted.
    let mut world = World::new(1);
    let first = world.save(0, document(1), 1, &[]);
    world.start(0);
    world.settle();
    world.relay.log.clear();
    world.save(0, document(1), 2, &[1]);
    world.settle();
    assert!(matches!(world.devices[0].vault.fates[&first], Verdict::Accepted { .. }));
    assert_eq!(world.relay.log.iter().map(|entry| entry.hash).collect::<Vec<_>>(), [hash(1), hash(2)]);
}

#[test]
fn a_change_that_nobody_can_supply_parks_its_batch_as_missing() {
    let mut world = World::new(1);
    let orphan = world.save(0, document(1), 2, &[1]);
    let elsewhere = world.save(0, document(2), 3, &[]);
    world.start(0);
    world.settle();
    let fates = &world.devices[0].vault.fates;
    assert!(matches!(fates[&orphan], Verdict::Parked { code: FateCode::MISSING, .. }));
    assert!(matches!(fates[&elsewhere], Verdict::Accepted { .. }));
    assert!(world.devices[0].frames.iter().filter(|frame| **frame == "Need").count() <= 2, "no loop");
}

#[test]
fn a_lane_that_begins_anew_is_over_and_none_begins_before_the_one_before_it_has_ended() {
    let (mut session, mut effects) = (open(granted(Role::Editor)), Vec::new());
    let mut push = |lane, n, effects: &mut Vec<Effect>| {
        let (batch, content) = (BatchId([n; 16]), Content::Restore);
        let push = Push { space: SPACE, document: document(1), lane, batch, content };
        session.handle(Instant::default(), Input::Frame(DeviceFrame::Push(push)), effects);
        std::mem::take(effects)
    };
    assert!(matches!(push(1, 1, &mut effects)[..], [Effect::Append { .. }]));
    assert!(matches!(push(0, 2, &mut effects)[..], [Effect::Send(RelayFrame::Skipped(_))]), "it is over");
    assert_eq!(push(1, 3, &mut effects), [], "it waits behind the first");
    let closed = push(2, 4, &mut effects);
    let [Effect::Close(goodbye)] = &closed[..] else { panic!("{closed:?}") };
    assert_eq!(goodbye.code, GoodbyeCode::PROTOCOL);
}

/// A copy of a vault, under the same id, may bring a batch that was skipped here; and what is parked its device may
/// have said in other words by then.
#[test]
fn a_skipped_batch_that_another_holder_brings_comes_with_its_bytes() {
    let batches = [BatchId([1; 16]), BatchId([2; 16]), BatchId([3; 16])];
    let grant = granted(Role::Editor);
    let after = grant.end;
    let (mut session, mut effects) = (open(grant), Vec::new());
    let push = |batch| {
        let content = Content::Restore;
        Input::Frame(DeviceFrame::Push(Push { space: SPACE, document: document(1), lane: 0, batch, content }))
    };
    session.handle(Instant::default(), push(batches[0]), &mut effects);
    session.handle(Instant::default(), push(batches[1]), &mut effects); // queued behind the first
    let parked = Outcome::Parked { code: FateCode::QUOTA, judged_by: 1, detail: String::new() };
    let outcomes = vec![(batches[0], parked)];
    session.handle(Instant::default(), Input::Appended { space: SPACE, document: document(1), outcomes }, &mut effects);
    session.handle(Instant::default(), push(batches[2]), &mut effects); // too late
    let end = LogPosition { position: Position(2), ..after };
    session.handle(Instant::default(), Input::Hint { space: SPACE, end }, &mut effects);
    effects.clear();
    let entries = batches[1..].iter().map(|batch| own_change(*batch)).collect();
    let (chain, receipt) = (Chain::START, Receipt { key: 0, mac: [0; 32] });
    let page = LogPage { space: SPACE, after, entries, chain, receipt, log_end: end.position };
    session.handle(Instant::default(), Input::Read(page), &mut effects);
    let Some(Effect::Send(RelayFrame::Deliver(deliver))) = effects.first() else { panic!("{effects:?}") };
    assert!(deliver.entries.iter().all(|entry| entry.bytes.is_some()), "{deliver:?}");
}

/// What the device that pushed this batch gets back.
fn own_change(batch: BatchId) -> Entry {
    Entry {
        kind: EntryKind::Change,
        document: document(1),
        hash: hash(1),
        device: DEVICE,
        batch,
        bytes: Some(vec![1].into()),
        heads: None,
    }
}

/// To remember one costs the relay a few bytes; to have forgotten one costs bandwidth and nothing else.
#[test]
fn a_connection_remembers_so_many_of_its_own_batches_and_sends_one_more_back_with_its_bytes() {
    let grant = granted(Role::Editor);
    let (after, end) = (grant.end, LogPosition { position: Position(2), ..grant.end });
    let (mut session, mut effects) = (open(grant), Vec::new());
    let batch = |n: u32| {
        let mut id = [3; 16];
        id[..4].copy_from_slice(&n.to_be_bytes());
        BatchId(id)
    };
    for n in 0..=65_536 {
        let push = Push { space: SPACE, document: document(1), lane: 0, batch: batch(n), content: Content::Restore };
        session.handle(Instant::default(), Input::Frame(DeviceFrame::Push(push)), &mut effects);
        let outcomes = vec![(batch(n), Outcome::Appended { at: end, proof: None })];
        let appended = Input::Appended { space: SPACE, document: document(1), outcomes };
        session.handle(Instant::default(), appended, &mut effects);
        effects.clear();
    }
    session.handle(Instant::default(), Input::Hint { space: SPACE, end }, &mut effects);
    effects.clear();
    let entries = [65_535, 65_536].map(|n| own_change(batch(n))).to_vec();
    let (chain, receipt) = (Chain::START, Receipt { key: 0, mac: [0; 32] });
    let page = LogPage { space: SPACE, after, entries, chain, receipt, log_end: end.position };
    session.handle(Instant::default(), Input::Read(page), &mut effects);
    let Some(Effect::Send(RelayFrame::Deliver(deliver))) = effects.first() else { panic!("{effects:?}") };
    assert_eq!(deliver.entries.iter().map(|entry| entry.bytes.is_some()).collect::<Vec<_>>(), [false, true]);
}

/// What waits in a lane goes on in parts, so that nobody who appends elsewhere waits for all of it.
#[test]
fn an_append_has_so_many_bytes_of_a_lane_or_one_batch() {
    let (mut session, mut effects) = (open(granted(Role::Editor)), Vec::new());
    let sizes = [1, 32 << 10, 32 << 10, 1, 1 << 16, 200 << 10, 1];
    for (size, n) in sizes.into_iter().zip(1..) {
        let content = Content::Changes(vec![vec![0; size].into()]);
        let push = Push { space: SPACE, document: document(1), lane: 0, batch: BatchId([n; 16]), content };
        session.handle(Instant::default(), Input::Frame(DeviceFrame::Push(push)), &mut effects);
    }
    let mut appended = Vec::new();
    while let Some(Effect::Append { batches, .. }) = effects.pop() {
        let number = |pushed: &Pushed| pushed.batch.0[0];
        appended.push(batches.iter().map(number).collect::<Vec<u8>>());
        let at = |n: u8| LogPosition { epoch: Epoch([1; 8]), position: Position(n.into()) };
        let taken = |pushed: &Pushed| (pushed.batch, Outcome::Appended { at: at(number(pushed)), proof: None });
        let outcomes = batches.iter().map(taken).collect();
        session.handle(
            Instant::default(),
            Input::Appended { space: SPACE, document: document(1), outcomes },
            &mut effects,
        );
    }
    assert_eq!(appended, [vec![1], vec![2, 3], vec![4], vec![5], vec![6], vec![7]]);
}

const DEVICE: DeviceId = DeviceId([1; 16]);

/// A device is connected and welcomed.
fn open(grant: Grant) -> Session {
    let (mut session, mut effects) = (Session::new(Instant::default()), Vec::new());
    let versions = VersionRange { oldest: 1, newest: 1 };
    let hello = Hello { versions, device: DEVICE, agent: "x".into(), cursors: Vec::new(), attempt: None };
    session.handle(Instant::default(), Input::Frame(DeviceFrame::Hello(hello)), &mut effects);
    let found = Authorized { account: AccountId([2; 16]), limits_version: 1, grants: vec![grant] };
    session.handle(Instant::default(), Input::Authorized(found), &mut effects);
    session
}

fn granted(role: Role) -> Grant {
    let resume = Resume::Continue;
    let end = LogPosition { epoch: Epoch([1; 8]), position: Position(0) };
    let (name, salt) = ("team".to_owned(), Salt([2; 32]));
    Grant { space: SPACE, kind: SpaceKind::Team, role, name, salt, access_version: 1, end, resume }
}

/// Pushes into one document after the other, each of which ends like this, until the relay closes; how many it took.
fn lanes_until_closed(outcome: &Outcome) -> Option<(u32, GoodbyeCode)> {
    let (mut session, mut effects) = (open(granted(Role::Viewer)), Vec::new());
    for n in 0..=65_536_u32 {
        effects.clear();
        let mut id = [3; 16];
        id[..4].copy_from_slice(&n.to_be_bytes());
        let (document, batch, content) = (DocumentId(id), BatchId(id), Content::Restore);
        let push = Push { space: SPACE, document, lane: 0, batch, content };
        session.handle(Instant::default(), Input::Frame(DeviceFrame::Push(push)), &mut effects);
        if let Some(Effect::Close(goodbye)) = effects.last() {
            return Some((n, goodbye.code));
        }
        let outcomes = vec![(batch, outcome.clone())];
        let appended = Input::Appended { space: SPACE, document, outcomes };
        session.handle(Instant::default(), appended, &mut effects);
    }
    None
}

/// Each stalled lane costs the relay a few bytes; a device that leaves very many behind is sent away.
#[test]
fn a_connection_has_a_bounded_number_of_stalled_lanes() {
    let parked = Outcome::Parked { code: FateCode::GRANT, judged_by: 1, detail: String::new() };
    assert_eq!(lanes_until_closed(&parked), Some((65_536, GoodbyeCode::PROTOCOL)), "one past the limit");
    let at = LogPosition { epoch: Epoch([1; 8]), position: Position(1) };
    assert_eq!(lanes_until_closed(&Outcome::Appended { at, proof: None }), None, "what went well costs nothing");
}

#[test]
fn a_batch_is_appended_whole_or_not_at_all() {
    let mut world = World::new(1);
    world.relay.refuse.insert(hash(2));
    let sealed = world.save_batch(0, document(1), &[(1, &[]), (2, &[1])]);
    world.start(0);
    world.settle();
    assert!(world.relay.log.is_empty(), "the sound half of a batch is not appended");
    let fate = &world.devices[0].vault.fates[&sealed];
    assert!(matches!(fate, Verdict::Refused { culprit: Some(culprit), .. } if *culprit == hash(2)));
}
