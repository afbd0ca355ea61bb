//! Wakes the process that syncs when another one has saved: it watches a file that the others touch.
//!
//! A bell is a hint and nothing else: who misses it sees the write some seconds later, by SQLite's `data_version`, and
//! who cannot hear it a quarter of a second later. So nothing here can fail in a way that matters.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};

/// The bell of one vault, in one process.
#[derive(Debug)]
pub(crate) struct Bell {
    path: PathBuf,
    /// Whether this process listens: then nobody needs to hear of its writes.
    is_listening: AtomicBool,
    /// Whether it hears the others.
    is_hearing: AtomicBool,
}

/// Listens until dropped.
#[derive(Debug)]
pub(crate) struct Listening {
    bell: Arc<Bell>,
    _watcher: Option<RecommendedWatcher>,
}

impl Bell {
    pub(crate) fn of(directory: &Path) -> Arc<Self> {
        Arc::new(Self {
            path: directory.join("bell"),
            is_listening: AtomicBool::new(false),
            is_hearing: AtomicBool::new(false),
        })
    }

    /// Tells the process that listens, if there is one, that this one has saved.
    pub(crate) fn ring(&self) {
        if self.is_listening.load(Ordering::Relaxed) {
            return;
        }
        if let Ok(mut file) = self.open() {
            drop(file.write_all(b"!"));
        }
    }

    /// Whether this process hears at once when another rings.
    pub(crate) fn is_hearing(&self) -> bool {
        self.is_hearing.load(Ordering::Relaxed)
    }

    /// Calls `rung` whenever another process rings.
    pub(crate) fn listen(self: &Arc<Self>, rung: impl Fn() + Send + 'static) -> Listening {
        let heard = move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                rung();
            }
        };
        let watcher = notify::recommended_watcher(heard).and_then(|mut watcher| {
            self.open().map_err(notify::Error::io)?;
            watcher.watch(&self.path, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        if let Err(error) = &watcher {
            tracing::debug!(%error, "Other processes are not heard at once but within a quarter of a second");
        }
        self.is_listening.store(true, Ordering::Relaxed);
        self.is_hearing.store(watcher.is_ok(), Ordering::Relaxed);
        Listening { bell: self.clone(), _watcher: watcher.ok() }
    }

    fn open(&self) -> std::io::Result<File> {
        File::options().create(true).truncate(false).write(true).open(&self.path)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.bell.is_listening.store(false, Ordering::Relaxed);
        self.bell.is_hearing.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_listens_hears_others_and_does_not_ring() {
        let dir = tempfile::tempdir().unwrap();
        let (mine, others) = (Bell::of(dir.path()), Bell::of(dir.path()));
        let (sender, heard) = mpsc::channel();
        let listening = mine.listen(move || {
            let _ = sender.send(()); // the test may have heard enough
        });
        assert!(mine.is_hearing() && !others.is_hearing());
        others.ring();
        heard.recv_timeout(Duration::from_secs(10)).expect("the other bell is heard");
        let rung = || std::fs::read(dir.path().join("bell")).unwrap() == b"!";
        assert!(rung());
        std::fs::write(dir.path().join("bell"), "").unwrap();
        mine.ring();
        assert!(!rung(), "nobody else needs to hear of what the one that syncs saves");
        drop(listening);
        assert!(!mine.is_hearing());
        mine.ring();
        assert!(rung(), "another process may listen now");
    }

    #[test]
    fn a_bell_that_cannot_be_rung_harms_nobody() {
        let bell = Bell::of(Path::new("/proc/nowhere"));
        bell.ring();
        drop(bell.listen(|| ()));
    }
}
