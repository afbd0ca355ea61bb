//! What a bridge waits for: the file, the vault, the user. Hints without data: whoever wakes looks at both sides.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use editor_vault::{Document, DocumentId, Vault};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::file::Place;
use crate::failure::Failure;
use crate::output::Output;

/// A file is read when nothing happened to it for so long: an editor may write it in several steps.
const QUIET: Duration = Duration::from_millis(50);
/// But no later than this after the first of them.
const QUIET_MAX: Duration = Duration::from_millis(500);

/// Why a bridge wakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wake {
    File,
    Vault,
    Poll,
    Stop,
}

/// Everything that wakes a bridge, in one place.
#[derive(Debug)]
pub(super) struct Wakes {
    receiver: Receiver<Wake>,
    _watcher: Option<RecommendedWatcher>,
}

impl Wakes {
    pub(super) fn listen(vault: &Vault, place: &Place, document: &Document) -> Result<Self, Failure> {
        let (sender, receiver) = mpsc::channel();
        let started = on_signals(sender.clone()).and_then(|()| on_hints(vault, document.id(), sender.clone()));
        started.map_err(|error| Failure::failed("thread", format!("a thread could not be started: {error}")))?;
        let watcher = watch(place, sender);
        if let Err(error) = &watcher {
            let seen = "changes of the file are seen within two seconds, not at once";
            Output::warn(format_args!("{} cannot be watched ({error}): {seen}", place.shown()));
        }
        Ok(Self { receiver, _watcher: watcher.ok() })
    }

    /// The next reason to look, once it is quiet.
    pub(super) fn next(&self, poll: Duration) -> Wake {
        let mut wake = match self.receiver.recv_timeout(poll) {
            Ok(wake) => wake,
            Err(RecvTimeoutError::Timeout) => return Wake::Poll,
            Err(RecvTimeoutError::Disconnected) => return Wake::Stop,
        };
        let end = Instant::now() + QUIET_MAX;
        while wake != Wake::Stop && Instant::now() < end {
            match self.receiver.recv_timeout(QUIET) {
                Ok(next) => wake = next,
                Err(_) => break,
            }
        }
        wake
    }
}

/// Watches directories: editors replace files, and a watch of the file itself would go with the old one.
fn watch(place: &Place, sender: Sender<Wake>) -> notify::Result<RecommendedWatcher> {
    let names: Vec<PathBuf> = place.names().iter().map(|path| path.to_path_buf()).collect();
    let files: Vec<_> = names.iter().filter_map(|path| path.file_name().map(ToOwned::to_owned)).collect();
    let heard = move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        let is_ours =
            event.paths.iter().any(|path| path.file_name().is_some_and(|name| files.iter().any(|f| f == name)));
        if is_ours && !event.kind.is_access() {
            // The bridge may have ended.
            let _ = sender.send(Wake::File);
        }
    };
    let mut watcher = notify::recommended_watcher(heard)?;
    let mut directories: Vec<_> = names.iter().filter_map(|path| path.parent()).collect();
    directories.dedup();
    directories.into_iter().try_for_each(|directory| watcher.watch(directory, RecursiveMode::NonRecursive))?;
    Ok(watcher)
}

fn on_hints(vault: &Vault, document: DocumentId, sender: Sender<Wake>) -> io::Result<()> {
    let hints = vault.watch();
    let run = move || {
        loop {
            let is_ours = hints.next(Duration::from_secs(60)).is_some_and(|hint| hint.document == document);
            if is_ours && sender.send(Wake::Vault).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("bridge-hints".into()).spawn(run).map(drop)
}

/// The first interrupt ends the bridge in good order, the second one at once.
fn on_signals(sender: Sender<Wake>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = move || {
        runtime.block_on(async {
            if interrupted().await.is_ok() {
                let _ = sender.send(Wake::Stop); // or it has ended by itself
                let _ = interrupted().await;
                std::process::exit(130);
            }
        });
    };
    std::thread::Builder::new().name("bridge-signals".into()).spawn(run).map(drop)
}

#[cfg(unix)]
async fn interrupted() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn interrupted() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
