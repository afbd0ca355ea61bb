//! What a device reads of its outbox, and how much of it may be unanswered.

use sync_core::client::{Effect, Input, OutboxBatch};
use sync_wire::limits::{PUSH_CREDIT, PUSH_CREDIT_BYTES};
use sync_wire::*;

use crate::alone::{Device, SPACE, cursor, grant, place};

/// A device that is welcomed and has nothing to receive.
fn online() -> Device {
    let mut device = Device::welcomed(&[grant(place(1, 9), Resume::Continue)]);
    device.feed(Input::GrantsApplied(vec![cursor()]));
    device.feed(Input::Outbox { batches: Vec::new(), more: false });
    device
}

/// A batch with a document of its own.
fn batch(order: u64, bytes: usize) -> OutboxBatch {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&order.to_be_bytes());
    let content = Content::Changes(vec![vec![0; bytes].into()]);
    OutboxBatch { order, space: SPACE, document: DocumentId(id), batch: BatchId(id), content }
}

fn batches(orders: std::ops::RangeInclusive<u64>) -> Vec<OutboxBatch> {
    orders.map(|order| batch(order, 1)).collect()
}

fn ack(of: &OutboxBatch, at: Option<LogPosition>) -> Input {
    Input::Frame(RelayFrame::Ack(Ack { space: SPACE, document: of.document, batch: of.batch, at, proof: None }))
}

fn pushed(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::Send(DeviceFrame::Push(_)))).count()
}

/// Where a look at the outbox begins, and how many it asks for.
fn looks(effects: &[Effect]) -> Vec<(u64, u32)> {
    let look = |effect: &Effect| match effect {
        Effect::ReadOutbox { after, count, .. } => Some((*after, *count)),
        _ => None,
    };
    effects.iter().filter_map(look).collect()
}

const CREDIT: u64 = PUSH_CREDIT as u64;

#[test]
fn a_device_leaves_no_more_unanswered_than_its_credit_and_goes_on_when_half_of_it_is_back() {
    let mut device = online();
    assert_eq!(looks(&device.feed(Input::Saved)), [(0, PUSH_CREDIT)]);
    let all = batches(1..=CREDIT + 10);
    let effects = device.feed(Input::Outbox { batches: all.clone(), more: false });
    assert_eq!(pushed(&effects), PUSH_CREDIT as usize);
    let half = PUSH_CREDIT as usize / 2;
    for batch in &all[..half - 1] {
        let looks = looks(&device.feed(ack(batch, Some(place(1, 9)))));
        assert_eq!(looks, [], "a look for one batch each would cost more than it brings");
    }
    let effects = device.feed(ack(&all[half - 1], Some(place(1, 9))));
    assert_eq!(looks(&effects), [(CREDIT, PUSH_CREDIT + PUSH_CREDIT / 2)]);
    let rest = all[PUSH_CREDIT as usize..].to_vec();
    assert_eq!(pushed(&device.feed(Input::Outbox { batches: rest, more: false })), 10);
}

#[test]
fn a_device_leaves_no_more_bytes_unanswered_than_its_credit() {
    let mut device = online();
    device.feed(Input::Saved);
    let large: Vec<OutboxBatch> = (1..=12).map(|order| batch(order, 512 << 10)).collect();
    let fit = PUSH_CREDIT_BYTES / (512 << 10);
    assert_eq!(pushed(&device.feed(Input::Outbox { batches: large.clone(), more: false })), fit);
    assert_eq!(looks(&device.feed(Input::Saved)), [], "there is no credit to push what that would find");
    let effects = device.feed(ack(&large[0], Some(place(1, 9))));
    assert_eq!(looks(&effects), [(fit as u64, PUSH_CREDIT + fit as u32 - 1)]);
    assert_eq!(pushed(&device.feed(Input::Outbox { batches: large[fit..].to_vec(), more: false })), 1);
}

#[test]
fn what_is_pushed_or_stored_already_does_not_use_up_a_look_at_the_outbox() {
    let mut device = online();
    device.feed(Input::Saved);
    let all = batches(1..=7);
    device.feed(Input::Outbox { batches: all.clone(), more: false });
    all[..4].iter().for_each(|batch| drop(device.feed(ack(batch, None))));
    let effects = device.feed(Input::GrantsApplied(vec![cursor()]));
    assert_eq!(looks(&effects), [(0, PUSH_CREDIT + 7)]);
    let effects = device.feed(Input::Outbox { batches: [all, batches(8..=9)].concat(), more: false });
    assert_eq!(pushed(&effects), 2);
}
