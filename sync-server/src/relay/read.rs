//! Delivery: what follows a device's place in a log, from memory if it was appended a moment ago, else from storage.

mod tail; // recent entries of one space

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use relay_storage::{CursorVerdict, ReadError, SpaceGrant, StorageError};
use sync_core::session::{BootstrapCursor, BootstrapPage, LogPage, Outcome, Within};
use sync_wire::limits::FRAME_BYTES_MAX;
use sync_wire::planted::{self, Bug};
use sync_wire::{BatchId, DeviceId, DocumentId, Entry, Grant, LogPosition, Position, Resume, SpaceId};

use crate::access::Readable;
use crate::app::App;
use crate::relay::append::session_outcome;
pub use tail::Run;
use tail::Tail;

/// What an entry needs in a frame besides its bytes, generously.
const ENTRY_ENVELOPE_BYTES: usize = 128;
/// What the entries of one frame may need together.
const ENTRIES_BYTES_MAX: usize = FRAME_BYTES_MAX - 4096;

/// Bytes of an entry in a frame, at most.
fn entry_bytes(entry: &Entry) -> usize {
    let heads = entry.heads.as_ref().map_or(0, |heads| heads.len() * 40);
    ENTRY_ENVELOPE_BYTES + heads + entry.bytes.as_ref().map_or(0, |bytes| bytes.len())
}

/// The entries after a place, about `bytes_target` of them, ending at a batch end.
///
/// # Errors
/// [`ReadError`]
pub async fn log(app: &App, space: &Readable, after: LogPosition, bytes_target: usize) -> Result<LogPage, ReadError> {
    if let Some(page) = app.tails.read(space.space(), after, bytes_target) {
        return Ok(page);
    }
    let page = app.storage.read_log(space.space(), after, bytes_target).await?;
    let relay_storage::LogPage { space, after, entries, chain, receipt, log_end } = page;
    Ok(LogPage { space, after, entries, chain, receipt, log_end })
}

/// Whole documents, about `bytes_target` of them.
///
/// # Errors
/// [`ReadError`]
pub async fn bootstrap(
    app: &App,
    space: &Readable,
    from: BootstrapCursor,
    bytes_target: usize,
) -> Result<BootstrapPage, ReadError> {
    let page = app.storage.read_bootstrap(space.space(), stored_cursor(from), bytes_target).await?;
    let relay_storage::BootstrapPage { space, documents, next, receipt } = page;
    Ok(BootstrapPage { space, documents, next: next.map(session_cursor), receipt })
}

fn stored_cursor(cursor: BootstrapCursor) -> relay_storage::BootstrapCursor {
    let within = match cursor.within {
        Within::Start => relay_storage::Within::Start,
        Within::Snapshot { covers, offset } => relay_storage::Within::Snapshot { covers, offset },
        Within::Entries { after } => relay_storage::Within::Entries { after },
    };
    relay_storage::BootstrapCursor { at: cursor.at, after: cursor.after, within }
}

fn session_cursor(cursor: relay_storage::BootstrapCursor) -> BootstrapCursor {
    let within = match cursor.within {
        relay_storage::Within::Start => Within::Start,
        relay_storage::Within::Snapshot { covers, offset } => Within::Snapshot { covers, offset },
        relay_storage::Within::Entries { after } => Within::Entries { after },
    };
    BootstrapCursor { at: cursor.at, after: cursor.after, within }
}

/// Where logs end. No document is read, so it takes ids: a session follows only what it was granted.
///
/// # Errors
/// Storage failed.
pub async fn ends(app: &App, spaces: &[SpaceId]) -> Result<Vec<(SpaceId, LogPosition)>, StorageError> {
    app.storage.ends(spaces).await
}

/// What became of batches of a device that left the intake otherwise than into the log. As [`ends`], it takes ids: a
/// session asks for what it brought itself.
///
/// # Errors
/// Storage failed.
pub async fn outcomes(
    app: &App,
    space: SpaceId,
    device: DeviceId,
    batches: Vec<(DocumentId, BatchId)>,
) -> Result<Vec<(DocumentId, BatchId, Outcome)>, StorageError> {
    let outcomes = app.storage.intake_outcomes(space, device, batches).await?;
    let told = |(document, batch, outcome)| (document, batch, session_outcome(outcome));
    Ok(outcomes.into_iter().map(told).collect())
}

/// What `Welcome` says about a space: continue from the device's cursor if the log has that very place, else begin
/// with whole documents.
#[must_use]
pub fn resume(grant: SpaceGrant, cursor: Option<CursorVerdict>) -> Grant {
    let SpaceGrant { space, kind, name, role, salt, access_version, end, end_chain } = grant;
    let resume = match cursor {
        Some(CursorVerdict::Continue) => Resume::Continue,
        Some(CursorVerdict::Elsewhere) if !planted::is(Bug::NothingAskedBack) => Resume::Offer,
        Some(CursorVerdict::Elsewhere | CursorVerdict::Unknown) | None => {
            Resume::Bootstrap { at: end.position, chain: end_chain }
        }
    };
    Grant { space, kind, role, name, salt, access_version, end, resume }
}

/// Recent entries of the spaces that somebody follows. Filled after the commit and before the hint; a read that it
/// cannot answer without a gap goes to storage.
#[derive(Debug)]
pub struct Tails {
    space_bytes_max: usize,
    bytes_max: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    tails: HashMap<SpaceId, Arc<Mutex<Tail>>>,
    bytes: usize,
}

impl Tails {
    /// Keeps nothing yet.
    #[must_use]
    pub fn new(space_bytes_max: usize, bytes_max: usize) -> Self {
        Self { space_bytes_max, bytes_max, kept: Mutex::default() }
    }

    /// Adds what was appended, as storage said, in its order.
    pub fn add(&self, space: SpaceId, runs: Vec<Run>) {
        let Some(first) = runs.first() else { return };
        let tail = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(kept.tails.entry(space).or_insert_with(|| Arc::new(Mutex::new(Tail::ending_at(first)))))
        };
        let (before, after) = {
            let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
            let before = tail.bytes();
            runs.into_iter().for_each(|run| tail.add(run, self.space_bytes_max));
            (before, tail.bytes())
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes = (kept.bytes + after).saturating_sub(before);
        if kept.bytes > self.bytes_max {
            kept.sweep(self.bytes_max);
        }
    }

    /// Drops what is kept of a space: some of it is not to be read any more.
    pub fn forget(&self, space: SpaceId) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tail) = kept.tails.remove(&space) {
            kept.bytes = kept.bytes.saturating_sub(tail.lock().unwrap_or_else(PoisonError::into_inner).bytes());
        }
    }

    /// Answers a read, if that is possible without a gap.
    #[must_use]
    pub fn read(&self, space: SpaceId, after: LogPosition, bytes_target: usize) -> Option<LogPage> {
        let tail = {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(kept.tails.get(&space)?)
        };
        tail.lock().unwrap_or_else(PoisonError::into_inner).read(space, after, bytes_target)
    }
}

impl Kept {
    /// Drops tails that were not used since the last sweep; all of them, if that does not suffice. They are a cache.
    fn sweep(&mut self, bytes_max: usize) {
        let mut bytes = 0;
        self.tails.retain(|_, tail| {
            let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
            let keep = tail.take_used();
            bytes += if keep { tail.bytes() } else { 0 };
            keep
        });
        if bytes > bytes_max {
            self.tails.clear();
            bytes = 0;
        }
        self.bytes = bytes;
    }
}

/// The position before an entry, for arithmetic on dense positions.
fn before(position: Position) -> Position {
    Position(position.0.saturating_sub(1))
}
