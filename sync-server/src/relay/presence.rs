//! Who is in which document at the moment: cursors, selections, names. The one thing that the relay passes on and never
//! keeps: in memory only, best effort, and in no log of any kind.
//!
//! Here too hints travel and truth is read: a receiver costs one entry for each participant that changed, and finds the
//! newest of it when its socket has room. So a slow one finds less, and nobody waits for it.

mod seat; // start here: what one session may do
mod page; // the same for pages, which show over other connections than they are told on
mod room; // one document, and what one receiver has not been told yet
mod allowance; // how fast one session may show

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sync_wire::limits::{PRESENCE_DOCUMENTS_MAX, PRESENCE_PARTICIPANTS_MAX};
use sync_wire::{AccountId, DeviceId, DocumentId, Presence, SpaceId};
use tokio::time::Instant;

pub use self::page::NotShown;
use self::room::{Kind, Receiver, Room, Shown};
pub use self::seat::Seat;
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

/// Who is there, as the relay knows it: a device, or a page with an id like that of one.
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

/// Why somebody is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// As many as are shown there are there.
    #[error(
        "{PRESENCE_PARTICIPANTS_MAX} devices and pages are in the document, and no more are shown: try again later"
    )]
    Document,
    /// It is in as many documents as it may be.
    #[error("it is in {PRESENCE_DOCUMENTS_MAX} documents already, and shown in no more: leave one of them first")]
    Participant,
}

impl State {
    fn admit(&mut self, kind: Kind, bell: &Arc<Bell>) -> SeatId {
        self.seats += 1;
        self.receivers.insert(self.seats, Receiver::new(kind, Arc::clone(bell)));
        self.seats
    }

    fn shown(&self, spot: Spot, who: Participant) -> Option<&Shown> {
        self.rooms.get(&spot)?.shown.get(&who)
    }

    fn show(&mut self, spot: Spot, who: Participant, shown: Shown) -> Result<(), Full> {
        let (before, id) = (self.shown(spot, who), shown.seat);
        let (is_new, is_news) = (before.is_none(), before.is_none_or(|before| before.content != shown.content));
        let replaced = before.map(|before| before.seat).filter(|seat| *seat != id);
        if is_new {
            self.check_room(spot, who)?;
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
        Ok(())
    }

    fn check_room(&self, spot: Spot, who: Participant) -> Result<(), Full> {
        if self.rooms.get(&spot).is_some_and(|room| room.shown.len() >= PRESENCE_PARTICIPANTS_MAX) {
            return Err(Full::Document);
        }
        match self.present.get(&who) {
            Some(documents) if *documents >= PRESENCE_DOCUMENTS_MAX => Err(Full::Participant),
            _ => Ok(()),
        }
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

    /// What was not shown again in time is over: a device is gone, a page that is still told of others only looks.
    fn sweep(&mut self, now: Instant) {
        let is_over = |shown: &Shown| shown.until.is_some_and(|until| until <= now);
        let has_over = |room: &Room| room.shown.values().any(is_over);
        let over: Vec<Spot> = self.rooms.iter().filter(|(_, room)| has_over(room)).map(|(spot, _)| *spot).collect();
        for spot in over {
            self.look_only(spot, is_over);
            self.remove(spot, is_over);
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
