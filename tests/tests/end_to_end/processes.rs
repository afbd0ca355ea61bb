//! Eight processes on one vault, of which one is of a newer program: they edit, sync, checkpoint and are killed. What
//! any of them said to be saved is there in the end, once, here and at the relay.
//!
//! `PROCESSES_SECONDS`, `PROCESSES_SEED` and `PROCESSES_OLDER` ask for more, as `cargo xtask processes` does.

mod ledger; // what they said
mod roles; // what each of them does

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use document::Header;
use ledger::Ledger;
use roles::Role;
use system_tests::{Account, Chance, Device, Programs};

use crate::kill::command;
use crate::log::Reader;
use crate::program::Program;
use crate::world::{World, eventually, same_settings};

/// How long they live together on one vault. That is an ordinary test run; a longer one goes on with another vault, so
/// that it stays as fast as its beginning.
const SECONDS: u64 = 60;
/// Beside the `vault` command, which is the eighth.
const ROLES: [Role; 7] =
    [Role::Edits, Role::Edits, Role::Edits, Role::Edits, Role::Edits, Role::EditsWithNewerProgram, Role::Checkpoints];

#[test]
fn eight_processes_on_one_vault_lose_and_double_nothing_whoever_is_killed() -> Result<()> {
    let wanted = match std::env::var("PROCESSES_SECONDS") {
        Ok(number) => number.parse().with_context(|| format!("PROCESSES_SECONDS is no number: {number:?}"))?,
        Err(_) => SECONDS,
    };
    let mut chance = Chance::of_environment("PROCESSES_SEED")?;
    let mut tally = Tally::default();
    for begin in (0..wanted).step_by(usize::try_from(SECONDS)?) {
        let seconds = SECONDS.min(wanted - begin);
        let told = || format!("after {begin} seconds of seed {}", chance.seed());
        let mut house = House::begin(begin).with_context(told)?;
        house.live(Duration::from_secs(seconds), &mut chance, &mut tally).context(house.world.relay.logged())?;
        house.end(&mut tally).with_context(|| format!("after {begin} seconds of seed {}", chance.seed()))?;
    }
    let Tally { kills, edits, turns, changes } = tally;
    ensure!(turns > 0, "nobody ever took the sync over");
    writeln!(
        std::io::stderr(),
        "processes: {wanted} s, {kills} kills, {edits} edits saved, {changes} changes at the relay, lost 0, doubled 0, \
         the sync went to another process {turns} times (seed {})",
        chance.seed()
    )?;
    Ok(())
}

/// What a run has done.
#[derive(Default)]
struct Tally {
    kills: u64,
    edits: u64,
    turns: u64,
    changes: usize,
}

/// A vault with its processes, and the relay that it syncs with.
struct House {
    world: World,
    ada: Account,
    device: Device,
    /// The `vault` command of an older release, if there is one, else today's.
    command: Device,
    commands: command::Ledger,
    programs: Vec<(Role, Program)>,
    ledger: Ledger,
    lives: u64,
    place: u64,
}

impl House {
    fn begin(place: u64) -> Result<Self> {
        let world = World::new()?;
        let ada = world.relay.account("ada")?;
        let device = world.device_of(&ada, "shared")?;
        device.ok(&["new", "note", roles::NOTE])?;
        let command = match std::env::var_os("PROCESSES_OLDER") {
            Some(directory) => {
                let programs = Programs::in_directory(std::path::Path::new(&directory));
                Device::new(&programs, world.path(), "shared")?
            }
            None => device.clone(),
        };
        let (commands, ledger) = (command::Ledger::default(), Ledger::default());
        let mut house = Self { world, ada, device, command, commands, programs: Vec::new(), ledger, lives: 0, place };
        for role in ROLES {
            house.start(role)?;
        }
        Ok(house)
    }

