//! One session's place among whoever is in documents.

use std::sync::Arc;

use sync_wire::limits::PRESENCE_LASTS;
use sync_wire::{Blob, Presence, SpaceId};
use tokio::time::Instant;

use super::allowance::Allowance;
use super::room::{Kind, Shown};
use super::{Full, Participant, Rooms, SeatId, Spot};
use crate::relay::hub::Bell;

/// See the file's head. It leaves every document when it is dropped.
#[derive(Debug)]
pub struct Seat {
    pub(super) rooms: Arc<Rooms>,
    /// None until it shows something: most sessions never do.
    pub(super) id: Option<SeatId>,
    allowance: Allowance,
}

impl Seat {
    /// For a session that has shown nothing.
    #[must_use]
    pub fn new(rooms: &Arc<Rooms>) -> Self {
        Self { rooms: Arc::clone(rooms), id: None, allowance: Allowance::default() }
    }

    /// Shows `who`, a device, at `spot` from now on, and tells `bell` of the others there; without content, it leaves.
    /// What goes beyond a limit is not done, and nothing is said.
    pub fn show(&mut self, now: Instant, bell: &Arc<Bell>, spot: Spot, who: Participant, content: Option<Blob>) {
        let Some(content) = content else {
            return self.leave(|other| *other == spot);
        };
        if !self.allowance.take(now) {
            return;
        }
        let mut state = self.rooms.state();
        let seat = *self.id.get_or_insert_with(|| state.admit(Kind::Device, bell));
        let _ = state.show(spot, who, Shown { content, until: Some(now + PRESENCE_LASTS), seat });
    }

    /// `who`, a page, is at `spot` for as long as this seat is there, and `bell` is told of the others. It looks, until
    /// it shows something ([`Rooms::show_page`]). Of two seats of one page the newer one counts.
    ///
    /// # Errors
    /// [`Full`]
    pub fn look(&mut self, bell: &Arc<Bell>, spot: Spot, who: Participant) -> Result<(), Full> {
        let mut state = self.rooms.state();
        let seat = *self.id.get_or_insert_with(|| state.admit(Kind::Page, bell));
        let (content, until) = state.shown(spot, who).map_or_else(nothing, |it| (it.content.clone(), it.until));
        state.show(spot, who, Shown { content, until, seat })
    }

    /// Whether it is still what is shown at `spot`.
    #[must_use]
    pub fn is_at(&self, spot: Spot) -> bool {
        let state = self.rooms.state();
        self.id.and_then(|id| state.receivers.get(&id)).is_some_and(|receiver| receiver.spots.contains(&spot))
    }

    /// Leaves every document of a space.
    pub fn leave_space(&self, space: SpaceId) {
        self.leave(|spot| spot.space == space);
    }

    /// Leaves every document.
    pub fn leave_all(&self) {
        self.leave(|_| true);
    }

    /// The next that its session is to be told; what holds now, whatever has been since the last one.
    #[must_use]
    pub fn take_next(&self) -> Option<Presence> {
        self.rooms.state().take_next(self.id?)
    }

    fn leave(&self, is_left: impl Fn(&Spot) -> bool) {
        if let Some(id) = self.id {
            self.rooms.state().leave(id, is_left);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            let mut state = self.rooms.state();
            state.leave(id, |_| true);
            state.receivers.remove(&id);
        }
    }
}

/// What a page shows that only looks.
pub(super) fn nothing() -> (Blob, Option<Instant>) {
    (b"null".to_vec().into(), None)
}
