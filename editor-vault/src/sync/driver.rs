//! The loop of the sync thread: what happens becomes an input, and every effect is performed in order.

use std::collections::VecDeque;
use std::fs::{File, TryLockError};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sync_core::client::{Input, Link, Status};
use sync_wire::DeviceFrame;

use super::core::{Core, Wire};
use super::socket::{self, Endpoint, Failure, Incoming, Socket};
use super::{Connection, Report, Signals};
use crate::vault::Inner;

/// How often it is looked whether another process has stopped syncing this vault.
const LOOK_EVERY: Duration = Duration::from_secs(1);

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
    connecting: Option<Connecting>,
    socket: Option<Socket>,
}

impl Wire for Line {
    fn connect(&mut self) {
        self.socket = None;
        self.connecting = Some(Box::pin(socket::connect(self.endpoint.clone())));
    }

    fn disconnect(&mut self) {
        self.socket = None;
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
        let line = Line { endpoint, connecting: None, socket: None };
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
            self.core.work_off(&mut inputs, &mut self.line);
            self.signals.report(Report { status: self.core.status().clone(), saves: self.saves_seen });
            if self.stop.load(Ordering::Acquire) {
                inputs.push_back(Input::Stop);
                self.core.work_off(&mut inputs, &mut self.line);
                return self.core.inner.storage.listened(listening);
            }
            inputs.extend(self.next_input().await);
        }
    }

    async fn next_input(&mut self) -> Option<Input> {
        let due = self.core.client.next_timeout().map(|at| at.since(self.core.now()));
        let Line { socket, connecting, .. } = &mut self.line;
        tokio::select! {
            () = self.signals.wake.notified() => None,
            incoming = next_of(socket) => Some(match incoming {
                Incoming::Frame(frame) => Input::Frame(*frame),
                Incoming::Closed { detail } => {
                    *socket = None;
                    Input::Closed { detail }
                }
            }),
            outcome = outcome_of(connecting) => {
                *connecting = None;
                Some(match outcome {
                    Ok(opened) => {
                        *socket = Some(opened);
                        Input::Connected
                    }
                    Err(Failure { retry, detail }) => Input::ConnectFailed { retry, detail },
                })
            }
            () = sleep(due) => Some(Input::Timeout),
        }
    }

    async fn wait_for_lock(&mut self) -> Option<File> {
        let path = self.core.inner.directory.join("sync.lock");
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

    fn report_waiting(&self, detail: &str) {
        let link = Link::Waiting { detail: detail.to_owned(), retry_in: LOOK_EVERY };
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
