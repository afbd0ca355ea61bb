//! One queued write: its work, done inside the group's transaction, and its answer, given after the commit.

use sync_wire::{DocumentId, SpaceId};
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

/// How much work a job may be, and which others must not overtake it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Changes that it may append, and dependencies that it may look up.
    pub(crate) steps: usize,
    /// Jobs of one document stay in their order.
    pub(crate) document: Option<(SpaceId, DocumentId)>,
}

impl Load {
    /// Of a write that is nobody's push.
    pub(crate) const ONE: Self = Self { steps: 1, document: None };
}

pub(super) trait Job: Send {
    fn isolation(&self) -> Isolation;
    fn load(&self) -> Load;
    fn run(&mut self, writer: &mut Writer) -> Ran;
    fn answer(self: Box<Self>, committed: Result<(), StorageError>);
}

pub(super) struct Work<T, E, F> {
    isolation: Isolation,
    load: Load,
    body: Option<F>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Work<T, E, F> {
    pub(super) fn new(isolation: Isolation, load: Load, body: F, reply: oneshot::Sender<Result<T, E>>) -> Self {
        Self { isolation, load, body: Some(body), result: None, reply }
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

    fn load(&self) -> Load {
        self.load
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
