//! Vaults that were copied or put back to an older state: nothing lost, nothing doubled, and nobody has to do anything.

use std::path::{Path, PathBuf};

use anyhow::Result;
use system_tests::Device;

use crate::world::{World, same_settings};

/// Copies a vault's directory, or puts a copy in its place.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn aside(world: &World, name: &str) -> PathBuf {
    world.path().join(format!("copy {name}"))
}

/// Everything is in the log, on this device.
fn is_synced(device: &Device) -> Result<()> {
    assert_eq!(device.ok(&["quarantine", "list"])?, "nothing is in quarantine");
    assert!(!device.ok(&["doctor"])?.contains("quarantined"));
    Ok(())
}

/// How many of its edits of a document a vault has made anew under another name.
fn replaced(device: &Device, document: &str) -> Result<u64> {
    Ok(device.json(&["explain", document])?["batches"]["replaced"].as_u64().unwrap_or(0))
}

#[test]
fn a_vault_put_back_to_an_older_copy_after_it_pushed_more_loses_nothing() -> Result<()> {
    let world = World::new()?;
    let (_, laptop, desktop) = world.two_devices()?;
    laptop.ok(&["new", "note", "n"])?;
    laptop.append("n", "one\n")?;
    laptop.sync()?;
    let older = aside(&world, "older");
    copy(laptop.vault(), &older)?;
    laptop.append("n", "two\n")?;
    laptop.ok(&["set", "settings", "a", "1"])?;
    laptop.sync()?;
    copy(&older, laptop.vault())?;
    laptop.append("n", "three\n")?;
    laptop.ok(&["set", "settings", "b", "2"])?;
    laptop.sync()?;
    desktop.sync()?;
    laptop.sync()?;
    assert_eq!((replaced(&laptop, "n")?, replaced(&laptop, "settings")?), (1, 1), "its names were taken");
    let merged = same_settings(&laptop, &desktop)?;
    assert!(merged.contains("\"a\": 1") && merged.contains("\"b\": 2"), "{merged}");
    for device in [&laptop, &desktop] {
        let mut lines: Vec<String> = device.ok(&["show", "n"])?.lines().map(str::to_owned).collect();
        lines.sort();
        assert_eq!(lines, ["one", "three", "two"]);
        is_synced(device)?;
    }
    Ok(())
}

#[test]
fn two_copies_of_a_vault_with_the_same_pending_edits_meet_without_loss() -> Result<()> {
    let world = World::new()?;
    let (_, laptop, desktop) = world.two_devices()?;
    laptop.ok(&["new", "note", "n"])?;
    laptop.append("n", "pending\n")?;
    let other = aside(&world, "other");
    let mine = aside(&world, "mine");
    copy(laptop.vault(), &other)?;
    laptop.append("n", "mine\n")?;
    copy(laptop.vault(), &mine)?;
    // The copy takes the place of the original, as on a machine that was cloned.
    copy(&other, laptop.vault())?;
    laptop.append("n", "other\n")?;
    copy(laptop.vault(), &other)?;
    for _ in 0..2 {
        for which in [&mine, &other] {
            copy(which, laptop.vault())?;
            laptop.sync()?;
            copy(laptop.vault(), which)?;
        }
    }
    desktop.sync()?;
    assert!(replaced(&laptop, "n")? > 0, "its names were taken");
    for which in [&mine, &other] {
        copy(which, laptop.vault())?;
        let mut lines: Vec<String> = laptop.ok(&["show", "n"])?.lines().map(str::to_owned).collect();
        lines.sort();
        assert_eq!(lines, ["mine", "other", "pending"]);
        assert_eq!(laptop.ok(&["show", "n"])?, desktop.ok(&["show", "n"])?);
        is_synced(&laptop)?;
    }
    Ok(())
}
