//! One device: a vault on its disk, its sync, and what makes it a machine of its own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use editor_vault::simulation::{InlineSync, Step};
use editor_vault::{Connection, OpenError, Ticket, Vault, VaultOptions};
use sync_core::client::Input;
use sync_core::time::Instant;
use sync_wire::{DeviceFrame, DocumentId, SpaceId};

use crate::clock::Clock;
use crate::disk::{Disk, Loss};
use crate::edition::{Edition, Traces};
use crate::fingerprint::Fingerprint;
use crate::rng::Rng;
use crate::story::Story;

/// Memory for documents: some worlds have so little that documents come and go.
const CACHE_BYTES: usize = 256 << 10;

/// Time, chance and identity of a device.
#[derive(Debug)]
pub struct Sources {
    clock: Clock,
    rng: Mutex<Rng>,
    boots: AtomicU64,
    /// By how much its wall clock is wrong.
    wrong_seconds: AtomicI64,
    state: PathBuf,
}

/// Which boot a machine is in that began as a copy.
const BOOT_OF_CLONES: u64 = 1000;

/// How much of a device a copy has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twin {
    /// The vault's files.
    OfTheFiles,
    /// Also what the operating system keeps of it: a disk put into another machine.
    OfTheMarker,
    /// Also the boot: the snapshot of a virtual machine, resumed twice.
    OfTheMachine,
}

impl Sources {
    /// `state` is the directory that its operating system keeps.
    #[must_use]
    pub fn new(clock: Clock, rng: Rng, state: PathBuf) -> Self {
        Self { clock, rng: Mutex::new(rng), boots: AtomicU64::new(1), wrong_seconds: AtomicI64::new(0), state }
    }
}

impl editor_vault::Sources for Sources {
    fn unix_milliseconds(&self) -> i64 {
        self.clock.unix_milliseconds() + self.wrong_seconds.load(Ordering::Relaxed) * 1_000
    }

    fn monotonic(&self) -> Duration {
        self.clock.now().0
    }

    fn fill(&self, bytes: &mut [u8]) {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).fill(bytes);
    }

    fn boot_id(&self) -> Option<String> {
        Some(format!("boot {}", self.boots.load(Ordering::Relaxed)))
    }

    fn state_dir(&self) -> Option<PathBuf> {
        Some(self.state.clone())
    }
}

/// Opens the vault in `directory`, watched by its disk.
///
/// # Errors
/// [`OpenError`].
pub fn open(directory: &Path, sources: Arc<Sources>, disk: &Disk, edition: Edition) -> Result<Vault, OpenError> {
    let options = VaultOptions::new(directory).sources(sources).cache_bytes(CACHE_BYTES).schemas(edition.types());
    options.inline(Arc::new(disk.clone())).open()
}

/// What leaves a device.
#[derive(Debug)]
pub enum Outgoing {
    /// It wants a connection.
    Connect,
    /// It gives its connection up.
    Disconnect,
    /// A frame.
    Frame(DeviceFrame),
}

/// The running program of a device.
#[derive(Debug)]
pub struct Program {
    /// Its vault.
    pub vault: Vault,
    /// Its sync, from the first login on.
    pub sync: Option<InlineSync>,
}

/// An edit that was deferred, and is not known to be on disk.
#[derive(Debug)]
pub struct Deferred {
    /// Tells.
    pub ticket: Ticket,
    /// Where.
    pub space: SpaceId,
    /// What.
    pub document: DocumentId,
}

