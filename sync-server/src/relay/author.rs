//! The relay as an author: what an account writes over HTTP is made at the current heads of its document, and goes the
//! way of a device's push from there (PROTOCOL §7, decision 0019).
//!
//! One writer of a document goes at a time. Nobody sees what it makes before that is in the log or in the intake.

pub mod patch; // what is to change
pub mod resolution; // what a person has decided
pub mod version; // what the writer had seen
pub mod once; // requests that must not be done twice
pub mod error; // why something was not written
pub mod handle; // short names, which rows decide and a document says
mod compose; // the changes that say it
mod turns; // one writer of a document at a time

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use document::{Document, Sealed};
use relay_storage::{BatchFate, DocumentState, MadeBy, Outcome as Stored, StorageError};
use schemas::Registry;
use serde_json::Value;
use sync_core::session::{Outcome, Pushed};
use sync_wire::{Actor, BatchId, ChangeHash, Content, DeviceId, DocumentId, LogPosition, Position, SpaceId, SpaceKind};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::access::Writable;
use crate::app::App;
use crate::metrics;
use crate::relay::append::{self, Pushes, session_outcome};
use crate::relay::check::{self, CheckError};
use crate::relay::hub::Listener;
use crate::relay::quarantine;
use compose::Author;
use error::WriteError;
use once::{Key, Names};
use patch::Patch;
use resolution::Resolution;
use turns::Line;
use version::Seen;

/// With this byte the names of the relay's changes begin, which is none of those that are reserved (PROTOCOL §1).
const ACTOR_PREFIX: u8 = b'W';
/// How long somebody who waits for the check of his batch trusts that he will be told.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What writers share.
#[derive(Debug)]
pub struct Authors {
    /// Drawn at the start, so that no name of this process was or will be used by another one: not by one that went on
    /// from an older copy of this storage, either.
    secret: [u8; 32],
    line: Arc<Line>,
    /// Writes that may be worked out at once.
    at_once: Semaphore,
}

/// What is to be written.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    /// A document is changed.
    Edit {
        /// Which.
        document: DocumentId,
        /// What the writer had seen of it.
        seen: Seen,
        /// What changes of that.
        patch: Patch,
    },
    /// A document begins. The one of a well-known type may be there already: then it is changed.
    Create {
        /// Its type.
        type_name: String,
        /// What it says beside the defaults of the type.
        value: Value,
    },
    /// A document is deleted.
    Delete {
        /// Which.
        document: DocumentId,
        /// What the writer had seen of it.
        seen: Seen,
    },
    /// A field that waits for a person is settled.
    Resolve {
        /// Of which document.
        document: DocumentId,
        /// How.
        resolution: Resolution,
    },
    /// A deletion is taken back.
    Restore {
        /// Of which document.
        document: DocumentId,
    },
    /// A refused change is said again, as an edit of the document as it is now. It leaves the quarantine with that.
    Resubmit {
        /// Of which document.
        document: DocumentId,
        /// Which change.
        change: ChangeHash,
        /// The batch that it was refused in, which proves to its device that this edit is of the same account.
        refused: BatchId,
    },
    /// The space gets a short name that no other space has, or gives up its own.
    Name {
        /// The name.
        handle: Option<String>,
    },
    /// The identity document comes to say the name that the space has.
    SayName,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// In which document.
    pub document: DocumentId,
    /// Where it is.
    pub place: Place,
    /// Whether the document is new.
    pub is_new: bool,
}

/// Where a write is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the log, its last entry here.
    Appended(LogPosition),
    /// Nothing had to be written: the document is what was wanted, here.
    Unchanged(LogPosition),
    /// Durable, and waiting for its check.
    Stored,
}

impl Authors {
    /// Nobody writes yet; never more than `at_once` do.
    #[must_use]
    pub fn new(at_once: usize) -> Self {
        let at_once = Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS));
        Self { secret: rand::random(), line: Arc::default(), at_once }
    }

    /// Under which name this process writes what comes of a website device in a space.
    fn actor(&self, space: SpaceId, device: DeviceId) -> Actor {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(&space.0).update(&device.0);
        let mut actor = [0; Actor::LEN];
        hasher.finalize_xof().fill(&mut actor);
        named(actor)
    }
}

