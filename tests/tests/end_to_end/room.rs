//! Disks that are nearly full, and damage: relays that go on being read, vaults that end what is under way, and what is
//! saved out of a damaged one.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use editor_vault::Vault;
use system_tests::{Device, Programs, Relay};

use crate::mount::Mount;
use crate::world::{eventually, odd_directory};

const MIB: u64 = 1 << 20;

/// Takes so much room on a disk.
fn take_room(at: &Path, bytes: u64) -> Result<()> {
    let mut file = File::create(at)?;
    for _ in 0..bytes / MIB {
        file.write_all(&vec![0x5a; MIB as usize])?;
    }
    Ok(file.sync_all()?)
}

#[test]
fn a_relay_whose_disk_is_nearly_full_takes_no_edits_is_read_and_goes_on_when_there_is_room() -> Result<()> {
    let directory = odd_directory()?;
    let Some(disk) = Mount::new(&directory.path().join("small disk"), "size=64m")? else { return Ok(()) };
    let programs = Programs::beside_this_executable()?;
    let relay = Relay::start_with_reserve(&programs, &disk.path().join("relay"), 24 * MIB)?;
    let ada = relay.account("ada")?;
    let device = Device::new(&programs, directory.path(), "laptop")?;
    device.ok(&["init"])?;
    device.login(&relay.url(), &ada.token)?;
    device.ok(&["set", "settings", "before", "true"])?;
    device.ok(&["sync"])?;
    let filling = disk.path().join("filling");
    take_room(&filling, 46 * MIB)?;
    eventually("the relay has noticed", || Ok(relay.logged().contains("no edits are taken")))?;
    device.ok(&["set", "settings", "meanwhile", "true"])?;
    let vault = Vault::open(device.vault())?;
    vault.connect_stored()?;
    let settings = vault.well_known("settings")?;
    eventually("the device is connected", || Ok(matches!(vault.sync_status().link, editor_vault::Link::Online)))?;
    eventually("the device says why its edits wait", || {
        Ok(vault.sync_status().no_room.is_some_and(|detail| detail.contains("nearly full")))
    })?;
    let documents = relay.documents(&ada.token)?;
    let shown = relay.document(documents.first().context("settings")?, &ada.token)?.body.to_string();
    assert!(shown.contains("before") && !shown.contains("meanwhile"), "what is there is read: {shown}");
    assert_ne!(settings.status()?.state, editor_vault::DocumentState::Synced, "what is new waits");
    std::fs::remove_file(&filling)?;
    eventually("what waited is at the relay", || {
        let shown = relay.document(documents.first().context("settings")?, &ada.token)?.body.to_string();
        Ok(shown.contains("meanwhile"))
    })?;
    eventually("nothing waits any more", || Ok(vault.sync_status().no_room.is_none()))
}

#[test]
fn an_edit_on_a_full_disk_is_saved_from_the_reserve_and_the_user_is_told() -> Result<()> {
    let directory = odd_directory()?;
    let Some(disk) = Mount::new(&directory.path().join("small disk"), "size=160m")? else { return Ok(()) };
    let vault = Vault::open(disk.path().join("vault"))?;
    let note = vault.create("note", Some("long"), None)?;
    editor_vault::doctest::keep_reserve(&vault)?;
    let filler = disk.fill()?;
    let (mut saved, mut number) = (String::new(), 0_u32);
    while vault.noticed().is_empty() {
        number += 1;
        assert!(number < 1_000, "the disk is full and nobody needs room");
        saved = format!("{number} {}", "word ".repeat(4_000));
        note.edit(|draft| draft.replace_text("/body", &saved))?;
    }
    assert_eq!(vault.noticed()[0].code, "reserve_spent");
    assert_eq!(note.text("/body")?, Some(saved.clone()), "saved all the same");
    // What follows fits as well, and when the reserve is gone the edit is handed back.
    let failed = loop {
        number += 1;
        let next = format!("{number} {}", "word ".repeat(50_000 + number as usize));
        match note.edit(|draft| draft.put(&format!("/{number}"), next.as_str().into())) {
            Ok(()) => assert!(number < 2_000, "the disk never became full"),
            Err(failed) => break failed,
        }
    };
    assert_eq!(failed.code(), "disk_full", "{failed}");
    let editor_vault::EditError::NotSaved { edit: Some(edit), .. } = failed else { panic!("handed back") };
    drop(filler);
    vault.save_again(&edit)?;
    assert!(note.get(&format!("/{number}"))?.is_some());
    assert_eq!(vault.verify()?, []);
    Ok(())
}

#[test]
fn what_is_sound_in_a_damaged_vault_is_saved_by_one_command() -> Result<()> {
    let directory = odd_directory()?;
    let device = Device::new(&Programs::beside_this_executable()?, directory.path(), "laptop")?;
    device.ok(&["init"])?;
    device.ok(&["set", "settings", "editor.tabSize", "4"])?;
    for number in 0..60 {
        device.ok(&["new", "note", &format!("note {number}")])?;
    }
    let file = device.vault().join("vault.sqlite");
    let mut bytes = std::fs::read(&file)?;
    let words = b"note 41";
    let at = bytes.windows(words.len()).position(|at| at == words).context("its page")?;
    bytes[at / 4096 * 4096..][..4096].fill(0x5a);
    std::fs::write(&file, bytes)?;
    let said = device.fails(1, &["doctor"])?;
    assert!(said.contains("damaged"), "{said}");
    let saved = directory.path().join("saved");
    let told = device.ok(&["salvage", &saved.to_string_lossy()])?;
    assert!(told.contains("saved") && told.contains("could not be read"), "{told}");
    let saved = device.clone().with_vault(&saved);
    assert_eq!(saved.ok(&["get", "settings", "editor.tabSize"])?, "4");
    saved.ok(&["set", "settings", "editor.tabSize", "2"])?;
    assert!(saved.ok(&["list"])?.lines().count() > 30);
    let again = device.fails(1, &["salvage", &saved.vault().to_string_lossy()])?;
    assert!(again.contains("vault_exists"), "{again}");
    Ok(())
}
