//! The owner of a space sees that a document of his is held, and repairs it; and if the relay ends under his hands, he
//! does it again.

use sync_server::simulation::now as at_once;
use sync_wire::{ChangeHash, DocumentId, SpaceId};

use super::World;
use crate::disk::Loss;
use crate::failure::Failure;

/// Commits and effects after which the relay may end during a repair, at most.
const MOMENTS_MAX: u64 = 6;

impl World {
    /// Whether some document was spoiled, now or long ago.
    pub(super) fn is_anything_spoiled(&self) -> bool {
        self.foreign.spoiled().is_some() || !self.spoiled.is_empty()
    }

    /// Whether something was held, and is not any more.
    pub(super) fn repair(&mut self) -> Result<bool, Failure> {
        let mut was_held = false;
        if let Some((space, document)) = self.foreign.spoiled() {
            was_held |= self.repair_one(0, space, document, Vec::new())?;
        }
        for spoiled in self.spoiled.clone() {
            let space = self.templates.accounts[spoiled.account].personal;
            if !self.is_held(space, spoiled.document)? {
                continue; // nobody has looked, it is repaired, or it never came so far
            }
            let innocent = if self.rng.chance(0.5) { self.innocent(&spoiled)? } else { None };
            if let Some(innocent) = innocent {
                // What it added to a counter is gone with it.
                self.ledger.undone.insert(spoiled.account);
                self.tell("the owner", || format!("takes {innocent} for one that has to go"));
            }
            was_held |= self.repair_one(spoiled.account, space, spoiled.document, innocent.into_iter().collect())?;
        }
        Ok(was_held)
    }

    fn is_held(&self, space: SpaceId, document: DocumentId) -> Result<bool, Failure> {
        let Some(program) = self.relay.program.as_ref().filter(|_| !self.relay.disk.has_ended()) else {
            return Ok(false);
        };
        let state = at_once(program.storage().document(space, document)).map_err(anyhow::Error::from)?;
        Ok(state.is_some_and(|state| state.held.is_some()))
    }

    fn repair_one(
        &mut self,
        account: usize,
        space: SpaceId,
        document: DocumentId,
        named: Vec<ChangeHash>,
    ) -> Result<bool, Failure> {
        if self.rng.chance(self.faults.relay_crash * 5.0) {
            let moments = self.rng.below(MOMENTS_MAX) as u32;
            self.relay.disk.doom(moments, Loss::Process);
        }
        let token = self.templates.accounts[account].token.clone();
        let Some(program) = &self.relay.program else { return Ok(false) };
        let outcome = program.repair(&token, space, document, named);
        let has_ended = self.relay.disk.has_ended();
        self.tell("the owner", || format!("repairs {document}: {outcome:?}"));
        self.after_relay();
        match outcome {
            _ if has_ended => Ok(false),
            Ok(was_held) => Ok(was_held),
            // What spoiled it may be on its way yet.
            Err(_) if self.foreign.is_waiting() && self.foreign.spoiled() == Some((space, document)) => Ok(false),
            Err(detail) => Failure::raise("users can work", format!("a repair was refused: {detail}")),
        }
    }
}
