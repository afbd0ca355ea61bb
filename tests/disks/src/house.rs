//! Two devices of one account and a relay, each with files of its own, on one thread. Of the laptop and the relay every
//! write is recorded, and every promise. Frames travel encoded, and none is ever lost.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use editor_vault::simulation::{Durable, InlineSync, Step};
use editor_vault::{Connection, Vault, VaultOptions};
use file_systems::Remote;
use simulated_world::clock::Clock;
use simulated_world::device::Sources;
use simulated_world::rng::Rng;
use simulated_world::template;
use sync_core::client::{self, Obstacle};
use sync_core::session;
use sync_core::time::Instant;
use sync_server::config::Config;
use sync_server::simulation::{self, InlineRelay, InlineSession, now};
use sync_wire::{
    Ack, DeviceFrame, Entry, Position, RelayFrame, Role, SpaceId, SpaceKind, decode_device_frame, decode_relay_frame,
    encode_device_frame, encode_relay_frame,
};

use crate::recording::{Journal, Kind, Machine, Promise, Recorder};

/// How long the longest wait of a machine is before it goes on by itself.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// What a vault takes from outside; its file system is what a story says.
#[derive(Debug)]
pub struct Place {
    sources: Sources,
    journal: Journal,
}

impl Place {
    /// `state` is the directory that its operating system keeps.
    #[must_use]
    pub fn new(clock: Clock, rng: Rng, state: PathBuf, journal: Journal) -> Self {
        Self { sources: Sources::new(clock, rng, state), journal }
    }
}

impl editor_vault::Sources for Place {
    fn unix_milliseconds(&self) -> i64 {
        self.sources.unix_milliseconds()
    }

    fn monotonic(&self) -> Duration {
        self.sources.monotonic()
    }

    fn fill(&self, bytes: &mut [u8]) {
        self.sources.fill(bytes);
    }

    fn boot_id(&self) -> Option<String> {
        self.sources.boot_id()
    }

    fn state_dir(&self) -> Option<PathBuf> {
        self.sources.state_dir()
    }

    fn remote_file_system(&self, _directory: &Path) -> Option<Remote> {
        (self.journal == Journal::Rollback).then_some(Remote::NFS)
    }
}

/// How a relay's storage is opened.
#[must_use]
pub fn storage_options(clock: &Clock, rng: Rng, journal: Journal) -> relay_storage::StorageOptions {
    let mut options = template::storage_options(clock, rng);
    options.file_system = match journal {
        Journal::WriteAhead => |_| None,
        Journal::Rollback => |_| Some(Remote::NFS),
    };
    options
}

/// Who is recorded, if anybody.
#[derive(Debug, Clone)]
enum Watched {
    Recorded(Recorder),
    Alone(PathBuf),
}

/// A device.
#[derive(Debug)]
pub struct Device {
    /// Its vault; none while it is off.
    pub vault: Option<Vault>,
    watched: Watched,
    place: Arc<Place>,
    sync: Option<InlineSync>,
    session: Option<InlineSession>,
    inputs: VecDeque<client::Input>,
    is_logged_in: bool,
}

/// Nobody listens.
#[derive(Debug)]
struct Unheard;

impl editor_vault::simulation::Commits for Unheard {
    fn committed(&self, _durable: Durable) {}
}

impl Device {
    fn open(&mut self, token: &str) -> Result<()> {
        let directory = match &self.watched {
            Watched::Recorded(recorder) => recorder.directory(),
            Watched::Alone(directory) => directory,
        };
        let options = VaultOptions::new(directory).sources(self.place.clone());
        let vault = match &self.watched {
            Watched::Recorded(recorder) => options.inline(Arc::new(recorder.clone())).open()?,
            Watched::Alone(_) => options.inline(Arc::new(Unheard)).open()?,
        };
        if self.is_logged_in {
            let connection = Connection::new("https://relay.invalid").token(token);
            self.sync = Some(InlineSync::new(&vault, &connection));
            self.inputs.push_back(client::Input::Start);
        }
        self.vault = Some(vault);
        Ok(())
    }

