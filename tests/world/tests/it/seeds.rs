//! Sound worlds keep every promise.

use simulated_world::run::{self, AfterFailure, Range};

/// Seeds of every test run. Longer runs go on behind them.
const SEEDS: u64 = 2000;
const THREADS: usize = 2;

fn check(range: Range) {
    let summary = run::range(range, &|_| ()).unwrap();
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
    check(Range { from: 0, seeds: SEEDS, jobs: THREADS, bug: None, after_failure: AfterFailure::GoOn });
}

#[test]
fn every_promise_holds_in_the_worlds_that_once_broke_one() {
    let kept = include_str!("../../seeds.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    for line in kept {
        let seed = line.split_whitespace().next().and_then(|word| word.parse().ok());
        let from = seed.unwrap_or_else(|| panic!("{line:?} does not begin with a seed"));
        check(Range { from, seeds: 1, jobs: 1, bug: None, after_failure: AfterFailure::GoOn });
    }
}
