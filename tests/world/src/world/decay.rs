//! When everything is over: a bit of a stored row turns while its machine is off. Whoever has it may be unable to go on
//! with that document; nobody may take it for true.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use sync_wire::{DocumentId, SpaceId};

use super::{Due, Machine, World};
use crate::check;
use crate::device::{Device, Origin};
use crate::disk::Loss;
use crate::failure::Failure;
use crate::oracle::{self, Meaning};
use crate::template::DEVICES_MAX;

/// What users do beside a damaged machine.
const ACTIONS: usize = 3;
/// How long a new device tries to get what a damaged relay has.
const TRIES_FOR: Duration = Duration::from_secs(60);

/// A stored change, of which a bit has turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Damage {
    /// Where it is.
    space: SpaceId,
    /// Of what.
    document: DocumentId,
}

impl World {
    pub(super) fn decay(&mut self) -> Result<(), Failure> {
        if self.rng.chance(0.5) { self.decay_of_a_device() } else { self.decay_of_the_relay() }
    }

    fn decay_of_a_device(&mut self) -> Result<(), Failure> {
        let index = self.rng.index(self.devices.len());
        self.devices[index].disk.doom(0, Loss::Process);
        self.end_now(Machine::Device(index))?;
        self.devices[index].disk.restore()?;
        let Some(damage) = self.turn_a_bit(Machine::Device(index))? else { return self.start(Machine::Device(index)) };
        self.tell(&format!("device {index}"), || format!("has a bit turned in {damage:?}"));
        self.start(Machine::Device(index))?;
        self.others_act(index)?;
        self.settle()?;
        let logs = check::log(self)?;
        check::agree_but_for(self, &logs, index, damage.document)?;
        let device = &self.devices[index];
        let Some(program) = &device.program else { return Ok(()) };
        if program.vault.verify().map_err(anyhow::Error::from)?.is_empty() {
            let detail = format!("{} says that it is sound, with {damage:?}", device.name());
            return Failure::raise("damage is noticed", detail);
        }
        let meanings = logs.get(&damage.space).map(oracle::meanings).transpose()?.unwrap_or_default();
        check::is_true_or_refused(device, damage.space, damage.document, meanings.get(&damage.document))
    }

    /// Users of the other devices go on.
    fn others_act(&mut self, damaged: usize) -> Result<(), Failure> {
        let habits = self.habits.clone();
        for _ in 0..ACTIONS {
            let index = self.rng.index(self.devices.len());
            if index != damaged {
                let did = habits.act(&mut self.devices[index], &mut self.ledger, &mut self.rng)?;
                self.tell(&format!("device {index}"), || did);
                self.after_device(index)?;
            }
        }
        Ok(())
    }

    fn decay_of_the_relay(&mut self) -> Result<(), Failure> {
        let logs = check::log(self)?;
        let honest = logs.iter().filter(|(space, _)| **space != self.templates.attacker.personal);
        let meant: BTreeMap<SpaceId, BTreeMap<DocumentId, Meaning>> =
            honest.map(|(space, log)| Ok((*space, oracle::meanings(log)?))).collect::<Result<_, Failure>>()?;
        self.relay.disk.doom(0, Loss::Process);
        self.end_now(Machine::Relay)?;
        self.relay.disk.restore()?;
        let Some(damage) = self.turn_a_bit(Machine::Relay)? else { return Ok(()) };
        self.tell("relay", || format!("has a bit turned in {damage:?}"));
        self.is_damaged = true;
        self.relay.start()?;
        self.after_relay();
        self.add_a_new_device()?;
        let until = self.now() + TRIES_FOR;
        self.plan(TRIES_FOR, Due::LookAtAccess);
        while self.now() < until && self.step()? {}
        for device in &self.devices {
            for (space, documents) in &meant {
                for (document, meaning) in documents {
                    check::is_true_or_refused(device, *space, *document, Some(meaning))?;
                }
            }
        }
        Ok(())
    }

    /// A device that has nothing yet, of the first account.
    fn add_a_new_device(&mut self) -> Result<(), Failure> {
        let templates = self.templates;
        let unused = self.devices.len() - self.clones;
        if unused >= DEVICES_MAX {
            return Ok(());
        }
        let index = self.devices.len();
        let rng = self.rng.fork();
        let device = Device::make(Origin {
            index,
            account: 0,
            token: &templates.accounts[0].token,
            vault: &templates.vaults[unused],
            place: self.devices[0].place(),
            clock: &self.clock,
            rng,
            fingerprint: &self.fingerprint,
        })?;
        self.devices.push(device);
        self.ledger.saved.push(BTreeMap::new());
        self.start(Machine::Device(index))?;
        self.log_in(index)
    }

    /// Turns a bit of some change in the files of a machine that is off; `None` if it has none.
    fn turn_a_bit(&mut self, machine: Machine) -> Result<Option<Damage>, Failure> {
        let (disk, [rows, read, write]) = match machine {
            Machine::Device(index) => (self.devices[index].disk.clone(), VAULT),
            Machine::Relay => (self.relay.disk.clone(), RELAY),
        };
        let drawn = (self.rng.draw(), self.rng.draw());
        let damage = turn(disk.file(), rows, read, write, drawn)?;
        disk.after_surgery();
        Ok(damage)
    }
}

/// How many changes there are, one of them by its number with where it is, and how it is written back.
const VAULT: [&str; 3] = [
    "SELECT count(*) FROM changes WHERE length(bytes) > 0 AND excluded = 0",
    "SELECT c.id, c.bytes, s.space, d.document FROM changes c JOIN documents d ON d.id = c.document
     JOIN spaces s ON s.id = d.space WHERE length(c.bytes) > 0 AND c.excluded = 0 ORDER BY c.id LIMIT 1 OFFSET ?1",
    "UPDATE changes SET bytes = ?1 WHERE id = ?2",
];
const RELAY: [&str; 3] = [
    "SELECT count(*) FROM log WHERE kind = 1",
    "SELECT l.log_key, l.bytes, s.id, d.id FROM log l JOIN documents d USING (document_key)
     JOIN spaces s ON s.space_key = d.space_key WHERE l.kind = 1 ORDER BY l.log_key LIMIT 1 OFFSET ?1",
    "UPDATE log SET bytes = ?1 WHERE log_key = ?2",
];

fn turn(file: &Path, rows: &str, read: &str, write: &str, drawn: (u64, u64)) -> anyhow::Result<Option<Damage>> {
    let connection = Connection::open(file).context("a file to damage")?;
    // What is in the log stays there: the machine is to find its files as it left them.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let count: i64 = connection.query_row(rows, [], |row| row.get(0))?;
    if count == 0 {
        return Ok(None);
    }
    let chosen = (drawn.0 % count.cast_unsigned()).cast_signed();
    let (key, mut bytes, space, document): (i64, Vec<u8>, _, _) =
        connection.query_row(read, [chosen], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    let bit = (drawn.1 % (bytes.len() as u64 * 8)) as usize;
    bytes[bit / 8] ^= 1 << (bit % 8);
    connection.execute(write, (bytes, key))?;
    Ok(Some(Damage { space: SpaceId(space), document: DocumentId(document) }))
}
