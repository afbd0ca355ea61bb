//! Which image a number means. Two thousand numbers share a story; even ones are of its vault, odd ones of its relay.
//! The first of them are cut before every flush, with nothing and with everything that was not flushed by then; all
//! others are cut anywhere, and keep what chance says.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use editor_vault::simulation::Durable;
use simulated_world::failure::Failure;
use simulated_world::rng::Rng;
use simulated_world::run::Ran;
use sync_wire::planted::{self, Bug};

use crate::check::{self, Digest, Expected, Look};
use crate::image::{Filling, Image, Luck, after_crash};
use crate::recording::Machine;
use crate::story;

/// How many numbers share a story.
pub const IMAGES_OF_STORY: u64 = 2000;
/// One image of so many is looked at thoroughly.
const THOROUGH_EVERY: u64 = 8;
/// The bytes that a disk writes at once.
const SECTORS: [usize; 2] = [512, 4096];

/// A story with its states.
#[derive(Debug)]
pub struct Recorded {
    story: u64,
    machines: [(Machine, Vec<Option<Digest>>); 2],
}

impl Recorded {
    /// Lives through a story.
    ///
    /// # Errors
    /// If something fails that nothing forbids.
    pub fn of(story: u64, place: &Path) -> Result<Self> {
        let directory = place.join("story");
        std::fs::create_dir_all(&directory)?;
        let recorded = story::record(story, &directory)?;
        std::fs::remove_dir_all(&directory)?;
        let [vault, relay] = recorded.map(|machine| {
            let states = check::states(&machine, place)?;
            let systematic = crashes_at_flushes(&machine).count() as u64;
            ensure!(systematic < IMAGES_OF_STORY / 2, "{systematic} images at flushes do not fit story {story}");
            Ok((machine, states))
        });
        Ok(Self { story, machines: [vault?, relay?] })
    }

    /// The two machines.
    pub fn into_machines(self) -> impl Iterator<Item = Machine> {
        self.machines.into_iter().map(|(machine, _)| machine)
    }
}

/// A crash.
#[derive(Debug, Clone)]
pub struct Crash {
    /// After so many ops.
    pub cut: usize,
    /// Torn into sectors of so many bytes.
    pub sector_bytes: usize,
    /// What became of what was not flushed.
    pub luck: Luck,
}

/// Crashes right before each flush, and at the end: without what was not flushed, that is also what is there right
/// after the flush before.
pub fn crashes_at_flushes(machine: &Machine) -> impl Iterator<Item = Crash> {
    let crash = |cut, luck| Crash { cut, sector_bytes: SECTORS[1], luck };
    let cuts = machine.flushes().chain([machine.ops.len()]);
    cuts.flat_map(move |cut| [crash(cut, Luck::Nothing), crash(cut, Luck::Everything)])
}

fn random_crash(machine: &Machine, mut rng: Rng) -> Crash {
    let flushes: Vec<usize> = machine.flushes().collect();
    // Half of them when most is at stake.
    let cut = if rng.chance(0.5) { flushes[rng.index(flushes.len())] } else { rng.index(machine.ops.len() + 1) };
    let sector_bytes = SECTORS[rng.index(SECTORS.len())];
    let newest = [0.05, 0.3, 0.5, 0.9, 0.99][rng.index(5)];
    let filling = if rng.chance(0.3) { Filling::Garbage } else { Filling::Zeros };
    Crash { cut, sector_bytes, luck: Luck::Some { rng, newest, filling } }
}

/// The image of a number, and what it has to be.
#[derive(Debug)]
pub struct Numbered<'a> {
    number: u64,
    crash: Crash,
    expected: Expected<'a>,
}

impl<'a> Numbered<'a> {
    fn find(number: u64, recorded: &'a Recorded) -> Self {
        let within = number % IMAGES_OF_STORY;
        let (machine, states) = &recorded.machines[within as usize % 2];
        let crash = crashes_at_flushes(machine)
            .nth(within as usize / 2)
            .unwrap_or_else(|| random_crash(machine, Rng::seeded(number)));
        let expected = Expected { machine, states, cut: crash.cut };
        Self { number, crash, expected }
    }

    /// The files.
    #[must_use]
    pub fn image(&self) -> Image {
        let Crash { cut, sector_bytes, luck } = &self.crash;
        after_crash(&self.expected.machine.ops, *cut, *sector_bytes, &mut luck.clone())
    }

    fn check(&self, place: &Path) -> Result<(), Failure> {
        // Counted without the two machines that numbers take turns with, so that both are looked at.
        let is_thorough = (self.number / 2).is_multiple_of(THOROUGH_EVERY);
        let look = if is_thorough { Look::Thorough } else { Look::Usual };
        check::check(&self.image(), &self.expected, look, place)
    }
}

impl fmt::Display for Numbered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, crash, expected } = self;
        let machine = expected.machine;
        let commits = machine.commits.iter().filter(|commit| commit.at <= crash.cut);
        let flushed = commits.clone().filter(|commit| commit.durable == Durable::Flushed).count();
        writeln!(f, "image {number}: {:?} of story {}, {:?}", machine.kind, number / IMAGES_OF_STORY, machine.journal)?;
        writeln!(f, "  cut after {} of {} ops, sectors of {}", crash.cut, machine.ops.len(), crash.sector_bytes)?;
        let luck = match &crash.luck {
            Luck::Nothing => "nothing that was not flushed is there".to_owned(),
            Luck::Everything => "everything is there".to_owned(),
            Luck::Some { newest, filling, .. } => format!("the newest is there with probability {newest}, {filling:?}"),
        };
        writeln!(f, "  {luck}")?;
        writeln!(f, "  {} commits had returned, {flushed} of them flushed", commits.count())?;
        writeln!(f, "  it has to be as after one of commits {:?}", machine.possible(crash.cut))?;
        writeln!(f, "  {} promises had been made", machine.promised(crash.cut).count())?;
        let mut hasher = blake3::Hasher::new();
        for (name, content) in self.image() {
            hasher.update(name.as_bytes()).update(&content);
            writeln!(f, "  {name}: {} bytes", content.len())?;
        }
        write!(f, "  digest of its files: {}", hasher.finalize())
    }
}

/// Makes and checks images, one after the other, and keeps the story of the last.
#[derive(Debug)]
pub struct Images<'a> {
    place: &'a Path,
    bug: Option<Bug>,
    recorded: Option<Recorded>,
}

impl<'a> Images<'a> {
    /// With a directory for files and with a bug planted or none.
    #[must_use]
    pub fn new(place: &'a Path, bug: Option<Bug>) -> Self {
        Self { place, bug, recorded: None }
    }

    /// The image of a number.
    ///
    /// # Errors
    /// If its story cannot be lived through.
    pub fn find(&mut self, number: u64) -> Result<Numbered<'_>> {
        let story = number / IMAGES_OF_STORY;
        let recorded = match self.recorded.take() {
            Some(recorded) if recorded.story == story => recorded,
            _ => {
                planted::plant(self.bug);
                let recorded = Recorded::of(story, self.place);
                planted::plant(None);
                recorded?
            }
        };
        Ok(Numbered::find(number, self.recorded.insert(recorded)))
    }

    /// Makes and checks an image.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn run(&mut self, number: u64) -> Result<Ran> {
        let place = self.place;
        let failure = self.find(number)?.check(place).err();
        Ok(Ran { failure, steps: 1, lasted: Duration::ZERO })
    }
}
