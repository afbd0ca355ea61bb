//! Which document a path names. Ids carry a checksum of two hashes each, which is a good part of a read from memory; so
//! what was parsed once is remembered. Nothing here can be out of date, and nothing here grants anything.

use quick_cache::sync::Cache;
use sync_wire::{DocumentId, SpaceId};

/// Paths that are remembered, some 200 bytes each.
const PATHS_MAX: usize = 16_384;
/// The longest that ids make; others are not worth their memory.
const PATH_BYTES_MAX: usize = 128;

/// See the file's head.
#[derive(Debug)]
pub struct Paths(Cache<Box<str>, (SpaceId, DocumentId)>);

impl Default for Paths {
    fn default() -> Self {
        Self(Cache::new(PATHS_MAX))
    }
}

impl Paths {
    pub(super) fn known(&self, path: &str) -> Option<(SpaceId, DocumentId)> {
        self.0.get(path)
    }

    pub(super) fn remember(&self, path: &str, names: (SpaceId, DocumentId)) {
        if path.len() <= PATH_BYTES_MAX {
            self.0.insert(path.into(), names);
        }
    }
}
