//! Disks of one MiB that something else fills again and again, under a vault, under a relay, under both. An edit for
//! which there is no room is refused with a code; when there is room everything goes on, and nothing is lost.
//!
//! `SCARCE_SEED` repeats what was drawn.

use std::io::Write as _;

use anyhow::{Context, Result, ensure};
use system_tests::{Chance, Device, Programs, Relay};

use crate::mount::Mount;
use crate::world::{eventually, odd_directory, same_settings};

/// How often something is filled.
const ROUNDS: u64 = 12;
/// The disks at first, and what each gets more with every round: what was written stays.
const KIBIBYTES: u64 = 1024;
const MORE_KIBIBYTES: u64 = 256;

/// A vault and a relay with little room, and a vault with enough.
struct House {
    relay: Relay,
    token: String,
    laptop: Device,
    desktop: Device,
    disks: [Mount; 2],
    saved: Vec<String>,
    refused: u64,
}

#[test]
fn disks_that_fill_again_and_again_refuse_edits_and_lose_none() -> Result<()> {
    let mut chance = Chance::of_environment("SCARCE_SEED")?;
    let directory = odd_directory()?;
    let disk = |name: &str| Mount::new(&directory.path().join(name), &format!("size={KIBIBYTES}k"));
    let (Some(vaults), Some(relays)) = (disk("vaults")?, disk("relays")?) else { return Ok(()) };
    let programs = Programs::beside_this_executable()?;
    let relay = Relay::start(&programs, &relays.path().join("relay"))?;
    let ada = relay.account("ada")?;
    let device = |name: &str| Device::new(&programs, directory.path(), name);
    let (laptop, desktop) = (device("laptop")?.with_vault(&vaults.path().join("vault")), device("desktop")?);
    for device in [&laptop, &desktop] {
        device.ok(&["init"])?;
        device.login(&relay.url(), &ada.token)?;
        device.sync()?;
    }
    let disks = [vaults, relays];
    let mut house = House { relay, token: ada.token, laptop, desktop, disks, saved: Vec::new(), refused: 0 };
    for round in 0..ROUNDS {
        house
            .run_out_of_room(round, &mut chance)
            .with_context(|| format!("round {round} of seed {}", chance.seed()))?;
    }
    house.end()?;
    let (saved, refused, seed) = (house.saved.len(), house.refused, chance.seed());
    writeln!(std::io::stderr(), "scarce: {ROUNDS} times full, {saved} edits saved, {refused} refused (seed {seed})")?;
    ensure!(refused > 0, "nothing was ever refused");
    Ok(())
}

impl House {
    /// Fills one disk or both, edits and syncs meanwhile, and makes room again.
    fn run_out_of_room(&mut self, round: u64, chance: &mut Chance) -> Result<()> {
        let which = match chance.below(3) {
            0 => 0..1,
            1 => 1..2,
            _ => 0..2,
        };
        let is_vault_full = which.start == 0;
        let fillers = self.disks[which].iter().map(Mount::fill).collect::<Result<Vec<_>>>()?;
        for _ in 0..=chance.below(4) {
            if !self.edit(chance)? {
                ensure!(is_vault_full, "an edit was refused though there was room");
            }
        }
        let synced = self.laptop.run(&["sync", "--timeout", "2"])?;
        ensure!(matches!(synced.code, Some(0 | 1 | 3)), "{synced:?}");
        ensure!(synced.code == Some(0) || synced.err.contains("error["), "{synced:?}");
        self.relay.documents(&self.token).context("a full disk keeps nobody from reading")?;
        drop(fillers);
        let size = KIBIBYTES + (round + 1) * MORE_KIBIBYTES;
        self.disks.iter().try_for_each(|disk| disk.change(&format!("size={size}k")))?;
        ensure!(self.edit(chance)?, "an edit was refused though there is room again");
        self.meet()
    }

    /// One edit; says whether it was saved.
    fn edit(&mut self, chance: &mut Chance) -> Result<bool> {
        let key = format!("key{}.{}", self.saved.len(), self.refused);
        let value = "x".repeat(1 + usize::try_from(chance.below(2_000))?);
        let answer = self.laptop.run(&["set", "settings", &key, "--string", &value])?;
        match answer.code {
            Some(0) => self.saved.push(key),
            Some(1) => {
                ensure!(answer.err.contains("error["), "no code: {answer:?}");
                self.refused += 1;
            }
            _ => anyhow::bail!("{answer:?}"),
        }
        Ok(answer.code == Some(0))
    }

    /// Both devices and the relay have everything.
    fn meet(&self) -> Result<()> {
        self.laptop.sync()?;
        self.desktop.sync()?;
        let settings = same_settings(&self.laptop, &self.desktop)?;
        let is_there = |text: &str, key: &String| text.contains(&format!("\"{key}\""));
        let lost = self.saved.iter().find(|key| !is_there(&settings, key));
        ensure!(lost.is_none(), "{lost:?} was saved and is gone");
        let items = self.relay.documents(&self.token)?;
        let settings = items.iter().find(|item| item["type"] == "settings").context("the settings are not listed")?;
        eventually("the relay shows everything", || {
            let shown = self.relay.document(settings, &self.token)?.body.to_string();
            Ok(self.saved.iter().all(|key| is_there(&shown, key)))
        })
    }

    fn end(&mut self) -> Result<()> {
        for device in [&self.laptop, &self.desktop] {
            device.ok(&["verify"])?;
            ensure!(device.pending()? == 0, "{} has something to send", device.name());
        }
        let said = self.relay.admin(&["verify"])?;
        ensure!(said.ends_with("nothing is wrong"), "verify says {said}");
        self.relay.stop()
    }
}
