//! What a session has done outside its loop. Everything here owns what it needs, so that the loop goes on meanwhile.

use std::sync::{Arc, OnceLock};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use relay_storage::{AccountError, DeviceBinding, MadeBy, ReadError, Standing, StorageError};
use sync_core::session::{Authorized, BootstrapCursor, BootstrapPage, Effect, Input, LogPage, Outcome};
use sync_wire::log::Receipt;
use sync_wire::{
    AccountId, BatchId, Chain, Checkpoint, Cursor, DeviceId, DocumentId, Goodbye, GoodbyeCode, Grant, LogPosition,
    Position, RelayFrame, Run, ShowPresence, SpaceId, Wanted,
};
use tracing::{error, info};

use crate::access::{self, Caller, ReadableError};
use crate::app::App;
use crate::relay::append::{self, Pushes};
use crate::relay::hub::{Bell, Heard, Listener};
use crate::relay::offer;
use crate::relay::presence::Participant;
use crate::relay::read;
use crate::relay::sessions::{NoPlace, Place};

/// What a shell does about an effect.
pub(crate) enum Task {
    /// Write this.
    Send(RelayFrame),
    /// Finish this; it may end in an input.
    Operation(Operation),
    /// Call [`Peer::read`] once there is room for what it brings.
    Read(Effect),
    /// Show the others where its person is.
    Show(Participant, ShowPresence),
    /// Nothing more.
    Done,
    /// Write this, then close.
    Close(Goodbye),
}

/// What goes on outside the loop.
pub(crate) type Operation = BoxFuture<'static, Option<Input>>;

/// Who is on the other side.
#[derive(Debug)]
pub(crate) struct Peer {
    app: App,
    caller: Caller,
    place: OnceLock<Place<(AccountId, DeviceId)>>,
}

/// Why an operation has no ordinary answer.
enum Failure {
    Denied(GoodbyeCode, String),
    Superseded { newest: u64 },
    Broken { code: &'static str, detail: String },
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Broken { code: error.code(), detail: error.to_string() }
    }
}

impl From<Failure> for Input {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Denied(code, detail) => Self::Denied { code, detail },
            Failure::Superseded { newest } => Self::Superseded { newest },
            Failure::Broken { code, detail } => {
                error!(error.code = code, "Session fails: {detail}");
                // The device learns the code; what it means here is for the log.
                Self::Failed { detail: format!("the relay cannot do its work at the moment ({code})") }
            }
        }
    }
}

impl Peer {
    pub(crate) fn new(app: App, caller: Caller) -> Self {
        Self { app, caller, place: OnceLock::new() }
    }

    pub(crate) fn app(&self) -> &App {
        &self.app
    }

    /// Begins what an effect asks for.
    pub(crate) fn perform(self: &Arc<Self>, effect: Effect, listener: &mut Listener) -> Task {
        let peer = Arc::clone(self);
        match effect {
            Effect::Send(frame) => Task::Send(frame),
            Effect::Authorize { device, agent, attempt, cursors } => {
                Task::Operation(peer.authorize(device, agent, attempt, cursors))
            }
            Effect::Regrant { device } => Task::Operation(peer.regrant(device)),
            Effect::Append { space, document, device, batches } => {
                let bell = Arc::clone(listener.bell());
                Task::Operation(peer.append(space, Pushes { document, device, made_by: MadeBy::Device, batches, bell }))
            }
            Effect::ReadOutcomes { space, device, batches } => {
                Task::Operation(peer.read_outcomes(space, device, batches))
            }
            Effect::FindAncestor { space, checkpoints } => Task::Operation(peer.find_ancestor(space, checkpoints)),
            Effect::TakeRun { space, run } => {
                let bell = Arc::clone(listener.bell());
                Task::Operation(peer.take_run(space, run, bell))
            }
            Effect::EndOffer { space, checkpoints } => Task::Operation(peer.end_offer(space, checkpoints)),
            Effect::ReadLog { .. } | Effect::ReadBootstrap { .. } => Task::Read(effect),
            Effect::Follow { space } => {
                listener.follow(space);
                Task::Operation(peer.poll(vec![space], Arc::clone(listener.bell())))
            }
            Effect::Unfollow { space } => {
                listener.unfollow(space);
                Task::Done
            }
            Effect::Show { device, presence } => {
                Task::Show(Participant { account: peer.caller.account(), device }, presence)
            }
            Effect::Poll => {
                let spaces = listener.following().iter().copied().collect();
                Task::Operation(peer.poll(spaces, Arc::clone(listener.bell())))
            }
            Effect::Close(goodbye) => Task::Close(goodbye),
        }
    }

