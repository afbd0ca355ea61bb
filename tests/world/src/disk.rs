//! The files of one machine, and what is left of them when it ends without warning.
//!
//! A machine can end at any *moment*: after any commit and before any effect. The files are copied at that moment;
//! what the machine does afterwards happens to nobody, and the copy takes the place of the files when it starts again.

use std::fmt;
use std::fs;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use editor_vault::simulation::{Commits, Durable};

use crate::fingerprint::Fingerprint;

/// Bytes of the head of a write-ahead log, and of the head of each of its frames.
const WAL_HEAD_BYTES: u64 = 32;
const WAL_FRAME_HEAD_BYTES: usize = 24;
const PAGE_BYTES: usize = 4096;

/// What an end without warning takes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The process: what it had written stays.
    Process,
    /// The power: what was not flushed is gone as well.
    Power,
}

/// A database file with its write-ahead log, watched. Clones are the same disk.
#[derive(Clone)]
pub struct Disk {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    file: PathBuf,
    fingerprint: Fingerprint,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Length of the log at the last flush.
    flushed_bytes: u64,
    /// Length of the log up to which its frames are in the fingerprint.
    seen_bytes: u64,
    commits: u64,
    /// The end that is to come, and after how many moments.
    doom: Option<(u32, Loss)>,
    /// The end came: the files as they were.
    end: Option<Loss>,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("file", &self.shared.file).finish_non_exhaustive()
    }
}

impl Commits for Disk {
    fn committed(&self, durable: Durable) {
        self.on_commit(durable);
    }
}

impl Disk {
    /// The disk that holds the database `file`.
    #[must_use]
    pub fn new(name: &str, file: PathBuf, fingerprint: Fingerprint) -> Self {
        Self { shared: Arc::new(Shared { name: name.to_owned(), file, fingerprint, state: Mutex::default() }) }
    }

    /// The database file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.shared.file
    }

    /// The machine will end after so many more moments.
    pub fn doom(&self, moments: u32, loss: Loss) {
        let mut state = self.state();
        if state.end.is_none() {
            state.doom = Some((moments, loss));
        }
    }

    /// The end that is due comes now, whatever moments are left.
    pub fn end_now(&self) {
        let mut state = self.state();
        if let Some((_, loss)) = state.doom {
            state.doom = Some((0, loss));
            self.pass(&mut state);
        }
    }

    /// No end is to come any more.
    pub fn spare(&self) {
        self.state().doom = None;
    }

    /// How the machine has ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<Loss> {
        self.state().end
    }

    /// Whether the machine has ended: what it does now happens to nobody.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.state().end.is_some()
    }

    /// A moment at which the machine may end.
    pub fn moment(&self) {
        self.pass(&mut self.state());
    }

    /// Commits so far.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.state().commits
    }

    /// A commit is in the log.
    pub fn on_commit(&self, durable: Durable) {
        let mut state = self.state();
        if state.end.is_some() {
            return;
        }
        state.commits += 1;
        let length = length(&self.log());
        self.take_fingerprint(&mut state, length);
        if durable == Durable::Flushed {
            state.flushed_bytes = length;
        }
        self.pass(&mut state);
    }

    /// The log was moved into the file, and is empty.
    pub fn on_checkpoint(&self) {
        let mut state = self.state();
        (state.flushed_bytes, state.seen_bytes) = (0, 0);
    }

    /// Puts the files in place as they were at the end. Nobody may have them open.
    ///
    /// # Errors
    /// Of the file system.
    pub fn restore(&self) -> std::io::Result<Option<Loss>> {
        let mut state = self.state();
        let Some(loss) = state.end.take() else { return Ok(None) };
        for file in [self.shared.file.clone(), self.log(), beside(&self.shared.file, "-shm")] {
            remove(&file)?;
        }
        for file in [self.shared.file.clone(), self.log()] {
            match fs::rename(beside(&file, ".end"), &file) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        // What is in the log now is there to stay: the restart reads it, and later flushes cover it.
        let left = length(&self.log());
        *state = State { flushed_bytes: left, seen_bytes: left, commits: state.commits, ..State::default() };
        Ok(Some(loss))
    }

    /// Copies what is on the disk now into a directory.
    ///
    /// # Errors
    /// Of the file system.
    pub fn copy_to(&self, directory: &Path) -> std::io::Result<()> {
        fs::create_dir_all(directory)?;
        let copy = directory.join(self.shared.file.file_name().unwrap_or_default());
        replace(&self.shared.file, &copy)?;
        replace(&self.log(), &beside(&copy, "-wal"))
    }

    /// The machine ends now, and what it starts with again is what [`Self::copy_to`] put into a directory.
    ///
    /// # Errors
    /// Of the file system.
    pub fn set_back(&self, directory: &Path) -> std::io::Result<()> {
        let mut state = self.state();
        (state.doom, state.end) = (None, Some(Loss::Process));
        let copy = directory.join(self.shared.file.file_name().unwrap_or_default());
        replace(&copy, &beside(&self.shared.file, ".end"))?;
        replace(&beside(&copy, "-wal"), &beside(&self.log(), ".end"))
    }

    /// Somebody else wrote in the files.
    pub fn after_surgery(&self) {
        let left = length(&self.log());
        let mut state = self.state();
        (state.flushed_bytes, state.seen_bytes) = (left, left);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> PathBuf {
        beside(&self.shared.file, "-wal")
    }

    fn pass(&self, state: &mut State) {
        match &mut state.doom {
            Some((0, loss)) => {
                let loss = *loss;
                state.doom = None;
                state.end = Some(loss);
                if let Err(error) = self.keep(loss, state.flushed_bytes) {
                    panic!("the files of {} could not be copied: {error}", self.shared.name);
                }
            }
            Some((left, _)) => *left -= 1,
            None => {}
        }
    }

    fn keep(&self, loss: Loss, flushed_bytes: u64) -> std::io::Result<()> {
        fs::copy(&self.shared.file, beside(&self.shared.file, ".end"))?;
        let log = self.log();
        let copy = beside(&log, ".end");
        match fs::copy(&log, &copy) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            outcome => outcome?,
        };
        if loss == Loss::Power {
            fs::File::options().write(true).open(&copy)?.set_len(flushed_bytes)?;
        }
        Ok(())
    }

    /// Adds the pages that were committed since the last time. Salts and checksums are left out: SQLite draws them.
    fn take_fingerprint(&self, state: &mut State, length: u64) {
        if !self.shared.fingerprint.is_taken() {
            return;
        }
        let from = state.seen_bytes.max(WAL_HEAD_BYTES);
        state.seen_bytes = length;
        let Ok(added) = read_from(&self.log(), from) else { return };
        let mut pages = Vec::with_capacity(added.len());
        for frame in added.chunks(WAL_FRAME_HEAD_BYTES + PAGE_BYTES) {
            let (head, page) = frame.split_at(WAL_FRAME_HEAD_BYTES.min(frame.len()));
            pages.extend_from_slice(&head[..8.min(head.len())]);
            pages.extend_from_slice(page);
        }
        self.shared.fingerprint.add(&self.shared.name, || pages);
    }
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn length(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |metadata| metadata.len())
}

fn read_from(file: &Path, from: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut opened = fs::File::open(file)?;
    opened.seek(SeekFrom::Start(from))?;
    opened.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Copies a file over another one; nothing is there afterwards if nothing was.
fn replace(from: &Path, to: &Path) -> std::io::Result<()> {
    match fs::copy(from, to) {
        Err(error) if error.kind() == ErrorKind::NotFound => remove(to),
        outcome => outcome.map(drop),
    }
}

fn remove(file: &Path) -> std::io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
