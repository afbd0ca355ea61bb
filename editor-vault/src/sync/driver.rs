//! The loop of the sync thread: what happens becomes an input, and every effect is performed in order.

use std::collections::VecDeque;
use std::fs::{File, TryLockError};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sync_core::client::{Client, Effect, Input, Link, Status};
use sync_core::time::Instant;

use super::socket::{Endpoint, Failure, Incoming, Socket};
use super::{Connection, Report, Signals};
use crate::remote::Assembly;
use crate::vault::Inner;

/// How often it is looked whether another process has stopped syncing this vault.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) type Connecting = Pin<Box<dyn Future<Output = Result<Socket, Failure>> + Send>>;

/// The shell of [`Client`].
pub(super) struct Driver {
    pub(super) inner: Arc<Inner>,
    pub(super) endpoint: Endpoint,
    /// Of the credentials.
    pub(super) login: [u8; 32],
    pub(super) client: Client,
    pub(super) connecting: Option<Connecting>,
    pub(super) socket: Option<Socket>,
    pub(super) assembly: Assembly,
    /// Whether the account behind the credentials is known to be the vault's: before that, nothing is pushed.
    pub(super) is_proven: bool,
    /// Stronger than what the client says: a person must act.
    pub(super) blocked: Option<String>,
    pub(super) status: Status,
    signals: Arc<Signals>,
    stop: Arc<AtomicBool>,
    saves_seen: u64,
}

impl Driver {
    pub(super) fn new(
        inner: Arc<Inner>,
        connection: Connection,
        endpoint: Endpoint,
        signals: Arc<Signals>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        let mut seed = [0; 8];
        inner.sources.fill(&mut seed);
        Self {
            login: connection.digest(),
            client: Client::new(inner.device, connection.agent, u64::from_le_bytes(seed)),
            inner,
            endpoint,
            connecting: None,
            socket: None,
            assembly: Assembly::default(),
            is_proven: false,
            blocked: None,
            status: Status::default(),
            signals,
            stop,
            saves_seen: 0,
        }
    }

    pub(super) fn run(mut self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => runtime.block_on(self.keep_connected()),
            Err(error) => self.report_blocked(format!("the sync thread could not be started: {error}")),
        }
    }

    async fn keep_connected(&mut self) {
        // One process syncs; the lock ends with this thread.
        let Some(_lock) = self.wait_for_lock().await else { return };
        let inner = Arc::downgrade(&self.inner);
        let _listening = self.inner.storage.listen(move || {
            if let Some(inner) = inner.upgrade() {
                inner.sealer.foreign();
            }
        });
        let mut inputs = VecDeque::from([Input::Start]);
        loop {
            let saves = self.signals.saves.load(Ordering::Acquire);
            if saves != self.saves_seen {
                self.saves_seen = saves;
                inputs.push_back(Input::Saved);
            }
            self.work_off(&mut inputs);
            self.report();
            if self.stop.load(Ordering::Acquire) {
                inputs.push_back(Input::Stop);
                self.work_off(&mut inputs);
                return;
            }
            inputs.extend(self.next_input().await);
        }
    }

    /// Feeds inputs to the client and performs what it wants, until there is nothing left.
    fn work_off(&mut self, inputs: &mut VecDeque<Input>) {
        let mut effects: Vec<Effect> = Vec::new();
        while let Some(input) = inputs.pop_front() {
            self.client.handle(self.now(), input, &mut effects);
            for effect in effects.drain(..) {
                inputs.extend(self.perform(effect));
            }
        }
    }

    async fn next_input(&mut self) -> Option<Input> {
        let due = self.client.next_timeout().map(|at| at.since(self.now()));
        let (socket, connecting) = (&mut self.socket, &mut self.connecting);
        tokio::select! {
            () = self.signals.wake.notified() => None,
            incoming = next_of(socket) => Some(match incoming {
                Incoming::Frame(frame) => Input::Frame(*frame),
                Incoming::Closed { detail } => {
                    self.socket = None;
                    Input::Closed { detail }
                }
            }),
            outcome = outcome_of(connecting) => {
                self.connecting = None;
                Some(match outcome {
                    Ok(socket) => {
                        self.socket = Some(socket);
                        Input::Connected
                    }
                    Err(Failure { retry, detail }) => Input::ConnectFailed { retry, detail },
                })
            }
            () = sleep(due) => Some(Input::Timeout),
        }
    }

    async fn wait_for_lock(&mut self) -> Option<File> {
        let path = self.inner.directory.join("sync.lock");
        loop {
            let opened = File::options().create(true).truncate(false).write(true).open(&path);
            let locked = opened.and_then(|file| match file.try_lock() {
                Ok(()) => Ok(Some(file)),
                Err(TryLockError::WouldBlock) => Ok(None),
                Err(TryLockError::Error(error)) => Err(error),
            });
            match locked {
                Ok(Some(file)) => return Some(file),
                Ok(None) => self.report_waiting("another process syncs this vault"),
                Err(error) => self.report_waiting(&format!("cannot lock {}: {error}", path.display())),
            }
            if self.stop.load(Ordering::Acquire) {
                return None;
            }
            drop(tokio::time::timeout(LOOK_EVERY, self.signals.wake.notified()).await);
        }
    }

    fn now(&self) -> Instant {
        Instant(self.inner.sources.monotonic())
    }

    fn report(&mut self) {
        if let Some(detail) = self.blocked.clone() {
            return self.report_blocked(detail);
        }
        self.signals.report(Report { status: self.status.clone(), saves: self.saves_seen });
    }

    fn report_waiting(&self, detail: &str) {
        let link = Link::Waiting { detail: detail.to_owned(), retry_in: LOOK_EVERY };
        self.signals.report(Report { status: Status { link, ..Status::default() }, saves: 0 });
    }

    fn report_blocked(&self, detail: String) {
        let link = Link::Blocked { code: None, detail };
        self.signals.report(Report { status: Status { link, ..Status::default() }, saves: 0 });
    }
}

async fn next_of(socket: &mut Option<Socket>) -> Incoming {
    match socket {
        Some(socket) => socket.next().await,
        None => std::future::pending().await,
    }
}

async fn outcome_of(connecting: &mut Option<Connecting>) -> Result<Socket, Failure> {
    match connecting {
        Some(connecting) => connecting.await,
        None => std::future::pending().await,
    }
}

async fn sleep(due: Option<Duration>) {
    match due {
        Some(due) => tokio::time::sleep(due).await,
        None => std::future::pending().await,
    }
}
