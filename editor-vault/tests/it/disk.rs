//! What disks do to a vault, and what the vault does about it: ends in the middle, damaged pages, what is saved out of
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use editor_vault::{DocumentState, ListFilter, SalvageError, Vault};

use crate::house::{House, TAB_SIZE};
use crate::relay::Relay;
use crate::syncing::sync;

const NOTES: usize = 400;
const PAGE: usize = 4096;

/// Waits for what another thread does in its own time.
fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never came to be so that {what}");
}

/// The files of a vault as a kill would leave them.
fn cut_off(house: &House, vault: &Vault, name: &str) -> PathBuf {
    let to = house.path(name);
    std::fs::create_dir(&to).unwrap();
    for file in ["vault.sqlite", "vault.sqlite-wal", "vault.open"] {
        std::fs::copy(vault.path().join(file), to.join(file)).unwrap();
    }
    to
}

fn with_notes(house: &House, name: &str) -> Vault {
    let vault = house.open(name);
    for number in 0..NOTES {
        if number == 100 {
            // Somewhere in the middle, where no test spoils anything.
            vault.well_known("settings").unwrap().edit(|draft| draft.put(TAB_SIZE, 4.into())).unwrap();
        }
        let note = vault.create("note", Some(&format!("note {number}")), None).unwrap();
        note.edit(|draft| draft.replace_text("/body", &marker(number))).unwrap();
    }
    vault
}

fn marker(number: usize) -> String {
    format!("the words of number {number}.")
}

/// What the notes of a vault say, by their names.
fn notes(vault: &Vault) -> BTreeMap<String, String> {
    let all = vault.list(&ListFilter { type_name: Some("note".into()), ..ListFilter::default() }).unwrap();
    let said = |info: &editor_vault::DocumentInfo| {
        let note = vault.document(info.space, info.id).ok()?;
        Some((note.get("/name").ok()??.as_str()?.to_owned(), note.text("/body").ok()??))
    };
    all.iter().filter_map(said).collect()
}

/// Spoils the pages that have these words; two words may be on one.
fn spoil(file: &Path, words: &[&[u8]]) {
    let mut bytes = std::fs::read(file).unwrap();
    let pages = words.iter().flat_map(|words| {
        let places = bytes.windows(words.len()).enumerate().filter(|(_, at)| at == words);
        let pages: BTreeSet<usize> = places.map(|(at, _)| at / PAGE * PAGE).collect();
        assert!(!pages.is_empty(), "{words:?} is nowhere");
        pages
    });
    for page in pages.collect::<BTreeSet<_>>() {
        bytes[page..page + PAGE].fill(0x5a);
    }
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn a_vault_that_ended_in_order_leaves_no_mark() {
    let house = House::new();
    let vault = house.open("a");
    assert!(house.path("a").join("vault.open").exists());
    drop(vault);
    assert!(!house.path("a").join("vault.open").exists());
}

#[test]
fn a_vault_that_was_cut_off_is_looked_at_once() {
    let house = House::new();
    let vault = with_notes(&house, "a");
    let copy = cut_off(&house, &vault, "b");
    let mark = || std::fs::read_to_string(copy.join("vault.open")).unwrap_or_default();
    let opened = house.open("b");
    until("somebody has looked", || mark() == "open");
    assert_eq!(opened.noticed(), []);
    assert_eq!(notes(&opened).len(), NOTES);
    drop(opened);
    assert_eq!(mark(), "", "it is gone");
}

#[test]
fn damage_after_an_end_in_the_middle_is_noticed_and_nothing_is_written_any_more() {
    let house = House::new();
    drop(with_notes(&house, "a"));
    let vault = house.open("a");
    let copy = house.path("b");
    std::fs::create_dir(&copy).unwrap();
    for file in ["vault.sqlite", "vault.open"] {
        std::fs::copy(vault.path().join(file), copy.join(file)).unwrap();
    }
    spoil(&copy.join("vault.sqlite"), &[marker(77).as_bytes()]);
    let damaged = house.open("b");
    until("the damage is noticed", || damaged.noticed().iter().any(|finding| finding.code == "corrupt"));
    let before = std::fs::read(copy.join("vault.sqlite")).unwrap();
    let settings = damaged.well_known("settings").unwrap();
    let refused = settings.edit(|draft| draft.put(TAB_SIZE, 8.into())).unwrap_err();
    assert_eq!(refused.code(), "corrupt", "{refused}");
    assert!(refused.to_string().contains("vault salvage"), "{refused}");
    assert_eq!(settings.get(TAB_SIZE).unwrap(), Some(4.into()), "what can be read is read");
    drop((settings, damaged));
    assert!(std::fs::read(copy.join("vault.sqlite")).unwrap() == before, "not one byte was changed");
    assert!(copy.join("vault.open").exists(), "the next one looks again");
}

#[test]
fn whatever_page_is_damaged_every_look_lists_what_it_finds() {
    let house = House::new();
    drop(with_notes(&house, "a"));
    let whole = std::fs::read(house.path("a").join("vault.sqlite")).unwrap();
    let mut looked_at = 0;
    for page in (1..whole.len() / PAGE).step_by(11) {
        let name = format!("damaged {page}");
        std::fs::create_dir(house.path(&name)).unwrap();
        let mut bytes = whole.clone();
        bytes[page * PAGE..][..PAGE].fill(0x5a);
        std::fs::write(house.path(&name).join("vault.sqlite"), bytes).unwrap();
        // Of some pages a vault says as it opens that they are damaged.
        let Ok(vault) = house.options(&name).open() else { continue };
        looked_at += 1;
        for found in [vault.doctor(), vault.verify()] {
            assert!(found.unwrap().iter().any(|finding| finding.code == "corrupt"), "page {page}");
        }
    }
    assert!(looked_at > 10, "{looked_at}");
}

#[test]
fn what_is_sound_in_a_damaged_vault_is_saved_and_can_be_edited() {
    let house = House::new();
    drop(with_notes(&house, "a"));
    let file = house.path("a").join("vault.sqlite");
    spoil(&file, &[marker(3).as_bytes(), marker(200).as_bytes(), marker(399).as_bytes()]);
    let before = std::fs::read(&file).unwrap();
    let salvaged = Vault::salvage(&house.path("a"), &house.path("b")).unwrap();
    assert!(std::fs::read(&file).unwrap() == before, "the damaged one stays as it is");
    assert!(salvaged.unreadable > 0 && salvaged.renamed == 0, "{salvaged:?}");
    let vault = house.open("b");
    let saved = notes(&vault);
    // The root of the tree has the first words as well, from when it was a leaf: it is gone with them.
    let whole = saved.values().filter(|body| !body.is_empty()).count();
    assert!(whole > NOTES - 60, "{whole} of {NOTES}: {salvaged:?}");
    for (name, body) in &saved {
        let number: usize = name.trim_start_matches("note ").parse().unwrap();
        // The making of a note is one change, its words are another.
        assert!(*body == marker(number) || body.is_empty(), "what is there is what it was: {body}");
    }
    let settings = vault.well_known("settings").unwrap();
    assert_eq!(settings.get(TAB_SIZE).unwrap(), Some(4.into()));
    settings.edit(|draft| draft.put(TAB_SIZE, 8.into())).unwrap();
    let wrong: Vec<_> = vault.verify().unwrap().into_iter().map(|finding| finding.code).collect();
    assert!(wrong.iter().all(|code| ["rests_on_missing", "seq_gap"].contains(code)), "{wrong:?}");
    assert!(!house.path("b").join("salvage").exists(), "no copies are left behind");
}

#[test]
fn a_salvaged_vault_gets_everything_back_from_the_relay_and_gives_what_that_lacks() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let vault = with_notes(&house, "a");
    sync(&vault, &relay, "alice");
    let unsent = vault.create("note", Some("note 1000"), None).unwrap();
    unsent.edit(|draft| draft.replace_text("/body", &marker(1_000))).unwrap();
    drop((unsent, vault));
    spoil(&house.path("a").join("vault.sqlite"), &[marker(10).as_bytes(), marker(300).as_bytes()]);
    let salvaged = Vault::salvage(&house.path("a"), &house.path("b")).unwrap();
    let vault = house.open("b");
    assert!(notes(&vault).len() < NOTES + 1, "something was lost: {salvaged:?}");
    sync(&vault, &relay, "alice");
    let expected: BTreeMap<_, _> =
        (0..NOTES).chain([1_000]).map(|number| (format!("note {number}"), marker(number))).collect();
    assert!(notes(&vault) == expected, "{salvaged:?}");
    for info in vault.list(&ListFilter::default()).unwrap() {
        assert_eq!(info.status.state, DocumentState::Synced, "{info:?}");
    }
    assert_eq!(vault.verify().unwrap(), []);
    let other = house.open("c");
    sync(&other, &relay, "alice");
    assert!(notes(&other) == expected, "nothing is said twice, and nothing is missing");
}

