//! A relay under load for a long time. It is killed, told to stop and started again, its disk fills; meanwhile an edit
//! is written ten times a second, acknowledged, and read back over HTTP. Nothing is lost, and nothing grows.
//!
//! `SOAK_SECONDS` asks for more, as `cargo xtask soak` does, and has what is measured judged: an ordinary run only
//! shows it, since it shares its machine with other tests.

mod editor; // a program with vaults that edits and reads back
mod health; // what the relay uses
mod probes; // how long an edit takes to be read back

use std::ffi::OsStr;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use system_tests::{Programs, Relay};

use crate::mount::{Filler, Mount};
use crate::program::Program;
use crate::world::odd_directory;
use health::Health;
use probes::{Probes, Window, unix_milliseconds};

/// How long an ordinary test run goes on.
const SECONDS: u64 = 24;
/// Of a hundred thousand probes so many have to be in time.
const IN_TIME_MIN: u64 = 99_900;

/// What happens, and how often.
struct Plan {
    total: Duration,
    kill_every: Duration,
    restart_every: Duration,
    fill_at: Duration,
    fill_for: Duration,
}

impl Plan {
    /// A run of minutes has the pace that `cargo xtask soak` promises; a shorter one has everything faster.
    fn of(seconds: u64) -> Self {
        let at_most = |pace: u64, part: u64| Duration::from_secs(pace.min(seconds.div_ceil(part)).max(1));
        Self {
            total: Duration::from_secs(seconds),
            kill_every: at_most(60, 4),
            restart_every: at_most(300, 3),
            fill_at: Duration::from_secs(seconds * 5 / 8),
            fill_for: at_most(10, 8),
        }
    }
}

#[test]
fn a_relay_that_dies_restarts_and_runs_out_of_room_loses_nothing_and_does_not_grow() -> Result<()> {
    let asked = std::env::var("SOAK_SECONDS").ok();
    let seconds = match &asked {
        Some(number) => number.parse().with_context(|| format!("SOAK_SECONDS is no number: {number:?}"))?,
        None => SECONDS,
    };
    let directory = odd_directory()?;
    // Room for what the load writes in that time, and soon full.
    let disk = Mount::new(&directory.path().join("disk"), &format!("size={}k", (64 << 10) + seconds * 256))?;
    let data = disk.as_ref().map_or(directory.path(), Mount::path).join("relay");
    let relay = Relay::start(&Programs::beside_this_executable()?, &data)?;
    let ada = relay.account("ada")?;
    let (url, time) = (relay.url(), seconds.to_string());
    let environment = [
        (editor::VAULTS, directory.path().as_os_str()),
        (editor::URL, OsStr::new(&url)),
        (editor::TOKEN, OsStr::new(&ada.token)),
        (editor::SECONDS, OsStr::new(&time)),
    ];
    let editing = Program::start(editor::PROGRAM, directory.path(), &environment)?;
    let plan = Plan::of(seconds);
    let health = Health::of_processes_warm_after(plan.kill_every / 4);
    let mut soak = Soak { relay, health, full: Vec::new(), kills: 0, restarts: 0 };
    let said = soak.follow(&plan, disk.as_ref(), editing).with_context(|| soak.relay.logged())?;
    let verified = soak.relay.admin(&["verify"])?;
    ensure!(verified.ends_with("nothing is wrong"), "{verified}");
    let probes = Probes::read(&said, &soak.full)?;
    let Soak { health, kills, restarts, full, .. } = &soak;
    let (full, mut told) = (full.len(), std::io::stderr());
    writeln!(told, "soak: {seconds} s, {kills} kills, {restarts} restarts, {full} times full; {probes}\n{health}")?;
    if asked.is_some() {
        ensure!(probes.in_time() >= IN_TIME_MIN, "too few probes were in time");
        health.check()?;
    }
    Ok(())
}

/// A relay that is followed.
struct Soak {
    relay: Relay,
    health: Health,
    /// When its disk was full.
    full: Vec<Window>,
    kills: u64,
    restarts: u64,
}

impl Soak {
    /// Until the editor is done; gives what it said.
    fn follow(&mut self, plan: &Plan, disk: Option<&Mount>, mut editing: Program) -> Result<Vec<String>> {
        let began = Instant::now();
        let (mut next_kill, mut next_restart) = (plan.kill_every, plan.restart_every);
        let mut filler: Option<(Filler, Window)> = None;
        let mut will_fill = disk;
        while !editing.has_ended() {
            let now = began.elapsed();
            ensure!(now < plan.total + Duration::from_secs(120), "the editor does not come to an end");
            if let Some(disk) = will_fill.filter(|_| now >= plan.fill_at) {
                filler = Some((disk.fill()?, Window { begin: unix_milliseconds(), end: u64::MAX }));
                will_fill = None;
            }
            if now >= plan.fill_at + plan.fill_for
                && let Some((full, window)) = filler.take()
            {
                drop(full);
                self.full.push(Window { end: unix_milliseconds(), ..window });
            }
            // A relay whose disk is full need not start.
            if now < plan.total && filler.is_none() {
                if now >= next_restart {
                    self.relay.stop()?;
                    self.relay.start_again()?;
                    (self.restarts, next_restart) = (self.restarts + 1, next_restart + plan.restart_every);
                } else if now >= next_kill {
                    self.relay.kill();
                    self.relay.start_again()?;
                    (self.kills, next_kill) = (self.kills + 1, next_kill + plan.kill_every);
                }
            }
            self.health.look(&self.relay, self.kills + self.restarts)?;
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(filler);
        editing.end()
    }
}

#[test]
fn what_is_measured_of_a_relay_is_judged() {
    let full = [Window { begin: 5_000, end: 6_000 }];
    let line = |begin: u64, took: u64| format!("ledger probe {begin} {took}");
    let of = |lines: &[String]| Probes::read(lines, &full).expect("these are lines of the ledger");
    let mut lines: Vec<String> = (0..999).map(|number| line(10_000 + number, 20)).collect();
    lines.extend([line(4_000, 1_500), line(5_500, 9_000)]);
    assert_eq!(of(&lines).in_time(), 100_000, "what meets a full disk is counted apart");
    lines.push(line(7_000, 2_001));
    assert_eq!(of(&lines).in_time(), 99_900);
    lines.push(line(7_000, 2_001));
    assert!(of(&lines).in_time() < IN_TIME_MIN);
    assert!(Probes::read(&["ledger probe x y".to_owned()], &full).is_err());
}
