//! A story: what the users of two devices and the administrator of a relay do while every write is recorded.

use std::path::Path;

use anyhow::Result;
use editor_vault::{Document, ListFilter, Vault};
use rusqlite::Connection;
use simulated_world::rng::Rng;

use crate::house::House;
use crate::recording::{Journal, Machine, Promise};
use crate::vfs::Seeded;

/// The device that is recorded, and the other one.
const LAPTOP: usize = 0;
const DESKTOP: usize = 1;
/// Few keys, so that edits meet.
const KEYS: u64 = 6;
/// Characters of a pasted text: several pages of the file.
const PASTE_MAX: u64 = 12_000;
/// A rollback journal is flushed several times for each commit.
const STEPS_AHEAD: u64 = 90;
const STEPS_BACK: u64 = 36;
/// No step begins after so many: each flush is looked at, and a story has only so many images.
const FLUSHES_MAX: usize = 400;
/// One story of so many has a rollback journal.
const ROLLBACK_EVERY: u64 = 2;

/// What happens in one step.
#[derive(Debug, Clone, Copy)]
enum Step {
    Put,
    Type,
    Paste,
    Defer,
    Create,
    Delete,
    Elsewhere,
    Sync,
    Restart,
    Checkpoint,
    RestartRelay,
    CheckpointRelay,
    Account,
}

const STEPS: [(Step, u32); 13] = [
    (Step::Put, 10),
    (Step::Type, 10),
    (Step::Paste, 2),
    (Step::Defer, 5),
    (Step::Create, 4),
    (Step::Delete, 2),
    (Step::Elsewhere, 6),
    (Step::Sync, 10),
    (Step::Restart, 3),
    (Step::Checkpoint, 3),
    (Step::RestartRelay, 2),
    (Step::CheckpointRelay, 3),
    (Step::Account, 2),
];

/// What makes commits atomic in the story of this number.
#[must_use]
pub fn journal(story: u64) -> Journal {
    if story % ROLLBACK_EVERY == ROLLBACK_EVERY - 1 { Journal::Rollback } else { Journal::WriteAhead }
}

/// Lives through a story in an empty directory. Gives what was recorded of the vault and the relay.
///
/// # Errors
/// If something fails that nothing forbids.
pub fn record(number: u64, place: &Path) -> Result<[Machine; 2]> {
    let mut rng = Rng::seeded(number);
    let _seeded = Seeded::with(rng.fork());
    let journal = journal(number);
    let steps = if journal == Journal::WriteAhead { STEPS_AHEAD } else { STEPS_BACK };
    let house = House::build(place, journal, rng.fork())?;
    let mut story = Story { house, rng, journal };
    let first_login = steps / 6;
    for step in 0..steps {
        if story.house.flushes() > FLUSHES_MAX {
            break;
        }
        if step == first_login {
            story.log_in()?;
        }
        let weights: Vec<u32> = STEPS.iter().map(|(_, weight)| *weight).collect();
        let chosen = story.rng.weighted(&weights);
        story.step(STEPS[chosen].0)?;
    }
    story.house.settle()?;
    Ok(story.house.finish())
}

struct Story {
    house: House,
    rng: Rng,
    journal: Journal,
}

