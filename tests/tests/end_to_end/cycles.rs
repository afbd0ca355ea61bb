//! Again and again: a relay that is put back to a backup under live devices, a vault that is put back to an older copy,
//! a vault that is cloned. Nothing that anybody still had is lost or doubled, and nobody is asked to do anything.
//!
//! `CYCLES_RELAY_RESTORED`, `CYCLES_VAULT_RESTORED`, `CYCLES_VAULT_CLONED` and `CYCLES_SEED` ask for more, as
//! `cargo xtask cycles` does.

mod cloned; // a vault that begins as a copy of another, or takes turns with it
mod relay; // a relay under live devices
mod restored; // a vault that goes on from an older copy

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use system_tests::{Account, Chance, Device};

use crate::world::World;

/// Cycles in an ordinary test run.
const CYCLES: u64 = 3;
/// Cycles with one set of files; then the next one begins, so that a run of thousands stays as fast as its beginning.
const CYCLES_EACH: u64 = 20;
/// Within which devices have to have the same, on a machine that does other things as well.
const PEACE_WITHIN: Duration = Duration::from_secs(90);

/// What runs a house for a number of cycles; gives what it wrote.
type Story = fn(&mut House, u64, &mut Chance) -> Result<()>;

/// Runs as many cycles as a variable of the environment wants, and reports.
fn run(what: &str, variable: &str, story: Story) -> Result<()> {
    let wanted = match std::env::var(variable) {
        Ok(number) => number.parse().with_context(|| format!("{variable} is no number: {number:?}"))?,
        Err(_) => CYCLES,
    };
    let mut chance = Chance::of_environment("CYCLES_SEED")?;
    let seed = chance.seed();
    let (mut done, mut checked) = (0, 0);
    while done < wanted {
        let cycles = CYCLES_EACH.min(wanted - done);
        let told = || format!("{what}: after {done} cycles of seed {seed}");
        let mut house = House::begin().with_context(told)?;
        story(&mut house, cycles, &mut chance).with_context(told)?;
        house.end().with_context(told)?;
        (done, checked) = (done + cycles, checked + house.written.len());
    }
    // Not with `eprintln!`, which the test harness would swallow.
    let mut told = std::io::stderr();
    writeln!(told, "{what}: {done} cycles, {checked} edits checked, lost 0, doubled 0 (seed {seed})")
        .context("standard error is gone")
}

/// A relay, the devices of one account, and what was written on them.
struct House {
    world: World,
    ada: Account,
    devices: Vec<Device>,
    /// Edits that were acknowledged, and are still somewhere.
    written: Vec<Edit>,
    edits: u64,
}

/// Something that was written, and will be looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Edit {
    /// A setting of its own.
    Setting(u64),
    /// A line of a note, which must be there once.
    Line(u64),
}

impl House {
    fn begin() -> Result<Self> {
        let world = World::new()?;
        let (ada, laptop, desktop) = world.two_devices()?;
        laptop.ok(&["new", "note", "n"])?;
        laptop.sync()?;
        desktop.sync()?;
        Ok(Self { world, ada, devices: vec![laptop, desktop], written: Vec::new(), edits: 0 })
    }

    /// One edit, on a device by its number.
    fn write(&mut self, device: usize, chance: &mut Chance) -> Result<()> {
        let (number, device) = (self.edits, &self.devices[device]);
        self.edits += 1;
        if chance.below(2) == 0 {
            device.ok(&["set", "settings", &format!("key{number}"), &number.to_string()])?;
            self.written.push(Edit::Setting(number));
        } else {
            device.append("n", &format!("{number}\n"))?;
            self.written.push(Edit::Line(number));
        }
        Ok(())
    }

    /// Waits until every device has all that was written, each line once.
    fn meet(&self) -> Result<()> {
        let began = Instant::now();
        for device in &self.devices {
            while let Err(missing) = self.shows_all(device)? {
                ensure!(began.elapsed() < PEACE_WITHIN, "{} never had everything: {missing}", device.name());
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    /// What a device lacks, if anything; an error if it has something twice.
    fn shows_all(&self, device: &Device) -> Result<Result<(), String>> {
        let settings = device.ok(&["export", "settings"])?;
        let note = device.ok(&["show", "n"])?;
        let mut lines: Vec<&str> = note.lines().collect();
        lines.sort_unstable();
        if let Some(twice) = lines.windows(2).find(|pair| pair[0] == pair[1]) {
            bail!("{} has line {} twice", device.name(), twice[0]);
        }
        let is_there = |edit: &&Edit| match edit {
            Edit::Setting(number) => settings.contains(&format!("\"key{number}\": {number}")),
            Edit::Line(number) => lines.binary_search(&number.to_string().as_str()).is_ok(),
        };
        Ok(match self.written.iter().find(|edit| !is_there(edit)) {
            Some(missing) => Err(format!("{missing:?} is not there")),
            None => Ok(()),
        })
    }

    /// Everybody syncs until all have all, as people do who open their machines in turn.
    fn sync_all(&self) -> Result<()> {
        for device in self.devices.iter().chain(&self.devices) {
            device.sync()?;
        }
        self.meet()
    }

    /// At the end nothing waits for a person, and a device that is new has all of it from the relay alone.
    fn end(&mut self) -> Result<()> {
        let phone = self.world.device_of(&self.ada, "phone")?;
        self.devices.push(phone);
        self.sync_all()?;
        for device in &self.devices {
            let quarantined = device.ok(&["quarantine", "list"])?;
            ensure!(quarantined == "nothing is in quarantine", "{}: {quarantined}", device.name());
            ensure!(device.pending()? == 0, "{} has something to send", device.name());
            device.ok(&["verify"])?;
        }
        let verified = self.world.relay.admin(&["verify"])?;
        ensure!(!verified.contains("error"), "{verified}");
        Ok(())
    }
}