    fn close(&mut self) {
        (self.sync, self.session, self.vault) = (None, None, None);
        self.inputs.clear();
    }

    /// Makes a promise, if it is one that counts.
    pub fn promise(&self, what: Promise) {
        if let Watched::Recorded(recorder) = &self.watched {
            recorder.promise(what);
        }
    }
}

/// Everybody.
#[derive(Debug)]
pub struct House {
    /// What time it is.
    pub clock: Clock,
    /// The device that is recorded, and the other one.
    pub devices: [Device; 2],
    /// The relay; none while it is off.
    pub relay: Option<InlineRelay>,
    /// A space with another account.
    pub team: SpaceId,
    laptop_recorder: Recorder,
    relay_recorder: Recorder,
    rng: Rng,
    journal: Journal,
    token: String,
}

impl House {
    /// A relay with two accounts and a team, and two devices that were never used.
    ///
    /// # Errors
    /// If something fails that nothing forbids.
    pub fn build(place: &Path, journal: Journal, mut rng: Rng) -> Result<Self> {
        let clock = Clock::default();
        let relay_recorder = Recorder::start(Kind::Relay, &place.join("relay"))?;
        let laptop_recorder = Recorder::start(Kind::Vault, &place.join("laptop"))?;
        let mut device = |watched, name: &str| Device {
            vault: None,
            watched,
            place: Arc::new(Place::new(clock.clone(), rng.fork(), place.join(format!("{name}-state")), journal)),
            sync: None,
            session: None,
            inputs: VecDeque::new(),
            is_logged_in: false,
        };
        let devices = [
            device(Watched::Recorded(laptop_recorder.clone()), "laptop"),
            device(Watched::Alone(place.join("desktop")), "desktop"),
        ];
        let (team, token) = (SpaceId([0; 16]), String::new());
        let relay = None;
        let mut house = Self { clock, devices, relay, team, laptop_recorder, relay_recorder, rng, journal, token };
        house.start_relay()?;
        // Opening is what made the file: it returned, so it is there.
        house.relay_recorder.commit(Durable::Flushed);
        house.furnish()?;
        for index in 0..2 {
            house.start(index)?;
        }
        Ok(house)
    }

    /// Accounts, and a space for both.
    fn furnish(&mut self) -> Result<()> {
        let recorder = self.relay_recorder.clone();
        let storage = self.storage()?;
        let ann = now(storage.create_account("ann"))?;
        recorder.promise(Promise::Account(ann.id));
        let ben = now(storage.create_account("ben"))?;
        recorder.promise(Promise::Account(ben.id));
        let team = now(storage.create_space("team", SpaceKind::Team, Some(ann.id)))?;
        now(storage.grant(team, ben.id, Role::Editor))?;
        let token = now(storage.create_token(ann.id, "story"))?.secret;
        (self.team, self.token) = (team, token);
        Ok(())
    }

    /// What the relay keeps.
    ///
    /// # Errors
    /// If it is off.
    pub fn storage(&self) -> Result<&relay_storage::Storage> {
        Ok(self.relay.as_ref().context("the relay is off")?.storage())
    }