    fn start(&mut self, role: Role) -> Result<()> {
        self.lives += 1;
        let (role_name, name, url) = (format!("{role:?}"), format!("p{}", self.lives), self.world.relay.url());
        let environment = [
            (roles::ROLE, OsStr::new(&role_name)),
            (roles::NAME, OsStr::new(&name)),
            (roles::VAULT, self.device.vault().as_os_str()),
            (roles::URL, OsStr::new(&url)),
            (roles::TOKEN, OsStr::new(&self.ada.token)),
        ];
        let home = self.device.vault().parent().context("it has one")?;
        self.programs.push((role, Program::start(roles::PROGRAM, home, &environment)?));
        Ok(())
    }

    /// Kills one after the other and starts it again, for so long.
    fn live(&mut self, time: Duration, chance: &mut Chance, tally: &mut Tally) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < time {
            std::thread::sleep(chance.micros_below(400_000));
            if chance.below(8) == 0 {
                self.commands.kill_one(&self.command, chance)?;
            } else {
                let victim = self.victim(chance)?;
                let (role, program) = self.programs.remove(victim);
                self.ledger.add(&program.kill().with_context(|| format!("{role:?}"))?)?;
                self.start(role)?;
            }
            tally.kills += 1;
        }
        Ok(())
    }

    /// One of the programs; often the one that syncs.
    fn victim(&self, chance: &mut Chance) -> Result<usize> {
        let syncs = self.programs.iter().position(|(_, program)| program.said().iter().any(|line| roles::syncs(line)));
        Ok(match syncs {
            Some(syncs) if chance.below(4) == 0 => syncs,
            _ => usize::try_from(chance.below(self.programs.len() as u64))?,
        })
    }

    fn end(&mut self, tally: &mut Tally) -> Result<()> {
        for (role, program) in std::mem::take(&mut self.programs) {
            self.ledger.add(&program.kill().with_context(|| format!("{role:?}"))?)?;
        }
        self.device.sync()?;
        self.device.ok(&["verify"])?;
        ensure!(self.device.pending()? == 0, "something is still to be sent");
        let quarantined = self.device.ok(&["quarantine", "list"])?;
        ensure!(quarantined == "nothing is in quarantine", "{quarantined}");
        self.commands.check(&self.device)?;
        let notes = self.device.ok(&["show", roles::NOTE])?;
        self.ledger.check(&self.machines()?, &notes)?;
        let phone = self.world.device_of(&self.ada, "phone")?;
        same_settings(&self.device, &phone)?;
        ensure!(phone.ok(&["show", roles::NOTE])? == notes, "a new device has another note");
        tally.edits += self.ledger.saved() + self.commands.acknowledged();
        // The first took it from nobody.
        tally.turns += self.ledger.turns.saturating_sub(1);
        tally.changes += self.check_names()?;
        let verified = self.world.relay.admin(&["verify"])?;
        ensure!(verified.ends_with("nothing is wrong"), "{verified}");
        Ok(())
    }

    /// The layers of the settings that the processes wrote.
    fn machines(&self) -> Result<serde_json::Value> {
        let mut machines = serde_json::Value::Null;
        eventually("the relay has folded the settings", || {
            let items = self.world.relay.documents(&self.ada.token)?;
            let settings = items.iter().find(|item| item["type"] == "settings").context("no settings are listed")?;
            let position = self.device.position()?;
            machines =
                self.world.relay.document_after(settings, &position, &self.ada.token)?.body["value"]["machines"].take();
            Ok(machines.is_object())
        })?;
        Ok(machines)
    }

    /// No actor gave one number to two changes of a document; gives how many changes there are.
    fn check_names(&self) -> Result<usize> {
        let log = Reader::new(self.place, &self.ada.token).read(&self.world.relay)?;
        let mut names = HashSet::new();
        for entry in &log.entries {
            let Some(bytes) = &entry.bytes else { continue };
            let header = Header::parse(bytes)?;
            if !names.insert((entry.document, header.actor, header.seq)) {
                bail!("{:?} gave number {} to two changes of {}", header.actor, header.seq, entry.document);
            }
        }
        Ok(names.len())
    }
}
