//! What every part of a running relay shares: its configuration, its storage, and the small caches beside it.
//!
//! Nothing here is the truth; all of it can be lost with the process.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use relay_storage::Storage;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::access::AccessCache;
use crate::api::health::Readiness;
use crate::api::paths::Paths;
use crate::api::ready::Ready;
use crate::config::Config;
use crate::projection::reached::Reached;
use crate::relay::author::Authors;
use crate::relay::check::Checker;
use crate::relay::gate::Gate;
use crate::relay::hub::Hub;
use crate::relay::overview::Overview;
use crate::relay::presence::Rooms;
use crate::relay::rates::Rates;
use crate::relay::read::Tails;
use crate::relay::runtime::Runtime;
use crate::relay::sessions::Sessions;
use crate::types::Types;

/// A handle on the running relay; cheap to clone.
#[derive(Debug, Clone)]
pub struct App(Arc<Parts>);

/// The parts, each with its own file.
#[derive(Debug)]
pub struct Parts {
    /// Effective configuration.
    pub config: Config,
    /// Where the relay's state lives.
    pub directory: PathBuf,
    /// What the relay keeps. Only `access`, `relay` and `projection` may ask it for documents.
    pub storage: Storage,
    /// Which document types are known.
    pub types: Types,
    /// Who wants to hear of which space.
    pub hub: Arc<Hub>,
    /// Who is in which document.
    pub presence: Arc<Rooms>,
    /// Recent entries.
    pub tails: Tails,
    /// Where long work is done.
    pub runtime: Runtime,
    /// Whether edits are taken.
    pub gate: Gate,
    /// Who writes over HTTP.
    pub authors: Authors,
    /// Applies what was appended.
    pub checker: Checker,
    /// Who wants to hear that projections advanced.
    pub reached: Reached,
    /// Answers of documents.
    pub ready: Ready,
    /// Which documents paths name.
    pub paths: Paths,
    /// Tokens and grants, as read a moment ago.
    pub access: AccessCache,
    /// Who is connected.
    pub sessions: Sessions,
    /// How fast they speak.
    pub rates: Rates,
    /// Who has event streams.
    pub event_streams: Sessions,
    /// Versions of documents that may be rebuilt at once.
    pub rebuilds: Arc<Semaphore>,
    /// Requests that may take documents in at once, so that they are found.
    pub indexing: Arc<Semaphore>,
    /// Bytes of pushed batches that may be judged at once.
    pub pushed_bytes: Arc<Semaphore>,
    /// Requests that may be answered at once.
    pub requests: Arc<Semaphore>,
    /// The relay in a few numbers, now and over the last day.
    pub overview: Overview,
    /// The last answer of `/readyz`.
    pub readiness: Readiness,
    /// Says that the relay stops.
    pub stop: CancellationToken,
}

impl Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Puts a relay together; nothing runs yet.
    #[must_use]
    pub fn new(config: Config, directory: PathBuf, storage: Storage, stop: CancellationToken) -> Self {
        Self::on(Runtime::Tokio, config, directory, storage, stop)
    }

    /// As [`Self::new`], for a runtime or none.
    #[must_use]
    pub fn on(runtime: Runtime, config: Config, directory: PathBuf, storage: Storage, stop: CancellationToken) -> Self {
        Self(Arc::new(Parts {
            runtime,
            types: Types::default(),
            hub: Arc::default(),
            presence: Arc::default(),
            tails: Tails::new(config.relay.tail_bytes_max, config.relay.tails_bytes_max),
            gate: Gate::default(),
            authors: Authors::new(config.api.writes_max),
            checker: Checker::new(&config.check),
            access: AccessCache::new(config.relay.tokens_cached_max),
            sessions: Sessions::new(config.relay.sessions_per_account_max, config.relay.sessions_per_device_max),
            rates: Rates::new(&config.limits),
            reached: Reached::default(),
            ready: Ready::new(config.api.ready_bytes_max),
            paths: Paths::default(),
            event_streams: Sessions::new(config.api.event_streams_per_account_max, 0),
            rebuilds: Arc::new(Semaphore::new(config.api.rebuilds_max.clamp(1, Semaphore::MAX_PERMITS))),
            indexing: Arc::new(Semaphore::new(config.api.indexing_max.clamp(1, Semaphore::MAX_PERMITS))),
            pushed_bytes: Arc::new(Semaphore::new(config.relay.pushed_bytes_max.min(Semaphore::MAX_PERMITS))),
            requests: Arc::new(Semaphore::new(config.api.requests_max)),
            overview: Overview::default(),
            readiness: Readiness::default(),
            config,
            directory,
            storage,
            stop,
        }))
    }
}
