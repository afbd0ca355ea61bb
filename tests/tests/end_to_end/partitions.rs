//! Networks that are slow and fail in every way there is, again and again, between live vaults and a real relay.
//! Nothing that anybody wrote is lost or doubled, and when the network is back everybody hears of everything without
//! being asked to do anything.
//!
//! `PARTITIONS`, `PARTITIONS_NAMESPACES`, `PARTITIONS_LONGEST_SECONDS` and `PARTITIONS_SEED` ask for more, as
//! `cargo xtask partitions` does.

mod namespaces; // the kernel's own networks, taken apart
mod pair; // two vaults of one account, each behind a network of its own

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use system_tests::{Chance, Partition};

use crate::world::World;
use pair::Pair;

/// Partitions in an ordinary test run, by the network of ours and by the kernel's.
const PARTITIONS: u64 = 34;
const IN_NAMESPACES: u64 = 6;
/// The longest partition of an ordinary run.
const LONGEST_SECONDS: u64 = 2;
const SHORTEST: Duration = Duration::from_millis(10);
/// Pairs at the same time: nearly all of it is waiting.
const PAIRS: u64 = 8;
/// After which nobody comes back any more: a silent connection is given up after 45 seconds at the latest, and the next
/// attempt may be half a minute later.
const PATIENCE: Duration = Duration::from_secs(150);
/// Within which people want to have everything again.
const GOAL: Duration = Duration::from_secs(5);
/// Partitions that took longer and are told of one by one.
const LATE_TOLD: usize = 10;

/// In this order, over and over.
const KINDS: [Partition; 7] = [
    Partition::Closed,
    Partition::Stalled,
    Partition::Reset,
    Partition::UpStalled,
    Partition::UpClosed,
    Partition::DownStalled,
    Partition::DownClosed,
];
/// One in so many is of the kind of which nobody is told.
const FORGOTTEN_EVERY: u64 = 34;

#[test]
fn a_network_that_fails_in_every_way_loses_nothing_doubles_nothing_and_stalls_nobody() -> Result<()> {
    let run = Run::of_environment("PARTITIONS", PARTITIONS)?;
    let world = World::new()?;
    let pairs = PAIRS.max(run.wanted / 40).min(run.wanted);
    std::thread::scope(|scope| {
        let (world, run) = (&world, &run);
        let running: Vec<_> = (0..pairs).map(|pair| scope.spawn(move || one_pair(world, pair, run))).collect();
        running.into_iter().try_for_each(|pair| pair.join().expect("no pair panics"))
    })?;
    let verified = world.relay.admin(&["verify"])?;
    ensure!(verified.ends_with("nothing is wrong"), "{verified}");
    run.report("partitions")
}

/// Takes partitions as they come until there were enough.
fn one_pair(world: &World, number: u64, run: &Run) -> Result<()> {
    let mut chance = Chance::seeded(run.seed.wrapping_add(number));
    let told = || format!("pair {number} of seed {}", run.seed);
    let mut pair = Pair::begin(world, number, &mut chance).with_context(told)?;
    while let Some(partition) = run.next() {
        let is_forgotten = partition % FORGOTTEN_EVERY == FORGOTTEN_EVERY - 1;
        let kind = if is_forgotten { Partition::Forgotten } else { KINDS[partition as usize % KINDS.len()] };
        let lasting = run.duration(&mut chance);
        let told = || format!("{}: {kind:?} for {lasting:?}", told());
        run.add(kind, lasting, pair.live_through(kind, lasting, &mut chance).with_context(told)?);
    }
    pair.end(world).with_context(told)
}

/// How many partitions there are to be, and what was measured.
struct Run {
    seed: u64,
    wanted: u64,
    longest: Duration,
    taken: AtomicU64,
    lived_through: Mutex<Vec<Lived>>,
    edits: AtomicU64,
}

/// A partition that is over.
struct Lived {
    kind: String,
    lasted: Duration,
    /// How long everybody needed to know everything, once the network was back.
    resumed: Duration,
}

impl Lived {
    /// What it is counted as.
    fn classes(&self) -> [String; 3] {
        let lasted = match self.lasted.as_secs() {
            0..2 => "up to 2 s",
            2..10 => "2 to 10 s",
            _ => "more than 10 s",
        };
        ["all".to_owned(), self.kind.clone(), lasted.to_owned()]
    }
}

/// What came out of one partition.
#[derive(Debug, Clone, Copy)]
struct Healed {
    resumed: Duration,
    edits: u64,
}

impl Run {
    fn of_environment(variable: &str, usual: u64) -> Result<Self> {
        let number = |variable: &str, usual| match std::env::var(variable) {
            Ok(number) => number.parse().with_context(|| format!("{variable} is no number: {number:?}")),
            Err(_) => Ok(usual),
        };
        Ok(Self {
            seed: Chance::of_environment("PARTITIONS_SEED")?.seed(),
            wanted: number(variable, usual)?,
            longest: Duration::from_secs(number("PARTITIONS_LONGEST_SECONDS", LONGEST_SECONDS)?),
            taken: AtomicU64::new(0),
            lived_through: Mutex::default(),
            edits: AtomicU64::new(0),
        })
    }

    /// The number of the next partition, while there are any.
    fn next(&self) -> Option<u64> {
        Some(self.taken.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < self.wanted)
    }

    /// Each order of magnitude as often as each other.
    fn duration(&self, chance: &mut Chance) -> Duration {
        let (shortest, longest) = (SHORTEST.as_secs_f64(), self.longest.max(SHORTEST).as_secs_f64());
        let share = chance.below(1 << 20) as f64 / f64::from(1 << 20);
        Duration::from_secs_f64(shortest * (longest / shortest).powf(share))
    }

    fn add(&self, kind: impl Debug, lasted: Duration, healed: Healed) {
        let lived = Lived { kind: format!("{kind:?}"), lasted, resumed: healed.resumed };
        self.lived_through.lock().expect("nobody panics with it").push(lived);
        self.edits.fetch_add(healed.edits, Ordering::Relaxed);
    }

    /// Tells people; not with `eprintln!`, which the test harness would swallow.
    fn report(&self, what: &str) -> Result<()> {
        let (wanted, seed, edits) = (self.wanted, self.seed, self.edits.load(Ordering::Relaxed));
        let mut told = format!("{what}: {wanted}, {edits} edits checked, lost 0, doubled 0 (seed {seed})\n");
        let mut lived = self.lived_through.lock().expect("nobody panics with it");
        lived.sort_unstable_by_key(|one| one.resumed);
        let mut classes: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
        for one in &*lived {
            one.classes().into_iter().for_each(|class| classes.entry(class).or_default().push(one.resumed));
        }
        for (class, times) in classes {
            let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize].as_secs_f64();
            let (count, p50, p99, most) = (times.len(), at(0.5), at(0.99), at(1.0));
            let late = times.iter().filter(|time| **time > GOAL).count();
            writeln!(
                told,
                "  {class}: {count}, to resume p50 {p50:.2} s, p99 {p99:.2} s, at most {most:.2} s, {late} after more \
                 than {GOAL:?}"
            )?;
        }
        for Lived { kind, lasted, resumed } in lived.iter().rev().take_while(|one| one.resumed > GOAL).take(LATE_TOLD) {
            writeln!(told, "  {kind} for {lasted:.2?}: resumed after {resumed:.2?}")?;
        }
        std::io::stderr().write_all(told.as_bytes()).context("standard error is gone")
    }
}
