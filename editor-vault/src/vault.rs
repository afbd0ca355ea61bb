//! The vault: opening it, its spaces and its documents.

mod foreign; // what other processes wrote

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use ::document::{Intent, MAJOR_PATH};
use schemas::Registry;
use sync_wire::{DeviceId, DocumentId, LogPosition, Role, SpaceId, SpaceKind};

use crate::actors::Actors;
use crate::care::Caretaker;
use crate::deferred::Sealer;
use crate::document::Document;
use crate::error::{EditError, OpenError, ReadError, StorageError};
use crate::fill::Filler;
use crate::loaded::Shelf;
use crate::presence::Presences;
use crate::sources::{Sources, System, random16};
use crate::storage::{self, Shell, SpaceRow, Storage};
use crate::sync::Sync;
use crate::type_files::{SkippedType, TypeFiles};
use crate::watch::{Watch, Watchers};

/// Memory for documents, in bytes, unless the host says otherwise: 256 MiB.
const CACHE_BYTES: usize = 256 << 20;

/// The file of documents on this device. Cheap to clone; may be used from any thread.
///
/// When the last clone (and the last [`Document`] of it) is dropped, unsaved edits are saved and its threads end.
#[derive(Debug, Clone)]
pub struct Vault {
    pub(crate) shared: Arc<Shared>,
}

/// What all clones of a vault share; its end is the vault's end.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) inner: Arc<Inner>,
    sealer: Mutex<Option<JoinHandle<()>>>,
}

/// What the vault's threads share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) directory: PathBuf,
    pub(crate) device: RwLock<DeviceId>,
    pub(crate) storage: Storage,
    pub(crate) sources: Arc<dyn Sources>,
    pub(crate) schemas: Registry,
    pub(crate) skipped_types: Vec<SkippedType>,
    pub(crate) shelf: Shelf,
    pub(crate) watchers: Watchers,
    pub(crate) presence: Presences,
    pub(crate) actors: Actors,
    pub(crate) sealer: Sealer,
    pub(crate) sync: Sync,
    pub(crate) filler: Filler,
    pub(crate) caretaker: Caretaker,
    /// Whether nothing happens but on the threads of callers.
    pub(crate) is_inline: bool,
    home: RwLock<Home>,
    /// The last change row that this process has told its watchers of.
    seen_row: Mutex<i64>,
    process: u32,
}

/// The home space, and the local id that it had before the first login.
#[derive(Debug, Clone, Copy)]
struct Home {
    space: SpaceId,
    alias: Option<SpaceId>,
}

impl Home {
    fn of(row: &SpaceRow) -> Self {
        Self { space: row.space, alias: row.alias }
    }
}

/// A space of the vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceInfo {
    /// Its id.
    pub id: SpaceId,
    /// Its name, for people.
    pub name: String,
    /// Its kind; none for the local space of a vault that was never logged in.
    pub kind: Option<SpaceKind>,
    /// What the account may do there; none if the grant was taken (or the space is local).
    pub role: Option<Role>,
    /// Whether documents are made here unless another space is named.
    pub is_home: bool,
    /// How far the relay's log has come here.
    pub resume: Option<LogPosition>,
}

/// How a vault is opened; [`Vault::open`] does it with the defaults.
#[derive(Debug, Clone)]
pub struct VaultOptions {
    path: PathBuf,
    cache_bytes: usize,
    sources: Arc<dyn Sources>,
    shell: Shell,
    schemas: &'static Registry,
}

