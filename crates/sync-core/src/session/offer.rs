//! A device that gives back what this log has lost: one part at a time, until it stands in the log again.
//!
//! Meanwhile its pushes to the space wait, bounded by their credit, so that the offered entries find the log as it was.

use std::collections::{BTreeMap, BTreeSet};

use sync_wire::{Checkpoint, Cursor, Grant, Offer, OfferPart, Push, RelayFrame, SpaceId, Wanted};

use super::{Breach, Effect};

/// The spaces of a session whose log does not know where the device stands.
#[derive(Debug, Default)]
pub(super) struct Offers {
    open: BTreeMap<SpaceId, Offering>,
    /// Spaces that were taken from the device while it had its turn: one more part may be on its way.
    taken_in_turn: BTreeSet<SpaceId>,
}

impl Offers {
    /// The device is asked what it has, where its cursor is this one.
    pub(super) fn begin(&mut self, space: SpaceId, cursor: Option<&Cursor>) {
        self.open.insert(space, Offering::new(cursor));
    }

    pub(super) fn contains(&self, space: &SpaceId) -> bool {
        self.open.contains_key(space)
    }

    pub(super) fn on_part(&mut self, offer: Offer, effects: &mut Vec<Effect>) -> Result<(), Breach> {
        let space = offer.space;
        match self.open.get_mut(&space) {
            Some(offering) => offering.on_part(offer, effects),
            None if self.taken_in_turn.remove(&space) => Ok(()), // the device had not heard of that yet
            None => Err(Breach(format!("entries of space {space} were offered, and nobody had asked for them"))),
        }
    }

    /// The shell has answered: the device may send the next part.
    pub(super) fn on_wanted(&mut self, wanted: Wanted, effects: &mut Vec<Effect>) {
        if let Some(offering) = self.open.get_mut(&wanted.space) {
            offering.on_wanted(wanted, effects);
        }
    }

    /// Keeps a push until the offer of its space is done, bounded by the credit that it holds. Gives it back if there
    /// is no offer.
    pub(super) fn hold(&mut self, push: Push) -> Option<Push> {
        match self.open.get_mut(&push.space) {
            Some(offering) => {
                offering.held.push(push);
                None
            }
            None => Some(push),
        }
    }

    /// [`Effect::EndOffer`] is answered: what waited goes on. None if it was not asked for.
    pub(super) fn end(&mut self, space: SpaceId) -> Option<Vec<Push>> {
        let is_due = self.open.get(&space).is_some_and(|offering| offering.step == Step::Ending);
        is_due.then(|| self.open.remove(&space))?.map(|offering| offering.held)
    }

    /// Whoever may not read a space any more has nothing to offer to it. Gives the spaces, and what waited there.
    pub(super) fn end_untaken(&mut self, grants: &[Grant]) -> Vec<(SpaceId, Vec<Push>)> {
        let is_granted = |space: &SpaceId| grants.iter().any(|grant| grant.space == *space);
        let taken: Vec<_> = self.open.extract_if(.., |space, _| !is_granted(space)).collect();
        let in_turn = taken.iter().filter(|(_, offering)| matches!(offering.step, Step::Asked | Step::Wanting));
        self.taken_in_turn.extend(in_turn.map(|(space, _)| *space));
        taken.into_iter().map(|(space, offering)| (space, offering.held)).collect()
    }
}

/// One space of them.
#[derive(Debug)]
struct Offering {
    /// Places of the log that the device knows; its cursor, until it has sent them.
    checkpoints: Vec<Checkpoint>,
    step: Step,
    /// Pushes that wait.
    held: Vec<Push>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The device's checkpoints are due.
    Asked,
    /// The shell is at work.
    Working,
    /// The next run is due.
    Wanting,
    /// The shell looks where the log goes on.
    Ending,
}

impl Offering {
    fn new(cursor: Option<&Cursor>) -> Self {
        let checkpoints =
            cursor.map(|cursor| Checkpoint { position: cursor.at.position, chain: cursor.chain }).into_iter().collect();
        Self { checkpoints, step: Step::Asked, held: Vec::new() }
    }

    fn on_part(&mut self, offer: Offer, effects: &mut Vec<Effect>) -> Result<(), Breach> {
        let space = offer.space;
        match (self.step, offer.part) {
            (Step::Asked, OfferPart::Checkpoints(checkpoints)) => {
                self.checkpoints = checkpoints;
                self.step = Step::Working;
                effects.push(Effect::FindAncestor { space, checkpoints: self.checkpoints.clone() });
            }
            (Step::Wanting, OfferPart::Run(run)) => {
                self.step = Step::Working;
                effects.push(Effect::TakeRun { space, run });
            }
            (Step::Asked | Step::Wanting, OfferPart::Done) => {
                self.step = Step::Ending;
                let checkpoints = std::mem::take(&mut self.checkpoints);
                effects.push(Effect::EndOffer { space, checkpoints });
            }
            _ => return Err(Breach(format!("a part of an offer of space {space} came out of turn"))),
        }
        Ok(())
    }

    fn on_wanted(&mut self, wanted: Wanted, effects: &mut Vec<Effect>) {
        if self.step == Step::Working {
            self.step = Step::Wanting;
            effects.push(Effect::Send(RelayFrame::Wanted(wanted)));
        }
    }
}
