//! A write, and who waits for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::{Flush, Scope, Tx};
use crate::error::StorageError;

/// A write and who waits for it.
pub(super) trait Job: Send {
    fn flush(&self) -> Flush;
    fn scope(&self) -> Scope;
    /// Runs inside its scope; an error takes back what it did.
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), ()>;
    /// Called after COMMIT, or after it failed.
    fn done(self: Box<Self>, committed: Result<(), StorageError>);
}

pub(super) fn new<T, E>(
    flush: Flush,
    scope: Scope,
    write: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
    done: impl FnOnce(Result<T, E>) + Send + 'static,
) -> Box<dyn Job>
where
    T: Send + 'static,
    E: From<StorageError> + Send + 'static,
{
    Box::new(Write { flush, scope, write: Some(write), outcome: None, done: Some(done) })
}

/// Tells everybody who waits for a group. Nothing may be locked: the callbacks may write again.
pub(super) fn answer(group: Vec<Box<dyn Job>>, committed: &Result<(), StorageError>, file: &Path) {
    for job in group {
        let outcome = committed.clone();
        if catch_unwind(AssertUnwindSafe(|| job.done(outcome))).is_err() {
            tracing::error!(vault.file = %file.display(), "A callback of the writer panicked");
        }
    }
}

struct Write<T, E, W, D> {
    flush: Flush,
    scope: Scope,
    write: Option<W>,
    outcome: Option<Result<T, E>>,
    done: Option<D>,
}

impl<T, E, W, D> Job for Write<T, E, W, D>
where
    T: Send,
    E: From<StorageError> + Send,
    W: FnOnce(&Tx<'_>) -> Result<T, E> + Send,
    D: FnOnce(Result<T, E>) + Send,
{
    fn flush(&self) -> Flush {
        self.flush
    }

    fn scope(&self) -> Scope {
        self.scope
    }

    fn run(&mut self, tx: &Tx<'_>) -> Result<(), ()> {
        let Some(write) = self.write.take() else { return Err(()) };
        let outcome = catch_unwind(AssertUnwindSafe(|| write(tx)))
            .unwrap_or_else(|_| Err(tx.unexpected("a write panicked; nothing of it was kept").into()));
        let kept = if outcome.is_ok() { Ok(()) } else { Err(()) };
        self.outcome = Some(outcome);
        kept
    }

    fn done(mut self: Box<Self>, committed: Result<(), StorageError>) {
        let Some(done) = self.done.take() else { return };
        match (committed, self.outcome.take()) {
            (Ok(()), Some(outcome)) | (Err(_), Some(outcome @ Err(_))) => done(outcome),
            (Err(error), _) => done(Err(error.into())),
            (Ok(()), None) => {}
        }
    }
}