/// A device.
#[derive(Debug)]
pub struct Device {
    /// Its number.
    pub index: usize,
    /// Whose it is.
    pub account: usize,
    /// Its files.
    pub disk: Disk,
    directory: PathBuf,
    sources: Arc<Sources>,
    token: String,
    /// Which program it runs.
    pub edition: Edition,
    /// None while it is off.
    pub program: Option<Program>,
    /// Whether its user has logged in.
    pub is_logged_in: bool,
    /// Its end of this link.
    pub link: Option<u64>,
    /// Counts its attempts to connect.
    pub attempt: u64,
    /// No packet passes until then.
    pub unreachable_until: Instant,
    /// It reads nothing from its socket until then.
    pub deaf_until: Instant,
    /// Its disk holds it up until then.
    pub busy_until: Instant,
    /// When it is woken next.
    pub wake_at: Option<Instant>,
    /// Whether it will look at what was saved.
    pub is_told_of_saves: bool,
    /// Edits on their way to the disk.
    pub deferred: Vec<Deferred>,
    /// Whether another device took it for itself, or it another one.
    pub has_twin: bool,
    /// Whether there is a copy of its files.
    pub has_backup: bool,
    /// Whether its files were put back to that.
    pub was_restored: bool,
    /// Whether its user is about to log in again.
    pub is_shown_out: bool,
}

/// What a device is made from.
#[derive(Debug)]
pub struct Origin<'a> {
    /// Its number.
    pub index: usize,
    /// Whose it is.
    pub account: usize,
    /// What it shows to the relay.
    pub token: &'a str,
    /// The file of its vault.
    pub vault: &'a [u8],
    /// Where it may keep files.
    pub place: &'a Path,
    /// The world's clock.
    pub clock: &'a Clock,
    /// Its own chance.
    pub rng: Rng,
    /// What takes in what it writes.
    pub fingerprint: &'a Fingerprint,
}

impl Device {
    /// A device that is off.
    ///
    /// # Errors
    /// Of the file system.
    pub fn make(origin: Origin<'_>) -> Result<Self> {
        let Origin { index, account, token, vault, place, clock, rng, fingerprint } = origin;
        let directory = place.join(format!("device-{index}"));
        std::fs::create_dir_all(&directory)?;
        let file = directory.join("vault.sqlite");
        std::fs::write(&file, vault)?;
        let sources = Arc::new(Sources::new(clock.clone(), rng, place.join(format!("state-{index}"))));
        Ok(Self {
            index,
            account,
            disk: Disk::new(&format!("device {index}"), file, fingerprint.clone()),
            directory,
            sources,
            token: token.to_owned(),
            edition: Edition::Today,
            program: None,
            is_logged_in: false,
            link: None,
            attempt: 0,
            unreachable_until: Instant::default(),
            deaf_until: Instant::default(),
            busy_until: Instant::default(),
            wake_at: None,
            is_told_of_saves: false,
            deferred: Vec::new(),
            has_twin: false,
            has_backup: false,
            was_restored: false,
            is_shown_out: false,
        })
    }

    /// Another device with a copy of this one's files, in the directory beside it. It is off.
    ///
    /// # Errors
    /// Of the file system.
    pub fn copy(&self, index: usize, twin: Twin, clock: &Clock, rng: Rng, fingerprint: &Fingerprint) -> Result<Self> {
        let place = self.place();
        let origin =
            Origin { index, account: self.account, token: &self.token, vault: &[], place, clock, rng, fingerprint };
        let copy =
            Self { is_logged_in: self.is_logged_in, edition: self.edition, has_twin: true, ..Self::make(origin)? };
        self.disk.copy_to(&copy.directory)?;
        copy.disk.after_surgery(); // whoever copies files waits until they are on the disk
        if twin != Twin::OfTheFiles {
            self.copy_marker(&copy)?;
        }
        let boot = match twin {
            Twin::OfTheMachine => self.sources.boots.load(Ordering::Relaxed),
            Twin::OfTheFiles | Twin::OfTheMarker => BOOT_OF_CLONES + index as u64,
        };
        copy.sources.boots.store(boot, Ordering::Relaxed);
        Ok(copy)
    }

