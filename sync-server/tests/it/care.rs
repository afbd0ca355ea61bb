//! What a relay does about the file that it keeps everything in: after an end in the middle, and once a week.

use std::path::Path;
use std::time::Duration;

use sync_server::relay::care::scrub;
use sync_server::relay::gate::Closed;
use tempfile::TempDir;

use crate::author::Author;
use crate::device::Device;
use crate::relay::Relay;

const NOTES: usize = 120;
const PAGE: usize = 4096;

/// What a relay with some notes leaves behind that is killed.
async fn cut_off() -> TempDir {
    let relay = Relay::start().await;
    let ada = relay.account("ada").await;
    let (mut laptop, _) = Device::online(relay.address, &ada.token).await;
    for number in 0..NOTES {
        let mut note = Author::new("note");
        laptop.push_all(ada.personal, note.id, &note.put("/name", words(number))).await;
    }
    let left = tempfile::tempdir().unwrap();
    relay.storage().backup(&left.path().join("relay.sqlite")).await.unwrap();
    for name in ["receipt.keys", "serve.open"] {
        std::fs::copy(relay.directory().join(name), left.path().join(name)).unwrap();
    }
    left
}

fn words(number: usize) -> String {
    format!("the words of number {number}.")
}

/// Spoils the pages that have the words of a note in the middle.
fn spoil(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let words = words(NOTES / 2);
    let places: Vec<usize> =
        (0..bytes.len() - words.len()).filter(|at| bytes[*at..].starts_with(words.as_bytes())).collect();
    assert!(!places.is_empty());
    for at in places {
        let page = at / PAGE * PAGE;
        bytes[page..page + PAGE].fill(0x5a);
    }
    std::fs::write(file, bytes).unwrap();
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to be so that {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_was_cut_off_looks_at_its_pages_and_goes_on() {
    let left = cut_off().await;
    let mark = left.path().join("serve.open");
    assert_eq!(std::fs::read_to_string(&mark).unwrap(), "open", "as a kill leaves it");
    std::fs::write(&mark, "cut ").unwrap(); // and as one does that was killed before it had looked
    let relay = Relay::start_in(left, |_| {}).await;
    until("somebody has looked", || std::fs::read_to_string(&mark).unwrap() == "open").await;
    assert_eq!(relay.app.gate.closed(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_was_cut_off_and_whose_pages_are_damaged_takes_no_edits() {
    let left = cut_off().await;
    spoil(&left.path().join("relay.sqlite"));
    let relay = Relay::start_in(left, |_| {}).await;
    until("the damage is noticed", || relay.app.gate.closed() == Some(Closed::Damaged)).await;
    assert_eq!(std::fs::read_to_string(relay.directory().join("serve.open")).unwrap(), "cut ", "the next looks again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrub_looks_at_everything_and_notes_when_it_was() {
    let left = cut_off().await;
    std::fs::remove_file(left.path().join("serve.open")).unwrap();
    let file = left.path().join("relay.sqlite");
    let relay = Relay::start_in(left, |_| {}).await;
    scrub(&relay.app).await;
    assert_eq!(relay.app.gate.closed(), None);
    let noted = std::fs::read_to_string(relay.directory().join("scrubbed")).unwrap();
    assert!(noted.parse::<u64>().unwrap() > 1_700_000_000, "{noted}");
    // SQLite still has what it has read; a connection of its own reads the disk.
    spoil(&file);
    scrub(&relay.app).await;
    assert_eq!(relay.app.gate.closed(), Some(Closed::Damaged));
}
