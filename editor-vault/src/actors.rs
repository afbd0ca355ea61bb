//! Under whose name changes are written (PROTOCOL §1).
//!
//! A process holds one *slot* by a lock on a file, so two never write under one name. An actor is used again by the
//! next process that holds its slot while the machine has not restarted, the file was not copied or restored, and the
//! last commit was clean; else a new one is drawn. Too many actors make documents slow; a doubled one would break them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use sync_wire::{Actor, DeviceId, SpaceId};

use crate::error::StorageError;
use crate::sources::{Sources, random16};
use crate::storage::{ActorRow, Machine, Storage, Tx};

/// Processes that may write at once.
const SLOTS_MAX: u32 = 1024;
/// Markers that are looked at when one is written.
const MARKERS_LOOKED_AT: usize = 64;

/// The names of this process.
#[derive(Debug)]
pub(crate) struct Actors {
    directory: PathBuf,
    device: DeviceId,
    slot: OnceLock<Slot>,
    held: Mutex<BTreeMap<SpaceId, Held>>,
}

#[derive(Debug)]
struct Slot {
    number: u32,
    machine: Machine,
    /// The lock lives as long as this is open.
    _lock: File,
}

#[derive(Debug, Clone)]
struct Held {
    actor: Actor,
    is_saved: bool,
}

/// The actor of an edit, with what must be stored before its first use.
#[derive(Debug, Clone)]
pub(crate) struct Writing {
    pub(crate) actor: Actor,
    new: Option<(u32, ActorRow)>,
}

impl Writing {
    /// Whether its row is stored already.
    pub(crate) fn is_stored(&self) -> bool {
        self.new.is_none()
    }

    pub(crate) fn store(&self, tx: &Tx<'_>, space: SpaceId) -> Result<(), StorageError> {
        self.new.as_ref().map_or(Ok(()), |(slot, row)| tx.put_actor(*slot, space, row))
    }
}

impl Actors {
    pub(crate) fn new(directory: &Path, device: DeviceId) -> Self {
        Self { directory: directory.join("slots"), device, slot: OnceLock::new(), held: Mutex::default() }
    }

    /// The actor of this process in a space. Reads a row the first time; writes nothing.
    pub(crate) fn writing(
        &self,
        storage: &Storage,
        sources: &dyn Sources,
        space: SpaceId,
    ) -> Result<Writing, StorageError> {
        let slot = self.slot(storage, sources)?; // may write, so before the lock that callbacks of the writer take
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let Held { actor, is_saved } = match held.entry(space) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(place) => {
                let stored = storage.read(|tx| tx.actor(slot.number, space))?;
                let again = stored.filter(|row| row.machine == slot.machine && slot.machine.boot.is_some());
                let actor = again.as_ref().map_or_else(|| draw(sources), |row| row.actor);
                place.insert(Held { actor, is_saved: again.is_some() }).clone()
            }
        };
        let row = || (slot.number, ActorRow { actor, machine: slot.machine.clone() });
        Ok(Writing { actor, new: (!is_saved).then(row) })
    }

    /// A commit succeeded, so the row of its actor is stored. Storing another's again does no harm.
    pub(crate) fn saved(&self, space: SpaceId, writing: &Writing) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = held.get_mut(&space).filter(|held| held.actor == writing.actor) {
            held.is_saved = true;
        }
    }

    /// Never writes under the present names again.
    pub(crate) fn rotate(&self, sources: &dyn Sources) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for held in held.values_mut() {
            *held = Held { actor: draw(sources), is_saved: false };
        }
    }

    /// The file no longer holds the names of this vault: new ones are drawn when they are needed.
    pub(crate) fn forget(&self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn slot(&self, storage: &Storage, sources: &dyn Sources) -> Result<&Slot, StorageError> {
        if let Some(slot) = self.slot.get() {
            return Ok(slot);
        }
        let io = |error: std::io::Error| StorageError::Io {
            path: self.directory.clone(),
            detail: format!("no slot to write under: {error}"),
        };
        let (number, lock) = lock_first_free(&self.directory).map_err(io)?;
        let machine = self.machine(storage, sources)?;
        Ok(self.slot.get_or_init(|| Slot { number, machine, _lock: lock }))
    }

    /// The incarnation is kept in the file and outside of it; if they differ, the file was copied or restored.
    fn machine(&self, storage: &Storage, sources: &dyn Sources) -> Result<Machine, StorageError> {
        let boot = sources.boot_id();
        let Some(state) = sources.state_dir() else {
            // Nothing to compare with (no HOME): a name of its own for every process.
            return Ok(Machine { incarnation: random16(sources), boot: None });
        };
        let marker = state.join("vaults").join(self.device.to_string());
        let incarnation = storage.read(|tx| tx.incarnation())?;
        if std::fs::read_to_string(&marker).is_ok_and(|text| text == self.marker_text(&incarnation)) {
            return Ok(Machine { incarnation, boot });
        }
        let incarnation = random16(sources);
        prune(&state.join("vaults"));
        storage.write(move |tx| tx.set_incarnation(&incarnation))?;
        let written = marker.parent().map_or(Ok(()), std::fs::create_dir_all);
        match written.and_then(|()| std::fs::write(&marker, self.marker_text(&incarnation))) {
            Ok(()) => Ok(Machine { incarnation, boot }),
            Err(_) => Ok(Machine { incarnation, boot: None }),
        }
    }

    fn marker_text(&self, incarnation: &[u8; 16]) -> String {
        let directory = self.directory.canonicalize().unwrap_or_else(|_| self.directory.clone());
        format!("{}\n{}\n", Actor(*incarnation), directory.display())
    }
}

/// Removes markers of vaults that are gone; a few at a time, whenever a new one is written.
fn prune(markers: &Path) {
    let Ok(entries) = std::fs::read_dir(markers) else { return };
    for entry in entries.take(MARKERS_LOOKED_AT).filter_map(Result::ok) {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let is_gone = text.lines().nth(1).is_some_and(|directory| !Path::new(directory).exists());
        if is_gone {
            drop(std::fs::remove_file(entry.path()));
        }
    }
}

fn lock_first_free(directory: &Path) -> std::io::Result<(u32, File)> {
    std::fs::create_dir_all(directory)?;
    for number in 0..SLOTS_MAX {
        let path = directory.join(format!("{number}.lock"));
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => return Ok((number, file)),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(std::io::Error::other(format!("{SLOTS_MAX} processes write in this vault already")))
}

/// Actors that begin as those of seeds do are drawn again.
fn draw(sources: &dyn Sources) -> Actor {
    loop {
        let actor = Actor(random16(sources));
        if !document::Seed::is_seed_actor(&actor) {
            return actor;
        }
    }
}
