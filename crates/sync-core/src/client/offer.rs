//! Giving back what a relay has lost: space by space, run by run, each when the one before it was answered.
//!
//! Nothing is kept over a broken link. The cursor stays where it was until the relay has said where the log goes on, so
//! the next connection begins the offer anew, and the relay leaves out what it has by then.

use std::collections::VecDeque;

use sync_wire::{Checkpoint, DeviceFrame, Grant, Offer, OfferPart, Resume, Run, SpaceId, Wanted};

use super::{Effect, Lost};

#[derive(Debug, Default)]
pub(super) struct Offers {
    /// Spaces whose turn has not come.
    waiting: VecDeque<SpaceId>,
    current: Option<Current>,
}

/// The space that is offered.
#[derive(Debug)]
struct Current {
    space: SpaceId,
    step: Step,
    /// Entries that the relay took.
    taken: u64,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The vault's checkpoints, or its next run.
    Reading,
    /// The relay's word on what was sent.
    Sent,
    /// The relay's word on where the log goes on.
    Done,
}

impl Offers {
    /// Takes the spaces for which the relay asks for an offer.
    pub(super) fn welcome(&mut self, grants: &[Grant]) {
        self.waiting = grants.iter().filter(|grant| grant.resume == Resume::Offer).map(|grant| grant.space).collect();
        self.current = None;
    }

    /// Begins with the next space, unless one is under way.
    pub(super) fn next(&mut self, effects: &mut Vec<Effect>) {
        if self.current.is_none()
            && let Some(space) = self.waiting.pop_front()
        {
            self.current = Some(Current { space, step: Step::Reading, taken: 0 });
            effects.push(Effect::ReadCheckpoints { space });
        }
    }

    pub(super) fn on_checkpoints(&mut self, space: SpaceId, checkpoints: Vec<Checkpoint>, effects: &mut Vec<Effect>) {
        self.send(space, OfferPart::Checkpoints(checkpoints), effects);
    }

    pub(super) fn on_run(&mut self, space: SpaceId, run: Option<Run>, effects: &mut Vec<Effect>) {
        self.send(space, run.map_or(OfferPart::Done, OfferPart::Run), effects);
    }

    fn send(&mut self, space: SpaceId, part: OfferPart, effects: &mut Vec<Effect>) {
        let current = self.current.as_mut().filter(|current| current.space == space && current.step == Step::Reading);
        let Some(current) = current else { return };
        current.step = if part == OfferPart::Done { Step::Done } else { Step::Sent };
        effects.push(Effect::Send(DeviceFrame::Offer(Offer { space, part })));
    }

    pub(super) fn on_wanted(&mut self, wanted: &Wanted, effects: &mut Vec<Effect>) -> Result<(), Lost> {
        let space = wanted.space;
        let current = self.current.as_mut().filter(|current| current.space == space && current.step == Step::Sent);
        let current =
            current.ok_or_else(|| Lost::retry(format!("the relay wants entries of space {space}, unasked")))?;
        current.step = Step::Reading;
        current.taken += wanted.taken;
        effects.push(Effect::ReadRun { space, after: wanted.after });
        Ok(())
    }

    /// The grant of a space was given anew, or taken: an offer of it is over.
    pub(super) fn on_grant_changed(&mut self, space: SpaceId, grant: Option<&Grant>, effects: &mut Vec<Effect>) {
        self.waiting.retain(|waiting| *waiting != space);
        let Some(current) = self.current.take_if(|current| current.space == space) else { return };
        if current.step == Step::Done && grant.is_some_and(|grant| matches!(grant.resume, Resume::From { .. })) {
            effects.push(Effect::NoteOffered { space, taken: current.taken });
        }
        self.next(effects);
    }
}