impl VaultOptions {
    /// `path` is the directory of the vault.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            cache_bytes: CACHE_BYTES,
            sources: Arc::new(System::default()),
            shell: Shell::Threads,
            schemas: Registry::builtin(),
        }
    }

    /// Roughly how many bytes of documents to keep in memory. Default 256 MiB. Documents with unsaved edits stay,
    /// whatever their size.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Time, randomness and machine identity from elsewhere: for simulators and tests.
    #[must_use]
    pub fn sources(mut self, sources: Arc<dyn Sources>) -> Self {
        self.sources = sources;
        self
    }

    /// Starts no thread and wakes nobody: everything runs on the caller's, who is told of each commit and calls
    /// [`Vault::run_due`]. For a simulated world; see [`crate::simulation`].
    #[cfg(feature = "simulation")]
    #[must_use]
    pub fn inline(mut self, commits: Arc<dyn crate::simulation::Commits>) -> Self {
        self.shell = Shell::Inline(commits);
        self
    }

    /// With document types of the host's own beside the built-in ones, or those of another release. Default
    /// [`Registry::builtin`]. They stay for as long as the program runs: [`Box::leak`] one registry, not one a vault.
    ///
    /// Those of third parties in the directory `types` of the vault come beside them ([`Vault::schemas`]).
    #[must_use]
    pub fn schemas(mut self, schemas: &'static Registry) -> Self {
        self.schemas = schemas;
        self
    }

    /// Opens the vault; see [`Vault::open`].
    ///
    /// # Errors
    /// [`OpenError`]; what was found is untouched.
    pub fn open(self) -> Result<Vault, OpenError> {
        let is_inline = self.shell.is_inline();
        let TypeFiles { registry, skipped } = TypeFiles::read(&self.path, self.schemas);
        let storage = storage::open(&self.path, &*self.sources, self.shell)?;
        let (device, home, seen) = storage.read(|tx| Ok((tx.device()?, tx.home()?, tx.moved_after(i64::MAX)?.1)))?;
        let inner = Arc::new(Inner {
            actors: Actors::new(&self.path, device),
            caretaker: Caretaker::new(&self.path),
            directory: self.path,
            device: RwLock::new(device),
            storage,
            sources: self.sources,
            schemas: registry,
            skipped_types: skipped,
            shelf: Shelf::new(self.cache_bytes),
            watchers: Watchers::default(),
            presence: Presences::default(),
            sealer: Sealer::default(),
            sync: Sync::default(),
            filler: Filler::default(),
            is_inline,
            home: RwLock::new(Home::of(&home)),
            seen_row: Mutex::new(seen),
            process: std::process::id(),
        });
        let weak = Arc::downgrade(&inner);
        inner.storage.on_foreign_writes(move || {
            if let Some(inner) = weak.upgrade() {
                inner.sealer.foreign();
            }
        });
        let sealer = if is_inline { None } else { Some(start_sealer(&inner)?) };
        if !is_inline {
            inner.start_caretaker();
        }
        Ok(Vault { shared: Arc::new(Shared { inner, sealer: Mutex::new(sealer) }) })
    }
}

fn start_sealer(inner: &Arc<Inner>) -> Result<JoinHandle<()>, StorageError> {
    let worker = inner.clone();
    let started = std::thread::Builder::new().name("vault-sealer".into()).spawn(move || worker.run_sealer());
    started.map_err(|error| StorageError::Io { path: inner.directory.clone(), detail: error.to_string() })
}

