//! A relay that was put back to an older backup, or replaced by an empty one: its devices heal it, and none loses
//! anything.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;
use system_tests::{Account, Device, Relay};

use crate::world::{World, eventually, same_settings};

/// Two devices of one account; a backup; and edits of both after it, which both have.
struct Story {
    world: World,
    ada: Account,
    laptop: Device,
    desktop: Device,
    backup: PathBuf,
}

impl Story {
    fn begin() -> Result<Self> {
        let world = World::new()?;
        let (ada, laptop, desktop) = world.two_devices()?;
        laptop.ok(&["set", "settings", "before", "1"])?;
        laptop.ok(&["new", "note", "n"])?;
        laptop.append("n", "before\n")?;
        laptop.sync()?;
        desktop.sync()?;
        let backup = world.path().join("backup.sqlite");
        world.relay.admin(&["backup", backup.to_str().context("a path")?])?;
        for (device, name) in [(&laptop, "laptop"), (&desktop, "desktop")] {
            device.ok(&["set", "settings", name, "2"])?;
            device.append("n", &format!("{name}\n"))?;
            device.sync()?;
        }
        laptop.ok(&["new", "note", "later"])?;
        laptop.append("later", "made after the backup\n")?;
        laptop.sync()?;
        desktop.sync()?;
        laptop.sync()?;
        Ok(Self { world, ada, laptop, desktop, backup })
    }

    /// Puts the backup in the place of the database; the receipt keys stay.
    fn put_back(&mut self) -> Result<()> {
        self.world.relay.stop()?;
        let data = self.world.relay.data().to_owned();
        for name in ["relay.sqlite", "relay.sqlite-wal", "relay.sqlite-shm"] {
            if data.join(name).exists() {
                std::fs::remove_file(data.join(name))?;
            }
        }
        std::fs::copy(&self.backup, data.join("relay.sqlite"))?;
        self.world.relay.start_again()
    }

    /// The place and value of the settings, once the relay shows what was written after the backup.
    fn shown(&self, key: &str) -> Result<Value> {
        let mut body = Value::Null;
        eventually("the relay shows what was written after the backup", || {
            let Some(item) = settings(&self.world.relay, &self.ada)? else { return Ok(false) };
            body = self.world.relay.document(&item, &self.ada.token)?.body;
            Ok(body["value"]["base"][key] == 2)
        })?;
        Ok(body)
    }

    /// Every device shows the same, and a new one too, which has it from the relay alone.
    fn check(&self, expected: &[&str]) -> Result<()> {
        let phone = self.world.device_of(&self.ada, "phone")?;
        let merged = same_settings(&self.laptop, &phone)?;
        assert_eq!(merged, same_settings(&self.desktop, &phone)?);
        for key in expected {
            assert!(merged.contains(&format!("\"{key}\"")), "{key} is missing in {merged}");
        }
        for note in ["n", "later"] {
            let shown = self.laptop.ok(&["show", note])?;
            assert_eq!(shown, phone.ok(&["show", note])?);
            assert_eq!(shown, self.desktop.ok(&["show", note])?);
        }
        assert_eq!(self.laptop.ok(&["show", "later"])?, "made after the backup");
        for device in [&self.laptop, &self.desktop] {
            assert_eq!(device.ok(&["quarantine", "list"])?, "nothing is in quarantine");
        }
        let verified = self.world.relay.admin(&["verify"])?;
        assert!(!verified.contains("error"), "{verified}");
        Ok(())
    }
}

fn settings(relay: &Relay, account: &Account) -> Result<Option<Value>> {
    Ok(relay.documents(&account.token)?.into_iter().find(|item| item["type"] == "settings"))
}

#[test]
fn a_relay_put_back_to_a_backup_gets_everything_back_at_its_old_places() -> Result<()> {
    let mut story = Story::begin()?;
    let before = story.shown("desktop")?;
    story.put_back()?;
    story.desktop.sync()?;
    story.laptop.sync()?;
    story.check(&["before", "laptop", "desktop"])?;
    let after = story.shown("desktop")?;
    assert_eq!(before["position"], after["position"], "the same place in the same epoch");
    assert_eq!(before["value"], after["value"]);
    let logged = story.world.relay.logged();
    assert!(logged.contains("restored from devices") && logged.contains("in the same epoch"), "{logged}");
    assert!(!logged.contains("in a new epoch"), "{logged}");
    Ok(())
}

#[test]
fn edits_that_wait_on_a_device_do_not_get_in_the_way_of_what_it_gives_back() -> Result<()> {
    let mut story = Story::begin()?;
    let before = story.shown("desktop")?;
    story.desktop.ok(&["set", "settings", "waiting", "3"])?;
    story.put_back()?;
    story.desktop.sync()?;
    story.laptop.sync()?;
    story.check(&["before", "laptop", "desktop", "waiting"])?;
    let epoch = |body: &Value| body["position"].as_str().and_then(|at| at.split_once(':')).map(|at| at.0.to_owned());
    assert_eq!(epoch(&before), epoch(&story.shown("desktop")?));
    Ok(())
}

#[test]
fn what_a_new_device_pushed_since_the_restore_stays_and_a_new_epoch_has_both() -> Result<()> {
    let mut story = Story::begin()?;
    let before = story.shown("desktop")?;
    story.put_back()?;
    let tablet = story.world.device_of(&story.ada, "tablet")?;
    tablet.ok(&["set", "settings", "tablet", "4"])?;
    tablet.sync()?;
    for device in [&story.desktop, &story.laptop, &tablet, &story.desktop, &story.laptop] {
        device.sync()?;
    }
    story.check(&["before", "laptop", "desktop", "tablet"])?;
    same_settings(&tablet, &story.laptop)?;
    let epoch = |body: &Value| body["position"].as_str().and_then(|at| at.split_once(':')).map(|at| at.0.to_owned());
    assert_ne!(epoch(&before), epoch(&story.shown("desktop")?));
    let logged = story.world.relay.logged();
    assert_eq!(logged.matches("in a new epoch").count(), 1, "{logged}");
    Ok(())
}

#[test]
fn an_empty_relay_in_the_place_of_the_old_one_empties_no_device() -> Result<()> {
    let mut story = Story::begin()?;
    let settings = same_settings(&story.laptop, &story.desktop)?;
    let note = story.laptop.ok(&["show", "n"])?;
    story.world.relay.stop()?;
    std::fs::remove_dir_all(story.world.relay.data())?;
    story.world.relay.start_again()?;
    // Ids of accounts and spaces are random: another account of the same name is another account.
    let other = story.world.relay.account("ada")?;
    story.laptop.ok(&["set", "settings", "later", "5"])?;
    for device in [&story.laptop, &story.desktop] {
        assert_ne!(device.run(&["sync"])?.code, Some(0), "its token is unknown");
        device.login(&story.world.relay.url(), &other.token)?;
        assert_ne!(device.run(&["sync"])?.code, Some(0), "the vault belongs to another account");
    }
    assert_eq!(story.desktop.ok(&["export", "settings"])?, settings);
    assert!(story.laptop.ok(&["export", "settings"])?.contains("\"later\": 5"));
    for device in [&story.laptop, &story.desktop] {
        assert_eq!(device.ok(&["show", "n"])?, note);
        assert_eq!(device.ok(&["show", "later"])?, "made after the backup");
    }
    assert!(story.world.relay.documents(&other.token)?.is_empty(), "nothing went to the stranger's space");
    Ok(())
}
