//! Answers of documents that are kept in memory, because most reads find what the last one found.
//!
//! An answer is sent from memory only if storage has committed nothing since it was read: [`Ready::now`] is taken when
//! a request comes, and an answer that was verified before that is verified again, by one reader for all who wait. So
//! nobody gets an older state than storage would have given, whatever moved it: a check, a deletion, a hold. Commits of
//! other processes are not counted; they are doubted as often as changes of access are looked for. Access is no matter
//! of this file: who comes here holds a [`Readable`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sync_wire::{DocumentId, SpaceId};
use tokio::sync::Mutex;

use crate::access::Readable;
use crate::api::problem::{ApiError, ApiResult, Code};
use crate::api::rendered::Rendered;
use crate::app::App;
use crate::projection;

/// What most answers take, for the first allocation of the map only.
const TYPICAL_BYTES: usize = 16 << 10;

type Key = (SpaceId, DocumentId);

/// See the file's head.
#[derive(Debug)]
pub struct Ready {
    answers: Cache<Key, Arc<Kept>, Weigh>,
    /// How often something may have changed without a commit of ours.
    doubts: AtomicU64,
}

#[derive(Debug)]
struct Kept {
    rendered: Arc<Rendered>,
    /// Storage had nothing else at this reading of [`Ready::now`].
    verified: AtomicU64,
    /// Who verifies; the others wait for the outcome.
    turn: Mutex<()>,
}

#[derive(Debug, Clone)]
struct Weigh;

impl Weighter<Key, Arc<Kept>> for Weigh {
    fn weight(&self, _: &Key, kept: &Arc<Kept>) -> u64 {
        kept.rendered.bytes_max() as u64
    }
}

impl Ready {
    /// Keeps nothing yet, and never more than `bytes_max`.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        let answers = Cache::with_weighter((bytes_max / TYPICAL_BYTES).max(1), bytes_max as u64, Weigh);
        Self { answers, doubts: AtomicU64::new(0) }
    }

    /// Says that another process may have written: every answer is verified before it is sent again.
    pub fn doubt(&self) {
        self.doubts.fetch_add(1, Ordering::SeqCst);
    }

    /// Bytes of answers in memory, by estimate from above.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.answers.weight()
    }

    /// Grows with whatever may change an answer. Both numbers only grow, so equal sums mean that neither has.
    fn now(&self, app: &App) -> u64 {
        app.storage.commits() + self.doubts.load(Ordering::SeqCst)
    }

    /// Keeps what was read when [`Ready::now`] was `verified`. Bytes that are there already stay, with their compressed
    /// forms.
    fn keep(&self, key: Key, rendered: Rendered, verified: u64) -> Arc<Rendered> {
        if let Some(kept) = self.answers.get(&key).filter(|kept| kept.rendered.body() == rendered.body()) {
            kept.verified.fetch_max(verified, Ordering::SeqCst);
            return Arc::clone(&kept.rendered);
        }
        let rendered = Arc::new(rendered);
        let kept = Kept { rendered: Arc::clone(&rendered), verified: AtomicU64::new(verified), turn: Mutex::default() };
        self.answers.insert(key, Arc::new(kept));
        rendered
    }

    fn verified_since(&self, key: &Key, asked: u64) -> Option<Arc<Rendered>> {
        let kept = self.answers.get(key)?;
        kept.is_of(asked).then(|| Arc::clone(&kept.rendered))
    }
}

impl Kept {
    fn is_of(&self, asked: u64) -> bool {
        self.verified.load(Ordering::SeqCst) >= asked
    }
}

/// The answer as it is, if memory has it; says nothing otherwise.
pub(super) fn in_memory(app: &App, source: &Readable, document: DocumentId) -> Option<Arc<Rendered>> {
    app.ready.verified_since(&(source.space(), document), app.ready.now(app))
}

/// The answer as it is; `None` if there is no checked state of the document.
///
/// # Errors
/// [`Code::DocumentDeleted`], [`Code::Unavailable`]
pub(super) async fn current(app: &App, source: &Readable, document: DocumentId) -> ApiResult<Option<Arc<Rendered>>> {
    let key = (source.space(), document);
    let asked = app.ready.now(app);
    let Some(kept) = app.ready.answers.get(&key) else { return read(app, source, document).await };
    if kept.is_of(asked) {
        return Ok(Some(Arc::clone(&kept.rendered)));
    }
    let _turn = kept.turn.lock().await;
    match app.ready.verified_since(&key, asked) {
        Some(rendered) => Ok(Some(rendered)),
        None => read(app, source, document).await,
    }
}

async fn read(app: &App, source: &Readable, document: DocumentId) -> ApiResult<Option<Arc<Rendered>>> {
    let key = (source.space(), document);
    // Before the look: what is committed during it makes the answer doubtful.
    let verified = app.ready.now(app);
    let found = projection::current(app, source, document).await.map_err(|error| ApiError::unavailable(&error))?;
    let is_deleted = found.as_ref().is_some_and(|found| found.deleted);
    let Some(found) = found.filter(|_| !is_deleted) else {
        app.ready.answers.remove(&key);
        return if is_deleted { Err(deleted(document)) } else { Ok(None) };
    };
    let rendered = Rendered::of(&app.types.current(), &found).map_err(|error| ApiError::internal(&error))?;
    Ok(Some(app.ready.keep(key, rendered, verified)))
}

/// The problem of a document that was deleted.
pub(super) fn deleted(document: DocumentId) -> ApiError {
    ApiError::new(Code::DocumentDeleted, format!("document {document} was deleted; it can be restored for 30 days"))
}
