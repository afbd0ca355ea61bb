//! Syncing without a thread and a socket: whoever calls it carries what leaves, and brings what comes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sync_core::client::{Effect, Input, Status};
use sync_core::time::Instant;
use sync_wire::DeviceFrame;

use super::core::{Core, Wire};
use super::{Connection, Report, Signals};
use crate::vault::Vault;

/// What an [`InlineSync`] does, in order.
#[derive(Debug)]
pub enum Step<'a> {
    /// The effect is about to be performed: a device that ends here has not done it.
    Performing(&'a Effect),
    /// A connection is wanted, in place of any other; [`Input::Connected`] or [`Input::ConnectFailed`] answers.
    Connect,
    /// The connection is given up: nothing more of it may be fed.
    Disconnect,
    /// A frame leaves.
    Send(DeviceFrame),
}

/// The sync thread's work on the caller's thread: the same client, the same effects.
///
/// It keeps the inside of its vault open, so drop both.
pub struct InlineSync {
    core: Core,
    signals: Arc<Signals>,
    saves_seen: u64,
}

impl std::fmt::Debug for InlineSync {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InlineSync").field("status", self.core.status()).finish_non_exhaustive()
    }
}

impl InlineSync {
    /// For a vault that is open inline. Feed [`Input::Start`] to begin. Of the connection only credentials and agent
    /// count.
    #[must_use]
    pub fn new(vault: &Vault, connection: &Connection) -> Self {
        let inner = vault.inner();
        inner.go_on_filling();
        Self { core: Core::new(inner.clone(), connection.clone()), signals: inner.sync.signals.clone(), saves_seen: 0 }
    }

    /// Feeds one input and everything that follows from it: the vault's answers are fed back inside.
    pub fn handle(&mut self, input: Input, step: &mut dyn FnMut(Step<'_>)) {
        if matches!(input, Input::Saved) {
            self.saves_seen = self.signals.saves.load(Ordering::Acquire);
        }
        self.core.work_off(&mut VecDeque::from([input]), &mut Steps(step));
        self.signals.report(Report { status: self.core.status().clone(), saves: self.saves_seen });
    }

    /// When [`Input::Timeout`] is due.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.core.client.next_timeout()
    }

    /// Where the connection stands.
    #[must_use]
    pub fn status(&self) -> &Status {
        self.core.status()
    }

    /// Whether something was saved since [`Input::Saved`] was last fed.
    #[must_use]
    pub fn has_unseen_saves(&self) -> bool {
        self.saves_seen != self.signals.saves.load(Ordering::Acquire)
    }
}

struct Steps<'s, 'f>(&'s mut (dyn FnMut(Step<'_>) + 'f));

impl Wire for Steps<'_, '_> {
    fn performing(&mut self, effect: &Effect) {
        (self.0)(Step::Performing(effect));
    }

    fn connect(&mut self) {
        (self.0)(Step::Connect);
    }

    fn disconnect(&mut self) {
        (self.0)(Step::Disconnect);
    }

    fn send(&mut self, frame: DeviceFrame) {
        (self.0)(Step::Send(frame));
    }
}
