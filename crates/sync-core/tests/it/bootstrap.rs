//! A device that is new to a space gets whole documents, and the log after them, over as many connections as it takes.

use sync_wire::DeviceId;

use crate::world::{World, document};

fn world_with_documents(count: u8) -> World {
    let mut world = World::new(1);
    for n in 0..count {
        world.relay.append_change(DeviceId([77; 16]), document(n), n.into(), &[]);
        world.relay.append_change(DeviceId([77; 16]), document(n), 1000 + u16::from(n), &[n.into()]);
    }
    world
}

#[test]
fn a_cold_device_gets_every_document_and_then_the_log() {
    let mut world = world_with_documents(20);
    world.start(0);
    world.settle();
    world.relay.append_change(DeviceId([77; 16]), document(3), 2000, &[3]);
    world.poll(0);
    world.settle();
    world.check_converged();
    let count = |kind: &str| world.devices[0].frames.iter().filter(|frame| **frame == kind).count();
    assert_eq!((count("Hello"), count("Bootstrap")), (1, 20), "over one link");
}

#[test]
fn a_bootstrap_goes_on_where_a_broken_link_left_it() {
    let mut world = world_with_documents(30);
    world.start(0);
    let mut links = 0;
    while world.devices[0].vault.cursor.is_none_or(|cursor| cursor.bootstrap.is_some()) {
        for _ in 0..4 {
            world.step_up(0);
            world.step_down(0);
        }
        world.relay.append_change(DeviceId([77; 16]), document(0), 3000 + links, &[]); // beside it, the log grows
        links += 1;
        world.cut(0);
        world.wake();
        assert!(links < 100, "every link brings it further");
    }
    assert!(links > 2, "it took several");
    world.settle();
    world.check_converged();
}
