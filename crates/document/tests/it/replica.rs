//! A device with one document: edits, seals at once, remembers what it made, takes what others made.

use document::{Document, Draft, Sealed, Violation};
use sync_wire::{Actor, Blob};

use crate::forge::actor;

pub(crate) struct Replica {
    pub(crate) document: Document,
    pub(crate) actor: Actor,
    pub(crate) log: Vec<Blob>,
}

impl Replica {
    pub(crate) fn new(number: u8) -> Self {
        Self { document: Document::new(Some("note")), actor: actor(number), log: Vec::new() }
    }

    /// Another device that has everything this one has.
    pub(crate) fn fork(&self, number: u8) -> Self {
        let mut other = Self::new(number);
        other.receive(&self.log);
        other
    }

    pub(crate) fn edit(&mut self, edit: impl FnOnce(&mut Draft<'_>) -> Result<(), Violation>) -> Sealed {
        self.document.edit(self.actor, edit).unwrap();
        let sealed = self.document.seal(1_700_000_000).unwrap().expect("the edit changes something");
        self.log.extend(sealed.seeds.iter().chain(&sealed.changes).map(|change| change.bytes.clone()));
        sealed
    }

    pub(crate) fn receive(&mut self, changes: &[Blob]) {
        self.document.apply(changes).unwrap();
        for change in changes {
            if !self.log.contains(change) {
                self.log.push(change.clone());
            }
        }
    }
}

/// Exchanges everything; both must then be equal, heads and values, and survive a snapshot.
pub(crate) fn settle(left: &mut Replica, right: &mut Replica) -> serde_json::Value {
    let (to_right, to_left) = (left.log.clone(), right.log.clone());
    left.receive(&to_left);
    right.receive(&to_right);
    assert_eq!(left.document.heads(), right.document.heads());
    assert_eq!(left.document.value(), right.document.value());
    let loaded = Document::load(&left.document.snapshot().unwrap()).unwrap();
    assert_eq!(loaded.value(), left.document.value());
    assert_eq!((loaded.heads(), loaded.max_op()), (left.document.heads(), left.document.max_op()));
    left.document.value()
}
