//! The document types that this relay knows: those that are built in, and the newest versions of those that third
//! parties have published (docs/decisions/0024-published-types.md).
//!
//! One registry for whoever asks. When a version is published, by whatever process, another registry takes its place;
//! whoever has taken the old one goes on with that.

mod publishing; // how a file becomes one of them
pub mod retyping; // documents that were there before their type

use std::sync::{Arc, PoisonError, RwLock};

use relay_storage::{Project, Storage, StorageError, TypeInfo, TypeQuota};
use schemas::{DocumentType, Registry};
use tokio::sync::{Mutex, Notify, Semaphore};
use tracing::{error, info, warn};

use crate::app::App;
use crate::config;
use crate::relay::check;
use crate::relay::runtime::Runtime;

pub use publishing::{RefusedType, publish, publish_beside};

/// Types that are read from storage at once.
const PAGE: usize = 64;

/// See the file's head.
#[derive(Debug)]
pub struct Types {
    known: RwLock<Known>,
    /// Who brings them up to date.
    turn: Mutex<()>,
    /// One file is looked over at a time.
    looks: Arc<Semaphore>,
    /// Rings when there are others than before.
    moved: Notify,
}

#[derive(Debug, Clone)]
struct Known {
    registry: Arc<Registry>,
    /// What [`Storage::types_version`] was; `None`: storage was not asked yet.
    version: Option<u64>,
}

impl Default for Types {
    fn default() -> Self {
        let known = Known { registry: Arc::new(Registry::builtin().clone()), version: None };
        let looks = Arc::new(Semaphore::new(1));
        Self { known: RwLock::new(known), turn: Mutex::default(), looks, moved: Notify::new() }
    }
}

impl Types {
    /// Those that are known now. The lock is held for as long as it takes to copy a pointer.
    #[must_use]
    pub fn current(&self) -> Arc<Registry> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner).registry)
    }

    /// The newest version of a type.
    #[must_use]
    pub fn get(&self, name: Option<&str>) -> Option<Arc<DocumentType>> {
        self.current().shared(name?)
    }

    fn version(&self) -> Option<u64> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).version
    }

    fn put(&self, registry: Registry, version: u64) {
        let known = Known { registry: Arc::new(registry), version: Some(version) };
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

impl config::Types {
    /// As storage knows it.
    #[must_use]
    pub const fn quota(&self) -> TypeQuota {
        let Self { namespace_types_max, type_versions_max, namespace_bytes_max, published_max: types_max, .. } = *self;
        TypeQuota { namespace_types_max, type_versions_max, namespace_bytes_max, types_max }
    }
}

/// How the merged state of a document is shown by these types.
#[must_use]
pub fn projecting(types: Arc<Registry>) -> Project {
    Arc::new(move |id, document| check::project(&types, id, document))
}

/// Takes in what was published since it was done last, if anything was.
///
/// # Errors
/// Storage failed; what was known is known.
pub async fn reload(app: &App) -> Result<(), StorageError> {
    let _turn = app.types.turn.lock().await;
    // Before the look: what is published during it is looked for once more.
    let version = app.storage.types_version().await?;
    if app.types.version() == Some(version) {
        return Ok(());
    }
    let registry = read(&app.storage, app.runtime, &app.types.current()).await?;
    app.types.put(registry, version);
    // Answers that were made by the types of before are made anew.
    app.ready.doubt();
    app.types.moved.notify_one();
    Ok(())
}

/// The built-in types and what storage has, as far as this release understands it. What `before` has of it is not read
/// again.
///
/// # Errors
/// Storage failed.
pub async fn read(storage: &Storage, runtime: Runtime, before: &Registry) -> Result<Registry, StorageError> {
    let mut registry = Registry::builtin().clone();
    let mut after = None;
    loop {
        let page = storage.newest_types(after.take(), PAGE).await?;
        for info in &page {
            let known = before.shared(&info.name).filter(|known| known.version == info.version);
            let known = if known.is_some() { known } else { load(storage, runtime, info).await? };
            known.into_iter().for_each(|known| registry.insert(known));
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.name.clone()),
            _ => return Ok(registry),
        }
    }
}

/// One type. One that a later release does not understand is as one that was never published: its documents are kept
/// and shown as they are stored.
async fn load(storage: &Storage, runtime: Runtime, info: &TypeInfo) -> Result<Option<Arc<DocumentType>>, StorageError> {
    let TypeInfo { name, version, .. } = info;
    let Some(found) = storage.published_type(name, *version).await? else { return Ok(None) };
    let file = file_of(name, *version);
    let loaded = runtime.blocking(move || Registry::builtin().clone().add(&file, &found.text)).await;
    match loaded {
        Ok(Ok(loaded)) => {
            info!("Documents of type {name} are checked by its version {version} from now on");
            Ok(Some(loaded))
        }
        Ok(Err(error)) => {
            warn!("Type {name} version {version} is left out, this release does not take it: {error}");
            Ok(None)
        }
        Err(error) => {
            error!("Type {name} version {version} is left out: {error}");
            Ok(None)
        }
    }
}

/// How the file of a version is called.
fn file_of(name: &str, version: u32) -> String {
    format!("{name}/{version}.json")
}

/// Looks for versions that another process has published, until the relay stops.
pub async fn watch(app: App) {
    let mut poll = tokio::time::interval(app.config.access_poll());
    poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            _ = poll.tick() => {}
        }
        if let Err(error) = reload(&app).await {
            warn!(error.code = error.code(), "Cannot ask which document types were published: {error}");
        }
    }
}
