//! A document put together from its log alone, some megabytes at a time, with a look at chosen positions.

use std::collections::BTreeMap;

use document::Document;
use sync_wire::{Blob, DocumentId};

use super::Project;
use crate::documents::NewProjection;

/// Roughly how much of a log is applied at once.
const PAGE_BYTES: usize = 4 << 20;

/// See the file's head.
pub(super) struct Replay {
    id: DocumentId,
    document: Document,
    /// Not applied yet.
    page: Vec<Blob>,
    page_bytes: usize,
    /// Positions at which the document is looked at, ascending.
    wanted: Vec<u64>,
    project: Project,
    seen: BTreeMap<u64, NewProjection>,
    failure: Option<String>,
}

impl Replay {
    /// Begins with nothing; the merged state is kept as it is at each of these positions.
    pub(super) fn new(id: DocumentId, wanted: Vec<u64>, project: Project) -> Self {
        let document = Document::new(None);
        Self { id, document, page: Vec::new(), page_bytes: 0, wanted, project, seen: BTreeMap::new(), failure: None }
    }

    /// The next change.
    pub(super) fn take(&mut self, position: u64, bytes: Blob) {
        self.look_before(position);
        self.page_bytes += bytes.len();
        self.page.push(bytes);
        if self.page_bytes >= PAGE_BYTES {
            self.apply();
        }
    }

    /// There is no more.
    pub(super) fn finish(&mut self) {
        self.look_before(u64::MAX);
        self.apply();
    }

    /// What follows cannot be applied.
    pub(super) fn give_up(&mut self, why: &str) {
        self.apply();
        self.failure.get_or_insert_with(|| why.to_owned());
    }

    /// Why not everything could be applied.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// The merged state at a wanted position; `None` if not everything before it could be applied.
    pub(super) fn projection_at(&self, position: u64) -> Option<&NewProjection> {
        self.seen.get(&position)
    }

    /// The document, with everything that was taken.
    pub(super) fn document(&self) -> &Document {
        &self.document
    }

    fn look_before(&mut self, position: u64) {
        while let Some(wanted) = self.wanted.first().copied().filter(|wanted| *wanted < position) {
            self.wanted.remove(0);
            self.apply();
            if self.failure.is_none() {
                self.seen.insert(wanted, (self.project)(self.id, &self.document));
            }
        }
    }

    fn apply(&mut self) {
        let page = std::mem::take(&mut self.page);
        self.page_bytes = 0;
        if page.is_empty() || self.failure.is_some() {
            return;
        }
        if let Err(error) = self.document.apply(&page) {
            self.failure = Some(error.to_string());
        }
    }
}
