//! Pages among whoever is in documents. A page is told of others on a stream, which is its [`Seat`](super::Seat), and
//! shows itself by requests beside that: so it is there as long as the stream, and nobody sees who is not seen.

use sync_wire::limits::PRESENCE_LASTS;
use sync_wire::{AccountId, Blob, DeviceId};
use tokio::time::Instant;

use super::room::{Kind, Shown};
use super::seat::nothing;
use super::{Participant, Rooms, Spot, State};

/// Why a page does not show what it sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotShown {
    /// It has no stream.
    #[error("the page is not in the document: open its stream of presence first, with the same `page`, and keep it")]
    Absent,
    /// It has shown as much as it may at once.
    #[error("the page shows itself more often than is passed on: at most ten times a second over some time")]
    TooFast,
}

impl Participant {
    /// A page of an account, as devices see it. What it calls itself is its own word, but within its account: the id is
    /// that of no device, and of no page of anybody else.
    #[must_use]
    pub fn page(account: AccountId, name: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("symphony-vault 1 presence of a page");
        hasher.update(&account.0).update(name.as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self { account, device: DeviceId(id) }
    }
}

impl Rooms {
    /// Shows something else of a page from now on, for as long as what devices show lasts; without content, it only
    /// looks.
    ///
    /// # Errors
    /// [`NotShown`]
    pub fn show_page(&self, now: Instant, spot: Spot, who: Participant, content: Option<Blob>) -> Result<(), NotShown> {
        let mut state = self.state();
        let seat = state.shown(spot, who).map(|shown| shown.seat).ok_or(NotShown::Absent)?;
        let receiver = state.receivers.get_mut(&seat).ok_or(NotShown::Absent)?;
        let (content, until) = match content {
            Some(content) if receiver.allowance.take(now) => (content, Some(now + PRESENCE_LASTS)),
            Some(_) => return Err(NotShown::TooFast),
            None => nothing(),
        };
        // It is there already, so there is room for it.
        state.show(spot, who, Shown { content, until, seat }).map_err(|_| NotShown::Absent)
    }
}

impl State {
    /// Pages whose content is over are still there.
    pub(super) fn look_only(&mut self, spot: Spot, is_over: impl Fn(&Shown) -> bool) {
        let Self { rooms, receivers, .. } = self;
        let Some(room) = rooms.get_mut(&spot) else { return };
        let is_page = |shown: &Shown| receivers.get(&shown.seat).is_some_and(|receiver| receiver.kind == Kind::Page);
        let mut changed = Vec::new();
        for (who, shown) in room.shown.iter_mut().filter(|(_, shown)| is_over(shown) && is_page(shown)) {
            (shown.content, shown.until) = nothing();
            changed.push(*who);
        }
        changed.into_iter().for_each(|who| self.tell_others(spot, who));
    }
}
