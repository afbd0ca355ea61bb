//! What happens between connections: pushes that do not wait, goodbyes, delays.

use sync_core::client::{Client, Effect, Input, Link};
use sync_core::session::{self, Session};
use sync_core::time::Instant;
use sync_wire::{DeviceFrame, DeviceId, Goodbye, GoodbyeCode, Hello, RelayFrame, VersionRange};

use crate::world::{World, document};

#[test]
fn pushes_follow_hello_without_waiting_for_welcome() {
    let mut world = World::new(1);
    world.start(0);
    world.settle();
    world.cut(0);
    world.save(0, document(1), 1, &[]);
    world.devices[0].frames.clear();
    world.wake();
    while world.step_up(0) {}
    assert_eq!(world.devices[0].frames, ["Hello", "Push"], "before anything came back");
    world.settle();
    world.check_converged();
}

#[test]
fn a_goodbye_that_retrying_cannot_help_stops_until_a_person_acts() {
    let mut world = World::new(1);
    world.start(0);
    world.settle();
    let code = GoodbyeCode::UNAUTHENTICATED;
    let goodbye = Goodbye::new(code, 0, "the token was revoked".into());
    world.client_input(0, Input::Frame(RelayFrame::Goodbye(goodbye)));
    world.settle();
    assert!(matches!(&world.devices[0].status.link, Link::Blocked { code: Some(c), .. } if *c == code));
    world.start(0);
    world.settle();
    assert!(world.devices[0].status.is_settled(), "starting again connects again");
}

#[test]
fn connections_are_counted_and_one_that_a_copy_has_overtaken_comes_back_as_the_newest() {
    let (mut client, mut effects) = (Client::new(DeviceId([1; 16]), "test".into(), 1), Vec::new());
    let mut now = Instant::default();
    let mut begins = |clock, goodbye: Option<u64>| {
        client.handle(now, Input::Start, &mut effects); // the first time; then the clock does it
        client.handle(now, Input::Timeout, &mut effects);
        client.handle(now, Input::Connected, &mut effects);
        effects.clear();
        client.handle(now, Input::Cursors { cursors: Vec::new(), clock }, &mut effects);
        let hello = effects.iter().find_map(|effect| match effect {
            Effect::Send(DeviceFrame::Hello(hello)) => Some(hello.attempt),
            _ => None,
        });
        let (code, detail) = (GoodbyeCode::SUPERSEDED, "a newer one".into());
        let goodbye = Goodbye { code, retry_after_ms: 0, detail, attempt: goodbye };
        client.handle(now, Input::Frame(RelayFrame::Goodbye(goodbye)), &mut effects);
        now = client.next_timeout().expect("it tries again");
        hello.expect("it says hello")
    };
    assert_eq!([begins(8, None), begins(20, None), begins(20, None)], [8, 20, 21].map(Some));
    assert_eq!(begins(5, Some(40)), Some(22), "a clock may go back");
    assert_eq!([begins(99, Some(3)), begins(30, None)], [40, 41].map(Some), "a copy has had 40");
    assert_eq!(begins(99, Some(u64::MAX)), Some(99));
    assert_eq!([begins(99, None), begins(99, None)], [Some(u64::MAX); 2]);
}

#[test]
fn a_goodbye_delays_the_next_attempt_as_long_as_it_asks() {
    let mut world = World::new(1);
    world.start(0);
    world.settle();
    let code = GoodbyeCode::SHUTTING_DOWN;
    let goodbye = Goodbye::new(code, 90_000, "restart".into());
    world.client_input(0, Input::Frame(RelayFrame::Goodbye(goodbye)));
    let Link::Waiting { retry_in, .. } = world.devices[0].status.link.clone() else { panic!("waits") };
    assert!(retry_in.as_millis() >= 90_000);
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let mut session = Session::new(Instant::default());
    let mut effects = Vec::new();
    let due = session.next_timeout().expect("Hello is awaited");
    session.handle(due, session::Input::Timeout, &mut effects);
    assert!(matches!(&effects[..], [session::Effect::Close(goodbye)] if goodbye.code == GoodbyeCode::TOO_SLOW));
}

#[test]
fn a_device_of_another_wire_version_is_told_so() {
    let mut session = Session::new(Instant::default());
    let mut effects = Vec::new();
    let versions = VersionRange { oldest: 2, newest: 3 };
    let hello =
        Hello { versions, device: DeviceId([1; 16]), agent: "future".into(), cursors: Vec::new(), attempt: None };
    session.handle(Instant::default(), session::Input::Frame(DeviceFrame::Hello(hello)), &mut effects);
    assert!(matches!(&effects[..], [session::Effect::Close(goodbye)] if goodbye.code == GoodbyeCode::VERSION));
}
