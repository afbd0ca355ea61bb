//! Sound worlds keep every promise.

use std::path::Path;

use simulated_world::run::{self, AfterFailure, Range, Summary};
use simulated_world::worker::Worker;

/// Seeds of every test run. Longer runs go on behind them.
const SEEDS: u64 = 2000;
const PROCESSES: usize = 2;

fn check(summary: &Summary) {
    let failed: Vec<_> = summary
        .failures
        .iter()
        .map(|(seed, failure)| format!("seed {seed}: {failure}\n  cargo xtask simulate --from {seed} --trace"))
        .collect();
    assert!(failed.is_empty(), "{} of {} seeds failed:\n{}", failed.len(), summary.ran, failed.join("\n"));
}

#[test]
fn every_promise_holds_in_two_thousand_worlds() {
    run::sweep();
    let program = Path::new(env!("CARGO_BIN_EXE_simulate"));
    let workers = (0..PROCESSES).map(|_| Worker::start(program, None).unwrap());
    let workers = workers.map(|mut worker| move |seed| worker.run(seed)).collect();
    let range = Range { from: 0, seeds: SEEDS, after_failure: AfterFailure::GoOn };
    let summary = run::spread(range, workers, &|_| ()).unwrap();
    assert_eq!(summary.ran, SEEDS);
    check(&summary);
}

#[test]
fn every_promise_holds_in_the_worlds_that_once_broke_one() {
    let kept = include_str!("../../seeds.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    for line in kept {
        let seed = line.split_whitespace().next().and_then(|word| word.parse().ok());
        let from = seed.unwrap_or_else(|| panic!("{line:?} does not begin with a seed"));
        check(&run::range(Range { from, seeds: 1, after_failure: AfterFailure::GoOn }, None).unwrap());
    }
}
