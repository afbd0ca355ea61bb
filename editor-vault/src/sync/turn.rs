//! Whose turn it is to sync a vault that several processes have open: that of whoever holds the lock of one file.
//!
//! Whoever wants it waits inside the kernel, which gives it on in the moment in which its holder ends, however it ends.
//! A thread that waits there cannot be called back, so there is at most one for each vault, and what it gets when
//! nobody wants it any more it gives back at once.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// The lock, or why it cannot be had. It is given back when the file is dropped.
pub(super) type Outcome = io::Result<File>;

/// The place of one vault in the line of processes.
#[derive(Debug, Default)]
pub(super) struct Turn(Mutex<Place>);

#[derive(Debug, Default)]
struct Place {
    /// A thread waits in the kernel.
    is_in_line: bool,
    /// Who gets what it gets.
    wanted: Option<oneshot::Sender<Outcome>>,
}

impl Turn {
    /// Gets in line.
    pub(super) fn wait(self: &Arc<Self>, file: &Path) -> oneshot::Receiver<Outcome> {
        let (tell, told) = oneshot::channel();
        let mut place = self.place();
        place.wanted = Some(tell);
        if !place.is_in_line {
            let (turn, file) = (Arc::clone(self), PathBuf::from(file));
            let thread = std::thread::Builder::new().name("vault-turn".into());
            match thread.spawn(move || turn.arrived(lock(&file))) {
                Ok(_) => place.is_in_line = true,
                Err(error) => drop(place.wanted.take().map(|wanted| wanted.send(Err(error)))),
            }
        }
        told
    }

    /// Nobody wants it any more.
    pub(super) fn give_up(&self) {
        self.place().wanted = None;
    }

    fn arrived(&self, outcome: Outcome) {
        let mut place = self.place();
        place.is_in_line = false;
        if let Some(wanted) = place.wanted.take() {
            drop(wanted.send(outcome));
        }
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock(path: &Path) -> Outcome {
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    file.lock()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_goes_from_one_to_the_next_and_nobody_keeps_what_he_does_not_want() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("sync.lock");
        let (first, second, third) = (Arc::new(Turn::default()), Arc::new(Turn::default()), Arc::new(Turn::default()));
        let held = first.wait(&file).blocking_recv().unwrap().unwrap();
        let gave_up = second.wait(&file);
        second.give_up();
        let mut waits = third.wait(&file);
        assert!(waits.try_recv().is_err(), "somebody has it");
        drop(held);
        let held = waits.blocking_recv().unwrap().unwrap();
        assert!(gave_up.blocking_recv().is_err());
        // Whoever comes back gets in line again, with the same thread if that still waits.
        let again = second.wait(&file);
        let newest = second.wait(&file);
        drop(held);
        assert!(newest.blocking_recv().unwrap().is_ok() && again.blocking_recv().is_err());
    }
}
