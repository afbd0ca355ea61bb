//! In which order documents wait: as they came, and by turns for those on whose account they wait, so that whoever has
//! a thousand of them delays nobody who has one.
//!
//! Start-time fair queuing with one unit for each document (Goyal, Vin and Cheng, SIGCOMM 1996).

use std::collections::{BTreeMap, HashMap};

use super::Key;

/// Those who are remembered before whoever is owed nothing is looked for.
const REMEMBERED: usize = 1024;

/// On whose account something waits: the bytes of an account's id, or of a space's.
pub(super) type Whose = [u8; 16];

/// A place in the order.
pub(super) type Place = (u64, u64);

/// See the file's head. Whoever uses it sees to it that nothing waits twice.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// By the turn, then as they came.
    waiting: BTreeMap<Place, Key>,
    /// The turn of what was taken last.
    turn: u64,
    came: u64,
    /// The turn after the last one of each, if that is yet to come.
    next: HashMap<Whose, u64>,
}

impl Order {
    pub(super) fn push(&mut self, key: Key, whose: Whose) {
        if self.next.len() >= REMEMBERED {
            let turn = self.turn;
            self.next.retain(|_, next| *next > turn);
        }
        let next = self.next.entry(whose).or_default();
        let turn = self.turn.max(*next);
        *next = turn + 1;
        self.came += 1;
        self.waiting.insert((turn, self.came), key);
    }

    pub(super) fn take(&mut self, place: Place) -> Option<Key> {
        let key = self.waiting.remove(&place)?;
        self.turn = self.turn.max(place.0);
        Some(key)
    }

    /// All that wait, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Place, &Key)> {
        self.waiting.iter().map(|(place, key)| (*place, key))
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use sync_wire::{DocumentId, SpaceId};

    use super::*;

    fn taken(order: &mut Order) -> Option<u8> {
        let (place, _) = order.iter().next()?;
        order.take(place).map(|(_, document)| document.0[0])
    }

    fn key(document: u8) -> Key {
        (SpaceId([0; 16]), DocumentId([document; 16]))
    }

    #[test]
    fn who_has_many_waiting_delays_nobody_who_has_one() {
        let mut order = Order::default();
        (0..100).for_each(|document| order.push(key(document), [1; 16]));
        assert_eq!(taken(&mut order), Some(0));
        order.push(key(200), [2; 16]);
        order.push(key(201), [2; 16]);
        let next: Vec<u8> = (0..4).filter_map(|_| taken(&mut order)).collect();
        assert_eq!(next, [200, 1, 201, 2], "by turns");
        assert_eq!(order.len(), 97);
    }

    #[test]
    fn who_was_away_has_saved_no_turns() {
        let mut order = Order::default();
        for document in 0..50 {
            order.push(key(document), [1; 16]);
            assert_eq!(taken(&mut order), Some(document));
        }
        (100..103).for_each(|document| order.push(key(document), [2; 16]));
        order.push(key(50), [1; 16]);
        let next: Vec<u8> = std::iter::from_fn(|| taken(&mut order)).collect();
        assert_eq!(next, [100, 101, 50, 102]);
        assert!(order.is_empty());
    }
}
