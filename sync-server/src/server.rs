//! A relay from opening to stopping.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use file_systems::Presence;
use metrics_exporter_prometheus::PrometheusHandle;
use relay_storage::{
    OpenError, ReceiptKeys, ReceiptKeysError, Storage, StorageOptions, StorageUrl, StorageUrlError, system_random,
};
use schemas::{DocumentType, Registry};
use sync_wire::DocumentId;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::app::App;
use crate::config::Config;
use crate::data_directory::{self, DirectoryError};
use crate::projection::reached;
use crate::relay::author::handle;
use crate::relay::runtime::{Priority, in_background};
use crate::relay::{care, check, overview, presence as presences, purge};
use crate::types::{self, retyping};
use crate::{accept, access, api, metrics, router};

/// The keys with which the relay vouches for its logs; beside the database, never in it.
const RECEIPT_KEYS_NAME: &str = "receipt.keys";

/// Why a relay does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The data directory.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The storage URL.
    #[error(transparent)]
    Url(#[from] StorageUrlError),
    /// The receipt keys.
    #[error(transparent)]
    ReceiptKeys(#[from] ReceiptKeysError),
    /// The storage.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The address of `/metrics`.
    #[error("cannot serve /metrics on {listen}: {source}; choose another server.metrics_listen, or none")]
    Metrics {
        /// What was asked for.
        listen: String,
        /// What is wrong.
        source: std::io::Error,
    },
    /// The address.
    #[error("cannot listen on {listen}: {source}; choose another address with --listen")]
    Listen {
        /// What was asked for.
        listen: String,
        /// What the system says.
        source: std::io::Error,
    },
}

impl StartError {
    /// The stable word for this failure.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Directory(error) => error.code(),
            Self::Url(error) => error.code(),
            Self::ReceiptKeys(error) => error.code(),
            Self::Open(error) => error.code(),
            Self::Listen { .. } | Self::Metrics { .. } => "listen_failed",
        }
    }
}

/// A relay that listens and does not answer yet.
#[derive(Debug)]
pub struct Server {
    app: App,
    listener: TcpListener,
    address: SocketAddr,
    measured: Option<Measured>,
    presence: Option<Presence>,
    lock: File,
}

/// The listener of `/metrics`.
#[derive(Debug)]
struct Measured {
    listener: TcpListener,
    address: SocketAddr,
    handle: PrometheusHandle,
}

/// Opens the storage that a configuration names.
///
/// # Errors
/// [`StartError`]
pub async fn open_storage(directory: &Path, config: &Config) -> Result<Storage, StartError> {
    let url = match StorageUrl::parse(&config.server.storage)? {
        StorageUrl::Sqlite(path) => StorageUrl::Sqlite(directory.join(path)),
        other => other,
    };
    let keys = ReceiptKeys::load_or_create(&directory.join(RECEIPT_KEYS_NAME), &system_random())?;
    let (limits, reserved) = (config.storage_limits(), reserved());
    let options = StorageOptions { limits, reserved, ..StorageOptions::new(keys) };
    Ok(Storage::open(&url, options).await?)
}

/// The documents that the relay alone writes, in every space.
fn reserved() -> Arc<[DocumentId]> {
    let known = Registry::builtin();
    let reserved = known.names().filter_map(|name| known.get(name)).filter(|known| known.authority);
    reserved.filter_map(DocumentType::id).collect()
}

async fn measure(listen: &str) -> std::io::Result<Measured> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let handle = metrics::begin().ok_or_else(|| std::io::Error::other("something else in this process measures"))?;
    Ok(Measured { listener, address, handle })
}

