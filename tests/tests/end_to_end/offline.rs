//! Edits without a network, and what becomes of them.

use anyhow::Result;
use system_tests::Wire;

use crate::world::{World, same_settings};

#[test]
fn a_week_offline_on_two_devices_ends_in_the_same_settings() -> Result<()> {
    let world = World::new()?;
    let (_, laptop, desktop) = world.two_devices()?;
    for day in 0..7 {
        for device in [&laptop, &desktop] {
            let name = device.name();
            device.ok(&["set", "settings", &format!("{name}.day{day}"), &day.to_string()])?;
            device.ok(&["set", "settings", "editor.tabSize", &(2 + day).to_string()])?;
            device.ok(&["set", "settings", &format!("/files.associations/*.{name}{day}"), "--string", "rust"])?;
        }
    }
    laptop.sync()?;
    desktop.sync()?;
    laptop.sync()?;
    let merged = same_settings(&laptop, &desktop)?;
    for expected in ["laptop.day0", "laptop.day6", "desktop.day0", "desktop.day6", "*.laptop3", "*.desktop3"] {
        assert!(merged.contains(expected), "{expected} is missing in {merged}");
    }
    assert_eq!(laptop.ok(&["get", "settings", "editor.tabSize"])?, "8", "both wrote 8 last");
    Ok(())
}

#[test]
fn the_same_nested_object_made_on_both_devices_keeps_both_halves() -> Result<()> {
    let world = World::new()?;
    let (_, laptop, desktop) = world.two_devices()?;
    laptop.ok(&["set", "settings", "[rust]", r#"{"editor.rulers": [100], "editor.tabSize": 4}"#])?;
    desktop.ok(&["set", "settings", "[rust]", r#"{"editor.formatOnSave": true}"#])?;
    laptop.sync()?;
    desktop.sync()?;
    laptop.sync()?;
    let merged = same_settings(&laptop, &desktop)?;
    for expected in ["editor.rulers", "editor.tabSize", "editor.formatOnSave"] {
        assert!(merged.contains(expected), "{expected} is missing in {merged}");
    }
    Ok(())
}

#[test]
fn work_from_before_the_first_login_is_kept_and_merged() -> Result<()> {
    let world = World::new()?;
    let ada = world.relay.account("ada")?;
    let early = world.device("early")?;
    early.ok(&["set", "settings", "editor.wordWrap", "--string", "on"])?;
    early.ok(&["new", "note", "Before the login"])?;
    let other = world.device_of(&ada, "other")?;
    other.ok(&["set", "settings", "editor.tabSize", "3"])?;
    other.sync()?;

    early.login(&world.relay.url(), &ada.token)?;
    early.sync()?;
    other.sync()?;
    let merged = same_settings(&early, &other)?;
    assert!(merged.contains("wordWrap") && merged.contains("tabSize"), "{merged}");
    assert!(other.ok(&["list"])?.contains("Before the login"));
    Ok(())
}

#[test]
fn two_people_write_in_one_note_while_apart() -> Result<()> {
    let world = World::new()?;
    let (_, laptop, desktop) = world.two_devices()?;
    laptop.ok(&["new", "note", "Shopping"])?;
    laptop.append("Shopping", "apples\n")?;
    laptop.sync()?;
    desktop.sync()?;
    laptop.append("Shopping", "from the laptop\n")?;
    desktop.append("Shopping", "from the desktop\n")?;
    laptop.sync()?;
    desktop.sync()?;
    laptop.sync()?;
    let text = laptop.ok(&["show", "Shopping"])?;
    assert_eq!(text, desktop.ok(&["show", "Shopping"])?);
    for line in ["apples", "from the laptop", "from the desktop"] {
        assert_eq!(text.matches(line).count(), 1, "{line} in {text}");
    }
    Ok(())
}

#[test]
fn a_deleted_document_disappears_everywhere_and_no_settings_with_it() -> Result<()> {
    let world = World::new()?;
    let (ada, laptop, desktop) = world.two_devices()?;
    laptop.ok(&["set", "settings", "editor.tabSize", "3"])?;
    laptop.ok(&["new", "note", "Short-lived"])?;
    laptop.sync()?;
    desktop.sync()?;
    assert!(desktop.ok(&["list"])?.contains("Short-lived"));

    desktop.ok(&["delete", "Short-lived"])?;
    desktop.sync()?;
    laptop.sync()?;
    assert!(!laptop.ok(&["list"])?.contains("Short-lived"));
    assert_eq!(laptop.ok(&["get", "settings", "editor.tabSize"])?, "3");
    world.listed("note", 0, &ada.token)?;
    world.listed("settings", 1, &ada.token)?;

    let refusal = laptop.fails(1, &["delete", "settings"])?;
    assert!(refusal.contains("settings"), "{refusal}");
    Ok(())
}

#[test]
fn a_reconnect_with_nothing_new_costs_one_frame_each_way_whatever_the_number_of_documents() -> Result<()> {
    let world = World::new()?;
    let ada = world.relay.account("ada")?;
    let wire = Wire::to(world.relay.address())?;
    let laptop = world.device_of(&ada, "laptop")?;
    laptop.login(&wire.url(), &ada.token)?;
    for documents in [1, 20] {
        for number in 0..documents {
            laptop.ok(&["new", "note", &format!("Note {number} of {documents}")])?;
        }
        laptop.sync()?;
        laptop.sync()?; // The first may end at the last ack, before the delivery that moves the resume point.
        let before = (wire.up(), wire.down());
        laptop.sync()?;
        assert_eq!((wire.up() - before.0).frames, 1, "to the relay, with {documents} documents");
        assert_eq!((wire.down() - before.1).frames, 1, "from the relay, with {documents} documents");
    }
    Ok(())
}
