//! A relay that lost the end of its log: both machines, each by itself.

use sync_core::client::{self, Link};
use sync_core::session;
use sync_wire::*;

use crate::alone::{CHAIN, Device, Relay, SPACE, cursor, grant, place};

const OTHER: SpaceId = SpaceId([8; 16]);

fn checkpoints() -> Vec<Checkpoint> {
    vec![Checkpoint { position: Position(4), chain: CHAIN }, Checkpoint { position: Position(9), chain: CHAIN }]
}

fn run() -> Run {
    Run { after: Position(4), upto: Position(9), epoch: Epoch([1; 8]), entries: Vec::new(), voucher: None }
}

fn offer(part: OfferPart) -> DeviceFrame {
    DeviceFrame::Offer(Offer { space: SPACE, part })
}

fn wanted(after: u64, taken: u64) -> Wanted {
    Wanted { space: SPACE, after: Position(after), taken }
}

fn push(batch: u8) -> Push {
    let content = Content::Changes(vec![vec![batch].into()]);
    Push { space: SPACE, document: DocumentId([2; 16]), lane: 0, batch: BatchId([batch; 16]), content }
}

#[test]
fn a_device_offers_run_by_run_each_when_the_one_before_is_answered() {
    let mut device = Device::welcomed(&[grant(place(1, 4), Resume::Offer)]);
    let effects = device.feed(client::Input::GrantsApplied(vec![cursor()]));
    assert!(effects.contains(&client::Effect::ReadCheckpoints { space: SPACE }), "{effects:?}");
    let effects = device.feed(client::Input::Checkpoints { space: SPACE, checkpoints: checkpoints() });
    assert_eq!(effects, [client::Effect::Send(offer(OfferPart::Checkpoints(checkpoints())))]);
    let effects = device.feed(client::Input::Frame(RelayFrame::Wanted(wanted(4, 0))));
    assert_eq!(effects, [client::Effect::ReadRun { space: SPACE, after: Position(4) }]);
    let effects = device.feed(client::Input::Run { space: SPACE, run: Some(run()) });
    assert_eq!(effects, [client::Effect::Send(offer(OfferPart::Run(run())))]);
    let effects = device.feed(client::Input::Frame(RelayFrame::Wanted(wanted(9, 5))));
    assert_eq!(effects, [client::Effect::ReadRun { space: SPACE, after: Position(9) }]);
    let effects = device.feed(client::Input::Run { space: SPACE, run: None });
    assert_eq!(effects, [client::Effect::Send(offer(OfferPart::Done))]);
    assert!(!device.0.status().is_caught_up, "nothing is known of the log yet");
    let healed = grant(place(1, 9), Resume::From { at: Position(9), chain: CHAIN });
    let changed = GrantChanged { space: SPACE, grant: Some(healed.clone()) };
    let effects = device.feed(client::Input::Frame(RelayFrame::GrantChanged(changed)));
    assert!(effects.contains(&client::Effect::ApplyGrant { space: SPACE, grant: Some(healed) }), "{effects:?}");
    assert!(effects.contains(&client::Effect::NoteOffered { space: SPACE, taken: 5 }), "{effects:?}");
    device.feed(client::Input::GrantsApplied(vec![cursor()]));
    assert!(device.0.status().is_caught_up);
}

#[test]
fn a_link_that_breaks_in_the_middle_of_an_offer_begins_it_anew() {
    let mut device = Device::welcomed(&[grant(place(1, 4), Resume::Offer)]);
    device.feed(client::Input::GrantsApplied(vec![cursor()]));
    device.feed(client::Input::Closed { detail: "cut".into() });
    assert!(matches!(device.0.status().link, Link::Waiting { .. }));
    let effects = device.feed(client::Input::Checkpoints { space: SPACE, checkpoints: checkpoints() });
    assert_eq!(effects, [], "an answer that outlived its link sends nothing");
    device.feed(client::Input::Start);
    device.feed(client::Input::Connected);
    let effects = device.feed(client::Input::Cursors { cursors: vec![cursor()], clock: 0 });
    let is_hello = |effect: &client::Effect| match effect {
        client::Effect::Send(DeviceFrame::Hello(hello)) => hello.cursors == [cursor()],
        _ => false,
    };
    assert!(effects.iter().any(is_hello), "the cursor is where it was: {effects:?}");
}

