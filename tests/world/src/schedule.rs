//! What happens when: by time, and at one time in the order in which it was planned.

use std::collections::BTreeMap;

use sync_core::time::Instant;

/// Things that are due at a time.
#[derive(Debug)]
pub struct Schedule<T> {
    due: BTreeMap<(Instant, u64), T>,
    planned: u64,
}

impl<T> Default for Schedule<T> {
    fn default() -> Self {
        Self { due: BTreeMap::new(), planned: 0 }
    }
}

impl<T> Schedule<T> {
    /// Plans `what` for a time.
    pub fn plan(&mut self, at: Instant, what: T) {
        self.due.insert((at, self.planned), what);
        self.planned += 1;
    }

    /// The next thing and its time.
    pub fn take_next(&mut self) -> Option<(Instant, T)> {
        self.due.pop_first().map(|((at, _), what)| (at, what))
    }

    /// Whether something of a kind is still to come.
    pub fn has(&self, is_it: impl FnMut(&T) -> bool) -> bool {
        self.due.values().any(is_it)
    }

    /// Drops what `keep` does not want.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.due.retain(|_, what| keep(what));
    }
}
