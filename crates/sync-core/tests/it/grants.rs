//! Grants given, changed and taken while a device is connected.

use sync_core::client::Verdict;
use sync_wire::{DeviceId, FateCode, Role};

use crate::world::{World, document};

#[test]
fn nothing_is_delivered_after_a_grant_was_taken() {
    let mut world = World::new(1);
    world.start(0);
    world.settle();
    world.relay.role = None;
    world.access_changed(0);
    world.relay.append_change_as_owner(DeviceId([77; 16]), document(1), 1);
    world.poll(0);
    world.settle();
    assert!(world.devices[0].vault.changes.is_empty());
    assert!(world.devices[0].frames.contains(&"GrantChanged"));
}

#[test]
fn a_push_into_a_space_without_a_grant_is_kept_and_told_nothing_else() {
    let mut world = World::new(1);
    world.relay.role = None;
    let batch = world.save(0, document(1), 1, &[]);
    world.start(0);
    world.settle();
    assert!(matches!(world.devices[0].vault.fates[&batch], Verdict::Parked { code: FateCode::NO_SUCH_SPACE, .. }));
    world.relay.role = Some(Role::Editor);
    world.access_changed(0);
    world.settle();
    assert_eq!(world.relay.log.len(), 1, "the grant came (back) and the batch was pushed again");
    world.check_converged();
}