#[test]
fn an_answer_that_nobody_waits_for_offers_nothing() {
    let mut device = Device::welcomed(&[grant(place(1, 4), Resume::Offer)]);
    let checkpoints_of = |space| client::Input::Checkpoints { space, checkpoints: checkpoints() };
    device.feed(client::Input::GrantsApplied(vec![cursor()]));
    assert_eq!(device.feed(checkpoints_of(OTHER)), [], "of another space");
    assert_eq!(
        device.feed(checkpoints_of(SPACE)),
        [client::Effect::Send(offer(OfferPart::Checkpoints(checkpoints())))]
    );
    assert_eq!(device.feed(checkpoints_of(SPACE)), [], "the relay has yet to answer");
}

#[test]
fn spaces_are_offered_one_after_the_other() {
    let asked = grant(place(1, 4), Resume::Offer);
    let mut device = Device::welcomed(&[asked.clone(), Grant { space: OTHER, ..asked }]);
    let begins = |space| client::Effect::ReadCheckpoints { space };
    let effects = device.feed(client::Input::GrantsApplied(vec![cursor()]));
    assert!(effects.contains(&begins(SPACE)) && !effects.contains(&begins(OTHER)), "{effects:?}");
    let taken = RelayFrame::GrantChanged(GrantChanged { space: SPACE, grant: None });
    let effects = device.feed(client::Input::Frame(taken));
    assert!(effects.contains(&begins(OTHER)), "{effects:?}");
}

#[test]
fn nothing_is_said_of_an_offer_that_did_not_come_to_its_end() {
    let says_so =
        |effects: &[client::Effect]| effects.iter().any(|effect| matches!(effect, client::Effect::NoteOffered { .. }));
    let changed = |grant| client::Input::Frame(RelayFrame::GrantChanged(GrantChanged { space: SPACE, grant }));
    let healed = grant(place(1, 9), Resume::From { at: Position(9), chain: CHAIN });
    for (is_done, grant, is_said) in [(true, Some(&healed), true), (true, None, false), (false, Some(&healed), false)] {
        let mut device = Device::welcomed(&[self::grant(place(1, 4), Resume::Offer)]);
        device.feed(client::Input::GrantsApplied(vec![cursor()]));
        if is_done {
            device.feed(client::Input::Run { space: SPACE, run: None });
        }
        assert_eq!(says_so(&device.feed(changed(grant.cloned()))), is_said, "{is_done} {grant:?}");
    }
}

#[test]
fn entries_that_are_wanted_unasked_end_the_link() {
    let mut device = Device::welcomed(&[grant(place(1, 4), Resume::Offer)]);
    device.feed(client::Input::GrantsApplied(vec![cursor()]));
    device.feed(client::Input::Frame(RelayFrame::Wanted(wanted(4, 0))));
    assert!(matches!(device.0.status().link, Link::Waiting { .. }), "{:?}", device.0.status());
}