impl Vault {
    /// Opens the vault in the directory `path`, creating it if nothing is there.
    ///
    /// The directory gets mode 0700, the file `vault.sqlite` inside 0600. Opening loads no document, and takes no
    /// network. Several processes may have one vault open; each sees what the others save.
    ///
    /// # Errors
    /// [`OpenError`]; what was found is untouched.
    ///
    /// # Example: a vault from the future is refused, untouched
    /// ```
    /// use editor_vault::{OpenError, Vault};
    ///
    /// let dir = editor_vault::doctest::vault_of_version(99)?;
    /// let refused = Vault::open(dir.path()).unwrap_err();
    /// assert!(matches!(refused, OpenError::TooNew { found: 99, .. }), "{refused}");
    /// assert_eq!(refused.code(), "too_new");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OpenError> {
        VaultOptions::new(path).open()
    }

    /// The directory of the vault.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner().directory
    }

    /// The SQLite file in it. It must not be opened by other code of this process while the vault is open.
    #[must_use]
    pub fn file(&self) -> &Path {
        self.inner().storage.file()
    }

    /// The file system that the vault is on, if a write-ahead log is not safe there (network, FUSE): it has a rollback
    /// journal then, is slower, and only one program may have it open.
    #[must_use]
    pub fn remote_file_system(&self) -> Option<file_systems::Remote> {
        self.inner().storage.remote_file_system()
    }

    /// This installation; random, made with the vault. After a login that follows a revocation it is another one.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.inner().device()
    }

    /// The space that is meant where none is named: local and random before the first login, the account's personal
    /// space afterwards.
    #[must_use]
    pub fn home(&self) -> SpaceId {
        self.inner().home()
    }

    /// The space that `space` means now: the local id of before the first login stays an alias of the personal space.
    #[must_use]
    pub fn resolve(&self, space: SpaceId) -> SpaceId {
        self.inner().resolve(space)
    }

    /// All spaces of which the vault knows, the oldest first.
    ///
    /// # Errors
    /// [`ReadError::Storage`].
    pub fn spaces(&self) -> Result<Vec<SpaceInfo>, ReadError> {
        let rows = self.live()?.storage.read(|tx| tx.spaces())?;
        Ok(rows.into_iter().map(SpaceInfo::from).collect())
    }

    /// The document of a well-known type in the home space, such as `settings`. It is always there, if only empty.
    ///
    /// # Errors
    /// [`ReadError::NoSuchType`] if there is no such type, or it is not well-known.
    pub fn well_known(&self, type_name: &str) -> Result<Document, ReadError> {
        let inner = self.live()?;
        let id = inner.schemas.get(type_name).and_then(schemas::DocumentType::id);
        let id = id.ok_or_else(|| inner.no_such_type(type_name, |schema| schema.well_known))?;
        Ok(Document::new(self.clone(), inner.home(), id))
    }

    /// A handle of a document. It loads nothing yet.
    ///
    /// # Errors
    /// [`ReadError::NoSuchSpace`], [`ReadError::NotFound`], [`ReadError::Storage`].
    pub fn document(&self, space: SpaceId, id: DocumentId) -> Result<Document, ReadError> {
        let inner = self.live()?;
        let (known, found) = inner.storage.read(|tx| Ok((tx.space(space)?, tx.document(space, id)?)))?;
        let known = known.ok_or(ReadError::NoSuchSpace { space })?;
        if found.is_none() && inner.well_known_type(id).is_none() {
            return Err(ReadError::NotFound { space: known.space, document: id });
        }
        Ok(Document::new(self.clone(), known.space, id))
    }

    /// Makes a document of a type with a random id, in the home space unless another is named, and saves it.
    ///
    /// # Errors
    /// [`EditError::WellKnown`] for types of which there is always one; else as [`Document::edit`].
    ///
    /// # Example
    /// ```
    /// # let dir = editor_vault::doctest::directory()?;
    /// let vault = editor_vault::Vault::open(dir.path())?;
    /// let note = vault.create("note", Some("shopping"), None)?;
    /// note.edit(|draft| draft.replace_text("/body", "milk"))?;
    /// assert_eq!(vault.find("shopping")?.text("/body")?.as_deref(), Some("milk"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create(&self, type_name: &str, title: Option<&str>, space: Option<SpaceId>) -> Result<Document, EditError> {
        let inner = self.live()?;
        let schema = inner.schemas.get(type_name);
        let schema = schema.ok_or_else(|| inner.no_such_type(type_name, |schema| !schema.well_known))?;
        if schema.well_known {
            return Err(EditError::WellKnown { name: type_name.to_owned() });
        }
        let space = inner.known_space(space.unwrap_or_else(|| inner.home()))?;
        let id = DocumentId(random16(&*inner.sources));
        let document = Document::new(self.clone(), space, id);
        let mut content = schema.initial(title);
        if content.is_empty() {
            // Something has to be saved for it to be there.
            content.push(Intent::Put { path: MAJOR_PATH.to_owned(), value: schema.major.into() });
        }
        document.begin(type_name, content)?;
        Ok(document)
    }

    /// Hints about every document that changes from now on, here or elsewhere.
    ///
    /// # Example
    /// ```
    /// # use std::time::Duration;
    /// # let dir = editor_vault::doctest::directory()?;
    /// let vault = editor_vault::Vault::open(dir.path())?;
    /// let watch = vault.watch();
    /// let settings = vault.well_known("settings")?;
    /// settings.edit(|draft| draft.put("/base/editor.tabSize", 2.into()))?;
    /// let hint = watch.next(Duration::from_secs(5)).ok_or("no hint")?;
    /// assert_eq!(hint.document, settings.id()); // now read it
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn watch(&self) -> Watch {
        self.inner().watchers.watch()
    }

    /// Saves all deferred edits and waits until they are on disk.
    ///
    /// # Errors
    /// The first [`EditError`] among them.
    pub fn flush(&self) -> Result<(), EditError> {
        let tickets = self.inner().seal_all();
        tickets.iter().map(crate::Ticket::wait).fold(Ok(()), Result::and)?;
        // What was on its way already is written before this is answered.
        self.inner().storage.write(|_| Ok::<_, StorageError>(())).map_err(EditError::not_saved)
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.shared.inner
    }

    /// The inside, unless this is a child process of the one that opened the vault: neither SQLite's locks nor the
    /// threads survive a fork.
    pub(crate) fn live(&self) -> Result<&Arc<Inner>, ReadError> {
        let (inner, now) = (self.inner(), std::process::id());
        if inner.process == now { Ok(inner) } else { Err(ReadError::Forked { opened_by: inner.process, now }) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.inner.process != std::process::id() {
            // A child after a fork: its copy of the connections must not touch the file, not even to close it.
            return std::mem::forget(self.inner.clone());
        }
        self.inner.sync.stop();
        self.inner.filler.stop();
        self.inner.caretaker.stop();
        self.inner.sealer.stop();
        let sealer = self.sealer.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(sealer.map(JoinHandle::join));
        for ticket in self.inner.seal_all() {
            if let Err(error) = ticket.wait() {
                tracing::error!(error = %error, "A deferred edit was not saved before the vault was closed");
            }
        }
        self.inner.storage.close();
    }
}

