//! System calls that fail: one call of one program of a story answers EIO or ENOSPC, once or from then on. Nothing that
//! was acknowledged is lost, and everything goes on. `strace` does it to the real programs.
//!
//! `FAULTS_POINTS`, `FAULTS_SEED` and `FAULTS_ONLY` ask for more, for others, for single ones, as `cargo xtask faults`
//! does.

mod fault; // a call that fails
mod host; // a program that embeds the vault
mod ledger; // what was promised
mod story; // what a vault and a relay do meanwhile

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use fault::{Fault, Watched};
use story::{Act, House, Stage};
use system_tests::Chance;

/// Faults in an ordinary test run.
const POINTS: usize = 600;
/// Stories at the same time: they wait for the disk more than they compute.
const HOUSES: usize = 3;

/// A fault of a program.
struct Point<'a> {
    victim: Act,
    watched: &'a Watched,
    fault: Fault,
}

#[test]
fn nothing_that_was_acknowledged_is_lost_when_a_system_call_fails() -> Result<()> {
    let mut chance = Chance::of_environment("FAULTS_SEED")?;
    let seed = chance.seed();
    let wanted = match std::env::var("FAULTS_POINTS") {
        Ok(number) => number.parse().with_context(|| format!("FAULTS_POINTS is no number: {number:?}"))?,
        Err(_) => POINTS,
    };
    let only = std::env::var("FAULTS_ONLY").unwrap_or_default();
    let watched = House::new()?.watch()?;
    let points = watched
        .iter()
        .flat_map(|(victim, watched)| watched.faults().map(|fault| Point { victim: *victim, watched, fault }));
    let mut points: Vec<Point<'_>> = points.filter(|point| point.to_string().contains(&only)).collect();
    let all = points.len();
    shuffle(&mut points, &mut chance);
    let (happened, failed) = suffer(&points, wanted, &Stage::new()?);
    let mut told = std::io::stderr();
    for failure in &failed {
        writeln!(told, "{failure}")?;
    }
    writeln!(told, "faults: {happened} of {all} happened, {} failed (seed {seed})", failed.len())?;
    ensure!(failed.is_empty(), "{}", failed[0]);
    ensure!(happened >= wanted.min(all) * 9 / 10, "only {happened} of {} faults happened", wanted.min(all));
    Ok(())
}

/// Lets faults happen until there were enough; gives how many, and what went wrong.
fn suffer(points: &[Point<'_>], wanted: usize, stage: &Stage) -> (usize, Vec<String>) {
    let (next, happened, failed) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while happened.load(Ordering::Relaxed) < wanted {
            let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
            let house = if point.victim == Act::Account { House::new() } else { House::on(stage) };
            match house.and_then(|mut house| house.suffer(point.victim, &point.fault, point.watched)) {
                Ok(has_happened) => drop(happened.fetch_add(usize::from(has_happened), Ordering::Relaxed)),
                Err(error) => failed.lock().expect("nobody panics with it").push(format!("{point}: {error:#}")),
            }
        }
    };
    std::thread::scope(|scope| (0..HOUSES).for_each(|_| drop(scope.spawn(work))));
    (happened.into_inner(), failed.into_inner().expect("nobody panics with it"))
}

fn shuffle<T>(items: &mut [T], chance: &mut Chance) {
    for end in (1..items.len()).rev() {
        let other = usize::try_from(chance.below(end as u64 + 1)).expect("below a length");
        items.swap(end, other);
    }
}

impl std::fmt::Display for Point<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: {}", self.victim, self.fault)
    }
}