/// Another device has given back what the log had lost, and nothing of it was new: the log has not grown.
#[test]
fn a_session_that_hears_of_a_new_epoch_looks_whether_that_is_true() {
    let mut idle = Relay::granting(grant(place(1, 9), Resume::Continue));
    let hint = |end| session::Input::Hint { space: SPACE, end };
    assert_eq!(idle.feed(hint(place(1, 9))), [], "it stands there");
    let reads = |effects: &[session::Effect]| match effects {
        [session::Effect::ReadLog { after, .. }] => *after == place(1, 9),
        _ => false,
    };
    assert!(reads(&idle.feed(hint(place(2, 9)))));
    let receipt = log::Receipt { key: 0, mac: [0; 32] };
    let (after, log_end) = (place(1, 9), Position(9));
    let page = session::LogPage { space: SPACE, after, entries: Vec::new(), chain: CHAIN, receipt, log_end };
    assert_eq!(idle.feed(session::Input::Read(page)), [], "it was not true, and is forgotten");
    assert!(reads(&idle.feed(hint(place(2, 4)))));
    let effects = idle.feed(session::Input::Failed { detail: "the log has a new epoch".into() });
    let [session::Effect::Close(goodbye)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(goodbye.code, GoodbyeCode::UNAVAILABLE, "the device comes again, and is told where the log goes on");
}

fn is_append(effect: &session::Effect) -> bool {
    matches!(effect, session::Effect::Append { .. })
}

#[test]
fn pushes_wait_until_the_offer_is_done_and_then_are_appended_in_order() {
    let mut relay = Relay::open();
    assert_eq!(relay.frame(DeviceFrame::Push(push(1))), []);
    let effects = relay.frame(offer(OfferPart::Checkpoints(checkpoints())));
    assert_eq!(effects, [session::Effect::FindAncestor { space: SPACE, checkpoints: checkpoints() }]);
    let effects = relay.feed(session::Input::Wanted(wanted(4, 0)));
    assert_eq!(effects, [session::Effect::Send(RelayFrame::Wanted(wanted(4, 0)))]);
    let effects = relay.frame(offer(OfferPart::Run(run())));
    assert_eq!(effects, [session::Effect::TakeRun { space: SPACE, run: run() }]);
    assert_eq!(relay.frame(DeviceFrame::Push(push(2))), []);
    relay.feed(session::Input::Wanted(wanted(9, 5)));
    let effects = relay.frame(offer(OfferPart::Done));
    assert_eq!(effects, [session::Effect::EndOffer { space: SPACE, checkpoints: checkpoints() }]);
    let healed = grant(place(1, 9), Resume::From { at: Position(9), chain: CHAIN });
    let effects = relay.feed(session::Input::OfferEnded(healed));
    let pushed = effects.iter().find_map(|effect| match effect {
        session::Effect::Append { batches, .. } => Some(batches.len()),
        _ => None,
    });
    assert_eq!(pushed, Some(1), "the second follows when the first is answered: {effects:?}");
    assert!(effects.contains(&session::Effect::Follow { space: SPACE }));
}

#[test]
fn a_device_with_nothing_to_offer_says_so_and_goes_on() {
    let mut relay = Relay::open();
    let effects = relay.frame(offer(OfferPart::Done));
    let known = vec![Checkpoint { position: Position(9), chain: CHAIN }];
    assert_eq!(effects, [session::Effect::EndOffer { space: SPACE, checkpoints: known }]);
}

#[test]
fn a_part_out_of_turn_ends_the_session() {
    for part in [OfferPart::Run(run()), OfferPart::Checkpoints(checkpoints())] {
        let mut relay = Relay::open();
        relay.frame(offer(OfferPart::Checkpoints(checkpoints())));
        let effects = relay.frame(offer(part));
        assert!(matches!(&effects[..], [session::Effect::Close(goodbye)] if goodbye.code == GoodbyeCode::PROTOCOL));
    }
}

#[test]
fn whoever_loses_the_space_in_the_middle_of_an_offer_has_his_pushes_parked() {
    let mut relay = Relay::open();
    relay.frame(DeviceFrame::Push(push(1)));
    relay.feed(session::Input::AccessChanged);
    let effects = relay.feed(session::Input::Regranted { grants: Vec::new(), limits_version: 1 });
    let is_parked = |effect: &session::Effect| matches!(effect, session::Effect::Send(RelayFrame::Park(_)));
    assert!(effects.iter().any(is_parked), "{effects:?}");
    assert!(!effects.iter().any(is_append));
}

/// Found by the simulated world (seed 1115995): the link was closed for it.
#[test]
fn a_part_that_was_on_its_way_when_the_space_was_taken_is_passed_over_and_no_second_one() {
    let mut relay = Relay::open();
    relay.feed(session::Input::AccessChanged);
    relay.feed(session::Input::Regranted { grants: Vec::new(), limits_version: 1 });
    assert_eq!(relay.frame(offer(OfferPart::Checkpoints(checkpoints()))), []);
    let effects = relay.frame(offer(OfferPart::Done));
    assert!(matches!(&effects[..], [session::Effect::Close(goodbye)] if goodbye.code == GoodbyeCode::PROTOCOL));
}

#[test]
fn no_part_is_on_its_way_while_the_one_before_is_being_answered() {
    let mut relay = Relay::open();
    relay.frame(offer(OfferPart::Checkpoints(checkpoints())));
    relay.feed(session::Input::AccessChanged);
    relay.feed(session::Input::Regranted { grants: Vec::new(), limits_version: 1 });
    let effects = relay.frame(offer(OfferPart::Run(run())));
    assert!(matches!(&effects[..], [session::Effect::Close(goodbye)] if goodbye.code == GoodbyeCode::PROTOCOL));
}
