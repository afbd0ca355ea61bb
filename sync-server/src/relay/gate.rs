//! Whether the relay takes edits. It does not while its disk is nearly full, or its storage damaged: what is pushed
//! then stays on its device, which asks again by itself. What is there already goes on being read and delivered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tracing::{error, info, warn};

use crate::metrics;

/// Why no edits are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// The rest of the disk is for what is under way, and for the operator.
    NearlyFull {
        /// Bytes that are free.
        free: u64,
        /// Bytes that have to be.
        wanted: u64,
    },
    /// Writing on would make it worse.
    Damaged,
}

impl Closed {
    /// For whoever pushes.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::NearlyFull { .. } => {
                "the disk of the relay is nearly full, so it takes no edits for now; they are sent again by themselves"
            }
            Self::Damaged => {
                "the storage of the relay is damaged, so it takes no edits until its operator has restored a backup; \
                 they are sent again by themselves"
            }
        }
        .to_owned()
    }
}

/// Open, or closed for a reason.
#[derive(Debug, Default)]
pub struct Gate {
    is_closed: AtomicBool,
    why: Mutex<Option<Closed>>,
}

impl Gate {
    /// Why no edits are taken, if none are.
    #[must_use]
    pub fn closed(&self) -> Option<Closed> {
        if !self.is_closed.load(Ordering::Relaxed) {
            return None;
        }
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Storage is damaged. Nothing opens the gate again but a new start on sound storage.
    pub fn damaged(&self) {
        error!("The storage is damaged: no edits are taken until the relay is started again on a sound one");
        self.set(Some(Closed::Damaged));
    }

    /// So many bytes are free, and so many have to be.
    pub fn has_room(&self, free: u64, wanted: u64) {
        metrics::room(free);
        let before = self.closed();
        match (&before, free < wanted) {
            (None, true) => {
                warn!("{free} bytes are free and {wanted} have to be: no edits are taken until there is room");
                self.set(Some(Closed::NearlyFull { free, wanted }));
            }
            // Only with some more is it opened again, or it would open and close with every edit.
            (Some(Closed::NearlyFull { .. }), false) if free >= wanted + wanted / 16 => {
                info!("{free} bytes are free: edits are taken again");
                self.set(None);
            }
            _ => {}
        }
    }

    fn set(&self, why: Option<Closed>) {
        let mut place = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        metrics::takes_edits(why.is_none());
        self.is_closed.store(why.is_some(), Ordering::Relaxed);
        *place = why;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_closes_below_the_reserve_and_opens_with_some_more_than_that() {
        let gate = Gate::default();
        gate.has_room(1_000, 1_000);
        assert_eq!(gate.closed(), None);
        gate.has_room(999, 1_000);
        assert_eq!(gate.closed(), Some(Closed::NearlyFull { free: 999, wanted: 1_000 }));
        gate.has_room(1_061, 1_000);
        assert!(gate.closed().is_some(), "a little more is not enough");
        gate.has_room(1_062, 1_000);
        assert_eq!(gate.closed(), None);
    }

    #[test]
    fn room_does_not_mend_damage() {
        let gate = Gate::default();
        gate.has_room(1, 1_000);
        gate.damaged();
        gate.has_room(1 << 40, 1_000);
        assert_eq!(gate.closed(), Some(Closed::Damaged));
    }
}
