//! Who is in which document at the moment: cursors, selections, names. The one thing that the relay passes on and never
//! keeps: in memory only, best effort, and in no log of any kind.
//!
//! Here too hints travel and truth is read: a receiver costs one entry for each participant that changed, and finds the
//! newest of it when its socket has room. So a slow one finds less, and nobody waits for it.

mod room; // one document, and what one receiver has not been told yet
mod allowance; // how fast one session may show

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sync_wire::limits::{PRESENCE_DOCUMENTS_MAX, PRESENCE_LASTS, PRESENCE_PARTICIPANTS_MAX};
use sync_wire::{AccountId, Blob, DeviceId, DocumentId, Presence, SpaceId};
use tokio::time::Instant;

use self::allowance::Allowance;
use self::room::{Receiver, Room, Shown};
use crate::app::App;
use crate::metrics;
use crate::relay::hub::Bell;

/// How often it is looked who has not been shown again in time.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Where somebody can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The space.
    pub space: SpaceId,
    /// The document.
    pub document: DocumentId,
}

/// Who is there, as the relay knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Participant {
    /// Whose device it is.
    pub account: AccountId,
    /// Which one.
    pub device: DeviceId,
}

/// Tells receivers apart.
type SeatId = u64;

/// Every document that somebody is in.
#[derive(Debug, Default)]
pub struct Rooms(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// None is empty.
    rooms: BTreeMap<Spot, Room>,
    receivers: BTreeMap<SeatId, Receiver>,
    /// In how many documents somebody is; nobody is listed with none.
    present: HashMap<Participant, usize>,
    seats: SeatId,
}

impl Rooms {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out who has not been shown again in time.
    pub fn sweep(&self, now: Instant) {
        self.state().sweep(now);
    }
}

/// Sweeps until the relay stops.
pub async fn run(app: App) {
    let mut every = tokio::time::interval(SWEEP_INTERVAL);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            now = every.tick() => app.presence.sweep(now),
        }
    }
}

/// One session's place among them. It leaves every document when it is dropped.
#[derive(Debug)]
pub struct Seat {
    rooms: Arc<Rooms>,
    /// None until it shows something: most sessions never do.
    id: Option<SeatId>,
    allowance: Allowance,
}

impl Seat {
    /// For a session that has shown nothing.
    #[must_use]
    pub fn new(rooms: &Arc<Rooms>) -> Self {
        Self { rooms: Arc::clone(rooms), id: None, allowance: Allowance::default() }
    }

    /// Shows `who` at `spot` from now on, and tells `bell` of the others there; without content, it leaves. What goes
    /// beyond a limit is not done, and nothing is said.
    pub fn show(&mut self, now: Instant, bell: &Arc<Bell>, spot: Spot, who: Participant, content: Option<Blob>) {
        let Some(content) = content else {
            return self.leave(|other| *other == spot);
        };
        if !self.allowance.take(now) {
            return;
        }
        let mut state = self.rooms.state();
        let id = *self.id.get_or_insert_with(|| state.admit(bell));
        state.show(id, spot, who, Shown { content, until: now + PRESENCE_LASTS, seat: id });
    }

    /// Leaves every document of a space.
    pub fn leave_space(&self, space: SpaceId) {
        self.leave(|spot| spot.space == space);
    }

    /// Leaves every document.
    pub fn leave_all(&self) {
        self.leave(|_| true);
    }

    /// The next that its device is to be told; what holds now, whatever has been since the last one.
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

impl State {
    fn admit(&mut self, bell: &Arc<Bell>) -> SeatId {
        self.seats += 1;
        self.receivers.insert(self.seats, Receiver::new(Arc::clone(bell)));
        self.seats
    }

    fn show(&mut self, id: SeatId, spot: Spot, who: Participant, shown: Shown) {
        let before = self.rooms.get(&spot).and_then(|room| room.shown.get(&who));
        let (is_new, is_news) = (before.is_none(), before.is_none_or(|before| before.content != shown.content));
        let replaced = before.map(|before| before.seat).filter(|seat| *seat != id);
        if is_new && !self.has_room(spot, who) {
            return;
        }
        if let Some(seat) = replaced {
            self.stop_telling(seat, spot); // of two connections of one device, the one that spoke last counts
        }
        self.rooms.entry(spot).or_default().shown.insert(who, shown);
        if is_new {
            *self.present.entry(who).or_default() += 1;
            metrics::present(1);
        }
        if is_new || replaced.is_some() {
            self.tell_of_others(id, spot, who);
        }
        if is_news {
            self.tell_others(spot, who);
        }
    }

