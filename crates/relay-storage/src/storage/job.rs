//! One queued write: its work, done inside the group's transaction, and its answer, given after the commit.

use tokio::sync::oneshot;

use crate::error::{Failure, StorageError};
use crate::storage::Writer;

/// How a failure of one job is kept from the others of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Isolation {
    /// Runs in a savepoint.
    Savepoint,
    /// Checks everything in memory before it writes, so that it fails only if the database does: then the whole
    /// group is undone. Spares the hot path a savepoint.
    Validated,
}

/// What the group does with the work of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ran {
    Keep,
    /// Its statements are taken back; with the failure of storage that made it fail, if it was one.
    Undo(Option<StorageError>),
}

pub(super) trait Job: Send {
    fn isolation(&self) -> Isolation;
    /// How many changes it may append.
    fn changes(&self) -> usize;
    fn run(&mut self, writer: &mut Writer) -> Ran;
    fn answer(self: Box<Self>, committed: Result<(), StorageError>);
}

pub(super) struct Work<T, E, F> {
    isolation: Isolation,
    changes: usize,
    body: Option<F>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Work<T, E, F> {
    pub(super) fn new(isolation: Isolation, changes: usize, body: F, reply: oneshot::Sender<Result<T, E>>) -> Self {
        Self { isolation, changes, body: Some(body), result: None, reply }
    }
}

impl<T, E, F> Job for Work<T, E, F>
where
    T: Send,
    E: Failure + Send,
    F: FnOnce(&mut Writer) -> Result<T, E> + Send,
{
    fn isolation(&self) -> Isolation {
        self.isolation
    }

    fn changes(&self) -> usize {
        self.changes
    }

    fn run(&mut self, writer: &mut Writer) -> Ran {
        let Some(body) = self.body.take() else { return Ran::Keep };
        let result = body(writer);
        let ran = match &result {
            Ok(_) => Ran::Keep,
            Err(error) => Ran::Undo(error.storage().cloned()),
        };
        self.result = Some(result);
        ran
    }

    fn answer(self: Box<Self>, committed: Result<(), StorageError>) {
        let result = match (self.result, committed) {
            // A refusal of its own is the better answer, whatever became of the group.
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(error)) => Err(E::from(error)),
            (None, Ok(())) => Err(E::from(StorageError::Closed)),
        };
        // A caller that has gone away needs no answer.
        drop(self.reply.send(result));
    }
}