impl Inner {
    pub(crate) fn home(&self) -> SpaceId {
        self.home.read().unwrap_or_else(PoisonError::into_inner).space
    }

    pub(crate) fn resolve(&self, space: SpaceId) -> SpaceId {
        let home = *self.home.read().unwrap_or_else(PoisonError::into_inner);
        if home.alias == Some(space) { home.space } else { space }
    }

    /// Takes in that the home space has another id now.
    pub(crate) fn set_home(&self, row: &SpaceRow) {
        let new = Home::of(row);
        let old = {
            let mut home = self.home.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *home, new)
        };
        if old.space != new.space {
            self.shelf.rehome(old.space, new.space);
            self.watchers.stir();
        }
    }

    pub(crate) fn hint(&self, space: SpaceId, document: DocumentId) {
        self.watchers.hint(self.resolve(space), document);
    }

    /// The type of a document whose id is derived.
    pub(crate) fn well_known_type(&self, id: DocumentId) -> Option<String> {
        let is_it = |name: &&str| self.schemas.get(name).and_then(schemas::DocumentType::id) == Some(id);
        self.schemas.names().find(is_it).map(str::to_owned)
    }

    pub(crate) fn known_space(&self, space: SpaceId) -> Result<SpaceId, ReadError> {
        let found = self.storage.read(|tx| tx.space(space))?;
        found.map(|row| row.space).ok_or(ReadError::NoSuchSpace { space })
    }

    pub(crate) fn no_such_type(&self, name: &str, fits: impl Fn(&schemas::DocumentType) -> bool) -> ReadError {
        let known: Vec<&str> = self.schemas.names().filter(|name| self.schemas.get(name).is_some_and(&fits)).collect();
        ReadError::NoSuchType { name: name.to_owned(), known: known.join(", ") }
    }
}

impl From<SpaceRow> for SpaceInfo {
    fn from(row: SpaceRow) -> Self {
        let name = if row.kind.is_none() { "local".to_owned() } else { row.name };
        let resume = row.resuming.map(|resuming| resuming.at);
        Self { id: row.space, name, kind: row.kind, role: row.role, is_home: row.is_home, resume }
    }
}
