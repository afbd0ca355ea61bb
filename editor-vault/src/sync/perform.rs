//! One effect of the client, performed. The file is written here and now: the thread has nothing better to do, and the
//! relay waits by its credit.

use sync_core::client::{Effect, Input};
use sync_wire::Cursor;

use super::driver::Driver;
use super::socket;
use crate::error::StorageError;
use crate::remote::RemoteError;

impl Driver {
    /// Performs an effect; some have an answer.
    pub(super) fn perform(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Connect => {
                self.socket = None;
                self.assembly = crate::remote::Assembly::default();
                self.connecting = Some(Box::pin(socket::connect(self.endpoint.clone())));
                None
            }
            Effect::Disconnect => {
                self.socket = None;
                self.connecting = None;
                None
            }
            Effect::Send(frame) => {
                if let Some(socket) = &self.socket {
                    socket.send(frame);
                }
                None
            }
            Effect::ReadCursors => Some(self.read_cursors()),
            Effect::ReadOutbox { after, count, bytes_target } => Some(self.read_outbox(after, count, bytes_target)),
            Effect::ApplyGrants { account, grants, limits_version } => {
                let applied = self.inner.apply_grants(account, grants, limits_version, self.login);
                self.is_proven |= applied.is_ok();
                Some(self.answer(applied.map(|granted| Input::GrantsApplied(granted.cursors))))
            }
            Effect::ApplyGrant { space, grant } => {
                let applied = self.inner.apply_grant(space, grant);
                Some(self.answer(applied.map(|granted| Input::GrantsApplied(granted.cursors))))
            }
            Effect::CommitDelivery(deliver) => {
                let committed = self.inner.commit_remote(&deliver);
                Some(self.answer(committed.map(Input::Committed)))
            }
            Effect::CommitBootstrap(bootstrap) => {
                let is_done = bootstrap.done;
                let committed = self.inner.commit_bootstrap(bootstrap, &mut self.assembly);
                if is_done && committed.is_ok() {
                    self.inner.start_filling();
                }
                Some(self.answer(committed.map(Input::Committed)))
            }
            Effect::RecordFates(fates) => {
                let recorded = self.inner.record_fates(&fates);
                recorded.err().map(|error| self.answer(Err(error)))
            }
            Effect::Supply { space, document, hashes } => {
                let supplied = self.inner.storage.read(|tx| tx.supply(space, document, &hashes));
                let answer = supplied.map(|batches| Input::Supplied { space, document, batches });
                Some(self.answer(answer.map_err(RemoteError::from)))
            }
            Effect::Status(status) => {
                tracing::debug!(link = ?status.link, "Sync status changed");
                self.status = status;
                None
            }
        }
    }

    fn read_cursors(&mut self) -> Input {
        let login = self.login;
        let read = self.inner.storage.read_at_once(|tx| {
            let cursors: Vec<Cursor> = tx.spaces()?.iter().filter_map(|space| space.cursor()).collect();
            Ok((cursors, tx.proven_login()?.is_some_and(|proven| proven == login)))
        });
        let read = read.map(|(cursors, is_proven)| {
            self.is_proven = is_proven;
            Input::Cursors(cursors)
        });
        self.answer(read.map_err(RemoteError::from))
    }

    fn read_outbox(&mut self, after: u64, count: u32, bytes_target: usize) -> Input {
        if !self.is_proven {
            // These credentials may be another account's, whose relay would refuse everything. The client looks again
            // when the grants are applied.
            return Input::Outbox { batches: Vec::new(), more: false };
        }
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let read: Result<_, StorageError> = self.inner.storage.read(|tx| tx.outbox(after, count, bytes_target));
        self.answer(read.map(|(batches, more)| Input::Outbox { batches, more }).map_err(RemoteError::from))
    }

    fn answer(&mut self, outcome: Result<Input, RemoteError>) -> Input {
        match outcome {
            Ok(input) => input,
            Err(RemoteError::Rejected(detail)) => {
                tracing::warn!(detail, "Rejected what the relay sent: {detail}");
                Input::Rejected { detail }
            }
            Err(error @ RemoteError::OtherAccount { .. }) => {
                self.blocked = Some(error.to_string());
                Input::Stop
            }
            Err(RemoteError::Storage(error)) => {
                tracing::warn!(error = %error, "The vault could not go on syncing: {error}");
                Input::Failed { detail: error.to_string() }
            }
        }
    }
}
