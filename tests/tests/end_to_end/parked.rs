//! What a relay cannot take now waits on its device, says why and what to do, and goes on when that has changed: with
//! the real programs, for what an administrator can bring about.

use anyhow::Result;
use system_tests::Device;

use crate::world::{World, eventually};

/// What `vault explain` and `vault sync` say of a parked document.
fn check_parked(device: &Device, name: &str, code: &str, remedy: &str) -> Result<()> {
    let told = device.fails(4, &["sync"])?;
    assert!(told.contains(code), "{told}");
    let explained = device.ok(&["explain", name])?;
    assert!(explained.contains(code) && explained.contains(remedy), "{explained}");
    let json = device.json(&["explain", name])?;
    assert_eq!(json["lane"]["state"], "closed", "{json}");
    Ok(())
}

#[test]
fn an_account_over_its_quota_keeps_its_edits_and_goes_on_when_the_quota_is_raised() -> Result<()> {
    let world = World::new()?;
    let (ada, laptop, desktop) = world.two_devices()?;
    laptop.ok(&["new", "note", "Diary"])?;
    laptop.sync()?;
    world.relay.admin(&["account", "quota", &ada.name, "1"])?;
    laptop.append("Diary", "a long day\n")?;
    check_parked(&laptop, "Diary", "quota", "have the quota raised")?;
    assert!(laptop.ok(&["show", "Diary"])?.contains("a long day"));

    let usage = world.relay.admin(&["account", "quota", &ada.name, "default"])?;
    assert!(usage.contains("limits.account_bytes_max"), "{usage}");
    laptop.sync()?;
    desktop.sync()?;
    assert!(desktop.ok(&["show", "Diary"])?.contains("a long day"));
    Ok(())
}

#[test]
fn an_editor_that_is_online_hears_of_a_raised_quota_at_once() -> Result<()> {
    let world = World::new()?;
    let (ada, laptop, desktop) = world.two_devices()?;
    let _online = laptop.stay_online()?;
    laptop.ok(&["new", "note", "Diary"])?;
    eventually("the note is sent", || Ok(laptop.pending()? == 0))?;
    world.relay.admin(&["account", "quota", &ada.name, "1"])?;
    laptop.append("Diary", "a long day\n")?;
    eventually("it is parked", || Ok(laptop.ok(&["explain", "Diary"])?.contains("parked (quota)")))?;
    world.relay.admin(&["account", "quota", &ada.name, "default"])?;
    eventually("it goes on by itself", || {
        desktop.sync()?;
        Ok(desktop.ok(&["show", "Diary"])?.contains("a long day"))
    })?;
    assert!(!laptop.ok(&["explain", "Diary"])?.contains("parked (quota)"));
    Ok(())
}

#[test]
fn a_space_that_is_gone_for_an_account_parks_what_it_wrote_until_it_is_let_in_again() -> Result<()> {
    let world = World::new()?;
    let space = world.relay.space("Band")?;
    let ada = world.relay.account("ada")?;
    world.relay.grant(&space, &ada, "editor")?;
    let laptop = world.device_of(&ada, "laptop")?;
    laptop.ok(&["new", "note", "Songs", "--space", &space])?;
    laptop.sync()?;
    world.relay.admin(&["space", "revoke", &space, &ada.name])?;
    laptop.run(&["sync"])?;
    world.relay.grant(&space, &ada, "viewer")?;
    laptop.sync()?;
    laptop.append("Songs", "the first\n")?;
    check_parked(&laptop, "Songs", "grant", "ask an owner of the space")?;
    world.relay.grant(&space, &ada, "editor")?;
    laptop.sync()?;
    assert_eq!(laptop.pending()?, 0);
    Ok(())
}

#[test]
fn what_waits_for_room_is_squashed_by_hand_and_by_itself() -> Result<()> {
    let world = World::new()?;
    let (ada, laptop, desktop) = world.two_devices()?;
    laptop.ok(&["new", "note", "Diary"])?;
    laptop.sync()?;
    let used = world.relay.admin(&["account", "quota", &ada.name])?;
    let used: u64 = used.split(' ').next().unwrap_or_default().parse()?;
    world.relay.admin(&["account", "quota", &ada.name, "1"])?;
    for line in 0..20 {
        laptop.append("Diary", &format!("line {line}\n"))?;
    }
    laptop.fails(4, &["sync"])?;
    // Room for a few hundred bytes: not for twenty edits, and for what they came to.
    world.relay.admin(&["account", "quota", &ada.name, &(used + 700).to_string()])?;
    laptop.sync()?;
    assert_eq!(laptop.pending()?, 0, "{}", laptop.ok(&["explain", "Diary"])?);
    let listed = laptop.ok(&["quarantine", "list"])?;
    assert!(listed.contains("squashed") && listed.contains("edits were said in one go"), "{listed}");
    desktop.sync()?;
    assert_eq!(desktop.ok(&["show", "Diary"])?, laptop.ok(&["show", "Diary"])?);

    world.relay.admin(&["account", "quota", &ada.name, "1"])?;
    for word in ["one", "two", "three"] {
        laptop.append("Diary", word)?;
    }
    laptop.fails(4, &["sync"])?;
    let told = laptop.fails(1, &["squash", "Diary"])?;
    assert!(told.contains("nothing is gained"), "it has been: {told}");
    world.relay.admin(&["account", "quota", &ada.name, "default"])?;
    laptop.sync()?;
    desktop.sync()?;
    assert!(desktop.ok(&["show", "Diary"])?.contains("onetwothree"));
    Ok(())
}
