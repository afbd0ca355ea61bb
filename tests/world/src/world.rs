//! What happens in a world, in the order of its clock.

mod machines; // feeding, ending and starting devices and the relay
mod traffic; // links: opening, frames, breaking
mod weather; // faults that come between two actions
mod visitors; // another program, without a vault
mod spoils; // documents that devices edit are spoiled
mod repairs; // a held document goes on, when its owner says so
mod scarcity; // an account has no room
mod revocations; // a device is shown out, and its user logs in again
mod raids; // an attacker
mod copies; // vaults that are copied, or put back to what they were
mod settle; // the end of all faults, and waiting for peace
mod decay; // what was stored does not stay as it was

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use sync_core::session;
use sync_core::time::Instant;
use sync_wire::{DeviceId, Role};

use self::spoils::Spoiled;
use crate::attacker::Attacker;
use crate::clock::Clock;
use crate::device::{Device, Origin};
use crate::edition::Edition;
use crate::failure::Failure;
use crate::faults::{Faults, Tempo};
use crate::fingerprint::Fingerprint;
use crate::foreign::Foreign;
use crate::ledger::Ledger;
use crate::link::{End, Link};
use crate::relay::Relay;
use crate::rng::Rng;
use crate::schedule::Schedule;
use crate::story::Story;
use crate::template::{DEVICES_MAX, Templates};
use crate::workload::Habits;

/// Things that happen in one world before it counts as one that does not end.
const STEPS_MAX: u64 = 400_000;

/// Something that happens at a time.
#[derive(Debug)]
pub(crate) enum Due {
    /// A user does something.
    Act,
    /// The first login of a device.
    LogIn(usize),
    /// The user of a device that was revoked logs in with new credentials.
    LogInAnew(usize),
    /// A frame may have arrived at this end.
    Arrival(u64, End),
    /// This end notices that the link is gone.
    Break(u64, End),
    /// This attempt of a device to connect has an outcome.
    Connected(usize, u64),
    /// A device looks what is to be done.
    Wake(usize),
    /// A device's sync hears that something was saved.
    Saved(usize),
    /// A session's timer.
    Session(u64),
    /// A session hears something from its relay.
    Heard(u64, session::Input),
    /// The relay checks documents.
    Check,
    /// The relay looks whether grants changed.
    LookAtAccess,
    /// A machine ends now at the latest, if it is to end.
    End(Machine),
    /// A machine starts again.
    Start(Machine),
}

/// A machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    Device(usize),
    Relay,
}

/// A world.
#[derive(Debug)]
pub struct World {
    /// All of its machines that keep files of users.
    pub devices: Vec<Device>,
    /// The one relay.
    pub relay: Relay,
    /// What was promised.
    pub ledger: Ledger,
    /// What every world begins with.
    pub templates: &'static Templates,
    /// The role of each account in the team's space, as it is now.
    pub roles: [Option<Role>; 2],
    /// Everything that happened.
    pub fingerprint: Fingerprint,
    clock: Clock,
    rng: Rng,
    schedule: Schedule<Due>,
    links: BTreeMap<u64, Link>,
    links_opened: u64,
    faults: Faults,
    tempo: Tempo,
    habits: Habits,
    foreign: Foreign,
    attacker: Attacker,
    actions_left: u32,
    steps: u64,
    story: Story,
    /// The account that has devices of its own beside the first, if any.
    accounts: usize,
    /// Devices that began as a copy of another.
    clones: usize,
    /// Whether the relay's files were damaged: what it says of itself then is as it is.
    is_damaged: bool,
    /// The last link to a relay that was put back to an earlier copy: what is on its way there tells of a lost log.
    lost_links: u64,
    /// How many bytes each account may have in logs, where that is not as many as it likes.
    quotas: [Option<u64>; 2],
    /// Whether that was ever so.
    was_scarce: bool,
    /// Documents that devices edit, with what spoiled them.
    spoiled: Vec<Spoiled>,
    /// Devices that were revoked, with their accounts.
    revoked: Vec<(usize, DeviceId)>,
    /// How many of the tokens are used that accounts have in store for new logins.
    tokens_used: usize,
    /// In worlds where two versions of the program meet: which machine runs which, and when that changes.
    editions: Option<Rng>,
}

/// How a world is watched.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    /// For people.
    pub story: Story,
    /// For comparing.
    pub fingerprint: Fingerprint,
}