    /// What the operating system keeps of the vault, as if the copy lay at the same path of another machine.
    fn copy_marker(&self, copy: &Self) -> Result<()> {
        let (from, to) = (self.sources.state.join("vaults"), copy.sources.state.join("vaults"));
        std::fs::create_dir_all(&to)?;
        let Ok(markers) = std::fs::read_dir(&from) else { return Ok(()) };
        let (here, there) = (self.directory.canonicalize()?, copy.directory.canonicalize()?);
        for marker in markers {
            let marker = marker?;
            let text = std::fs::read_to_string(marker.path())?;
            let text = text.replace(&*here.to_string_lossy(), &there.to_string_lossy());
            std::fs::write(to.join(marker.file_name()), text)?;
        }
        Ok(())
    }

    /// Where the directories of devices are.
    #[must_use]
    pub fn place(&self) -> &Path {
        self.directory.parent().unwrap_or(&self.directory)
    }

    /// Where a copy of its files may lie.
    #[must_use]
    pub fn backup_directory(&self) -> PathBuf {
        self.directory.with_extension("backup")
    }

    /// Its machine restarts.
    pub fn reboot(&self) {
        self.sources.boots.fetch_add(1, Ordering::Relaxed);
    }

    /// Sets its wall clock wrong by so much.
    pub fn set_clock_wrong(&self, seconds: i64) {
        self.sources.wrong_seconds.store(seconds, Ordering::Relaxed);
    }

    /// How it is called in stories.
    #[must_use]
    pub fn name(&self) -> String {
        format!("device {}", self.index)
    }

    /// Starts its program on what is on its disk.
    ///
    /// # Errors
    /// [`OpenError`]: a vault that was there must open.
    pub fn start(&mut self) -> Result<()> {
        if self.disk.restore()? == Some(Loss::Power) {
            self.reboot();
        }
        if self.edition.leave_traces(self.disk.file())? == Traces::Left {
            self.disk.after_surgery();
        }
        let vault = open(&self.directory, self.sources.clone(), &self.disk, self.edition)?;
        self.program = Some(Program { vault, sync: None });
        if self.is_logged_in {
            self.begin_sync();
        }
        Ok(())
    }

    /// The user logs in, or the program finds the credentials again. Feed [`Input::Start`] next.
    pub fn begin_sync(&mut self) {
        self.is_logged_in = true;
        let connection = Connection::new("https://relay.invalid").token(&self.token);
        if let Some(program) = &mut self.program {
            program.sync = Some(InlineSync::new(&program.vault, &connection));
        }
    }

    /// What it shows to the relay from its next login on.
    pub fn set_token(&mut self, token: String) {
        self.token = token;
    }

    /// What it shows to the relay.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Ends its program: what is on its disk is all that is left.
    pub fn stop(&mut self) {
        self.program = None;
        self.deferred.clear();
        (self.wake_at, self.is_told_of_saves, self.is_shown_out) = (None, false, false);
    }

    /// Tells its sync something; gives what leaves the device, in order, up to the moment of its end.
    pub fn feed(&mut self, at: Instant, input: Input, fingerprint: &Fingerprint, story: Story) -> Vec<Outgoing> {
        let mut outgoing = Vec::new();
        let (disk, name) = (self.disk.clone(), self.name());
        let Some(Program { sync: Some(sync), .. }) = &mut self.program else { return outgoing };
        sync.handle(input, &mut |step| {
            if disk.has_ended() {
                return;
            }
            match step {
                Step::Performing(effect) => {
                    fingerprint.add(&name, || format!("{effect:?}"));
                    story.tell(at, &name, || format!("does {effect:?}"));
                    disk.moment();
                }
                Step::Connect => outgoing.push(Outgoing::Connect),
                Step::Disconnect => outgoing.push(Outgoing::Disconnect),
                Step::Send(frame) => outgoing.push(Outgoing::Frame(frame)),
            }
        });
        outgoing
    }

    /// When something is to be done without being told.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        let program = self.program.as_ref()?;
        let timeout = program.sync.as_ref().and_then(InlineSync::next_timeout);
        let due = program.vault.next_due().map(Instant);
        [timeout, due].into_iter().flatten().min()
    }
}