impl Server {
    /// Takes the data directory, opens the storage and the port.
    ///
    /// # Errors
    /// [`StartError`]
    pub async fn open(directory: PathBuf, config: Config) -> Result<Self, StartError> {
        let mut lock = data_directory::lock(&directory)?;
        let presence = care::enter(&directory);
        let storage = open_storage(&directory, &config).await?;
        let listen = config.server.listen.clone();
        let failed = |source| StartError::Listen { listen: listen.clone(), source };
        let listener = TcpListener::bind(&listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        data_directory::note_address(&mut lock, &directory, address)?;
        let measured = match config.server.metrics_listen.as_str() {
            "" => None,
            listen => {
                Some(measure(listen).await.map_err(|source| StartError::Metrics { listen: listen.into(), source })?)
            }
        };
        let app = App::new(config, directory, storage, CancellationToken::new());
        if let Err(error) = app.storage.judge_parked_anew().await {
            tracing::error!(error.code = error.code(), "What is parked waits for its next reason: {error}");
        }
        if let Err(error) = types::reload(&app).await {
            tracing::error!(error.code = error.code(), "Published document types are taken in later: {error}");
        }
        check::recover(&app).await;
        Ok(Self { app, listener, address, measured, presence, lock })
    }

    /// Where `/metrics` is, if anywhere.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.measured.as_ref().map(|measured| measured.address)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its parts; `app().stop.cancel()` stops it.
    #[must_use]
    pub const fn app(&self) -> &App {
        &self.app
    }

    /// Serves until it is stopped, then says goodbye, waits a bounded time for what is under way, and closes.
    pub async fn run(self) {
        let Self { app, listener, address, measured, presence, lock } = self;
        info!(listen = %address, data = %app.directory.display(), "Serving {} on {address}", app.directory.display());
        let background = TaskTracker::new();
        background.spawn(access::watch(app.clone()));
        background.spawn(access::end_old_sessions(app.clone()));
        background.spawn(types::watch(app.clone()));
        background.spawn(check::run(app.clone()));
        background.spawn(purge::run(app.clone()));
        background.spawn(care::watch_room(app.clone()));
        background.spawn(presences::run(app.clone()));
        background.spawn(overview::run(app.clone()));
        background.spawn(say_handles(app.clone()));
        let presence = Arc::new(presence);
        let cared = look_after(&app, &presence);
        let retyping = retype(&app);
        background.spawn(reached::announce(app.clone()));
        let grace = Duration::from_secs(app.config.server.shutdown_seconds);
        let limits = app.config.connections.clone();
        if let Some(Measured { listener, address, handle }) = measured {
            info!(listen = %address, "Metrics on http://{address}/metrics");
            background.spawn(metrics::upkeep(handle.clone(), app.stop.clone()));
            let router = api::metrics::router(&app, handle);
            background.spawn(accept::run(listener, router, limits.clone(), app.stop.clone(), grace));
        }
        background.close();
        accept::run(listener, router::front(&app), limits, app.stop.clone(), grace).await;
        if tokio::time::timeout(grace, background.wait()).await.is_err() {
            info!("Stopped in the middle of a check; it is done again at the next start");
        }
        if let Some(retyping) = retyping {
            let _ = tokio::time::timeout(grace, retyping).await;
        }
        app.storage.close().await;
        // If somebody still looks at the storage then, this is no end in order.
        if let Some(cared) = cared {
            let _ = tokio::time::timeout(grace, cared).await;
        }
        if let Some(presence) = Arc::into_inner(presence).flatten() {
            presence.leave();
        }
        data_directory::forget_address(&lock);
        info!("Stopped");
    }
}

async fn say_handles(app: App) {
    app.stop.clone().run_until_cancelled(handle::watch(&app)).await;
}

fn retype(app: &App) -> Option<oneshot::Receiver<()>> {
    let app = app.clone();
    let started = in_background("types", Priority::GivesWay, move || retyping::run(app));
    started.inspect_err(|error| warn!("Documents that are there do not follow their types: {error}")).ok()
}

fn look_after(app: &App, presence: &Arc<Option<Presence>>) -> Option<oneshot::Receiver<()>> {
    let (app, presence) = (app.clone(), presence.clone());
    let started = in_background("care", Priority::GivesWay, move || care::run(app, presence));
    started.inspect_err(|error| warn!("Nobody looks whether the storage is sound: {error}")).ok()
}
