//! What other processes wrote to the same file: taken in when somebody looks, hinted at once.

use std::sync::PoisonError;

use super::Inner;

impl Inner {
    /// Runs on the sealer's thread when another process has committed: at once if its bell is heard, else at most a
    /// quarter of a second later.
    pub(crate) fn take_in_foreign(&self) {
        let mut seen = self.seen_row.lock().unwrap_or_else(PoisonError::into_inner);
        let after = *seen;
        let found = self.storage.read(|tx| Ok((tx.moved_after(after)?, tx.home()?)));
        let Ok(((moved, last), home)) = found else { return };
        *seen = last;
        drop(seen);
        self.set_home(&home);
        // Fates and deletions move no change row: everything in memory looks at its row once.
        self.shelf.all().iter().for_each(|loaded| loaded.mark_stale());
        for (space, document) in moved {
            self.watchers.hint(space, document);
        }
        self.watchers.stir();
        self.sync.saved();
    }
}
