//! What a device takes of what a relay delivers, and when it knows that it has everything.

use sync_core::client::{Effect, Input, Lanes, Link};
use sync_wire::log::{EntryKind, Receipt};
use sync_wire::*;

use crate::alone::{CHAIN, Device, SPACE, cursor, grant, place};

fn part(epoch: u8) -> Bootstrap {
    Bootstrap { space: SPACE, at: place(epoch, 9), documents: Vec::new(), done: true, receipt: None }
}

fn is_lost(device: &Device) -> bool {
    matches!(device.0.status().link, Link::Waiting { .. })
}

#[test]
fn a_part_of_a_bootstrap_that_is_not_under_way_ends_the_link() {
    let begins = grant(place(1, 9), Resume::Bootstrap { at: Position(9), chain: CHAIN });
    let goes_on = grant(place(1, 9), Resume::Continue);
    for (grant, epoch, is_taken) in [(&begins, 1, true), (&begins, 2, false), (&goes_on, 1, false)] {
        let mut device = Device::welcomed(std::slice::from_ref(grant));
        device.feed(Input::GrantsApplied(vec![cursor()]));
        let effects = device.feed(Input::Frame(RelayFrame::Bootstrap(part(epoch))));
        assert_eq!(effects.contains(&Effect::CommitBootstrap(part(epoch))), is_taken, "{grant:?} {epoch}");
        assert_eq!(is_lost(&device), !is_taken, "{grant:?} {epoch}");
    }
}

#[test]
fn a_device_is_not_caught_up_before_it_has_what_its_grant_says_there_is() {
    let mut device = Device::welcomed(&[grant(place(1, 10), Resume::Continue)]);
    device.feed(Input::GrantsApplied(vec![cursor()]));
    assert!(!device.0.status().is_caught_up);
    let entry = Entry {
        kind: EntryKind::Restore,
        document: DocumentId([2; 16]),
        hash: ChangeHash([4; 32]),
        device: DeviceId([5; 16]),
        batch: BatchId([6; 16]),
        bytes: None,
        heads: None,
    };
    let receipt = Receipt { key: 0, mac: [0; 32] };
    let deliver = Deliver { space: SPACE, after: cursor().at, entries: vec![entry], chain: CHAIN, receipt };
    device.feed(Input::Frame(RelayFrame::Deliver(deliver)));
    assert!(!device.0.status().is_caught_up, "it is not durable yet");
    device.feed(Input::Committed { cursor: Cursor { at: place(1, 10), ..cursor() }, lanes: Lanes::Unchanged });
    assert!(device.0.status().is_caught_up);
}
