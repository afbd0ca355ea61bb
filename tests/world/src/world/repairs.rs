//! The owner of a space sees that a document of his is held, and repairs it; and if the relay ends under his hands, he
//! does it again.

use super::World;
use crate::disk::Loss;
use crate::failure::Failure;

/// Commits and effects after which the relay may end during a repair, at most.
const MOMENTS_MAX: u64 = 6;

impl World {
    /// Whether something was held, and is not any more.
    pub(super) fn repair(&mut self) -> Result<bool, Failure> {
        let Some((space, document)) = self.foreign.spoiled() else { return Ok(false) };
        if self.rng.chance(self.faults.relay_crash * 5.0) {
            let moments = self.rng.below(MOMENTS_MAX) as u32;
            self.relay.disk.doom(moments, Loss::Process);
        }
        let token = self.templates.accounts[0].token.clone();
        let Some(program) = &self.relay.program else { return Ok(false) };
        let outcome = program.repair(&token, space, document);
        let has_ended = self.relay.disk.has_ended();
        self.tell("the owner", || format!("repairs {document}: {outcome:?}"));
        self.after_relay();
        match outcome {
            _ if has_ended => Ok(false),
            Ok(was_held) => Ok(was_held),
            // What spoiled it may be on its way yet.
            Err(_) if self.foreign.is_waiting() => Ok(false),
            Err(detail) => Failure::raise("users can work", format!("a repair was refused: {detail}")),
        }
    }
}