impl Story {
    fn step(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Put => self.put(LAPTOP),
            Step::Type => self.type_in_note(LAPTOP, 40),
            Step::Paste => self.type_in_note(LAPTOP, PASTE_MAX),
            Step::Defer => self.defer(),
            Step::Create => self.create(LAPTOP),
            Step::Delete => self.delete(),
            Step::Elsewhere => self.elsewhere(),
            Step::Sync => self.house.settle(),
            Step::Restart => self.restart(),
            Step::Checkpoint => self.checkpoint(),
            Step::RestartRelay => self.restart_relay(),
            Step::CheckpointRelay => self.checkpoint_relay(),
            Step::Account => {
                let name = format!("account-{}", self.rng.draw());
                self.house.add_account(&name)
            }
        }
    }

    fn log_in(&mut self) -> Result<()> {
        (LAPTOP..=DESKTOP).try_for_each(|device| self.house.log_in(device))?;
        self.house.settle()
    }

    fn vault(&self, device: usize) -> Result<Vault> {
        let vault = self.house.devices[device].vault.clone();
        vault.ok_or_else(|| anyhow::anyhow!("device {device} is off"))
    }

    /// Tells a user of a device that a document is saved as it is.
    fn saved(&self, device: usize, document: &Document) -> Result<()> {
        for head in document.read(|document| document.heads())? {
            self.house.devices[device].promise(Promise::Saved(head));
        }
        Ok(())
    }

    fn put(&mut self, device: usize) -> Result<()> {
        let settings = self.vault(device)?.well_known("settings")?;
        let (key, value) = (self.rng.below(KEYS), self.rng.draw());
        settings.edit(|draft| draft.put(&format!("/base/key{key}"), value.into()))?;
        self.saved(device, &settings)
    }

    /// A note of a device, if it has any that is not deleted.
    fn note(&mut self, device: usize) -> Result<Option<Document>> {
        let vault = self.vault(device)?;
        let filter = ListFilter { type_name: Some("note".to_owned()), ..ListFilter::default() };
        let notes = vault.list(&filter)?;
        if notes.is_empty() {
            return Ok(None);
        }
        let chosen = &notes[self.rng.index(notes.len())];
        Ok(Some(vault.document(chosen.space, chosen.id)?))
    }

    fn words(&mut self, longest: u64) -> String {
        let count = self.rng.between(1, longest);
        (0..count).map(|_| char::from(b'a' + self.rng.below(26) as u8)).collect()
    }

    fn type_in_note(&mut self, device: usize, longest: u64) -> Result<()> {
        let Some(note) = self.note(device)? else { return self.create(device) };
        let words = self.words(longest);
        note.edit(|draft| draft.splice("/body", 0, 0, &words))?;
        self.saved(device, &note)
    }

    fn defer(&mut self) -> Result<()> {
        let Some(note) = self.note(LAPTOP)? else { return Ok(()) };
        for _ in 0..self.rng.between(1, 4) {
            let words = self.words(30);
            note.edit_deferred(|draft| draft.splice("/body", 0, 0, &words))?;
        }
        let vault = self.vault(LAPTOP)?;
        if let Some(due) = vault.next_due() {
            self.house.clock.advance_to(sync_core::time::Instant(due));
        }
        vault.run_due();
        vault.flush()?;
        self.saved(LAPTOP, &note)
    }

    fn create(&mut self, device: usize) -> Result<()> {
        let vault = self.vault(device)?;
        let knows_team = vault.spaces()?.iter().any(|space| space.id == self.house.team);
        let space = (knows_team && self.rng.chance(0.5)).then_some(self.house.team);
        let title = self.words(12);
        let note = vault.create("note", Some(&title), space)?;
        self.saved(device, &note)
    }

    fn delete(&mut self) -> Result<()> {
        let Some(note) = self.note(LAPTOP)? else { return Ok(()) };
        let vault = self.vault(LAPTOP)?;
        vault.delete(&note)?;
        if self.rng.chance(0.5) {
            vault.restore(&note)?;
        }
        Ok(())
    }

    /// The other device writes, and what it wrote comes here: commits that wait for the next of our own.
    fn elsewhere(&mut self) -> Result<()> {
        for _ in 0..self.rng.between(1, 5) {
            match self.rng.below(3) {
                0 => self.put(DESKTOP)?,
                1 => self.type_in_note(DESKTOP, 200)?,
                _ => self.create(DESKTOP)?,
            }
            if self.house.is_logged_in(DESKTOP) {
                self.house.settle()?;
            }
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        let file = self.vault(LAPTOP)?.file().to_owned();
        self.house.stop(LAPTOP);
        self.leave_last(&file)?;
        self.house.start(LAPTOP)
    }

    fn restart_relay(&mut self) -> Result<()> {
        self.house.stop_relay();
        let file = self.house.relay_file();
        self.leave_last(&file)?;
        self.house.start_relay()
    }

    /// A program that works with threads is the last to close a file: that moves the log into it, and removes the log.
    fn leave_last(&mut self, file: &Path) -> Result<()> {
        if self.journal == Journal::WriteAhead && self.rng.chance(0.5) {
            let connection = Connection::open(file)?;
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<()> {
        let vault = self.vault(LAPTOP)?;
        if self.journal == Journal::WriteAhead && self.rng.chance(0.6) {
            return self.checkpoint_by_another(vault.file());
        }
        Ok(vault.checkpoint()?)
    }

    fn checkpoint_relay(&mut self) -> Result<()> {
        if self.journal == Journal::WriteAhead && self.rng.chance(0.6) {
            let file = self.house.relay_file();
            return self.checkpoint_by_another(&file);
        }
        Ok(self.house.storage()?.checkpoint()?)
    }

    /// Another process moves the log into the file and leaves it as long as it is: the next commit begins it anew.
    fn checkpoint_by_another(&mut self, file: &Path) -> Result<()> {
        let how = ["PASSIVE", "FULL", "RESTART"][self.rng.index(3)];
        let connection = Connection::open(file)?;
        connection.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |_| Ok(()))?;
        Ok(())
    }
}
