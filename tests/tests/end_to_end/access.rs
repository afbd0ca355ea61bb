//! Who may do what, and what the others see.

use anyhow::Result;
use system_tests::Device;

use crate::world::{World, eventually, same_settings};

#[test]
fn a_revoked_token_ends_the_connection_and_loses_no_work() -> Result<()> {
    let world = World::new()?;
    let (ada, laptop, desktop) = world.two_devices()?;
    world.relay.admin(&["token", "revoke", &ada.token])?;
    laptop.ok(&["set", "settings", "editor.tabSize", "7"])?;
    let refusal = laptop.fails(4, &["sync"])?;
    assert!(refusal.contains("token") && refusal.contains("log in"), "{refusal}");
    eventually("the HTTP API refuses the token", || {
        Ok(world.relay.get("/api/v1/documents", &ada.token)?.status == 401)
    })?;

    let token = world.relay.admin(&["token", "create", "--account", "ada"])?;
    for device in [&laptop, &desktop] {
        device.login(&world.relay.url(), &token)?;
        device.sync()?;
    }
    assert!(same_settings(&laptop, &desktop)?.contains("tabSize"));
    Ok(())
}

#[test]
fn a_connection_that_stands_ends_when_its_token_is_revoked() -> Result<()> {
    let world = World::new()?;
    let (ada, laptop, desktop) = world.two_devices()?;
    let mut online = desktop.stay_online()?;
    laptop.ok(&["set", "settings", "editor.tabSize", "3"])?;
    laptop.sync()?;
    desktop.eventually(&["get", "settings", "editor.tabSize"], "3")?;
    world.relay.admin(&["token", "revoke", &ada.token])?;
    assert_eq!(online.gives_up()?, Some(4), "it needs a person");
    Ok(())
}

#[test]
fn who_logs_in_again_after_a_revocation_goes_on_as_another_device_and_loses_no_work() -> Result<()> {
    let world = World::new()?;
    let (_, laptop, desktop) = world.two_devices()?;
    let id = |device: &Device| Ok::<_, anyhow::Error>(device.json(&["status"])?["device"].to_string());
    let (before, theirs) = (id(&laptop)?, id(&desktop)?);
    laptop.ok(&["set", "settings", "editor.tabSize", "7"])?;
    world.relay.admin(&["device", "revoke", before.trim_matches('"')])?;
    for _ in 0..2 {
        let refusal = laptop.fails(4, &["sync"])?;
        assert!(refusal.contains("revoked") && refusal.contains("log in"), "{refusal}");
        assert_eq!(id(&laptop)?, before, "the old credentials change nothing");
    }

    let token = world.relay.admin(&["token", "create", "--account", "ada"])?;
    laptop.login(&world.relay.url(), &token)?;
    laptop.sync()?;
    assert!(![&before, &theirs].contains(&&id(&laptop)?));
    desktop.sync()?;
    assert!(same_settings(&laptop, &desktop)?.contains("tabSize"));
    assert_eq!(laptop.json(&["quarantine", "list"])?, serde_json::json!([]));
    Ok(())
}

#[test]
fn a_wrong_token_is_refused_with_a_remedy() -> Result<()> {
    let world = World::new()?;
    let device = world.device("stranger")?;
    device.ok(&["set", "settings", "editor.tabSize", "7"])?;
    let token = "not-a-token";
    let answer = device.run(&["login", "--relay", &world.relay.url(), "--token", token])?;
    let answer = if answer.code == Some(0) { device.run(&["sync"])? } else { answer };
    assert_eq!(answer.code, Some(4), "{answer:?}");
    assert!(answer.err.contains("token") && !answer.err.contains(token), "a secret is never shown: {answer:?}");
    assert_eq!(device.ok(&["get", "settings", "editor.tabSize"])?, "7");
    assert_eq!(world.relay.get("/api/v1/documents", token)?.status, 401);
    assert_eq!(world.relay.get("/api/v1/documents", "")?.status, 401);
    Ok(())
}

