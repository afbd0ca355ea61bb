//! The vault: a program that embeds it is killed while it opens, verifies and writes.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use system_tests::{Chance, Device, Programs};
use tempfile::TempDir;

use super::{Tally, command, kills, report, writer};
use crate::program::Program;
use crate::world::odd_directory;

/// Kills for one vault; then the next one begins, so that a run of thousands stays as fast as its beginning.
const KILLS_EACH: u64 = 20;
/// One kill of so many is of the `vault` command instead.
const COMMAND_EVERY: u64 = 5;

#[test]
fn nothing_that_a_vault_said_to_be_saved_is_lost_by_kill_9() -> Result<()> {
    let (wanted, mut chance) = (kills("KILL_VAULT")?, super::chance()?);
    let mut tally = Tally { what: "vault", seed: chance.seed(), kills: 0, checked: 0 };
    while tally.kills < wanted {
        let end = wanted.min(tally.kills + KILLS_EACH);
        let told = |tally: &Tally| format!("{tally} so far");
        one_vault(&mut chance, &mut tally, end).with_context(|| told(&tally))?;
    }
    report(&tally)
}

/// Kills the programs of one vault until there were `end` kills, then looks at it once more with the real command.
fn one_vault(chance: &mut Chance, tally: &mut Tally, end: u64) -> Result<()> {
    let directory = odd_directory()?;
    let device = Device::new(&Programs::beside_this_executable()?, directory.path(), "killed")?;
    device.ok(&["init"])?;
    let (mut ledger, mut commands) = (Ledger::default(), command::Ledger::default());
    while tally.kills < end {
        if tally.kills.is_multiple_of(COMMAND_EVERY) {
            commands.kill_one(&device, chance)?;
        } else {
            let mut program = writing(&directory, device.vault())?;
            wait_for_an_instant(&mut program, chance);
            ledger.add(&program.kill()?)?;
        }
        tally.kills += 1;
    }
    let mut program = writing(&directory, device.vault())?;
    program.wait_for_lines(3 + writer::WAYS.len() as u64);
    ledger.add(&program.kill()?)?;
    commands.check(&device)?;
    device.ok(&["verify"])?;
    tally.checked += ledger.acks + commands.acknowledged();
    Ok(())
}

/// How many edits of each way were acknowledged, or seen after a kill: none of them may ever be gone again.
#[derive(Debug, Default)]
struct Ledger {
    counts: [u64; 4],
    acks: u64,
}

impl Ledger {
    /// Reads what a program said until it died; checks what it found against what others said before.
    fn add(&mut self, lines: &[String]) -> Result<()> {
        for line in lines {
            let Some((_, words)) = line.split_once("ledger ") else { continue };
            let [word, way, number] = words.split(' ').collect::<Vec<_>>()[..] else { bail!("a line {line:?}") };
            let way = writer::WAYS.iter().position(|known| *known == way).context("a way to write")?;
            let (number, count): (u64, &mut u64) = (number.parse()?, &mut self.counts[way]);
            match word {
                "saved" => {
                    *count = number + 1;
                    self.acks += 1;
                }
                "found" => {
                    ensure!(number >= *count, "{}: {count} were saved, {number} are there", writer::WAYS[way]);
                    *count = number;
                }
                _ => bail!("a line {line:?}"),
            }
        }
        Ok(())
    }
}

/// Some time since the start of a program, or since one of its words.
fn wait_for_an_instant(program: &mut Program, chance: &mut Chance) {
    if chance.below(3) == 0 {
        return std::thread::sleep(chance.micros_below(60_000));
    }
    program.wait_for_lines(chance.below(80));
    std::thread::sleep(chance.micros_below(3_000));
}

/// The program that writes, in a process of its own.
fn writing(directory: &TempDir, vault: &Path) -> Result<Program> {
    Program::start(writer::NAME, directory.path(), &[(writer::VAULT, vault.as_os_str())])
}

#[test]
fn the_ledger_of_the_vault_notices_what_is_gone() {
    let mut ledger = Ledger::default();
    let said = |lines: &[&str]| lines.iter().map(|line| format!("ledger {line}")).collect::<Vec<_>>();
    ledger.add(&said(&["found line 0", "saved line 0", "saved line 1", "saved note 0"])).expect("nothing is lost");
    ledger.add(&said(&["found line 3", "found note 1"])).expect("more than was acknowledged may be there");
    let lost = ledger.add(&said(&["found line 2"])).expect_err("what was there once is lost");
    assert!(lost.to_string().contains("line: 3 were saved, 2 are there"), "{lost}");
}