#[test]
fn documents_whose_rows_are_lost_keep_their_changes_under_their_ids_or_new_ones() {
    let house = House::new();
    let vault = with_notes(&house, "a");
    let (before, all) = (notes(&vault), vault.list(&ListFilter::default()).unwrap());
    let ids = |vault: &Vault| -> BTreeSet<_> {
        vault.list(&ListFilter::default()).unwrap().iter().map(|info| info.id).collect()
    };
    let (before_ids, settings) = (ids(&vault), vault.well_known("settings").unwrap().id());
    drop(vault);
    let file = house.path("a").join("vault.sqlite");
    // The titles stand in the rows of documents, the ids in their index as well. Changes are on other pages.
    let note = all.iter().find(|info| info.title.as_deref() == Some("note 120")).unwrap().id;
    spoil(&file, &[&note.0, &settings.0]);
    let salvaged = Vault::salvage(&house.path("a"), &house.path("b")).unwrap();
    assert!(salvaged.renamed > 0, "{salvaged:?}");
    let vault = house.open("b");
    assert!(notes(&vault) == before, "{salvaged:?}");
    assert_eq!(vault.well_known("settings").unwrap().get(TAB_SIZE).unwrap(), Some(4.into()), "under its own id");
    let new = ids(&vault).difference(&before_ids).count();
    assert_eq!(new as u64, salvaged.renamed, "no more than that have new ids");
}

#[test]
fn what_cannot_be_salvaged_is_said() {
    let house = House::new();
    let none = Vault::salvage(&house.path("a"), &house.path("b")).unwrap_err();
    assert!(matches!(none, SalvageError::NoVault { .. }), "{none}");
    let vault = house.open("a");
    let open = Vault::salvage(&house.path("a"), &house.path("b")).unwrap_err();
    assert_eq!(open.code(), "in_use", "{open}");
    drop(vault);
    drop(house.open("b"));
    let taken = Vault::salvage(&house.path("a"), &house.path("b")).unwrap_err();
    assert_eq!(taken.code(), "vault_exists", "{taken}");
    std::fs::write(house.path("a").join("vault.sqlite"), vec![0x5a; 40_960]).unwrap();
    let lost = Vault::salvage(&house.path("a"), &house.path("c")).unwrap_err();
    assert_eq!(lost.code(), "lost", "{lost}");
    assert!(!house.path("c").join("vault.sqlite").exists(), "no empty vault in its place");
}
