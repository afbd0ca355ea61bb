//! What the relay delivers, space by space. Frames are committed in the order in which they come; only a commit moves
//! the cursor, and only then is a delivery confirmed.

use std::collections::{BTreeMap, VecDeque};

use sync_wire::planted::{self, Bug};
use sync_wire::{Ack, Bootstrap, Confirm, Cursor, Deliver, DeviceFrame, Grant, LogPosition, Position, Resume, SpaceId};

use super::{Effect, Lost};

#[derive(Debug, Default)]
pub(super) struct Inbound {
    spaces: BTreeMap<SpaceId, Stream>,
    /// Commits under way, oldest first: `Committed` answers come in this order.
    committing: VecDeque<SpaceId>,
}

/// The stream of one space.
#[derive(Debug)]
struct Stream {
    /// Received up to here; what the next delivery must follow.
    received: LogPosition,
    /// Durable up to here.
    committed: Position,
    known_end: Position,
    is_bootstrapping: bool,
    /// The relay does not know where this device stands: nothing is delivered until the offer is done.
    is_offering: bool,
}

impl Inbound {
    /// As sent in `Hello`.
    pub(super) fn from_cursors(cursors: &[Cursor]) -> Self {
        let spaces = cursors.iter().map(|cursor| (cursor.space, Stream::from_cursor(cursor))).collect();
        Self { spaces, committing: VecDeque::new() }
    }

    /// Takes every grant: spaces that are not granted are dropped, new ones begin where their grant says.
    pub(super) fn welcome(&mut self, grants: &[Grant]) {
        let mut before = std::mem::take(&mut self.spaces);
        for grant in grants {
            self.spaces.insert(grant.space, Stream::granted(grant, before.remove(&grant.space)));
        }
    }

    pub(super) fn on_grant_changed(&mut self, space: SpaceId, grant: Option<&Grant>) {
        let before = self.spaces.remove(&space);
        if let Some(grant) = grant {
            self.spaces.insert(space, Stream::granted(grant, before));
        }
    }

    /// The vault stored the grants and says where it stands.
    pub(super) fn granted(&mut self, cursors: &[Cursor]) {
        for cursor in cursors {
            if let Some(stream) = self.spaces.get_mut(&cursor.space) {
                stream.committed = stream.committed.max(cursor.at.position);
            }
        }
    }

    pub(super) fn on_deliver(&mut self, deliver: Deliver, effects: &mut Vec<Effect>) -> Result<(), Lost> {
        let space = deliver.space;
        let stream = self.stream(space)?;
        if deliver.after != stream.received {
            let expected = stream.received;
            return Err(Lost::retry(format!("a delivery of space {space} follows {}, not {expected}", deliver.after)));
        }
        stream.received = deliver.end();
        stream.known_end = stream.known_end.max(stream.received.position);
        self.committing.push_back(space);
        effects.push(Effect::CommitDelivery(deliver));
        Ok(())
    }

    pub(super) fn on_bootstrap(&mut self, bootstrap: Bootstrap, effects: &mut Vec<Effect>) -> Result<(), Lost> {
        let space = bootstrap.space;
        let stream = self.stream(space)?;
        if !stream.is_bootstrapping || bootstrap.at.epoch != stream.received.epoch {
            return Err(Lost::retry(format!("a bootstrap of space {space} came that is not under way")));
        }
        self.committing.push_back(space);
        effects.push(Effect::CommitBootstrap(bootstrap));
        Ok(())
    }

    /// The log reaches at least to where an own batch is: the delivery that moves the cursor there is on its way.
    pub(super) fn on_ack(&mut self, ack: &Ack) {
        if let (Some(at), Some(stream)) = (ack.at, self.spaces.get_mut(&ack.space))
            && at.epoch == stream.received.epoch
        {
            stream.known_end = stream.known_end.max(at.position);
        }
    }

    /// Confirms the oldest commit under way.
    pub(super) fn committed(&mut self, cursor: &Cursor, effects: &mut Vec<Effect>) {
        let Some(space) = self.committing.pop_front() else { return };
        assert_eq!(space, cursor.space, "commits are answered in order");
        if let Some(stream) = self.spaces.get_mut(&space) {
            stream.committed = cursor.at.position;
            stream.is_bootstrapping = cursor.bootstrap.is_some();
        }
        let position = cursor.at.position;
        // Planted: what was delivered is confirmed, and its credit is not given back.
        let frames = u32::from(!planted::is(Bug::CreditLeaked));
        effects.push(Effect::Send(DeviceFrame::Confirm(Confirm { space, position, frames })));
    }

    pub(super) fn is_caught_up(&self) -> bool {
        self.committing.is_empty() && self.spaces.values().all(Stream::is_caught_up)
    }

    fn stream(&mut self, space: SpaceId) -> Result<&mut Stream, Lost> {
        self.spaces
            .get_mut(&space)
            .ok_or_else(|| Lost::retry(format!("a delivery of space {space}, which is not granted")))
    }
}

impl Stream {
    fn from_cursor(cursor: &Cursor) -> Self {
        Self {
            received: cursor.at,
            committed: cursor.at.position,
            known_end: cursor.at.position,
            is_bootstrapping: cursor.bootstrap.is_some(),
            is_offering: false,
        }
    }

    fn is_caught_up(&self) -> bool {
        !self.is_bootstrapping && !self.is_offering && self.committed >= self.known_end
    }

    fn granted(grant: &Grant, before: Option<Self>) -> Self {
        let known_end = grant.end.position;
        match (grant.resume, before) {
            (Resume::Continue, Some(stream)) => Self { known_end: stream.known_end.max(known_end), ..stream },
            (Resume::Continue, None) => Self {
                received: LogPosition { epoch: grant.end.epoch, position: Position::START },
                committed: Position::START,
                known_end,
                is_bootstrapping: false,
                is_offering: false,
            },
            (Resume::Offer, Some(stream)) => Self { is_offering: true, ..stream },
            (Resume::Offer, None) => Self {
                received: grant.end,
                committed: Position::START,
                known_end,
                is_bootstrapping: false,
                is_offering: true,
            },
            (Resume::From { at, .. }, _) => Self {
                received: LogPosition { epoch: grant.end.epoch, position: at },
                committed: at,
                known_end,
                is_bootstrapping: false,
                is_offering: false,
            },
            (Resume::Bootstrap { at, .. }, _) => Self {
                received: LogPosition { epoch: grant.end.epoch, position: at },
                committed: at,
                known_end,
                is_bootstrapping: at > Position::START,
                is_offering: false,
            },
        }
    }
}
