//! The relay on its caller's thread: no socket, no thread, no timer, and the code of the real one.
//!
//! For the simulated world, which owns clock, randomness, links and disks. What a session wants done runs through the
//! same functions as behind the socket, polled once; the background check goes on when it is told.

use std::collections::VecDeque;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};
use relay_storage::{
    OpenError, Projection, PublicationState, Shell, Storage, StorageError, StorageOptions, StorageUrl, StorageUrlError,
};
use sync_core::session::{Effect, Input, Session};
use sync_core::time::Instant;
use sync_wire::{AccountId, ChangeHash, DocumentId, Goodbye, GoodbyeCode, RelayFrame, SpaceId};
use tokio_util::sync::CancellationToken;

use crate::access::{self, CallerError};
use crate::app::App;
use crate::config::Config;
use crate::relay::hub::Listener;
use crate::relay::runtime::Runtime;
use crate::relay::sessions::Place;
use crate::relay::socket::effects::{self, Peer, Task};
use crate::relay::{check, repair};

/// A relay that does nothing by itself.
#[derive(Debug)]
pub struct InlineRelay {
    app: App,
}

/// Why a relay does not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InlineOpenError {
    /// The storage URL.
    #[error(transparent)]
    Url(#[from] StorageUrlError),
    /// The storage.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What it keeps.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why a connection gets no session. The real relay answers its upgrade with 401 or 503.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", code.name())]
pub struct Refused {
    /// The nearest word of the protocol.
    pub code: GoodbyeCode,
    /// A sentence.
    pub detail: String,
}

/// One session of [`InlineRelay`].
#[derive(Debug)]
pub struct InlineSession {
    peer: Arc<Peer>,
    session: Session,
    listener: Listener,
    _place: Place<AccountId>,
}

/// What a session does, in order.
#[derive(Debug)]
pub enum Step<'a> {
    /// This is about to be done; nothing of it has happened. Said of every effect, those below included.
    Performing(&'a Effect),
    /// This leaves on the wire.
    Send(RelayFrame),
    /// This leaves on the wire, and the connection closes: the session is over.
    Close(Goodbye),
}

impl InlineRelay {
    /// Opens what `directory` has, or makes it. `options.shell` is [`Shell::Inline`] whatever it says.
    ///
    /// # Errors
    /// [`InlineOpenError`]
    pub fn open(directory: &Path, config: Config, options: StorageOptions) -> Result<Self, InlineOpenError> {
        let url = match StorageUrl::parse(&config.server.storage)? {
            StorageUrl::Sqlite(path) => StorageUrl::Sqlite(directory.join(path)),
            other => other,
        };
        let storage = Storage::open_blocking(&url, StorageOptions { shell: Shell::Inline, ..options })?;
        let stop = CancellationToken::new();
        now(storage.end_intake_leases())?;
        now(storage.judge_parked_anew())?;
        Ok(Self { app: App::on(Runtime::Inline, config, directory.to_owned(), storage, stop) })
    }

    /// What it keeps. Its futures complete at their first poll; [`now`] has their answers.
    #[must_use]
    pub fn storage(&self) -> &Storage {
        &self.app.storage
    }

    /// Checks one document that waits; `false` if nothing is to do, or if storage fails.
    #[must_use]
    pub fn check_step(&self) -> bool {
        now(check::step(&self.app))
    }

    /// Accepts a connection with these credentials at `at`.
    ///
    /// # Errors
    /// [`Refused`]
    pub fn session(&self, token: &str, at: Instant) -> Result<InlineSession, Refused> {
        let caller = now(access::caller(&self.app, &Method::GET, &bearer(token))).map_err(|error| {
            let code = match error {
                CallerError::Missing | CallerError::Unknown | CallerError::SignedOut | CallerError::CrossSite(_) => {
                    GoodbyeCode::UNAUTHENTICATED
                }
                CallerError::Storage(_) => GoodbyeCode::UNAVAILABLE,
            };
            Refused { code, detail: error.to_string() }
        })?;
        let place = self.app.sessions.of_account(caller.account()).ok_or_else(|| {
            let detail = "the account has as many sessions as it may".to_owned();
            Refused { code: GoodbyeCode::OVERLOADED, detail }
        })?;
        let listener = self.app.hub.listen();
        let peer = Arc::new(Peer::new(self.app.clone(), caller));
        Ok(InlineSession { peer, session: Session::new(at), listener, _place: place })
    }

    /// What the real relay does when the owner of a space repairs a held document, and names changes that have to go
    /// beside those that the check blames; whether it was held.
    ///
    /// # Errors
    /// Why it is not repaired.
    pub fn repair(
        &self,
        token: &str,
        space: SpaceId,
        document: DocumentId,
        named: Vec<ChangeHash>,
    ) -> Result<bool, String> {
        let owned = async {
            let caller =
                access::caller(&self.app, &Method::GET, &bearer(token)).await.map_err(|error| error.to_string())?;
            access::owned(&self.app, &caller, space).await.map_err(|error| error.to_string())
        };
        let owned = now(owned)?;
        let done = now(repair::repair(&self.app, &owned, document, named));
        done.map(|done| done.is_some()).map_err(|error| error.to_string())
    }

    /// The merged state of a document as the checks left it; `None` if there is no checked state of it.
    ///
    /// # Errors
    /// Storage failed.
    pub fn projection(&self, space: SpaceId, document: DocumentId) -> Result<Option<Projection>, StorageError> {
        now(self.app.storage.projection(space, document))
    }

    /// What everybody may see of a document, and what keeps its newest state from it.
    ///
    /// # Errors
    /// Storage failed.
    pub fn publication(&self, space: SpaceId, document: DocumentId) -> Result<Option<PublicationState>, StorageError> {
        now(self.app.storage.publication(space, document))
    }

    /// What the real relay does when its poll finds that accounts, tokens, devices or grants changed.
    pub fn access_changed(&self) {
        self.app.access.forget();
        self.app.hub.access_changed();
        self.app.reached.readers.access_changed();
    }
}

fn bearer(token: &str) -> HeaderMap {
    let value = HeaderValue::try_from(format!("Bearer {token}")).ok();
    value.into_iter().map(|value| (AUTHORIZATION, value)).collect()
}

impl InlineSession {
    /// Feeds one input and everything that follows from it at once. After [`Step::Close`] the session does nothing
    /// more.
    ///
    /// # Panics
    /// If something waits that nothing on this thread can bring: a defect of the inline relay.
    pub fn handle(&mut self, input: Input, at: Instant, step: &mut dyn FnMut(Step<'_>)) {
        let mut inputs = VecDeque::from([input]);
        let mut effects = Vec::new();
        while let Some(input) = inputs.pop_front() {
            let hint = effects::own_hint(&input);
            self.session.handle(at, input, &mut effects);
            for effect in effects.drain(..) {
                step(Step::Performing(&effect));
                match self.peer.perform(effect, &mut self.listener) {
                    Task::Send(frame) => step(Step::Send(frame)),
                    Task::Operation(operation) => inputs.extend(self.finish(operation)),
                    Task::Read(read) => inputs.extend(self.peer.read(&read).map(|reading| self.finish(reading))),
                    Task::Show(..) | Task::Done => {} // nobody is at these devices
                    Task::Close(goodbye) => step(Step::Close(goodbye)),
                }
            }
            hint.into_iter().for_each(|hint| inputs.push_front(hint));
        }
    }

    /// The hints that rang meanwhile, to be fed with [`Self::handle`], late, or never.
    #[must_use]
    pub fn heard(&mut self) -> Vec<Input> {
        effects::heard(self.listener.bell().take()).collect()
    }

    /// When [`Input::Timeout`] is due.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.session.next_timeout()
    }

    /// A push may wait for the background check, which only goes on when it is told.
    fn finish<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(tokio::task::unconstrained(future));
        loop {
            match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(value) => return value,
                Poll::Pending => {
                    assert!(now(check::step(self.peer.app())), "nothing here can bring what is waited for")
                }
            }
        }
    }
}

/// The answer of a future that needs no waiting.
///
/// # Panics
/// If it does: it is none of the inline relay's or its storage's.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    // Not counted against a budget of tasks, which would make it wait for nothing.
    let future = pin!(tokio::task::unconstrained(future));
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a future of the inline relay has to be ready at its first poll"),
    }
}
