//! Deletions between devices: contested, held back, purged.

use anyhow::Result;
use serde_json::Value;
use system_tests::Device;

use crate::world::{World, eventually};

/// Two devices; the note `plan` was edited on the desktop and deleted on the laptop, which did not know of the edit.
fn contested(world: &World) -> Result<(Device, Device)> {
    let (_, laptop, desktop) = world.two_devices()?;
    laptop.ok(&["new", "note", "plan"])?;
    laptop.append("plan", "tea")?;
    laptop.sync()?;
    desktop.sync()?;
    desktop.append("plan", " and cake")?;
    desktop.sync()?;
    laptop.ok(&["delete", "plan"])?;
    let asked = laptop.fails(4, &["sync"])?;
    assert!(asked.contains("vault contested keep"), "{asked}");
    assert!(laptop.ok(&["show", "plan"])?.contains("cake"), "the edit has won so far");
    Ok((laptop, desktop))
}

#[test]
fn a_contested_deletion_is_decided_by_keeping_the_document() -> Result<()> {
    let world = World::new()?;
    let (laptop, desktop) = contested(&world)?;
    laptop.append("plan", ", twice")?;
    laptop.ok(&["contested", "keep", "plan"])?;
    laptop.sync()?;
    desktop.sync()?;
    assert_eq!(desktop.ok(&["show", "plan"])?, laptop.ok(&["show", "plan"])?);
    assert!(desktop.ok(&["show", "plan"])?.contains("twice"), "it was edited while nobody had decided");
    Ok(())
}

#[test]
fn a_contested_deletion_is_decided_by_deleting_what_others_wrote() -> Result<()> {
    let world = World::new()?;
    let (laptop, desktop) = contested(&world)?;
    laptop.ok(&["contested", "delete", "plan"])?;
    laptop.sync()?;
    desktop.sync()?;
    for device in [&laptop, &desktop] {
        assert!(!device.ok(&["list"])?.contains("plan"));
    }
    desktop.ok(&["undelete", "plan"])?;
    desktop.sync()?;
    laptop.sync()?;
    assert!(laptop.ok(&["show", "plan"])?.contains("cake"), "restored with everything");
    Ok(())
}

#[test]
fn very_many_deletions_stay_on_the_device_until_somebody_has_looked() -> Result<()> {
    let world = World::new()?;
    let (_, laptop, desktop) = world.two_devices()?;
    for number in 0..24 {
        laptop.ok(&["new", "note", &format!("note {number}")])?;
    }
    laptop.sync()?;
    desktop.sync()?;
    for number in 0..24 {
        laptop.ok(&["delete", &format!("note {number}")])?;
    }
    let asked = laptop.fails(4, &["sync"])?;
    assert!(asked.contains("4 deletions are held back"), "{asked}");
    desktop.sync()?;
    let count = |device: &Device| -> Result<usize> { Ok(device.json(&["list"])?.as_array().map_or(0, Vec::len)) };
    assert_eq!((count(&laptop)?, count(&desktop)?), (0, 4));
    laptop.ok(&["brake", "undo"])?;
    laptop.sync()?;
    assert_eq!(count(&laptop)?, 4);
    Ok(())
}

#[test]
fn a_purged_document_is_gone_everywhere_and_late_edits_are_in_quarantine() -> Result<()> {
    let mut world = World::new()?;
    let (ada, laptop, desktop) = world.two_devices()?;
    laptop.ok(&["new", "note", "secret"])?;
    laptop.append("secret", "word")?;
    laptop.sync()?;
    desktop.sync()?;
    let id = of(&laptop.json(&["list"])?[0]["id"]);
    let path = format!("/api/v1/spaces/{}/documents/{id}", of(&laptop.json(&["list", "--deleted"])?[0]["space"]));
    desktop.append("secret", " too late")?; // not sent
    laptop.ok(&["delete", "secret"])?;
    laptop.sync()?;

    world.relay.stop()?;
    std::fs::write(world.relay.data().join("config.toml"), "[deleted]\nkeep_days = 0\nsweep_seconds = 1\n")?;
    world.relay.start_again()?;
    eventually("the relay has purged it", || {
        let history = world.relay.get(&format!("{path}/history"), &ada.token)?;
        Ok(history.body["items"][0]["kind"] == "erased" && history.body["items"][2]["bytes"] == 0)
    })?;
    assert_eq!(world.relay.get(&path, &ada.token)?.status, 410);
    world.relay.admin(&["verify"])?;
    world.relay.admin(&["doctor"])?;

    let refused = desktop.fails(4, &["sync"])?;
    assert!(refused.contains("gone"), "{refused}");
    laptop.sync()?;
    let late = world.device_of(&ada, "phone")?;
    for device in [&laptop, &desktop, &late] {
        assert!(device.ok(&["list", "--deleted"])?.contains(&id), "{}", device.name());
        device.ok(&["verify"])?;
        assert!(!device.ok(&["list"])?.contains(&id));
    }
    assert!(laptop.fails(1, &["undelete", &id])?.contains("gone"));
    let quarantined = desktop.json(&["quarantine", "list"])?;
    assert_eq!(quarantined[0]["code"], "gone");
    let file = world.path().join("late.json");
    desktop.ok(&["quarantine", "export", &of(&quarantined[0]["id"]), &file.display().to_string()])?;
    assert!(file.exists());
    Ok(())
}

fn of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
