//! The loop of the sync thread: what happens becomes an input, and every effect is performed in order.

use std::collections::VecDeque;
use std::fs::File;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sync_core::client::{Input, Link, Status};
use sync_wire::DeviceFrame;

use super::core::{Core, Wire};
use super::patience::Patience;
use super::reach::{Endpoint, Failure};
use super::socket::{self, Incoming, Socket};
use super::{Connection, Report, Signals};
use crate::vault::Inner;

/// A wait for the lock that is shorter is not reported.
const AT_ONCE: Duration = Duration::from_millis(20);
/// How long to wait after a lock file that cannot be used.
const RETRY_AFTER: Duration = Duration::from_secs(1);

type Connecting = Pin<Box<dyn Future<Output = Result<Socket, Failure>> + Send>>;

/// The shell of [`Core`] with a thread and a socket.
pub(super) struct Driver {
    core: Core,
    line: Line,
    signals: Arc<Signals>,
    stop: Arc<AtomicBool>,
    saves_seen: u64,
}

/// The connection, or the attempt at one.
struct Line {
    endpoint: Endpoint,
    patience: Patience,
    connecting: Option<Connecting>,
    socket: Option<Socket>,
}

impl Line {
    /// Ends the connection, and keeps what it has taught.
    fn let_go(&mut self) {
        if let Some(socket) = self.socket.take() {
            self.patience = socket.patience();
        }
    }
}

impl Wire for Line {
    fn connect(&mut self) {
        self.let_go();
        self.connecting = Some(Box::pin(socket::connect(self.endpoint.clone(), self.patience)));
    }

    fn disconnect(&mut self) {
        self.let_go();
        self.connecting = None;
    }

    fn send(&mut self, frame: DeviceFrame) {
        if let Some(socket) = &self.socket {
            socket.send(frame);
        }
    }
}

impl Driver {
    pub(super) fn new(
        inner: Arc<Inner>,
        connection: Connection,
        endpoint: Endpoint,
        signals: Arc<Signals>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        let core = Core::new(inner, connection);
        let line = Line { endpoint, patience: Patience::default(), connecting: None, socket: None };
        Self { core, line, signals, stop, saves_seen: 0 }
    }

    pub(super) fn run(mut self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => runtime.block_on(self.keep_connected()),
            Err(error) => {
                let status = super::blocked(format!("the sync thread could not be started: {error}"));
                self.signals.report(Report { status, saves: 0 });
            }
        }
    }

    async fn keep_connected(&mut self) {
        // One process syncs; the lock ends with this thread.
        let Some(_lock) = self.wait_for_lock().await else { return };
        let inner = Arc::downgrade(&self.core.inner);
        let listening = self.core.inner.storage.listen(move || {
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
            inputs.extend(self.core.inner.take_presence(&self.core.status().link).map(Input::Show));
            self.core.work_off(&mut inputs, &mut self.line);
            self.signals.report(Report { status: self.core.status().clone(), saves: self.saves_seen });
            if self.stop.load(Ordering::Acquire) {
                inputs.push_back(Input::Stop);
                self.core.work_off(&mut inputs, &mut self.line);
                drop(self.core.inner.take_presence(&Link::Off)); // nobody is known any more
                return self.core.inner.storage.listened(listening);
            }
            inputs.extend(self.next_input().await);
        }
    }

    async fn next_input(&mut self) -> Option<Input> {
        let due = self.core.client.next_timeout().map(|at| at.since(self.core.now()));
        let presence_due = self.core.inner.next_presence(&self.core.status().link);
        tokio::select! {
            () = self.signals.wake.notified() => None,
            incoming = next_of(&mut self.line.socket) => Some(match incoming {
                Incoming::Frame(frame) => Input::Frame(*frame),
                Incoming::Closed { detail } => {
                    self.line.let_go();
                    Input::Closed { detail }
                }
            }),
            outcome = outcome_of(&mut self.line.connecting) => {
                self.line.connecting = None;
                Some(match outcome {
                    Ok(opened) => {
                        self.line.socket = Some(opened);
                        Input::Connected
                    }
                    Err(Failure { obstacle, detail }) => {
                        self.line.patience.failed(tokio::time::Instant::now());
                        Input::ConnectFailed { obstacle, detail }
                    }
                })
            }
            () = sleep(presence_due) => None,
            () = sleep(due) => Some(Input::Timeout),
        }
    }

    /// The lock of the process that syncs, as soon as the one before has ended; `None` if this one is to stop first.
    async fn wait_for_lock(&mut self) -> Option<File> {
        let path = self.core.inner.directory.join("sync.lock");
        let turn = Arc::clone(&self.core.inner.sync.turn);
        loop {
            let mut coming = turn.wait(&path);
            // Mostly nobody has it, and nobody need hear of a wait that is none.
            let mut got = tokio::time::timeout(AT_ONCE, &mut coming).await.ok();
            if got.is_none() {
                self.report(Link::InLine);
            }
            while got.is_none() {
                if self.stop.load(Ordering::Acquire) {
                    turn.give_up();
                    return None;
                }
                tokio::select! {
                    outcome = &mut coming => got = Some(outcome),
                    () = self.signals.wake.notified() => {}
                }
            }
            match got {
                Some(Ok(Ok(file))) => return Some(file),
                Some(Ok(Err(error))) => {
                    let detail = format!("cannot lock {}: {error}", path.display());
                    self.report(Link::Waiting { detail, retry_in: RETRY_AFTER });
                    drop(tokio::time::timeout(RETRY_AFTER, self.signals.wake.notified()).await);
                }
                Some(Err(_)) | None => {} // another connection got in line
            }
            if self.stop.load(Ordering::Acquire) {
                return None;
            }
        }
    }

    fn report(&self, link: Link) {
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
