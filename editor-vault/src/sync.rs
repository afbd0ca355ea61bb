//! Talking to a relay: a thread of the vault's own, with everything it needs.
//!
//! The rules of the protocol are in `sync_core::client`; here is only its shell. Nothing of it holds data: the outbox
//! and the resume points are in the file, so the thread may end at any time.

mod carrier; // the bytes below a connection, and its life
mod core; // the client, and every effect performed
mod driver; // the loop of the thread
#[cfg(feature = "simulation")]
mod inline; // without a thread or a socket
mod patience; // how long an answer may take
mod pulse; // when silence is the end of a connection
mod reach; // the way to a relay
mod request; // one request beside the connection
mod socket; // the connection
mod turn; // which of several processes syncs

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sync_core::client::{Link, Status};
use tokio::sync::Notify;
use url::Url;

#[cfg(feature = "simulation")]
pub use self::inline::{InlineSync, Step};
pub(crate) use self::request::Answer;
use self::turn::Turn;
use crate::error::{ConnectError, SyncError};
use crate::vault::Vault;

/// How to reach a relay, and as whom.
///
/// The URL is `https://…`, or `http://…` where the path to the relay is trusted (loopback).
#[derive(Debug, Clone)]
pub struct Connection {
    url: String,
    token: Token,
    agent: String,
    tls: Option<Arc<rustls::ClientConfig>>,
}

/// A bearer token; never shown.
#[derive(Clone, Default)]
struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

impl Connection {
    /// A relay by its URL; `/sync` is added to its path.
    pub fn new(url: impl Into<String>) -> Self {
        let agent = concat!("editor-vault/", env!("CARGO_PKG_VERSION")).to_owned();
        Self { url: url.into(), token: Token::default(), agent, tls: None }
    }

    /// The bearer token of the account.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Token(token.into());
        self
    }

    /// The host's TLS configuration. Without it, the platform decides whom to trust.
    #[must_use]
    pub fn tls(mut self, config: Arc<rustls::ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Name and version of the program, for people who look at a list of devices.
    #[must_use]
    pub fn agent(mut self, agent: impl Into<String>) -> Self {
        self.agent = agent.into();
        self
    }

    pub(crate) fn check(&self) -> Result<(), ConnectError> {
        self.target().map(drop)
    }

    /// The WebSocket URL.
    fn target(&self) -> Result<Url, ConnectError> {
        let wrong = |rule: &str| ConnectError::Url { url: self.url.clone(), rule: rule.to_owned() };
        let mut url = Url::parse(&self.url).map_err(|error| wrong(&error.to_string()))?;
        let scheme = match url.scheme() {
            "http" | "ws" => "ws",
            "https" | "wss" => "wss",
            _ => return Err(wrong("the scheme must be https or http")),
        };
        if url.host_str().is_none_or(str::is_empty) {
            return Err(wrong("a host is missing"));
        }
        url.set_scheme(scheme).map_err(|()| wrong("the scheme must be https or http"))?;
        url.set_path(&format!("{}/sync", url.path().trim_end_matches('/')));
        url.set_query(None);
        url.set_fragment(None);
        if self.token.0.is_empty() || !self.token.0.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ConnectError::Token);
        }
        Ok(url)
    }

    /// Where and as whom to connect.
    fn endpoint(&self) -> Result<reach::Endpoint, ConnectError> {
        let url = self.target()?;
        let tls = match (&self.tls, url.scheme()) {
            (_, "ws") => None,
            (Some(config), _) => Some(config.clone()),
            (None, _) => Some(reach::platform_tls()?),
        };
        Ok(reach::Endpoint { url, token: self.token.0.clone(), tls })
    }

    /// Asks something of a path below the URL and waits for the answer; an error of the second kind says why there is
    /// none. A body is JSON.
    pub(crate) fn ask(
        &self,
        method: &'static str,
        path: &str,
        body: &str,
    ) -> Result<Result<Answer, String>, ConnectError> {
        let endpoint = self.endpoint()?;
        let below = endpoint.url.path().trim_end_matches("/sync").to_owned();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ConnectError::Thread)?;
        let answer = runtime.block_on(request::ask(&endpoint, method, &format!("{below}{path}"), body));
        Ok(answer.map_err(|failure| failure.detail))
    }

    /// Tells these credentials from others without keeping them.
    fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("symphony-vault 1 proven login");
        hasher.update(self.url.as_bytes()).update(b"\0").update(self.token.0.as_bytes());
        *hasher.finalize().as_bytes()
    }
}

/// The vault's side of its sync thread.
#[derive(Debug, Default)]
pub(crate) struct Sync {
    thread: Mutex<Option<Running>>,
    signals: Arc<Signals>,
    turn: Arc<Turn>,
}

#[derive(Debug)]
struct Running {
    handle: JoinHandle<()>,
    stop: Arc<AtomicBool>,
}

/// What passes between the vault and its sync thread: flags and a status, no data.
#[derive(Debug, Default)]
struct Signals {
    wake: Notify,
    /// Counts what was saved.
    saves: AtomicU64,
    report: Mutex<Report>,
    reported: Condvar,
}

