//! Disks and directories that a vault cannot use: a coded error with a remedy, and nothing lost.

use std::io::{Seek, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use system_tests::{Answer, Device, Programs};
use tempfile::TempDir;

use crate::mount::Mount;
use crate::world::odd_directory;

struct Place {
    directory: TempDir,
    device: Device,
}

impl Place {
    /// A vault with one setting in it.
    fn with_vault() -> Result<Self> {
        let directory = odd_directory()?;
        let device = Device::new(&Programs::beside_this_executable()?, directory.path(), "device")?;
        device.ok(&["init"])?;
        device.ok(&["set", "settings", "editor.tabSize", "4"])?;
        Ok(Self { directory, device })
    }

    fn file(&self) -> PathBuf {
        self.device.vault().join("vault.sqlite")
    }
}

fn overwrite(file: &Path, at: u64, bytes: &[u8]) -> Result<()> {
    let mut file = std::fs::File::options().write(true).open(file)?;
    file.seek(SeekFrom::Start(at))?;
    Ok(file.write_all(bytes)?)
}

#[test]
fn a_corrupt_vault_is_named_and_left_as_it_is() -> Result<()> {
    let place = Place::with_vault()?;
    overwrite(&place.file(), 0, &[0x5a; 4096])?;
    let before = std::fs::read(place.file())?;
    let error = place.device.fails(1, &["get", "settings", "editor.tabSize"])?;
    assert!(error.contains("vault.sqlite") && error.contains("backup"), "value and remedy: {error}");
    assert!(std::fs::read(place.file())? == before, "not one byte was changed");
    Ok(())
}

#[test]
fn a_vault_of_a_newer_program_is_refused_untouched() -> Result<()> {
    let place = Place::with_vault()?;
    // `user_version` stands at byte 60 of an SQLite file; it is major * 1000 + minor.
    overwrite(&place.file(), 60, &99_000_u32.to_be_bytes())?;
    let before = std::fs::read(place.file())?;
    let error = place.device.fails(1, &["set", "settings", "editor.tabSize", "2"])?;
    assert!(error.contains("99"), "the version found: {error}");
    assert!(std::fs::read(place.file())? == before, "not one byte was changed");
    Ok(())
}

#[test]
fn a_vault_needs_no_home_directory_if_it_is_told_where_to_be() -> Result<()> {
    let place = Place::with_vault()?;
    let mut command = place.device.command(&["get", "settings", "editor.tabSize"]);
    command.env_remove("HOME");
    let answer = Answer::of(&mut command)?;
    assert_eq!((answer.code, answer.out.trim()), (Some(0), "4"), "{answer:?}");
    Ok(())
}

#[test]
fn without_a_home_directory_the_command_says_how_to_name_a_place() -> Result<()> {
    let programs = Programs::beside_this_executable()?;
    let mut command = Command::new(programs.vault());
    command.arg("status").env_clear();
    let answer = Answer::of(&mut command)?;
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.err.contains("--vault") && answer.err.contains("VAULT_DIR"), "{answer:?}");
    Ok(())
}

#[test]
fn a_file_where_the_vault_should_be_is_named() -> Result<()> {
    let place = Place::with_vault()?;
    let file = place.directory.path().join("a file");
    std::fs::write(&file, "not a vault")?;
    let error = place.device.clone().with_vault(&file).fails(1, &["status"])?;
    assert!(error.contains("a file") && error.contains("not a directory"), "{error}");
    assert_eq!(std::fs::read_to_string(&file)?, "not a vault");
    Ok(())
}

/// Saves larger and larger settings until one is refused; returns how many were saved, and the refusal.
fn fill(device: &Device, mut command: impl FnMut(&[&str]) -> Command) -> Result<(u32, String)> {
    for count in 0..400 {
        let value = format!("{count}:{}", "x".repeat(8000));
        let answer = Answer::of(&mut command(&["set", "settings", &format!("fill.key{count}"), "--string", &value]))?;
        if answer.code != Some(0) {
            assert_eq!(answer.code, Some(1), "{answer:?}");
            return Ok((count, answer.err));
        }
    }
    bail!("{} never became full", device.name())
}

/// After the refusal, everything that was saved is there, and nothing of what was refused.
fn check_filled(device: &Device, saved: u32) -> Result<()> {
    assert!(saved > 0, "nothing could be saved at all");
    for count in 0..saved {
        let value = device.ok(&["get", "settings", &format!("fill.key{count}")])?;
        assert!(value.contains(&format!("{count}:xxx")), "key {count} was saved and is gone");
    }
    assert!(!device.ok(&["export", "settings"])?.contains(&format!("fill.key{saved}\"")), "the refused one is there");
    Ok(())
}

#[test]
fn a_full_disk_refuses_the_edit_and_keeps_what_was_saved() -> Result<()> {
    let directory = odd_directory()?;
    let Some(mount) = Mount::new(&directory.path().join("small disk"), "size=1m")? else { return Ok(()) };
    let device = Device::new(&Programs::beside_this_executable()?, directory.path(), "device")?;
    let device = device.with_vault(&mount.path().join("vault"));
    device.ok(&["init"])?;
    let (saved, refusal) = fill(&device, |args| device.command(args))?;
    assert!(refusal.contains("full") || refusal.contains("space"), "rule and remedy: {refusal}");
    mount.change("size=8m")?;
    check_filled(&device, saved)?;
    device.ok(&["set", "settings", "after", "true"])?;
    Ok(())
}

#[test]
fn a_file_size_limit_refuses_the_edit_and_keeps_what_was_saved() -> Result<()> {
    let place = Place::with_vault()?;
    let (saved, refusal) = fill(&place.device, |args| {
        let plain = place.device.command(args);
        let mut limited = Command::new("sh");
        // 1 MiB in blocks of 512 bytes; without the trap the kernel would end the process instead of the write.
        limited.args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$@\"", "sh"]).arg(plain.get_program());
        limited.args(plain.get_args()).env_clear();
        limited.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        limited
    })?;
    assert!(!refusal.is_empty());
    check_filled(&place.device, saved)
}

#[test]
fn a_read_only_directory_is_named_with_a_remedy() -> Result<()> {
    let directory = odd_directory()?;
    let Some(mount) = Mount::new(&directory.path().join("read only"), "size=8m")? else { return Ok(()) };
    let device = Device::new(&Programs::beside_this_executable()?, directory.path(), "device")?;
    let device = device.with_vault(&mount.path().join("vault"));
    device.ok(&["init"])?;
    device.ok(&["set", "settings", "editor.tabSize", "4"])?;
    mount.change("ro")?;
    let error = device.fails(1, &["set", "settings", "editor.tabSize", "2"])?;
    assert!(error.contains("write") && error.contains("read only"), "rule and value: {error}");
    let fresh = device.clone().with_vault(&mount.path().join("another")).fails(1, &["init"])?;
    assert!(fresh.contains("another"), "{fresh}");
    mount.change("rw")?;
    assert_eq!(device.ok(&["get", "settings", "editor.tabSize"])?, "4");
    Ok(())
}

#[test]
fn a_backup_is_a_vault_that_opens() -> Result<()> {
    let place = Place::with_vault()?;
    let backup = place.directory.path().join("back up").join("vault.sqlite");
    std::fs::create_dir_all(backup.parent().context("it has one")?)?;
    place.device.ok(&["backup", &backup.to_string_lossy()])?;
    let restored = place.device.clone().with_vault(backup.parent().context("it has one")?);
    assert_eq!(restored.ok(&["get", "settings", "editor.tabSize"])?, "4");
    Ok(())
}