    fn has_room(&self, spot: Spot, who: Participant) -> bool {
        self.rooms.get(&spot).is_none_or(|room| room.shown.len() < PRESENCE_PARTICIPANTS_MAX)
            && self.present.get(&who).is_none_or(|documents| *documents < PRESENCE_DOCUMENTS_MAX)
    }

    fn tell_of_others(&mut self, id: SeatId, spot: Spot, who: Participant) {
        let (Some(room), Some(receiver)) = (self.rooms.get(&spot), self.receivers.get_mut(&id)) else { return };
        receiver.spots.insert(spot);
        room.shown.keys().filter(|other| **other != who).for_each(|other| receiver.note(spot, *other));
    }

    /// Of `who`, that it is there, or there otherwise.
    fn tell_others(&mut self, spot: Spot, who: Participant) {
        let Some(room) = self.rooms.get(&spot) else { return };
        for shown in room.shown.iter().filter(|(other, _)| **other != who).map(|(_, shown)| shown) {
            if let Some(receiver) = self.receivers.get_mut(&shown.seat) {
                receiver.note(spot, who);
            }
        }
    }

    fn leave(&mut self, id: SeatId, is_left: impl Fn(&Spot) -> bool) {
        let spots = self.receivers.get(&id).map(|receiver| &receiver.spots);
        let left: Vec<Spot> = spots.into_iter().flatten().filter(|spot| is_left(spot)).copied().collect();
        for spot in left {
            self.remove(spot, |shown| shown.seat == id);
        }
    }

    fn sweep(&mut self, now: Instant) {
        let is_over = |room: &Room| room.shown.values().any(|shown| shown.until <= now);
        let over: Vec<Spot> = self.rooms.iter().filter(|(_, room)| is_over(room)).map(|(spot, _)| *spot).collect();
        for spot in over {
            self.remove(spot, |shown| shown.until <= now);
        }
    }

    /// Takes some out of a document, and tells those who stay.
    fn remove(&mut self, spot: Spot, is_leaving: impl Fn(&Shown) -> bool) {
        let Some(room) = self.rooms.get_mut(&spot) else { return };
        let gone: Vec<(Participant, Shown)> = room.shown.extract_if(.., |_, shown| is_leaving(shown)).collect();
        let staying: BTreeSet<SeatId> = room.shown.values().map(|shown| shown.seat).collect();
        if room.shown.is_empty() {
            self.rooms.remove(&spot);
        }
        for (who, shown) in gone {
            self.stop_telling(shown.seat, spot);
            self.forget(who);
            for seat in &staying {
                if let Some(receiver) = self.receivers.get_mut(seat) {
                    receiver.note_gone(spot, who);
                }
            }
        }
    }

    fn stop_telling(&mut self, id: SeatId, spot: Spot) {
        if let Some(receiver) = self.receivers.get_mut(&id) {
            receiver.leave(spot);
        }
    }

    fn forget(&mut self, who: Participant) {
        metrics::present(-1);
        if let Some(documents) = self.present.get_mut(&who) {
            *documents -= 1;
            if *documents == 0 {
                self.present.remove(&who);
            }
        }
    }

    fn take_next(&mut self, id: SeatId) -> Option<Presence> {
        let Self { rooms, receivers, .. } = self;
        let receiver = receivers.get_mut(&id)?;
        while let Some((spot, who)) = receiver.take_noted() {
            let room = rooms.get(&spot).filter(|_| receiver.spots.contains(&spot));
            let content = room.and_then(|room| room.shown.get(&who)).map(|shown| shown.content.clone());
            if receiver.tell(spot, who, content.is_some()) {
                let (Spot { space, document }, Participant { account, device }) = (spot, who);
                return Some(Presence { space, document, account, device, content });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