    /// Begins a read; `None` for any other effect.
    pub(crate) fn read(self: &Arc<Self>, effect: &Effect) -> Option<BoxFuture<'static, Input>> {
        let peer = Arc::clone(self);
        match *effect {
            Effect::ReadLog { space, after, bytes_target } => Some(peer.read_log(space, after, bytes_target)),
            Effect::ReadBootstrap { space, from, bytes_target } => Some(peer.read_bootstrap(space, from, bytes_target)),
            _ => None,
        }
    }

    /// The configured wait and a random share on top, so that devices do not come back at once.
    pub(super) fn retry_after_ms(&self) -> u32 {
        let base = self.app.config.relay.retry_after_milliseconds;
        base.saturating_add(rand::random_range(0..=base))
    }

    fn authorize(
        self: Arc<Self>,
        device: DeviceId,
        agent: String,
        attempt: Option<u64>,
        cursors: Vec<Cursor>,
    ) -> Operation {
        async move { Some(self.try_authorize(device, &agent, attempt, cursors).await.unwrap_or_else(Input::from)) }
            .boxed()
    }

    async fn try_authorize(
        &self,
        device: DeviceId,
        agent: &str,
        attempt: Option<u64>,
        cursors: Vec<Cursor>,
    ) -> Result<Input, Failure> {
        let (account, credential) = (self.caller.account(), self.caller.credential());
        let asked = self.app.access.generation();
        let (binding, standing) = match self.app.storage.contact(account, credential, device, agent, cursors).await {
            Ok(found) => found,
            Err(AccountError::Storage(error)) => return Err(error.into()),
            Err(error) => return Err(Failure::Denied(GoodbyeCode::UNAUTHENTICATED, error.to_string())),
        };
        self.place(device, attempt, binding)?;
        let (grants, limits_version) = self.grants(device, standing, asked)?;
        info!(device.id = %device, device.agent = agent, "Device {device} of account {account} is connected");
        Ok(Input::Authorized(Authorized { account, limits_version, grants }))
    }

    /// Gives the session its place among those of the device.
    fn place(&self, device: DeviceId, attempt: Option<u64>, binding: DeviceBinding) -> Result<(), Failure> {
        match binding {
            DeviceBinding::Bound => {}
            DeviceBinding::TakenByAnother => {
                let detail = format!("device {device} belongs to another account; a vault syncs with one account");
                return Err(Failure::Denied(GoodbyeCode::DEVICE_TAKEN, detail));
            }
            DeviceBinding::Revoked => return Err(revoked(device)),
        }
        let place = match self.app.sessions.of_device(self.caller.account(), device, attempt) {
            Ok(place) => place,
            Err(NoPlace::Superseded { newest }) => return Err(Failure::Superseded { newest }),
            Err(NoPlace::Full) => {
                let max = self.app.config.relay.sessions_per_device_max;
                let detail = format!("device {device} has {max} sessions already (relay.sessions_per_device_max)");
                return Err(Failure::Denied(GoodbyeCode::OVERLOADED, detail));
            }
        };
        // A session authorizes one device, once.
        let _ = self.place.set(place);
        Ok(())
    }

    fn regrant(self: Arc<Self>, device: DeviceId) -> Operation {
        async move {
            let found = self.try_regrant(device).await;
            let regranted = |(grants, limits_version)| Input::Regranted { grants, limits_version };
            Some(found.map_or_else(Input::from, regranted))
        }
        .boxed()
    }

    async fn try_regrant(&self, device: DeviceId) -> Result<(Vec<Grant>, u64), Failure> {
        let (account, credential) = (self.caller.account(), self.caller.credential());
        let asked = self.app.access.generation();
        let standing = self.app.storage.standing(account, credential, device, Vec::new()).await?;
        self.grants(device, standing, asked)
    }

    /// Every grant as it is now, and what decides where none does, if credential and device still are what they were: a
    /// change between the upgrade and the first hint would otherwise be missed. `asked` is the generation of access
    /// from before the question.
    fn grants(&self, device: DeviceId, standing: Standing, asked: u64) -> Result<(Vec<Grant>, u64), Failure> {
        if !standing.credential_is_valid {
            let detail = "the token was revoked, or the session ended; log in again".to_owned();
            return Err(Failure::Denied(GoodbyeCode::UNAUTHENTICATED, detail));
        }
        if !standing.device_is_valid {
            return Err(revoked(device));
        }
        let grants = standing.grants.iter().map(|(grant, _)| grant.clone()).collect();
        access::remember_grants(&self.app, &self.caller, grants, asked);
        let grants = standing.grants.into_iter().map(|(grant, verdict)| read::resume(grant, verdict)).collect();
        Ok((grants, standing.limits_version))
    }

    /// Once begun it must be finished, also when the connection breaks: between commit and hint nobody else may lose
    /// what it brings.
    fn append(self: Arc<Self>, space: SpaceId, pushes: Pushes) -> Operation {
        async move { Some(self.try_append(space, pushes).await.unwrap_or_else(Input::from)) }.boxed()
    }

    /// What arrives late, on a connection that its device has given up, is not taken: it has heard on another one what
    /// became of it, and may have written it anew since.
    async fn try_append(&self, space: SpaceId, pushes: Pushes) -> Result<Input, Failure> {
        let document = pushes.document;
        let writable = access::writable(&self.app, &self.caller, space).await;
        if let Some(newest) = self.place.get().and_then(Place::superseded_by) {
            return Err(Failure::Superseded { newest });
        }
        let outcomes = match writable {
            Ok(target) => append::append(&self.app, &target, pushes).await?,
            Err(error @ ReadableError::NoSuchSpace(_)) => append::no_such_space(&pushes.batches, &error.to_string()),
            Err(ReadableError::Storage(error)) => return Err(error.into()),
        };
        Ok(Input::Appended { space, document, outcomes })
    }

    /// What became of batches of this very device; nothing else of them is said.
    fn read_outcomes(
        self: Arc<Self>,
        space: SpaceId,
        device: DeviceId,
        batches: Vec<(DocumentId, BatchId)>,
    ) -> Operation {
        async move {
            match read::outcomes(&self.app, space, device, batches).await {
                Ok(outcomes) => Some(Input::Outcomes { space, outcomes }),
                Err(error) => Some(Failure::from(error).into()),
            }
        }
        .boxed()
    }

    fn find_ancestor(self: Arc<Self>, space: SpaceId, checkpoints: Vec<Checkpoint>) -> Operation {
        async move {
            let target = match self.offered_to(space).await {
                Ok(target) => target?,
                Err(failure) => return Some(failure.into()),
            };
            let found = offer::common_place(&self.app, &target, checkpoints).await.map_err(Failure::from);
            Some(found.map_or_else(Input::from, |at| Input::Wanted(Wanted { space, after: at.position, taken: 0 })))
        }
        .boxed()
    }

    /// As an append, it must be finished once it has begun.
    fn take_run(self: Arc<Self>, space: SpaceId, run: Run, bell: Arc<Bell>) -> Operation {
        async move {
            let target = match self.offered_to(space).await {
                Ok(target) => target?,
                Err(failure) => return Some(failure.into()),
            };
            let after = run.upto;
            let taken = offer::take(&self.app, &target, run, &bell).await.map_err(Failure::from);
            Some(taken.map_or_else(Input::from, |taken| Input::Wanted(Wanted { space, after, taken })))
        }
        .boxed()
    }

    fn end_offer(self: Arc<Self>, space: SpaceId, checkpoints: Vec<Checkpoint>) -> Operation {
        async move {
            let target = match self.offered_to(space).await {
                Ok(target) => target?,
                Err(failure) => return Some(failure.into()),
            };
            let ended = offer::end(&self.app, &target, checkpoints).await.map_err(Failure::from);
            match ended {
                Ok(grant) => grant.map(Input::OfferEnded),
                Err(failure) => Some(failure.into()),
            }
        }
        .boxed()
    }

    /// The space that is offered to; none if it was taken meanwhile, of which the session hears next.
    async fn offered_to(&self, space: SpaceId) -> Result<Option<access::Writable>, Failure> {
        match access::writable(&self.app, &self.caller, space).await {
            Ok(target) => Ok(Some(target)),
            Err(ReadableError::NoSuchSpace(_)) => Ok(None),
            Err(ReadableError::Storage(error)) => Err(error.into()),
        }
    }

    fn read_log(self: Arc<Self>, space: SpaceId, after: LogPosition, bytes_target: usize) -> BoxFuture<'static, Input> {
        async move {
            let source = match access::readable(&self.app, &self.caller, space).await {
                Ok(source) => source,
                Err(ReadableError::NoSuchSpace(_)) => return Input::Read(nothing(space, after)),
                Err(ReadableError::Storage(error)) => return Failure::from(error).into(),
            };
            read::log(&self.app, &source, after, bytes_target)
                .await
                .map_or_else(|error| on_read_error(&error), Input::Read)
        }
        .boxed()
    }

    fn read_bootstrap(
        self: Arc<Self>,
        space: SpaceId,
        from: BootstrapCursor,
        bytes_target: usize,
    ) -> BoxFuture<'static, Input> {
        async move {
            let source = match access::readable(&self.app, &self.caller, space).await {
                Ok(source) => source,
                // The grant was taken a moment ago and the session hears of it next: a part with nothing in it.
                Err(ReadableError::NoSuchSpace(_)) => {
                    let (documents, next) = (Vec::new(), Some(from));
                    return Input::BootstrapRead(BootstrapPage { space, documents, next, receipt: None });
                }
                Err(ReadableError::Storage(error)) => return Failure::from(error).into(),
            };
            read::bootstrap(&self.app, &source, from, bytes_target)
                .await
                .map_or_else(|error| on_read_error(&error), Input::BootstrapRead)
        }
        .boxed()
    }

    /// Rings for every space, as storage has it.
    fn poll(self: Arc<Self>, spaces: Vec<SpaceId>, bell: Arc<Bell>) -> Operation {
        async move {
            match read::ends(&self.app, &spaces).await {
                Ok(ends) => ends.into_iter().for_each(|(space, end)| bell.ring(space, end)),
                Err(error) => return Some(Failure::from(error).into()),
            }
            None
        }
        .boxed()
    }
}

