//! Random schedules: devices save, frames move in any order, links break, and in the end everything is everywhere once.

use proptest::prelude::*;

use crate::world::{World, document};

#[derive(Debug, Clone)]
enum Step {
    Save(usize, u8),
    Up(usize),
    Down(usize),
    Cut(usize),
    Wake,
    Poll(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let device = 0..3usize;
    let step = prop_oneof![
        3 => (device.clone(), 0..4u8).prop_map(|(device, document)| Step::Save(device, document)),
        6 => device.clone().prop_map(Step::Up),
        6 => device.clone().prop_map(Step::Down),
        1 => device.clone().prop_map(Step::Cut),
        1 => Just(Step::Wake),
        1 => device.prop_map(Step::Poll),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everything_saved_arrives_everywhere_exactly_once(steps in steps()) {
        let mut world = World::new(3);
        (0..3).for_each(|device| world.start(device));
        let mut last: [[Option<u16>; 4]; 3] = Default::default();
        for (n, step) in (0..).zip(steps) {
            match step {
                Step::Save(device, it) => {
                    // Each device continues its own branch of the document.
                    let deps: Vec<u16> = last[device][it as usize].into_iter().collect();
                    world.save(device, document(it), n, &deps);
                    last[device][it as usize] = Some(n);
                }
                Step::Up(device) => drop(world.step_up(device)),
                Step::Down(device) => drop(world.step_down(device)),
                Step::Cut(device) => world.cut(device),
                Step::Wake => world.wake(),
                Step::Poll(device) => world.poll(device),
            }
        }
        world.settle();
        (0..3).for_each(|device| world.poll(device));
        world.settle();
        world.check_converged();
    }
}
