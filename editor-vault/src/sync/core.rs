//! The client with the vault behind it: inputs in, effects performed, and what has to leave handed to a wire. The file
//! is written here and now: the thread has nothing better to do, and the relay waits by its credit.

use std::collections::VecDeque;
use std::sync::Arc;

use sync_core::client::{Client, Effect, Input, Link, Status};
use sync_core::time::Instant;
use sync_wire::planted::{self, Bug};
use sync_wire::{Cursor, DeviceFrame, GoodbyeCode, RelayFrame};

use super::Connection;
use crate::error::StorageError;
use crate::remote::{Assembly, Offering, RemoteError};
use crate::squash::Tried;
use crate::vault::Inner;

/// Where effects go that the vault cannot perform.
pub(super) trait Wire {
    /// An effect is about to be performed.
    fn performing(&mut self, _effect: &Effect) {}
    /// Open a connection, in place of the one there is.
    fn connect(&mut self);
    fn disconnect(&mut self);
    fn send(&mut self, frame: DeviceFrame);
}

/// [`Client`] and what it needs of the vault. Holds no data: outbox and resume points are in the file.
pub(super) struct Core {
    pub(super) inner: Arc<Inner>,
    pub(super) client: Client,
    /// Of the credentials.
    login: [u8; 32],
    assembly: Assembly,
    offering: Option<Offering>,
    /// Lanes that no relay has room for.
    tried: Tried,
    /// Whether the account behind the credentials is known to be the vault's: before that, nothing is pushed.
    is_proven: bool,
    /// Stronger than what the client says: a person must act.
    is_blocked: bool,
    /// Whether the vault became another device under these credentials: once, whatever a relay says.
    has_begun_anew: bool,
    status: Status,
    effects: Vec<Effect>,
}

impl Core {
    pub(super) fn new(inner: Arc<Inner>, connection: Connection) -> Self {
        let mut seed = [0; 8];
        inner.sources.fill(&mut seed);
        Self {
            login: connection.digest(),
            client: Client::new(inner.device(), connection.agent, u64::from_le_bytes(seed)),
            inner,
            assembly: Assembly::default(),
            offering: None,
            tried: Tried::default(),
            is_proven: false,
            is_blocked: false,
            has_begun_anew: false,
            status: Status::default(),
            effects: Vec::new(),
        }
    }

    /// Feeds inputs to the client and performs what it wants, answers included, until there is nothing left.
    pub(super) fn work_off(&mut self, inputs: &mut VecDeque<Input>, wire: &mut dyn Wire) {
        let mut effects = std::mem::take(&mut self.effects);
        while let Some(input) = inputs.pop_front() {
            if planted::is(Bug::CursorMovedByAck)
                && let Input::Frame(RelayFrame::Ack(ack)) = &input
            {
                self.inner.move_cursor_by_ack(ack); // what others wrote before it is never asked for
            }
            self.client.handle(self.now(), input, &mut effects);
            for effect in effects.drain(..) {
                wire.performing(&effect);
                inputs.extend(self.perform(effect, wire));
            }
        }
        self.effects = effects;
    }

    pub(super) fn now(&self) -> Instant {
        Instant(self.inner.sources.monotonic())
    }

    pub(super) fn status(&self) -> &Status {
        &self.status
    }