/// The last word of the sync thread.
#[derive(Debug, Clone, Default)]
struct Report {
    status: Status,
    /// The count of saves that the status takes into account.
    saves: u64,
}

impl Sync {
    /// Something was saved.
    pub(crate) fn saved(&self) {
        self.signals.saves.fetch_add(1, Ordering::AcqRel);
        self.signals.wake.notify_one();
    }

    /// There is something to say that is not saved.
    pub(crate) fn wake(&self) {
        self.signals.wake.notify_one();
    }

    /// A document has taken in what a relay sent: who waits for that looks again.
    pub(crate) fn arrived(&self) {
        // Who waits looks while it holds this, and so cannot have looked before and begin to wait afterwards.
        drop(self.signals.report.lock().unwrap_or_else(PoisonError::into_inner));
        self.signals.reported.notify_all();
    }

    /// Ends the thread, if there is one, and waits for it.
    pub(crate) fn stop(&self) {
        let running = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { handle, stop }) = running else { return };
        stop.store(true, Ordering::Release);
        self.signals.wake.notify_one();
        drop(handle.join());
        self.signals.report(Report::default());
    }
}

/// A person must act.
fn blocked(detail: String) -> Status {
    Status { link: Link::Blocked { code: None, detail }, ..Status::default() }
}

impl Signals {
    fn report(&self, report: Report) {
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = report;
        self.reported.notify_all();
    }
}

impl Vault {
    /// Keeps a connection to a relay from now on: pushes what is saved, takes in what others did, and reconnects by
    /// itself. Replaces an earlier connection. Returns at once; [`Self::sync_status`] tells how it goes.
    ///
    /// If another process syncs this vault, the thread waits until that one ends.
    ///
    /// # Errors
    /// [`ConnectError`] if it cannot even be tried.
    ///
    /// # Example: a relay that is no URL is refused at once
    /// ```
    /// use editor_vault::{ConnectError, Connection, Vault};
    ///
    /// let dir = editor_vault::doctest::directory()?;
    /// let vault = Vault::open(dir.path())?;
    /// let refused = vault.connect(Connection::new("relay.example.com").token("t0ken"));
    /// assert!(matches!(refused, Err(ConnectError::Url { .. })));
    /// vault.connect(Connection::new("http://127.0.0.1:9").token("t0ken"))?; // nobody there: keeps trying
    /// vault.disconnect();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect(&self, connection: Connection) -> Result<(), ConnectError> {
        let inner = self.inner();
        let endpoint = connection.endpoint()?;
        inner.sync.stop();
        let stop = Arc::new(AtomicBool::new(false));
        let driver = driver::Driver::new(inner.clone(), connection, endpoint, inner.sync.signals.clone(), stop.clone());
        inner.sync.signals.report(Report { status: Status { link: Link::Connecting, ..Status::default() }, saves: 0 });
        let thread = std::thread::Builder::new().name("vault-sync".into()).stack_size(document::ROOMY_STACK_BYTES);
        let started = thread.spawn(move || driver.run());
        let handle = started.map_err(ConnectError::Thread)?;
        *inner.sync.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(Running { handle, stop });
        inner.go_on_filling();
        Ok(())
    }

    /// Ends the connection. What is saved stays, and waits for the next one.
    pub fn disconnect(&self) {
        self.inner().sync.stop();
    }

    /// Where the connection stands.
    #[must_use]
    pub fn sync_status(&self) -> Status {
        self.inner().sync.signals.report.lock().unwrap_or_else(PoisonError::into_inner).status.clone()
    }

    /// Saves deferred edits, then waits until nothing is left to send or to receive.
    ///
    /// Parked edits do not count: they wait for something that no time brings.
    ///
    /// # Errors
    /// [`SyncError::NotConnected`]; [`SyncError::Blocked`] if a person must act first; [`SyncError::Timeout`], with the
    /// status: everything goes on in the background.
    pub fn wait_until_settled(&self, timeout: Duration) -> Result<(), SyncError> {
        let inner = self.inner();
        if let Err(error) = self.flush() {
            tracing::warn!(error = %error, "A deferred edit was not saved");
        }
        let signals = &inner.sync.signals;
        let (wanted, deadline) = (signals.saves.load(Ordering::Acquire), Instant::now() + timeout);
        let mut report = signals.report.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match &report.status.link {
                Link::Off => return Err(SyncError::NotConnected),
                Link::Blocked { code, detail } => {
                    return Err(SyncError::Blocked { code: *code, detail: detail.clone() });
                }
                Link::Connecting | Link::Online | Link::Waiting { .. } | Link::InLine => {}
            }
            let is_current = report.saves >= wanted && report.status.is_settled() && !inner.shelf.is_gathering();
            if is_current && !inner.storage.read(|tx| tx.has_outbox()).unwrap_or(true) {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(SyncError::Timeout { status: report.status.clone() });
            }
            let waited = signals.reported.wait_timeout(report, left);
            report = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