impl World {
    /// The world of a seed, with its files in `place`.
    ///
    /// # Errors
    /// [`Failure`] if it cannot be made.
    pub fn seeded(seed: u64, place: &Path, watch: Watch) -> Result<Self, Failure> {
        let templates = Templates::get()?;
        let Watch { story, fingerprint } = watch;
        let (clock, mut rng) = (Clock::default(), Rng::seeded(seed));
        // Draws for what came later: a seed without it stays the world that it was.
        let mut later = Rng::seeded(!seed);
        let mut latest = Rng::seeded(seed ^ 1 << 63);
        let mut newest = Rng::seeded(!seed ^ 1 << 63);
        let accounts = if rng.chance(0.3) { 2 } else { 1 };
        let count = rng.between(2, DEVICES_MAX as u64) as usize;
        let mut device = |index: usize| {
            let account = if index == 0 { 0 } else { index % accounts };
            Device::make(Origin {
                index,
                account,
                token: &templates.accounts[account].token,
                vault: &templates.vaults[index],
                place,
                clock: &clock,
                rng: rng.fork(),
                fingerprint: &fingerprint,
            })
        };
        let devices = (0..count).map(&mut device).collect::<Result<Vec<_>, _>>()?;
        let relay = Relay::make(&templates.relay, place, &clock, rng.fork(), &fingerprint)?;
        let faults = Faults::swarm(&mut rng).and_later(&mut later).and_latest(&mut latest);
        let (tempo, habits) = (Tempo::draw(&mut rng), Habits::draw(&mut rng).and_types(&mut newest));
        let foreign = Foreign::make(templates.accounts[0].personal, rng.fork());
        let closed = templates.accounts.iter().map(|account| account.personal).collect();
        let attacker = Attacker::make(templates.team, templates.attacker.personal, closed, rng.fork());
        let actions_left = rng.between(8, 40) as u32;
        let mut world = Self {
            ledger: Ledger::new(count, attacker.device()),
            devices,
            relay,
            templates,
            roles: [Some(Role::Owner), Some(Role::Editor)],
            fingerprint,
            clock,
            rng,
            schedule: Schedule::default(),
            links: BTreeMap::new(),
            links_opened: 0,
            faults,
            tempo,
            habits,
            foreign,
            attacker,
            actions_left,
            steps: 0,
            story,
            accounts,
            clones: 0,
            is_damaged: false,
            lost_links: 0,
            quotas: [None; 2],
            was_scarce: false,
            spoiled: Vec::new(),
            revoked: Vec::new(),
            tokens_used: 0,
            editions: later.chance(0.25).then(|| later.fork()),
        };
        world.begin()?;
        Ok(world)
    }

    fn begin(&mut self) -> Result<(), Failure> {
        let (faults, tempo) = (self.faults.clone(), self.tempo);
        self.tell("world", || format!("{faults:?} {tempo:?}"));
        if self.faults.clock > 0.0 {
            (0..self.devices.len()).for_each(|index| self.set_clock(index));
        }
        if let Some(editions) = &mut self.editions {
            self.relay.edition = Edition::draw(editions);
        }
        self.relay.start()?;
        for index in 0..self.devices.len() {
            self.choose_edition(index);
            self.devices[index].start()?;
            // Some log in at once, some after a while, some only when everything is over.
            let wait = match self.rng.below(4) {
                0 | 1 => Duration::ZERO,
                2 => self.rng.up_to(self.tempo.pause * 20),
                _ => Duration::from_secs(100_000),
            };
            self.plan(wait, Due::LogIn(index));
        }
        self.plan(Duration::ZERO, Due::Act);
        Ok(())
    }

    /// Runs the world to its end, and checks everything.
    ///
    /// # Errors
    /// The first [`Failure`].
    pub fn run(&mut self) -> Result<(), Failure> {
        while self.actions_left > 0 {
            if !self.step()? {
                return Failure::raise("users can work", "nothing is due any more, and users were not done");
            }
        }
        let decays = self.rng.chance(self.faults.decay);
        self.heal_and_settle()?;
        crate::check::everything(self)?;
        if decays { self.decay() } else { Ok(()) }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// How many things have happened.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    fn plan(&mut self, after: Duration, due: Due) {
        self.schedule.plan(self.clock.now() + after, due);
    }

    fn tell(&self, who: &str, line: impl FnOnce() -> String) {
        self.story.tell(self.clock.now(), who, line);
    }

    /// Does the next thing; `false` if there is none.
    fn step(&mut self) -> Result<bool, Failure> {
        let Some((at, due)) = self.schedule.take_next() else { return Ok(false) };
        self.clock.advance_to(at);
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Failure::raise("it comes to an end", format!("{STEPS_MAX} things have happened, and no end"));
        }
        match due {
            Due::Act => self.act()?,
            Due::LogIn(device) => self.log_in(device)?,
            Due::LogInAnew(device) => self.log_in_anew(device)?,
            Due::Arrival(link, end) => self.arrive(link, end)?,
            Due::Break(link, end) => self.break_off(link, end)?,
            Due::Connected(device, attempt) => self.connected(device, attempt)?,
            Due::Wake(device) => self.wake(device)?,
            Due::Saved(device) => self.told_of_saves(device)?,
            Due::Session(link) => self.session_timer(link)?,
            Due::Heard(link, input) => self.feed_session(link, input)?,
            Due::Check => self.check_step()?,
            Due::LookAtAccess => self.look_at_access(),
            Due::End(machine) => self.end_now(machine)?,
            Due::Start(machine) => self.start(machine)?,
        }
        Ok(true)
    }

    /// One action of a user, and whatever the weather brings.
    fn act(&mut self) -> Result<(), Failure> {
        if self.actions_left == 0 {
            return Ok(());
        }
        self.actions_left -= 1;
        self.weather()?;
        if self.rng.chance(self.habits.visits) {
            self.visit()?;
        }
        if self.is_anything_spoiled() && self.rng.chance(0.15) {
            self.repair()?;
        }
        if self.rng.chance(self.faults.attack) {
            self.raid()?;
        }
        let index = self.rng.index(self.devices.len());
        let habits = self.habits.clone();
        let did = habits.act(&mut self.devices[index], &mut self.ledger, &mut self.rng)?;
        self.tell(&format!("device {index}"), || did);
        self.after_device(index)?;
        // People work in fits: often one action follows another at once.
        let pause = if self.rng.chance(0.3) { Duration::ZERO } else { self.rng.up_to(self.tempo.pause) };
        self.plan(pause, Due::Act);
        Ok(())
    }
}
