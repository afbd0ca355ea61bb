//! Sound programs keep every promise in every image.

use std::path::Path;

use crash_images::number::{IMAGES_OF_STORY, Images};
use simulated_world::run::{self, AfterFailure, Place, Range, Summary};
use simulated_world::worker::Worker;

/// Two stories, the second with a rollback journal.
const IMAGES: u64 = 2 * IMAGES_OF_STORY;
const PROCESSES: usize = 2;

fn check(summary: &Summary) {
    let failed: Vec<_> = summary
        .failures
        .iter()
        .map(|(number, failure)| format!("image {number}: {failure}\n  cargo xtask disks --from {number} --trace"))
        .collect();
    assert!(failed.is_empty(), "{} of {} images failed:\n{}", failed.len(), summary.ran, failed.join("\n"));
}

#[test]
fn whatever_a_crash_leaves_opens_is_sound_and_holds_what_was_promised() {
    run::sweep();
    let program = Path::new(env!("CARGO_BIN_EXE_disks"));
    let workers = (0..PROCESSES).map(|_| Worker::start(program, None).unwrap());
    let workers = workers.map(|mut worker| move |number| worker.run(number)).collect();
    let range = Range { from: 0, seeds: IMAGES, after_failure: AfterFailure::GoOn };
    let summary = run::spread(range, workers, &|_| ()).unwrap();
    assert_eq!(summary.ran, IMAGES);
    check(&summary);
}

#[test]
fn images_that_once_failed_hold_what_was_promised() {
    let place = Place::make().unwrap();
    let mut images = Images::new(place.path(), None);
    let kept = include_str!("../../images.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    for line in kept {
        let number = line.split_whitespace().next().and_then(|word| word.parse().ok());
        let from = number.unwrap_or_else(|| panic!("{line:?} does not begin with a number"));
        let range = Range { from, seeds: 1, after_failure: AfterFailure::GoOn };
        check(&run::spread(range, vec![|number| images.run(number)], &|_| ()).unwrap());
    }
}
