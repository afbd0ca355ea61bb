//! A large document that is open takes in what others did while it is read and edited.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use editor_vault::{Document, Vault};

use crate::house::{House, SOON, count};
use crate::relay::Relay;
use crate::syncing::{connect, dangling, sync, until};

/// Enough that what comes is gathered.
const LARGE: usize = 40_000;

fn body(note: &Document) -> String {
    note.text("/body").unwrap().unwrap()
}

fn letters(text: &str, letter: char) -> usize {
    text.chars().filter(|found| *found == letter).count()
}

/// A large note that both have.
fn shared(laptop: &Vault, desktop: &Vault, relay: &Relay) -> (Document, Document) {
    let note = laptop.create("note", Some("large"), None).unwrap();
    note.edit(|draft| draft.replace_text("/body", &"x".repeat(LARGE))).unwrap();
    sync(laptop, relay, "alice");
    sync(desktop, relay, "alice");
    let theirs = desktop.find("large").unwrap();
    assert_eq!(body(&theirs).len(), LARGE);
    (laptop.find("large").unwrap(), theirs)
}

/// Far behind what is typed at the beginning meanwhile.
fn write(note: &Document, count: usize) {
    for _ in 0..count {
        note.edit(|draft| draft.splice("/body", LARGE / 2, 0, "z")).unwrap();
    }
}

#[test]
fn a_vault_that_is_settled_shows_all_that_came_and_has_it_in_its_file() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (laptop, desktop) = (house.open("laptop"), house.open("desktop"));
    let (ours, theirs) = shared(&laptop, &desktop, &relay);
    write(&ours, 100);
    sync(&laptop, &relay, "alice");
    sync(&desktop, &relay, "alice");
    assert_eq!(body(&theirs), body(&ours), "nothing is left to receive, so it is shown");
    drop((theirs, desktop));
    let again = house.open("desktop");
    assert_eq!(body(&again.find("large").unwrap()), body(&ours));
    assert!(again.doctor().unwrap().is_empty());
    sync(&again, &relay, "alice");
    assert_eq!(body(&again.find("large").unwrap()), body(&ours), "and the resume point came with the entries");
}

#[test]
fn what_is_typed_while_others_arrive_survives_where_it_was_typed() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (laptop, desktop) = (house.open("laptop"), house.open("desktop"));
    let (ours, theirs) = shared(&laptop, &desktop, &relay);
    connect(&laptop, &relay, "alice");
    connect(&desktop, &relay, "alice");
    let is_over = AtomicBool::new(false);
    let typed = std::thread::scope(|scope| {
        let typing = scope.spawn(|| {
            let mut typed = 0;
            while !is_over.load(Ordering::Relaxed) {
                // The first letter goes, and another comes: before all that others write.
                if typed % 3 == 2 {
                    theirs.edit(|draft| draft.splice("/body", 0, 0, "v")).unwrap();
                } else {
                    theirs.edit_deferred(|draft| draft.splice("/body", 0, 1, "vw")).unwrap();
                }
                typed += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
            typed
        });
        write(&ours, 200);
        until(&desktop, || letters(&body(&theirs), 'z') == 200);
        is_over.store(true, Ordering::Relaxed);
        typing.join().unwrap()
    });
    desktop.flush().unwrap();
    until(&laptop, || body(&ours) == body(&theirs));
    desktop.wait_until_settled(SOON).unwrap();
    let text = body(&ours);
    assert_eq!((letters(&text, 'z'), letters(&text, 'w')), (200, typed - typed / 3));
    let typed_before = text.trim_start_matches(['v', 'w']);
    assert!(!typed_before.contains(['v', 'w']), "nothing was typed anywhere else: {}", &text[..80]);
    assert_eq!(letters(&text, 'x'), LARGE - 1, "the first letter was replaced again and again");
    assert!(desktop.doctor().unwrap().is_empty());
    drop((theirs, desktop));
    assert_eq!(body(&house.open("desktop").find("large").unwrap()), text);
}

#[test]
fn a_tombstone_that_is_gathered_is_seen() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (laptop, desktop) = (house.open("laptop"), house.open("desktop"));
    let (ours, theirs) = shared(&laptop, &desktop, &relay);
    write(&ours, 3);
    laptop.delete(&ours).unwrap();
    sync(&laptop, &relay, "alice");
    sync(&desktop, &relay, "alice");
    assert_eq!(theirs.edit(|draft| draft.splice("/body", 0, 0, "late")).unwrap_err().code(), "deleted");
}

#[test]
fn a_change_that_cannot_be_applied_harms_nothing_that_was_gathered_with_it() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (laptop, desktop) = (house.open("laptop"), house.open("desktop"));
    let (ours, theirs) = shared(&laptop, &desktop, &relay);
    let space = relay.personal("alice");
    let head = relay.entries(space).iter().rfind(|entry| entry.document == ours.id()).unwrap().hash;
    write(&ours, 5);
    sync(&laptop, &relay, "alice");
    relay.append(space, ours.id(), &dangling(head));
    sync(&desktop, &relay, "alice");
    assert_eq!(letters(&body(&theirs), 'z'), 5);
    assert_eq!(theirs.edit(|draft| draft.splice("/body", 0, 0, "v")).unwrap_err().code(), "held");
}

#[test]
fn a_large_document_of_many_edits_is_kept_as_a_snapshot_while_its_reader_goes_on() {
    let house = House::new();
    let laptop = house.open("laptop");
    let note = laptop.create("note", Some("large"), None).unwrap();
    note.edit(|draft| draft.replace_text("/body", &"x".repeat(LARGE))).unwrap();
    write(&note, 501);
    let written = body(&note);
    drop((note, laptop));

    let again = house.open("laptop");
    let (note, file) = (again.find("large").unwrap(), again.file().to_path_buf());
    assert_eq!(body(&note), written);
    note.edit(|draft| draft.splice("/body", 0, 0, "v")).unwrap();
    until(&again, || count(&file, "SELECT count(*) FROM snapshots WHERE origin = 2") == 1);
    drop((note, again));

    let third = house.open("laptop");
    assert_eq!(body(&third.find("large").unwrap()), format!("v{written}"));
    assert!(third.doctor().unwrap().is_empty());
}