    /// Performs an effect; some have an answer.
    fn perform(&mut self, effect: Effect, wire: &mut dyn Wire) -> Option<Input> {
        match effect {
            Effect::Connect => {
                self.assembly = Assembly::default();
                self.offering = None;
                wire.connect();
                None
            }
            Effect::Disconnect => {
                wire.disconnect();
                None
            }
            Effect::Send(frame) => {
                wire.send(frame);
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
            Effect::ApplyLimits { limits_version } => {
                let applied = self.inner.apply_limits(limits_version);
                Some(self.answer(applied.map(|granted| Input::GrantsApplied(granted.cursors))))
            }
            Effect::CommitDelivery(deliver) => {
                let committed = self.inner.commit_remote(deliver);
                Some(self.answer(committed.map(|(cursor, lanes)| Input::Committed { cursor, lanes })))
            }
            Effect::CommitBootstrap(bootstrap) => {
                let is_done = bootstrap.done;
                let committed = self.inner.commit_bootstrap(bootstrap, &mut self.assembly);
                if is_done && committed.is_ok() {
                    self.inner.start_filling();
                }
                Some(self.answer(committed.map(|(cursor, lanes)| Input::Committed { cursor, lanes })))
            }
            Effect::ReadCheckpoints { space } => {
                self.offering = None;
                let found = self.inner.checkpoints(space);
                Some(self.answer(found.map(|checkpoints| Input::Checkpoints { space, checkpoints })))
            }
            Effect::ReadRun { space, after } => {
                let read = self.inner.run(space, after, &mut self.offering);
                Some(self.answer(read.map(|run| Input::Run { space, run })))
            }
            Effect::NoteOffered { space, taken } => {
                self.offering = None;
                self.inner.note_offered(space, taken);
                None
            }
            Effect::RecordFates(fates) => {
                let recorded = self.inner.record_fates(&fates);
                let squashed = recorded.and_then(|()| Ok(self.inner.squash_parked(&mut self.tried)?));
                squashed.err().map(|error| self.answer(Err(error)))
            }
            Effect::Supply { space, document, hashes } => {
                let supplied = self.inner.supply(space, document, hashes);
                let answer = supplied.map(|batches| Input::Supplied { space, document, batches });
                Some(self.answer(answer.map_err(RemoteError::from)))
            }
            Effect::Present(presence) => {
                self.inner.take_in_presence(presence);
                None
            }
            Effect::Status(status) => {
                tracing::debug!(link = ?status.link, "Sync status changed");
                let is_revoked = matches!(&status.link, Link::Blocked { code: Some(GoodbyeCode::DEVICE_REVOKED), .. });
                if !self.is_blocked {
                    self.status = status;
                }
                if is_revoked { self.begin_anew() } else { None }
            }
        }
    }

    /// The account has revoked this device. With the credentials that it had, that is the end; whoever has logged in
    /// anew since goes on as another device, which brings what this one had yet to push.
    fn begin_anew(&mut self) -> Option<Input> {
        if self.is_proven || std::mem::replace(&mut self.has_begun_anew, true) {
            return None;
        }
        match self.inner.become_another_device(self.client.device()) {
            Ok(()) => Some(Input::Start),
            Err(error) => {
                tracing::warn!(error = %error, "The vault could not become another device: {error}");
                None
            }
        }
    }

    fn read_cursors(&mut self) -> Input {
        let login = self.login;
        let read = self.inner.storage.read_at_once(|tx| {
            let cursors: Vec<Cursor> = tx.spaces()?.iter().filter_map(|space| space.cursor()).collect();
            Ok((cursors, tx.proven_login()?.is_some_and(|proven| proven == login), tx.device()?))
        });
        let read = read.map(|(cursors, is_proven, device)| {
            self.is_proven = is_proven;
            // Another process may have become another device since.
            self.inner.set_device(device);
            self.client.set_device(device);
            Input::Cursors { cursors, clock: self.inner.sources.unix_milliseconds().try_into().unwrap_or(0) }
        });
        self.answer(read.map_err(RemoteError::from))
    }

    fn read_outbox(&mut self, after: u64, count: u32, bytes_target: usize) -> Input {
        if !self.is_proven {
            // These credentials may be another account's, whose relay would refuse everything. The client looks again
            // when the grants are applied.
            return Input::Outbox { batches: Vec::new(), more: false };
        }
        // What was saved since may be the deletion of what no relay takes.
        if let Err(error) = self.inner.squash_parked(&mut self.tried) {
            return self.answer(Err(error.into()));
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
                self.is_blocked = true;
                self.status = super::blocked(error.to_string());
                Input::Stop
            }
            Err(RemoteError::Storage(error)) => {
                tracing::warn!(error = %error, "The vault could not go on syncing: {error}");
                Input::Failed { detail: error.to_string() }
            }
        }
    }
}
