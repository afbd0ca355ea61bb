//! Who has a directory open, and how the last one left it.
//!
//! A file is there while anybody has the directory open, and everybody who has holds a shared lock on it; the kernel
//! takes locks back however a process ends. So who finds the file and nobody's lock comes after an end that was not in
//! order: a crash, a kill, a power cut. The file says so until somebody has looked what that end left behind.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// What the file says: somebody has the directory open. Empty, nobody has come in yet.
const OPEN: &[u8] = b"open";
/// Somebody was cut off, and nobody has looked since.
const CUT: &[u8] = b"cut ";

/// How the last program that had the directory open left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Previous {
    /// In order, or it is there still, or nobody was there before.
    Orderly,
    /// It ended in the middle.
    Cut,
}

/// A program that has a directory open. When it is dropped without [`Presence::leave`], the next one finds
/// [`Previous::Cut`].
#[derive(Debug)]
pub struct Presence {
    path: PathBuf,
    file: File,
    previous: Previous,
}

impl Presence {
    /// Enters, by this file in the directory. Nothing is flushed: the first commit flushes the directory.
    ///
    /// # Errors
    /// What the system says, such as that nothing can be written there.
    pub fn enter(path: &Path) -> io::Result<Self> {
        let _gate = gate(path)?;
        let mut options = File::options();
        options.create(true).truncate(false).read(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        let is_alone = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(error)) => return Err(error),
        };
        file.lock_shared()?;
        let mut said = Vec::new();
        file.read_to_end(&mut said)?;
        let is_cut = said == CUT || is_alone && !said.is_empty();
        let previous = if is_cut { Previous::Cut } else { Previous::Orderly };
        let presence = Self { path: path.to_owned(), file, previous };
        presence.say(if is_cut { CUT } else { OPEN })?;
        Ok(presence)
    }

    /// Whether anybody has the directory open at the moment.
    #[must_use]
    pub fn is_anybody(path: &Path) -> bool {
        File::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// How the last one left.
    #[must_use]
    pub fn previous(&self) -> Previous {
        self.previous
    }

    /// Somebody has looked at what an end in the middle left behind: the next need not.
    ///
    /// # Errors
    /// What the system says.
    pub fn looked(&self) -> io::Result<()> {
        self.say(OPEN)
    }

    /// Leaves in order. The last one removes the file, unless somebody has yet to look.
    pub fn leave(mut self) {
        let Ok(_gate) = gate(&self.path) else { return };
        let mut said = Vec::new();
        let is_last = matches!(self.file.try_lock(), Ok(()));
        let read = self.file.rewind().and_then(|()| self.file.read_to_end(&mut said));
        if is_last && read.is_ok() && said != CUT {
            // If it stays, the next one looks more closely than it need.
            let _ = fs::remove_file(&self.path);
        }
    }

    fn say(&self, word: &[u8]) -> io::Result<()> {
        let mut file = &self.file;
        file.rewind()?;
        file.write_all(word)
    }
}

/// One at a time comes in or leaves, or one who comes would take one who leaves for cut off. Held for a moment.
#[cfg(unix)]
fn gate(path: &Path) -> io::Result<File> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let gate = File::open(directory)?;
    gate.lock()?;
    Ok(gate)
}

#[cfg(not(unix))]
fn gate(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_in_order_is_followed_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("open");
        for _ in 0..3 {
            let presence = Presence::enter(&path).unwrap();
            assert_eq!(presence.previous(), Previous::Orderly);
            assert!(path.exists());
            presence.leave();
            assert!(!path.exists());
        }
    }

    #[test]
    fn who_was_cut_off_is_noticed_by_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("open");
        drop(Presence::enter(&path).unwrap()); // the kernel does as much for a process that is killed
        let first = Presence::enter(&path).unwrap();
        assert_eq!(first.previous(), Previous::Cut);
        first.looked().unwrap();
        let second = Presence::enter(&path).unwrap();
        assert_eq!(second.previous(), Previous::Orderly);
        first.leave();
        assert!(path.exists(), "somebody is there still");
        second.leave();
        assert!(!path.exists());
    }

    #[test]
    fn it_is_known_until_somebody_has_looked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("open");
        drop(Presence::enter(&path).unwrap());
        for _ in 0..2 {
            let presence = Presence::enter(&path).unwrap();
            assert_eq!(presence.previous(), Previous::Cut);
            presence.leave();
        }
        Presence::enter(&path).unwrap().looked().unwrap();
        let presence = Presence::enter(&path).unwrap();
        assert_eq!(presence.previous(), Previous::Cut, "the one who looked was cut off as well");
        presence.looked().unwrap();
        presence.leave();
        assert_eq!(Presence::enter(&path).unwrap().previous(), Previous::Orderly);
    }

    #[test]
    fn one_of_several_that_is_cut_off_while_others_stay_is_not_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("open");
        let stays = Presence::enter(&path).unwrap();
        drop(Presence::enter(&path).unwrap());
        assert_eq!(Presence::enter(&path).unwrap().previous(), Previous::Orderly);
        stays.leave();
        assert!(!path.exists());
    }

    #[test]
    fn many_who_come_and_go_at_once_leave_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("open");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        Presence::enter(&path).unwrap().leave();
                    }
                });
            }
        });
        let presence = Presence::enter(&path).unwrap();
        presence.leave();
        assert!(!path.exists());
    }
}