fn named(mut actor: [u8; Actor::LEN]) -> Actor {
    actor[0] = ACTOR_PREFIX;
    Actor(actor)
}

impl Deed {
    fn document(&self, types: &Registry, names: Names) -> Result<DocumentId, WriteError> {
        match self {
            Self::Edit { document, .. }
            | Self::Delete { document, .. }
            | Self::Resolve { document, .. }
            | Self::Resubmit { document, .. }
            | Self::Restore { document } => Ok(*document),
            Self::Name { .. } | Self::SayName => Ok(schemas::well_known_id(handle::TYPE, handle::TYPE)),
            Self::Create { type_name, .. } => {
                Ok(compose::type_named(types, Some(type_name))?.id().unwrap_or(names.document))
            }
        }
    }

    /// What it makes is called so, of the names that its request has.
    fn named(&self, names: Names) -> Names {
        match self {
            Self::Resubmit { change, refused, .. } => {
                Names { batch: BatchId::of_resubmission(names.batch, *refused, change), ..names }
            }
            _ => names,
        }
    }

    const fn is_creation(&self) -> bool {
        matches!(self, Self::Create { .. })
    }
}

/// Writes, once if the request has a key. What was begun is finished, also if whoever asked goes away: half of it would
/// be nobody's.
///
/// # Errors
/// [`WriteError`]
pub async fn perform(app: &App, target: Writable, deed: Deed, key: Option<Key>) -> Result<Done, WriteError> {
    if !target.grant().role.can_write() {
        return Err(WriteError::NotEditor(target.space()));
    }
    let names = key.as_ref().map_or_else(Names::drawn, |key| Names::derived(target.account(), key));
    let names = deed.named(names);
    let document = deed.document(&app.types.current(), names)?;
    let turn = app.authors.line.turn((target.space(), document)).await;
    let app = app.clone();
    let work = tokio::spawn(async move {
        let done = match &key {
            Some(key) => once::perform(&app, &target, deed, key).await,
            None => write(&app, &target, deed, names).await,
        };
        drop(turn);
        done
    });
    let done = work.await.unwrap_or_else(|error| Err(WriteError::Stopped(error.to_string())));
    metrics::wrote(&done);
    done
}

/// Writes. Who calls this has the turn of the document.
async fn write(app: &App, target: &Writable, deed: Deed, names: Names) -> Result<Done, WriteError> {
    let types = app.types.current();
    let document = deed.document(&types, names)?;
    let device = app.storage.website_device(target.account()).await?;
    let is_own = matches!(deed, Deed::Name { .. } | Deed::SayName);
    let made_by = if is_own { MadeBy::Relay } else { MadeBy::Device };
    let pen = Pen { app, target, types, document, device, batch: names.batch, made_by };
    match deed {
        Deed::Edit { seen, patch, .. } => pen.edit(seen, patch).await,
        Deed::Create { type_name, value } => pen.create(type_name, value).await,
        Deed::Delete { seen, .. } => pen.delete(seen).await,
        Deed::Resolve { resolution, .. } => pen.resolve(resolution).await,
        Deed::Restore { .. } => pen.restore().await,
        Deed::Resubmit { change, refused, .. } => pen.resubmit(change, refused).await,
        Deed::Name { handle } => pen.name(handle).await,
        Deed::SayName => pen.say_name().await,
    }
}

/// Who writes what.
struct Pen<'a> {
    app: &'a App,
    target: &'a Writable,
    /// The rules by which it is written.
    types: Arc<Registry>,
    document: DocumentId,
    device: DeviceId,
    batch: BatchId,
    made_by: MadeBy,
}