    /// Another account at the relay.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn add_account(&self, name: &str) -> Result<()> {
        let account = now(self.storage()?.create_account(name))?;
        self.relay_recorder.promise(Promise::Account(account.id));
        Ok(())
    }

    /// The relay's database.
    #[must_use]
    pub fn relay_file(&self) -> PathBuf {
        self.relay_recorder.file()
    }

    /// Starts the relay.
    ///
    /// # Errors
    /// What is on its disk has to open.
    pub fn start_relay(&mut self) -> Result<()> {
        let mut options = storage_options(&self.clock, self.rng.fork(), self.journal);
        let recorder = self.relay_recorder.clone();
        options.on_commit = Some(Arc::new(move || recorder.commit(Durable::Flushed)));
        self.relay = Some(InlineRelay::open(self.relay_recorder.directory(), Config::default(), options)?);
        Ok(())
    }

    /// Ends the relay; devices notice.
    pub fn stop_relay(&mut self) {
        for device in &mut self.devices {
            if device.session.take().is_some() {
                device.inputs.push_back(client::Input::Closed { detail: "the relay is gone".to_owned() });
            }
        }
        self.relay = None;
    }

    /// Starts the program of a device.
    ///
    /// # Errors
    /// What is on its disk has to open.
    pub fn start(&mut self, index: usize) -> Result<()> {
        // A program takes its time to start.
        self.clock.advance_to(self.clock.now() + Duration::from_millis(10));
        self.devices[index].open(&self.token)
    }

    /// Ends the program of a device.
    pub fn stop(&mut self, index: usize) {
        self.devices[index].close();
    }

    /// The user of a device logs in.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn log_in(&mut self, index: usize) -> Result<()> {
        self.devices[index].is_logged_in = true;
        self.stop(index);
        self.start(index)
    }

    /// A device whose user has logged in.
    #[must_use]
    pub fn is_logged_in(&self, index: usize) -> bool {
        self.devices[index].is_logged_in
    }

    /// Everybody talks until nothing is left to say.
    ///
    /// # Errors
    /// If somebody breaks a rule, or it does not end.
    pub fn settle(&mut self) -> Result<()> {
        let begin = self.clock.now().0;
        loop {
            while self.talk()? {}
            let due = self.devices.iter().filter_map(|device| {
                let sync = device.sync.as_ref().filter(|sync| !sync.status().is_settled())?;
                let session = device.session.as_ref().and_then(InlineSession::next_timeout);
                [sync.next_timeout(), session].into_iter().flatten().min()
            });
            let Some(due) = due.min() else { return Ok(()) };
            ensure!(due.0 < begin + WAIT_MAX, "the devices do not settle");
            self.clock.advance_to(due);
            for index in 0..2 {
                self.on_time(index)?;
            }
        }
    }

    /// Feeds the timers of a device and its session that are due.
    fn on_time(&mut self, index: usize) -> Result<()> {
        let at = self.clock.now();
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= at);
        let device = &self.devices[index];
        if is_due(device.sync.as_ref().and_then(InlineSync::next_timeout)) {
            self.feed(index, client::Input::Timeout)?;
        }
        if is_due(self.devices[index].session.as_ref().and_then(InlineSession::next_timeout)) {
            self.feed_session(index, session::Input::Timeout)?;
        }
        Ok(())
    }

    /// One thing more that each has to say; whether there was any.
    fn talk(&mut self) -> Result<bool> {
        let mut said = false;
        for index in 0..2 {
            let device = &mut self.devices[index];
            if device.sync.as_ref().is_some_and(InlineSync::has_unseen_saves) {
                device.inputs.push_back(client::Input::Saved);
            }
            while let Some(input) = self.devices[index].inputs.pop_front() {
                said = true;
                self.feed(index, input)?;
            }
            let heard = self.devices[index].session.as_mut().map(InlineSession::heard).unwrap_or_default();
            for input in heard {
                said = true;
                self.feed_session(index, input)?;
            }
            while let Some(vault) = &self.devices[index].vault
                && vault.run_due() > 0
            {
                said = true;
            }
        }
        while self.relay.as_ref().is_some_and(InlineRelay::check_step) {
            said = true;
        }
        Ok(said)
    }

    fn feed(&mut self, index: usize, input: client::Input) -> Result<()> {
        let mut frames = Vec::new();
        let mut connects = None;
        let Some(sync) = &mut self.devices[index].sync else { return Ok(()) };
        sync.handle(input, &mut |step| match step {
            Step::Performing(_) => {}
            Step::Connect => connects = Some(true),
            Step::Disconnect => connects = Some(false),
            Step::Send(frame) => frames.push(frame),
        });
        for frame in frames {
            self.send_up(index, &frame)?;
        }
        match connects {
            Some(true) => self.connect(index),
            Some(false) => self.devices[index].session = None,
            None => {}
        }
        Ok(())
    }

    fn connect(&mut self, index: usize) {
        let at = self.clock.now();
        let session = match &self.relay {
            Some(relay) => {
                relay.session(&self.token, at).map_err(|refused| (Obstacle::TurnedAway, refused.to_string()))
            }
            None => Err((Obstacle::Unreached, "nobody answers".to_owned())),
        };
        let device = &mut self.devices[index];
        let answer = match session {
            Ok(session) => {
                device.session = Some(session);
                client::Input::Connected
            }
            Err((obstacle, detail)) => client::Input::ConnectFailed { obstacle, detail },
        };
        device.inputs.push_back(answer);
    }

    fn send_up(&mut self, index: usize, frame: &DeviceFrame) -> Result<()> {
        if let DeviceFrame::Push(push) = frame {
            self.devices[index].promise(Promise::Pushed(push.batch));
        }
        let frame = decode_device_frame(&encode_device_frame(frame))?.context("a frame that nobody knows")?;
        self.feed_session(index, session::Input::Frame(frame))
    }

    fn feed_session(&mut self, index: usize, input: session::Input) -> Result<()> {
        let at = self.clock.now();
        let device = &mut self.devices[index];
        let Some(session) = &mut device.session else { return Ok(()) };
        let (mut goodbye, recorder) = (None, &self.relay_recorder);
        let mut frames = Vec::new();
        session.handle(input, at, &mut |step| match step {
            simulation::Step::Performing(_) => {}
            simulation::Step::Send(frame) => {
                note(recorder, &frame);
                frames.push(encode_relay_frame(&frame));
            }
            simulation::Step::Close(reason) => goodbye = Some(reason),
        });
        if let Some(goodbye) = goodbye {
            bail!("the relay closed a connection: {goodbye:?}");
        }
        for frame in frames {
            let frame = decode_relay_frame(&frame)?.context("a frame that nobody knows")?;
            device.inputs.push_back(client::Input::Frame(frame));
        }
        Ok(())
    }

    /// How often something was flushed, by whom that was done most.
    #[must_use]
    pub fn flushes(&self) -> usize {
        self.laptop_recorder.flushes().max(self.relay_recorder.flushes())
    }

    /// Ends everybody. Gives what was recorded of the laptop and the relay.
    #[must_use]
    pub fn finish(mut self) -> [Machine; 2] {
        self.stop_relay();
        (0..2).for_each(|index| self.stop(index));
        [self.laptop_recorder, self.relay_recorder].map(|recorder| recorder.stop(self.journal))
    }
}

