//! One document that somebody is in, and what one receiver has not been told yet.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use sync_wire::Blob;
use tokio::time::Instant;

use super::allowance::Allowance;
use super::{Participant, SeatId, Spot};
use crate::relay::hub::Bell;

/// Whoever is in a document is shown the others there.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) shown: BTreeMap<Participant, Shown>,
}

/// What one of them shows.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) content: Blob,
    /// When it ends, if it is not shown again; none: with its seat.
    pub(super) until: Option<Instant>,
    /// The session that it is shown for.
    pub(super) seat: SeatId,
}

/// What a session is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is where it shows itself again and again.
    Device,
    /// It is where it is told of others, and shows itself if it likes.
    Page,
}

/// What one session is told. A participant is noted at most once, and one that is gone only if the session knows of it:
/// so however slow it is, there are never more notes than two for each place in the documents that it is in.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) kind: Kind,
    /// How fast a page may show.
    pub(super) allowance: Allowance,
    bell: Arc<Bell>,
    /// Where it is.
    pub(super) spots: BTreeSet<Spot>,
    /// In the order in which they changed, so that each has its turn.
    order: VecDeque<(Spot, Participant)>,
    noted: BTreeSet<(Spot, Participant)>,
    /// Whom it was told of, and not that they are gone.
    known: BTreeSet<(Spot, Participant)>,
}

impl Receiver {
    pub(super) fn new(kind: Kind, bell: Arc<Bell>) -> Self {
        let (spots, order) = (BTreeSet::new(), VecDeque::new());
        let (noted, known) = (BTreeSet::new(), BTreeSet::new());
        Self { kind, allowance: Allowance::default(), bell, spots, order, noted, known }
    }

    /// Somebody is there, or there otherwise.
    pub(super) fn note(&mut self, spot: Spot, who: Participant) {
        if self.noted.insert((spot, who)) {
            self.order.push_back((spot, who));
            self.bell.ring_presence();
        }
    }

    /// Somebody is gone.
    pub(super) fn note_gone(&mut self, spot: Spot, who: Participant) {
        if self.known.contains(&(spot, who)) {
            self.note(spot, who);
        } else if self.noted.remove(&(spot, who)) {
            self.order.retain(|noted| *noted != (spot, who));
        }
    }

    /// It is in a document no longer, for whatever reason: whom it knows there are gone, as far as it can see.
    pub(super) fn leave(&mut self, spot: Spot) {
        self.spots.remove(&spot);
        self.bell.ring_presence(); // it may wait for nothing else
        let Self { order, noted, known, .. } = self;
        order.retain(|it| it.0 != spot || known.contains(it));
        noted.retain(|it| it.0 != spot || known.contains(it));
        let lost: Vec<Participant> = known.iter().filter(|it| it.0 == spot).map(|it| it.1).collect();
        lost.into_iter().for_each(|who| self.note(spot, who));
    }

    /// The one that has waited longest.
    pub(super) fn take_noted(&mut self) -> Option<(Spot, Participant)> {
        let noted = self.order.pop_front()?;
        self.noted.remove(&noted);
        Some(noted)
    }

    /// Remembers what it is told; whether that is news.
    pub(super) fn tell(&mut self, spot: Spot, who: Participant, is_there: bool) -> bool {
        if is_there {
            self.known.insert((spot, who));
            return true;
        }
        self.known.remove(&(spot, who))
    }

    #[cfg(test)]
    pub(super) fn notes(&self) -> usize {
        assert_eq!(self.order.len(), self.noted.len());
        self.order.len()
    }
}
