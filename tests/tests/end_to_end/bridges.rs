//! Two devices, each with a settings file that `vault bridge` keeps equal to its vault, and a relay between them.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use anyhow::{Context, Result};
use system_tests::Device;

use crate::real_data::real_data;
use crate::world::{World, eventually};

const FILE: &str = "// Mine.\n{\n\t// Wide.\n\t\"editor.tabSize\" : 4, // four\n\n\t\"[rust]\": {\"x\": 1},\n}";

/// A device with a file and a running bridge, killed when dropped.
struct Bridged {
    file: PathBuf,
    bridge: Child,
}

impl Bridged {
    fn start(device: &Device, world: &World) -> Result<Self> {
        let file = world.path().join(device.name()).join("settings.jsonc");
        let mut command = device.command(&["bridge", &file.to_string_lossy()]);
        let bridge = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn()?;
        Ok(Self { file, bridge })
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.file).unwrap_or_default()
    }

    /// As editors do: a new file takes the place of the old one.
    fn save(&self, text: &str) -> Result<()> {
        let beside = self.file.with_extension("swp");
        fs::write(&beside, text)?;
        Ok(fs::rename(&beside, &self.file)?)
    }

    fn becomes(&self, expected: &str) -> Result<()> {
        let what = || format!("{} is\n{expected}but\n{}", self.file.display(), self.text());
        eventually(&format!("{} is as expected", self.file.display()), || Ok(self.text() == expected))
            .with_context(what)
    }
}

impl Drop for Bridged {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.bridge.kill();
        let _ = self.bridge.wait();
    }
}

/// Two bridges; the laptop's file has `text`, the desktop's comes by itself.
fn two_bridges(world: &World, text: &str) -> Result<(Bridged, Bridged)> {
    let (_, laptop, desktop) = world.two_devices()?;
    fs::write(world.path().join("laptop/settings.jsonc"), text)?;
    let here = Bridged::start(&laptop, world)?;
    let there = Bridged::start(&desktop, world)?;
    there.becomes(text)?;
    Ok((here, there))
}

#[test]
fn an_edit_typed_in_one_file_appears_in_the_other_and_nothing_else_changes() -> Result<()> {
    let world = World::new()?;
    let (here, there) = two_bridges(&world, FILE)?;
    let eight = FILE.replace("4, // four", "8, // eight");
    here.save(&eight)?;
    there.becomes(&eight)?;
    let both = eight.replace("// Wide.", "// Wide.\n\t// Really.").replace("{\"x\": 1}", "{\"x\": 2}");
    there.save(&both)?;
    here.becomes(&both)
}

#[test]
fn what_is_typed_into_both_files_at_once_is_in_both() -> Result<()> {
    let world = World::new()?;
    let (here, there) = two_bridges(&world, FILE)?;
    here.save(&FILE.replace("4, // four", "8, // eight"))?;
    there.save(&FILE.replace("{\"x\": 1}", "{\"x\": 2} /* two */"))?;
    let both = FILE.replace("4, // four", "8, // eight").replace("{\"x\": 1}", "{\"x\": 2} /* two */");
    here.becomes(&both)?;
    there.becomes(&both)
}

#[test]
fn real_settings_cross_two_bridges_byte_for_byte() -> Result<()> {
    let Some(data) = real_data("real settings cross two bridges")? else { return Ok(()) };
    for name in ["vscode-settings-large", "vscode-settings-with-comments", "zed-settings"] {
        let world = World::new()?;
        let original = fs::read_to_string(data.join("settings").join(format!("{name}.jsonc")))?;
        let (here, there) = two_bridges(&world, &original)?;
        let edited = change_one_line(&original);
        there.save(&edited)?;
        here.becomes(&edited)?;
        here.save(&original)?;
        there.becomes(&original)?;
    }
    Ok(())
}

#[test]
fn a_real_keymap_crosses_two_bridges_byte_for_byte() -> Result<()> {
    let Some(data) = real_data("a real keymap crosses two bridges")? else { return Ok(()) };
    let original = fs::read_to_string(data.join("settings/vscode-keybindings.jsonc"))?;
    let world = World::new()?;
    let (_, laptop, desktop) = world.two_devices()?;
    let start = |device: &Device| -> Result<Bridged> {
        let file = world.path().join(device.name()).join("keybindings.json");
        let mut command = device.command(&["bridge", &file.to_string_lossy()]);
        let bridge = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn()?;
        Ok(Bridged { file, bridge })
    };
    fs::write(world.path().join("laptop/keybindings.json"), &original)?;
    let (_here, there) = (start(&laptop)?, start(&desktop)?);
    there.becomes(&original)
}

/// The first `true` of a member becomes `false`.
fn change_one_line(text: &str) -> String {
    text.replacen(": true", ": false", 1)
}

#[test]
fn a_bridge_goes_on_while_the_relay_is_away() -> Result<()> {
    let mut world = World::new()?;
    let (here, there) = two_bridges(&world, FILE)?;
    world.relay.kill();
    let (eight, one) = (FILE.replace("4, // four", "8, // eight"), FILE.replace("Mine", "Yours"));
    here.save(&eight)?;
    there.save(&one)?;
    world.relay.start_again()?;
    let both = eight.replace("Mine", "Yours");
    here.becomes(&both)?;
    there.becomes(&both)
}
