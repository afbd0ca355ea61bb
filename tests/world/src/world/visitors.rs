//! The other program comes, says what it has to say, and goes.

use sync_core::session;
use sync_wire::{RelayFrame, decode_device_frame, decode_relay_frame, encode_device_frame, encode_relay_frame};

use super::World;
use crate::disk::Loss;
use crate::failure::Failure;
use crate::relay::Outgoing;

/// Commits and effects after which the relay may end under a visitor's hands, at most.
const MOMENTS_MAX: u64 = 8;

impl World {
    pub(super) fn visit(&mut self) -> Result<(), Failure> {
        if self.rng.chance(self.faults.relay_crash * 5.0) {
            let moments = self.rng.below(MOMENTS_MAX) as u32;
            self.relay.disk.doom(moments, Loss::Process);
        }
        let link = self.links_opened + 1;
        self.links_opened = link;
        let (now, token) = (self.now(), self.templates.accounts[0].token.clone());
        if !matches!(self.relay.accept(link, &token, now), Ok(Some(()))) {
            return Ok(()); // nobody there, or no room
        }
        let frames = self.foreign.speak(self.clock.unix_seconds())?;
        for frame in frames {
            if let sync_wire::DeviceFrame::Push(push) = &frame {
                self.ledger.push(push)?;
            }
            let bytes = encode_device_frame(&frame);
            self.fingerprint.add("up", || &bytes);
            self.tell("foreign", || format!("says {frame:?}"));
            let Ok(Some(frame)) = decode_device_frame(&bytes) else {
                return Failure::raise("frames can be read", "a frame of the other program cannot be read");
            };
            let input = session::Input::Frame(frame);
            let outgoing = self.relay.feed(link, now, input, &self.fingerprint, self.story);
            outgoing.iter().try_for_each(|outgoing| self.told_visitor(outgoing))?;
            if self.relay.disk.has_ended() {
                break;
            }
        }
        self.relay.forget(link);
        self.after_relay();
        Ok(())
    }

    fn told_visitor(&mut self, outgoing: &Outgoing) -> Result<(), Failure> {
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
        self.tell("foreign", || format!("hears {frame:?}"));
        match &frame {
            RelayFrame::Ack(ack) => self.foreign.acked(ack.batch),
            RelayFrame::Refuse(_) | RelayFrame::Park(_) | RelayFrame::Need(_) | RelayFrame::Skipped(_) => {
                return Failure::raise("every batch has its fate", format!("the other program was told {frame:?}"));
            }
            _ => {}
        }
        self.ledger.hear(&frame)
    }
}
