//! Two vaults of one account, each behind a network of its own, and what was written in them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use editor_vault::{Connection, Document, Vault, Watch};
use system_tests::{Account, Chance, Network, Partition, Weather};

use super::{Healed, PATIENCE};
use crate::world::World;

/// An open vault that stays connected.
struct Side {
    name: &'static str,
    vault: Vault,
    watch: Watch,
    network: Network,
    settings: Document,
    note: Document,
}

/// Everything of one account.
pub(super) struct Pair {
    number: u64,
    ada: Account,
    sides: [Side; 2],
    /// Settings are named by the number of their edit, and so are lines of the note.
    settings: Vec<u64>,
    lines: Vec<u64>,
    edits: u64,
}

impl Pair {
    pub(super) fn begin(world: &World, number: u64, chance: &mut Chance) -> Result<Self> {
        let ada = world.relay.account(&format!("ada{number}"))?;
        let laptop = Side::connect(world, &ada, number, "laptop", chance)?;
        let note = laptop.0.create("note", Some("n"), None)?.id();
        laptop.0.wait_until_settled(PATIENCE)?;
        let desktop = Side::connect(world, &ada, number, "desktop", chance)?;
        let side = |name, (vault, network): (Vault, Network)| -> Result<Side> {
            let (settings, note) = (vault.well_known("settings")?, vault.document(vault.home(), note)?);
            Ok(Side { name, watch: vault.watch(), settings, note, vault, network })
        };
        let sides = [side("laptop", laptop)?, side("desktop", desktop)?];
        Ok(Self { number, ada, sides, settings: Vec::new(), lines: Vec::new(), edits: 0 })
    }

    /// Edits are under way when it begins, and others come while it lasts; sometimes both sides are cut off.
    pub(super) fn live_through(&mut self, kind: Partition, lasting: Duration, chance: &mut Chance) -> Result<Healed> {
        let before = self.edits;
        let first = chance.below(2) as usize;
        let cut_off: &[usize] = if chance.below(3) == 0 { &[0, 1] } else { &[first] };
        self.write_some(chance)?;
        for &side in cut_off {
            self.sides[side].network.fail(kind);
        }
        let began = Instant::now();
        while began.elapsed() < lasting {
            self.write_some(chance)?;
            std::thread::sleep(lasting.saturating_sub(began.elapsed()).min(chance.micros_below(2_000_000)));
        }
        let healed = Instant::now();
        for &side in cut_off {
            self.sides[side].network.heal();
        }
        self.meet(healed)?;
        Ok(Healed { resumed: healed.elapsed(), edits: self.edits - before })
    }

    fn write_some(&mut self, chance: &mut Chance) -> Result<()> {
        for side in 0..self.sides.len() {
            let (number, Side { settings, note, .. }) = (self.edits, &self.sides[side]);
            if chance.below(2) == 0 {
                settings.edit(|draft| draft.put(&format!("/machines/ada/key{number}"), number.into()))?;
                self.settings.push(number);
            } else {
                note.edit(|draft| {
                    let end = draft.text("/body").unwrap_or_default().chars().count();
                    draft.splice("/body", end, 0, &format!("{number}\n"))
                })?;
                self.lines.push(number);
            }
            self.edits += 1;
        }
        Ok(())
    }

    /// Waits until both sides show everything.
    fn meet(&self, since: Instant) -> Result<()> {
        for side in &self.sides {
            while let Some(missing) = self.missing_on(&side.settings, &side.note)? {
                let status = side.vault.sync_status();
                ensure!(since.elapsed() < PATIENCE, "{} stalls without {missing}: {status:?}", side.name);
                side.watch.next(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    /// The first edit that is not there; an error if one is there twice.
    fn missing_on(&self, settings: &Document, note: &Document) -> Result<Option<String>> {
        let values = settings.value()?;
        let body = note.text("/body")?.unwrap_or_default();
        let mut lines = body.lines().map(str::parse).collect::<Result<Vec<u64>, _>>()?;
        lines.sort_unstable();
        if let Some(twice) = lines.windows(2).find(|pair| pair[0] == pair[1]) {
            bail!("line {} is there twice", twice[0]);
        }
        let setting = |number: &&u64| values["machines"]["ada"][format!("key{number}")] != **number;
        let line = |number: &&u64| lines.binary_search(number).is_err();
        let setting = self.settings.iter().rev().find(setting).map(|number| format!("setting {number}"));
        Ok(setting.or_else(|| self.lines.iter().rev().find(line).map(|number| format!("line {number}"))))
    }

    /// At the end nothing waits for anybody, and a device that is new has all of it from the relay alone.
    pub(super) fn end(self, world: &World) -> Result<()> {
        for Side { name, vault, .. } in &self.sides {
            vault.wait_until_settled(PATIENCE).with_context(|| (*name).to_owned())?;
            ensure!(vault.quarantine().list()?.is_empty(), "{name} has something in quarantine");
            let findings = vault.doctor()?;
            ensure!(findings.is_empty(), "{name}: {findings:?}");
        }
        let phone = Vault::open(world.path().join(format!("phone {}", self.number)))?;
        phone.connect(Connection::new(world.relay.url()).token(&self.ada.token))?;
        phone.wait_until_settled(PATIENCE)?;
        let note = phone.document(phone.home(), self.sides[0].note.id())?;
        let missing = self.missing_on(&phone.well_known("settings")?, &note)?;
        ensure!(missing.is_none(), "a new device never hears of {missing:?}");
        Ok(())
    }
}

impl Side {
    fn connect(world: &World, ada: &Account, number: u64, name: &str, chance: &mut Chance) -> Result<(Vault, Network)> {
        // From a wire under the desk to a telephone in a train.
        let weather = Weather {
            latency: chance.micros_below(80_000),
            jitter: chance.micros_below(30_000),
            piece_bytes: 40 + chance.below(1_460) as usize,
            bytes_per_second: 50_000 + chance.below(1_000_000) as u32,
        };
        let network = Network::to(world.relay.address(), weather, Chance::seeded(chance.below(u64::MAX)))?;
        let vault = Vault::open(world.path().join(format!("{name} {number}")))?;
        vault.connect(Connection::new(network.url()).token(&ada.token))?;
        vault.wait_until_settled(PATIENCE)?;
        Ok((vault, network))
    }
}