/// What a session hears of its own append beside the outcome, and only after it: the outcome tells it what of the log
/// is its own.
pub(crate) fn own_hint(input: &Input) -> Option<Input> {
    let Input::Appended { space, outcomes, .. } = input else { return None };
    let place = |(_, outcome): &(BatchId, Outcome)| match outcome {
        Outcome::Appended { at, .. } => Some(*at),
        _ => None,
    };
    let end = outcomes.iter().filter_map(place).max_by_key(|at| at.position)?;
    Some(Input::Hint { space: *space, end })
}

/// The inputs that stand for what a bell said, but for presence, which is none of the session's.
pub(crate) fn heard(heard: Heard) -> impl Iterator<Item = Input> {
    let access = heard.access_changed.then_some(Input::AccessChanged);
    let ends = heard.ends.into_iter().map(|(space, end)| Input::Hint { space, end });
    access.into_iter().chain(ends).chain(heard.settled.into_iter().map(|space| Input::Settled { space }))
}

fn revoked(device: DeviceId) -> Failure {
    Failure::Denied(
        GoodbyeCode::DEVICE_REVOKED,
        format!("device {device} was revoked; log in again with new credentials"),
    )
}

/// An empty page, for a read whose grant was taken meanwhile.
fn nothing(space: SpaceId, after: LogPosition) -> LogPage {
    let receipt = Receipt { key: 0, mac: [0; 32] };
    LogPage { space, after, entries: Vec::new(), chain: Chain::START, receipt, log_end: Position::START }
}

/// The log is not what it was when the session began (a restore, say): the device's next `Hello` sorts it out.
fn on_read_error(error: &ReadError) -> Input {
    if matches!(error, ReadError::EpochChanged { .. }) {
        // Another device has given back what the log had lost: this one comes again, and is told where it goes on.
        info!("A session ends because {error}");
        return Input::Failed { detail: format!("the log has a new epoch ({})", error.code()) };
    }
    Failure::Broken { code: error.code(), detail: error.to_string() }.into()
}