#[test]
fn two_accounts_never_see_each_other() -> Result<()> {
    let world = World::new()?;
    let (ada, bob) = (world.relay.account("ada")?, world.relay.account("bob")?);
    let (hers, his) = (world.device_of(&ada, "hers")?, world.device_of(&bob, "his")?);
    hers.ok(&["set", "settings", "secret.of.ada", "true"])?;
    hers.ok(&["new", "note", "Ada's diary"])?;
    his.ok(&["set", "settings", "secret.of.bob", "true"])?;
    for _ in 0..2 {
        hers.sync()?;
        his.sync()?;
    }
    assert!(!his.ok(&["export", "settings"])?.contains("ada"));
    assert!(!hers.ok(&["export", "settings"])?.contains("bob"));
    assert!(!his.ok(&["list"])?.contains("diary"));

    let listed = world.relay.documents(&bob.token)?;
    assert!(listed.iter().all(|item| item["title"] != "Ada's diary"), "{listed:?}");
    // The settings of both have the same document id; the space tells them apart, and hers does not exist for him.
    let settings = world.listed("settings", 1, &ada.token)?;
    let notes = world.listed("note", 1, &ada.token)?;
    for item in settings.iter().chain(&notes) {
        assert_eq!(world.relay.document(item, &bob.token)?.status, 404, "{item}");
        assert_eq!(world.relay.document(item, &ada.token)?.status, 200, "{item}");
    }
    Ok(())
}

#[test]
fn a_team_of_three_works_in_one_space() -> Result<()> {
    let world = World::new()?;
    let space = world.relay.space("The band")?;
    let mut devices = Vec::new();
    for name in ["ada", "bob", "cem"] {
        let account = world.relay.account(name)?;
        world.relay.grant(&space, &account, "editor")?;
        devices.push(world.device_of(&account, name)?);
    }
    devices[0].ok(&["new", "note", "Set list", "--space", &space])?;
    devices[0].sync()?;
    for device in &devices[1..] {
        device.sync()?;
    }
    for device in &devices {
        device.append("Set list", &format!("a song by {}\n", device.name()))?;
    }
    for _ in 0..2 {
        for device in &devices {
            device.sync()?;
        }
    }
    let text = devices[0].ok(&["show", "Set list"])?;
    for device in &devices {
        assert_eq!(device.ok(&["show", "Set list"])?, text, "on {}", device.name());
        assert_eq!(text.matches(&format!("a song by {}", device.name())).count(), 1, "{text}");
    }
    Ok(())
}

#[test]
fn what_a_viewer_writes_stays_with_him_until_he_may() -> Result<()> {
    let world = World::new()?;
    let space = world.relay.space("Read only")?;
    let (ada, bob) = (world.relay.account("ada")?, world.relay.account("bob")?);
    world.relay.grant(&space, &ada, "owner")?;
    world.relay.grant(&space, &bob, "viewer")?;
    let (hers, his) = (world.device_of(&ada, "hers")?, world.device_of(&bob, "his")?);
    hers.ok(&["new", "note", "Rules", "--space", &space])?;
    hers.append("Rules", "as they stand\n")?;
    hers.sync()?;
    his.sync()?;
    assert!(his.ok(&["show", "Rules"])?.contains("as they stand"));

    his.append("Rules", "as bob wants them\n")?;
    let told = his.fails(4, &["sync"])?;
    assert!(told.contains("grant") || told.contains("viewer"), "{told}");
    hers.sync()?;
    assert!(!hers.ok(&["show", "Rules"])?.contains("bob"));
    assert!(his.ok(&["show", "Rules"])?.contains("as bob wants them"), "nothing that he wrote disappears");

    world.relay.grant(&space, &bob, "editor")?;
    his.sync()?;
    hers.sync()?;
    assert!(hers.ok(&["show", "Rules"])?.contains("as bob wants them"));
    Ok(())
}

#[test]
fn a_revoked_grant_hides_the_space_from_then_on() -> Result<()> {
    let world = World::new()?;
    let space = world.relay.space("For a while")?;
    let (ada, bob) = (world.relay.account("ada")?, world.relay.account("bob")?);
    world.relay.grant(&space, &ada, "owner")?;
    world.relay.grant(&space, &bob, "editor")?;
    let (hers, his) = (world.device_of(&ada, "hers")?, world.device_of(&bob, "his")?);
    world.relay.admin(&["space", "revoke", &space, &bob.name])?;
    hers.ok(&["new", "note", "After bob", "--space", &space])?;
    hers.sync()?;
    his.run(&["sync"])?;
    assert!(!his.ok(&["list"])?.contains("After bob"));
    world.listed("note", 1, &ada.token)?;
    eventually("bob has lost the space", || Ok(world.relay.documents(&bob.token)?.is_empty()))
}