/// What the relay promises with a frame.
fn note(recorder: &Recorder, frame: &RelayFrame) {
    let deliver = |space: SpaceId, at: Position, entry: &Entry| {
        recorder.promise(Promise::Delivered(space, at, entry.hash));
    };
    match frame {
        RelayFrame::Ack(Ack { space, batch, at: Some(at), proof, .. }) => recorder.promise(match proof {
            Some(_) => Promise::Acked(*space, *batch, at.position),
            None => Promise::Known(*space, at.position),
        }),
        RelayFrame::Ack(Ack { batch, at: None, .. }) => recorder.promise(Promise::Stored(*batch)),
        RelayFrame::Deliver(frame) => {
            let places = (frame.after.position.0 + 1..).map(Position);
            places.zip(&frame.entries).for_each(|(at, entry)| deliver(frame.space, at, entry));
        }
        RelayFrame::Bootstrap(frame) => {
            let entries = frame.documents.iter().flat_map(|document| &document.entries);
            entries.into_iter().for_each(|it| deliver(frame.space, it.position, &it.entry));
        }
        RelayFrame::Welcome(_)
        | RelayFrame::Refuse(_)
        | RelayFrame::Park(_)
        | RelayFrame::Need(_)
        | RelayFrame::Skipped(_)
        | RelayFrame::GrantChanged(_)
        | RelayFrame::Goodbye(_)
        | RelayFrame::Wanted(_)
        | RelayFrame::LimitsChanged(_)
        | RelayFrame::Presence(_) => {}
    }
}
