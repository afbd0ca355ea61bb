//! Images that find nothing may be blind. So mistakes are planted, and each must be found, in a vault and in a relay.

use crash_images::number::{IMAGES_OF_STORY, Images};
use simulated_world::run::Place;
use sync_wire::planted::Bug;

/// Even numbers are images of the vault, odd ones of the relay.
const KINDS: [(u64, &str); 2] = [(0, "vault"), (1, "relay")];

/// `story` is one in which the mistake can be made.
#[track_caller]
fn check_is_found(bug: Bug, story: u64) {
    let place = Place::make().unwrap();
    let mut images = Images::new(place.path(), Some(bug));
    let numbers = story * IMAGES_OF_STORY..(story + 1) * IMAGES_OF_STORY;
    for (kind, name) in KINDS {
        let mut of_kind = numbers.clone().filter(|number| number % 2 == kind).enumerate();
        let found = of_kind.find_map(|(tried, number)| {
            let failure = images.run(number).unwrap().failure?;
            Some((tried + 1, number, failure))
        });
        let (tried, number, failure) = found.unwrap_or_else(|| panic!("{bug:?} was not found in the {name}"));
        println!("{bug:?} in the {name} was found by image {number}, the {tried}th: {failure}");
    }
}

#[test]
fn a_flush_that_is_skipped_is_found() {
    check_is_found(Bug::FsyncSkipped, 0);
}

#[test]
fn a_journal_whose_deletion_is_not_flushed_is_found() {
    check_is_found(Bug::DeletionNotFlushed, 1);
}