impl Pen<'_> {
    async fn edit(&self, seen: Seen, patch: Patch) -> Result<Done, WriteError> {
        let (document, state) = self.read().await?;
        let seen = version::heads(self.app, &document, &state, seen).await?;
        let author = self.author().await?;
        let types = Arc::clone(&self.types);
        let sealed = self.work(move || compose::edit(&types, document, &seen, &patch, author)).await??;
        match sealed {
            Some(sealed) => self.push(contents(sealed), state.end.position).await,
            None => Ok(self.done(Place::Unchanged(state.end))),
        }
    }

    async fn create(&self, type_name: String, value: Value) -> Result<Done, WriteError> {
        match self.app.storage.document(self.target.space(), self.document).await? {
            Some(_) => self.edit(Seen::Current, Patch::Merge(value)).await,
            None => {
                let author = self.author().await?;
                let types = Arc::clone(&self.types);
                let sealed = self.work(move || compose::create(&types, &type_name, &value, author)).await??;
                let done = self.push(contents(sealed), Position::START).await?;
                Ok(Done { is_new: true, ..done })
            }
        }
    }

    async fn resolve(&self, resolution: Resolution) -> Result<Done, WriteError> {
        let (document, state) = self.read().await?;
        let author = self.author().await?;
        let types = Arc::clone(&self.types);
        let sealed = self.work(move || compose::resolve(&types, document, &resolution, author)).await??;
        self.push(contents(sealed), state.end.position).await
    }

    async fn resubmit(&self, hash: ChangeHash, refused: BatchId) -> Result<Done, WriteError> {
        let (document, state) = self.read().await?;
        let (space, account) = (self.target.space(), self.target.account());
        if let Some(waiting) = self.app.storage.intake_of(space, self.document).await?
            && waiting.first.iter().any(|waits| waits.batch.is_resubmission_of(refused, &hash))
        {
            return Ok(self.done(Place::Stored)); // and has yet to be checked
        }
        let end = state.end;
        let said = quarantine::said_again(self.app, account, (space, self.document), document.clone(), hash).await?;
        let place = match said.map_err(WriteError::Stopped)? {
            Some(_) => Place::Unchanged(end),
            None => self.say_again(document, hash, end).await?,
        };
        if place != Place::Stored {
            // What it said is in the log, or was there.
            self.app.storage.discard_refused(space, account, hash).await?;
        }
        Ok(self.done(place))
    }

    async fn say_again(&self, document: Document, hash: ChangeHash, end: LogPosition) -> Result<Place, WriteError> {
        let account = self.target.account();
        let past = self.app.storage.refused_past(self.target.space(), account, hash).await?;
        let past = past.ok_or(WriteError::RefusedUnknown(hash))?;
        let change = past.kept.change.clone();
        let unreadable = |detail| WriteError::RefusedUnreadable { hash, detail };
        let seen = quarantine::put_together(self.app, account, document.clone(), past).await?.map_err(unreadable)?;
        let (author, types) = (self.author().await?, Arc::clone(&self.types));
        // It is never closed.
        let _permit = self.app.authors.at_once.acquire().await.ok();
        let work = move || compose::resubmit(&types, document, &seen, author);
        match check::on_refused(self.app, account, &change, 1, work).await?? {
            Some(sealed) => Ok(self.push(contents(sealed), end.position).await?.place),
            None => Ok(Place::Unchanged(end)),
        }
    }

    async fn delete(&self, seen: Seen) -> Result<Done, WriteError> {
        let (document, state) = self.read().await?;
        let known = compose::type_named(&self.types, document.type_name().as_deref()).ok();
        if let Some(well_known) = known.filter(|known| known.id() == Some(self.document)) {
            return Err(WriteError::WellKnown(well_known.name.clone()));
        }
        let heads = version::heads(self.app, &document, &state, seen).await?;
        self.push(vec![Content::Tombstone(heads)], state.end.position).await
    }

    async fn restore(&self) -> Result<Done, WriteError> {
        match self.app.storage.document(self.target.space(), self.document).await? {
            None => Err(WriteError::UnknownDocument(self.document)),
            Some(state) if !state.deleted => Ok(self.done(Place::Unchanged(state.end))),
            Some(state) => self.push(vec![Content::Restore], state.end.position).await,
        }
    }

    /// The document as its log has it.
    async fn read(&self) -> Result<(Document, DocumentState), WriteError> {
        match check::copy(self.app, self.target.space(), self.document).await {
            Ok(Some((_, state))) if state.deleted => Err(WriteError::Deleted(self.document)),
            Ok(Some((None, state))) => Err(WriteError::Held(state.held.unwrap_or_default())),
            Ok(Some((Some(document), state))) => Ok((document, state)),
            Ok(None) => Err(WriteError::UnknownDocument(self.document)),
            Err(CheckError::Log(error)) => Err(WriteError::Held(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    async fn author(&self) -> Result<Author, StorageError> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        Ok(Author { actor: self.actor().await?, time, made_by: self.made_by })
    }

    /// The name to write under: that of this process, unless what was written under it has yet to get into the log.
    /// What is made here could not rest on that.
    async fn actor(&self) -> Result<Actor, StorageError> {
        let standing = self.app.authors.actor(self.target.space(), self.device);
        if self.target.kind() == SpaceKind::Personal {
            return Ok(standing);
        }
        let Some(waiting) = self.app.storage.intake_of(self.target.space(), self.document).await? else {
            return Ok(standing);
        };
        let is_whole = waiting.batches == waiting.first.len() as u64;
        let is_free = is_whole && waiting.first.iter().all(|batch| batch.device != self.device);
        Ok(if is_free { standing } else { named(rand::random()) })
    }

    /// Runs what may take its time.
    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, WriteError> {
        // It is never closed.
        let _permit = self.app.authors.at_once.acquire().await.ok();
        self.app.runtime.blocking(work).await.map_err(WriteError::Stopped)
    }

    /// Pushes batches, the last of which is what was asked for, as a device would, and waits for its place. Nothing of
    /// it is in the log at or before `after`.
    async fn push(&self, contents: Vec<Content>, after: Position) -> Result<Done, WriteError> {
        let last = contents.len().saturating_sub(1);
        let named = |(at, content)| {
            let batch = if at == last { self.batch } else { BatchId(rand::random()) };
            Pushed { batch, content }
        };
        let batches = contents.into_iter().enumerate().map(named).collect();
        let mut listener = self.app.hub.listen();
        if self.target.kind() != SpaceKind::Personal {
            listener.follow(self.target.space());
        }
        let bell = Arc::clone(listener.bell());
        let pushes = Pushes { document: self.document, device: self.device, made_by: self.made_by, batches, bell };
        let outcomes = append::append(self.app, self.target, pushes).await?;
        let mut place = Place::Stored;
        for (_, outcome) in outcomes {
            match outcome {
                Outcome::Appended { at, .. } => place = Place::Appended(at),
                Outcome::Stored => place = Place::Stored,
                other => return Err(WriteError::NotTaken(other)),
            }
        }
        Ok(self.done(if place == Place::Stored { self.await_place(&listener, after).await? } else { place }))
    }

    /// Waits until a stored batch has got its place, for a while.
    async fn await_place(&self, listener: &Listener, after: Position) -> Result<Place, WriteError> {
        let patience = Duration::from_secs(self.app.config.api.after_wait_seconds) / 2;
        let deadline = Instant::now() + patience;
        loop {
            let batch = (self.device, self.batch);
            let fate = self.app.storage.batch_fate(self.target.space(), self.document, batch, after).await?;
            match fate {
                BatchFate::Appended(at) => return Ok(Place::Appended(at)),
                BatchFate::Left(outcome) => return Err(not_taken(outcome)),
                BatchFate::Waiting | BatchFate::Unknown => {}
            }
            let now = Instant::now();
            if now >= deadline {
                return Ok(Place::Stored);
            }
            let _ = tokio::time::timeout_at(deadline.min(now + LOOK_AGAIN), listener.bell().heard()).await;
        }
    }

    const fn done(&self, place: Place) -> Done {
        Done { document: self.document, place, is_new: false }
    }
}

fn not_taken(outcome: Stored) -> WriteError {
    WriteError::NotTaken(session_outcome(outcome))
}

/// Each seed is a batch of its own, and so is the change that needs them.
fn contents(sealed: Sealed) -> Vec<Content> {
    let changes = sealed.seeds.into_iter().chain(sealed.changes);
    changes.map(|change| Content::Changes(vec![change.bytes])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_one_process_one_space_and_one_device_and_no_reserved_one() {
        let (here, elsewhere) = (Authors::new(1), Authors::new(1));
        let (space, device) = (SpaceId([1; 16]), DeviceId([2; 16]));
        let name = here.actor(space, device);
        assert_eq!(name, here.actor(space, device));
        assert_ne!(name, elsewhere.actor(space, device), "another process, or the same one started again");
        assert_ne!(name, here.actor(SpaceId([3; 16]), device));
        assert_ne!(name, here.actor(space, DeviceId([3; 16])));
        for actor in [name, named([0x53; 16]), named([0x52; 16])] {
            assert!(!document::Seed::is_seed_actor(&actor) && actor.0[0] == ACTOR_PREFIX);
        }
    }
}
