//! A device that gives back what this log has lost: one part at a time, until it stands in the log again.
//!
//! Meanwhile its pushes to the space wait, bounded by their credit, so that the offered entries find the log as it was.

use sync_wire::{Checkpoint, Cursor, Offer, OfferPart, Push, RelayFrame, SpaceId, Wanted};

use super::{Breach, Effect};

/// One space of a session whose device has something to offer.
#[derive(Debug)]
pub(super) struct Offering {
    /// Places of the log that the device knows; its cursor, until it has sent them.
    checkpoints: Vec<Checkpoint>,
    step: Step,
    /// Pushes that wait.
    pub(super) held: Vec<Push>,
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
    pub(super) fn new(cursor: Option<&Cursor>) -> Self {
        let checkpoints =
            cursor.map(|cursor| Checkpoint { position: cursor.at.position, chain: cursor.chain }).into_iter().collect();
        Self { checkpoints, step: Step::Asked, held: Vec::new() }
    }

    pub(super) fn on_part(&mut self, offer: Offer, effects: &mut Vec<Effect>) -> Result<(), Breach> {
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

    /// The shell has answered: the device may send the next part.
    pub(super) fn on_wanted(&mut self, wanted: Wanted, effects: &mut Vec<Effect>) {
        if self.step == Step::Working {
            self.step = Step::Wanting;
            effects.push(Effect::Send(RelayFrame::Wanted(wanted)));
        }
    }

    /// Whether the answer to [`Effect::EndOffer`] is due.
    pub(super) fn is_ending(&self) -> bool {
        self.step == Step::Ending
    }
}

/// The answer to an offer that nobody asked for.
pub(super) fn unasked(space: SpaceId) -> Breach {
    Breach(format!("entries of space {space} were offered, and nobody had asked for them"))
}
