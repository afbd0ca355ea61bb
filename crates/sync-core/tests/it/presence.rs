//! Presence is passed on by both machines, costs no credit and is in nobody's way.

use sync_core::client;
use sync_core::session::{self, Effect};
use sync_wire::*;

use crate::alone::{DEVICE, Device, Relay, SPACE, cursor, grant, place};

fn shown(space: SpaceId) -> ShowPresence {
    ShowPresence { space, document: DocumentId([2; 16]), content: Some(b"{}".to_vec().into()) }
}

#[test]
fn a_device_shows_where_its_person_is_only_while_it_is_online() {
    let show = || client::Input::Show(shown(SPACE));
    let mut device = Device::greeted();
    assert_eq!(device.feed(show()), [], "the relay has not answered yet");
    let mut device = Device::welcomed(&[grant(place(1, 9), Resume::Continue)]);
    assert_eq!(device.feed(show()), [], "the grants are not stored yet");
    device.feed(client::Input::GrantsApplied(vec![cursor()]));
    assert_eq!(device.feed(show()), [client::Effect::Send(DeviceFrame::Presence(shown(SPACE)))]);
    device.feed(client::Input::Closed { detail: "cut".into() });
    assert_eq!(device.feed(show()), []);
}

#[test]
fn a_device_is_told_of_others_after_its_welcome_and_answers_nothing() {
    let presence = Presence {
        space: SPACE,
        document: DocumentId([2; 16]),
        account: AccountId([5; 16]),
        device: DeviceId([7; 16]),
        content: None,
    };
    let frame = || client::Input::Frame(RelayFrame::Presence(presence.clone()));
    let mut device = Device::welcomed(&[grant(place(1, 9), Resume::Continue)]);
    device.feed(client::Input::GrantsApplied(vec![cursor()]));
    assert_eq!(device.feed(frame()), [client::Effect::Present(presence.clone())]);
    let effects = Device::greeted().feed(frame());
    assert!(effects.contains(&client::Effect::Disconnect), "nothing comes before Welcome: {effects:?}");
}

#[test]
fn a_relay_takes_the_device_from_the_connection_and_shows_nobody_in_spaces_that_are_not_granted() {
    let mut relay = Relay::granting(grant(place(1, 9), Resume::Continue));
    let show = |space| DeviceFrame::Presence(shown(space));
    assert_eq!(relay.frame(show(SPACE)), [Effect::Show { device: DEVICE, presence: shown(SPACE) }]);
    assert_eq!(relay.frame(show(SpaceId([99; 16]))), [], "and says nothing of it");
    relay.feed(session::Input::AccessChanged);
    relay.feed(session::Input::Regranted { grants: Vec::new(), limits_version: 1 });
    assert_eq!(relay.frame(show(SPACE)), [], "the grant was taken");
    assert_eq!(Relay::open().frame(show(SPACE)), [], "nobody knows yet where this one stands");
}

#[test]
fn a_device_is_told_nothing_of_others_while_its_grants_are_read_again() {
    let mut relay = Relay::granting(grant(place(1, 9), Resume::Continue));
    assert!(relay.0.may_be_shown_others());
    relay.feed(session::Input::AccessChanged);
    assert!(!relay.0.may_be_shown_others());
    let grants = vec![grant(place(1, 9), Resume::Continue)];
    relay.feed(session::Input::Regranted { grants, limits_version: 1 });
    assert!(relay.0.may_be_shown_others());
}

#[test]
fn however_much_presence_there_is_it_costs_no_credit() {
    let mut relay = Relay::granting(grant(place(1, 9), Resume::Continue));
    for _ in 0..10_000 {
        let effects = relay.frame(DeviceFrame::Presence(shown(SPACE)));
        assert!(matches!(effects[..], [Effect::Show { .. }]), "{effects:?}");
    }
}
