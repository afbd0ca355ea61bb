//! The relay: its storage on its disk, and a session for each link.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use editor_vault::simulation::Durable;
use sync_core::session::Input;
use sync_core::time::Instant;
use sync_server::config::Config;
use sync_server::simulation::{InlineRelay, InlineSession, Refused, Step};
use sync_wire::{Goodbye, RelayFrame};

use crate::clock::Clock;
use crate::disk::Disk;
use crate::edition::Edition;
use crate::fingerprint::Fingerprint;
use crate::rng::Rng;
use crate::story::Story;
use crate::template;

/// What leaves the relay on one link.
#[derive(Debug)]
pub enum Outgoing {
    /// A frame.
    Frame(RelayFrame),
    /// The last frame.
    Close(Goodbye),
}

/// The relay.
#[derive(Debug)]
pub struct Relay {
    /// Its files.
    pub disk: Disk,
    directory: PathBuf,
    config: Config,
    clock: Clock,
    rng: Rng,
    /// None while it is off.
    pub program: Option<InlineRelay>,
    /// By link.
    pub sessions: BTreeMap<u64, InlineSession>,
    /// When a session's timer is planned.
    pub timers: BTreeMap<u64, Instant>,
    /// Its disk holds it up until then.
    pub busy_until: Instant,
    /// Whether a check is planned.
    pub is_checking: bool,
    /// Whether there is a copy of its files.
    pub has_backup: bool,
    /// Which program it runs.
    pub edition: Edition,
}

impl Relay {
    /// A relay that is off.
    ///
    /// # Errors
    /// Of the file system.
    pub fn make(file: &[u8], place: &Path, clock: &Clock, mut rng: Rng, fingerprint: &Fingerprint) -> Result<Self> {
        let directory = place.join("relay");
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join("relay.sqlite"), file)?;
        let disk = Disk::new("relay", directory.join("relay.sqlite"), fingerprint.clone());
        let mut config = Config::default();
        // Sometimes the tail in memory is so short that readers fall behind it.
        config.relay.tail_bytes_max = [1 << 10, 8 << 10, 1 << 20][rng.index(3)];
        Ok(Self {
            disk,
            directory,
            config,
            clock: clock.clone(),
            rng,
            program: None,
            sessions: BTreeMap::new(),
            timers: BTreeMap::new(),
            busy_until: Instant::default(),
            is_checking: false,
            has_backup: false,
            edition: Edition::Today,
        })
    }

    /// Starts it on what is on its disk.
    ///
    /// # Errors
    /// A relay that was there must open.
    pub fn start(&mut self) -> Result<()> {
        self.disk.restore()?;
        let mut options = template::storage_options(&self.clock, self.rng.fork());
        let disk = self.disk.clone();
        options.on_commit = Some(Arc::new(move || disk.on_commit(Durable::Flushed)));
        self.program = Some(InlineRelay::open(&self.directory, self.config.clone(), options)?);
        Ok(())
    }

    /// Where a copy of its files may lie.
    #[must_use]
    pub fn backup_directory(&self) -> PathBuf {
        self.directory.with_extension("backup")
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.sessions.clear();
        self.timers.clear();
        self.program = None;
        self.is_checking = false;
    }

    /// Drops the session of a link.
    pub fn forget(&mut self, link: u64) {
        self.sessions.remove(&link);
        self.timers.remove(&link);
    }

    /// Opens a session for a link. `Ok(None)`: nobody is there.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn accept(&mut self, link: u64, token: &str, at: Instant) -> Result<Option<()>, Refused> {
        let Some(program) = &self.program else { return Ok(None) };
        let session = program.session(token, at)?;
        self.sessions.insert(link, session);
        Ok(Some(()))
    }

    /// Tells a session something; gives what leaves on its link, in order, up to the moment of the relay's end.
    pub fn feed(
        &mut self,
        link: u64,
        at: Instant,
        input: Input,
        fingerprint: &Fingerprint,
        story: Story,
    ) -> Vec<Outgoing> {
        let mut outgoing = Vec::new();
        let disk = self.disk.clone();
        let Some(session) = self.sessions.get_mut(&link) else { return outgoing };
        session.handle(input, at, &mut |step| {
            if disk.has_ended() {
                return;
            }
            match step {
                Step::Performing(effect) => {
                    fingerprint.add("relay", || format!("{effect:?}"));
                    story.tell(at, "relay", || format!("for link {link} does {effect:?}"));
                    disk.moment();
                }
                Step::Send(frame) => outgoing.push(Outgoing::Frame(frame)),
                Step::Close(goodbye) => outgoing.push(Outgoing::Close(goodbye)),
            }
        });
        outgoing
    }
}
