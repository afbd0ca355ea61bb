//! Another program comes, says what it has to say, and goes. Its frames take no time and are never lost.

use sync_core::session;
use sync_wire::{
    DeviceFrame, FateCode, Park, RelayFrame, decode_device_frame, decode_relay_frame, encode_device_frame,
    encode_relay_frame,
};

use super::World;
use crate::disk::Loss;
use crate::failure::Failure;
use crate::relay::Outgoing;

/// Commits and effects after which the relay may end under a visitor's hands, at most.
const MOMENTS_MAX: u64 = 8;

impl World {
    /// The other program without a vault.
    pub(super) fn visit(&mut self) -> Result<(), Failure> {
        if self.rng.chance(self.faults.relay_crash * 5.0) {
            let moments = self.rng.below(MOMENTS_MAX) as u32;
            self.relay.disk.doom(moments, Loss::Process);
        }
        let frames = |world: &mut Self| Ok(world.foreign.speak(world.clock.unix_seconds())?);
        for heard in self.converse("foreign", 0, frames)? {
            match &heard {
                RelayFrame::Ack(ack) => self.foreign.acked(ack.batch),
                // It has no room, and comes again.
                RelayFrame::Park(Park { code: FateCode::QUOTA, .. }) | RelayFrame::Skipped(_) if self.is_in_want(0) => {
                }
                RelayFrame::Refuse(_) | RelayFrame::Park(_) | RelayFrame::Need(_) | RelayFrame::Skipped(_) => {
                    return Failure::raise("every batch has its fate", format!("the other program was told {heard:?}"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A connection with the credentials of an account, on which all of these frames are said; gives what was heard on
    /// it up to the moment of the relay's end.
    pub(super) fn converse(
        &mut self,
        who: &str,
        account: usize,
        frames: impl FnOnce(&mut Self) -> Result<Vec<DeviceFrame>, Failure>,
    ) -> Result<Vec<RelayFrame>, Failure> {
        let link = self.links_opened + 1;
        self.links_opened = link;
        let (now, token) = (self.now(), self.templates.accounts[account].token.clone());
        if !matches!(self.relay.accept(link, &token, now), Ok(Some(()))) {
            return Ok(Vec::new()); // nobody there, or no room
        }
        let mut heard = Vec::new();
        for frame in frames(self)? {
            if let DeviceFrame::Push(push) = &frame {
                self.ledger.push(push)?;
            }
            let bytes = encode_device_frame(&frame);
            self.fingerprint.add("up", || &bytes);
            self.tell(who, || format!("says {frame:?}"));
            let Ok(Some(frame)) = decode_device_frame(&bytes) else {
                return Failure::raise("frames can be read", "a frame of the other program cannot be read");
            };
            let input = session::Input::Frame(frame);
            let outgoing = self.relay.feed(link, now, input, &self.fingerprint, self.story);
            for outgoing in &outgoing {
                heard.push(self.told_visitor(who, outgoing)?);
            }
            if self.relay.disk.has_ended() {
                break;
            }
        }
        self.relay.forget(link);
        self.after_relay();
        Ok(heard)
    }

    fn told_visitor(&mut self, who: &str, outgoing: &Outgoing) -> Result<RelayFrame, Failure> {
        let frame = match outgoing {
            Outgoing::Frame(frame) => frame,
            Outgoing::Close(goodbye) => {
                let detail = format!("the relay sent the other program away: {goodbye:?}");
                return Failure::raise("nobody breaks a rule", detail);
            }
        };
        let bytes = encode_relay_frame(frame);
        self.fingerprint.add("down", || &bytes);
        let Ok(Some(frame)) = decode_relay_frame(&bytes) else {
            return Failure::raise("frames can be read", "a frame for the other program cannot be read");
        };
        self.tell(who, || format!("hears {frame:?}"));
        self.ledger.hear(&frame)?;
        Ok(frame)
    }
}
