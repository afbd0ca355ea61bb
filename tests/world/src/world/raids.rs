//! The attacker comes, does what it can, and goes or is sent away.

use sync_core::session;
use sync_wire::limits::FRAME_BYTES_MAX;
use sync_wire::{GoodbyeCode, RelayFrame, decode_device_frame, decode_relay_frame, encode_relay_frame};

use super::World;
use crate::disk::Loss;
use crate::failure::Failure;
use crate::relay::Outgoing;

/// Commits and effects after which the relay may end under an attacker's hands, at most.
const MOMENTS_MAX: u64 = 12;
/// Attacks on one connection, at most.
const ATTACKS_MAX: u64 = 6;

/// Whether an attacker is still heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Heard,
    SentAway,
}

impl World {
    pub(super) fn raid(&mut self) -> Result<(), Failure> {
        if self.rng.chance(self.faults.relay_crash * 2.0) {
            let moments = self.rng.below(MOMENTS_MAX) as u32;
            self.relay.disk.doom(moments, Loss::Process);
        }
        if self.rng.chance(self.faults.relay_restore * 4.0) {
            return self.raid_with_an_offer();
        }
        let hello = self.attacker.greet();
        let Some(link) = self.let_attacker_in(&hello)? else { return Ok(()) };
        for _ in 0..self.rng.between(1, ATTACKS_MAX) {
            let frames = self.attacker.attack();
            if self.hear_attacker(link, &frames)? == Standing::SentAway {
                break;
            }
        }
        self.relay.forget(link);
        self.after_relay();
        Ok(())
    }

    /// Claims that the relay has lost something, and gives it back.
    fn raid_with_an_offer(&mut self) -> Result<(), Failure> {
        let hello = self.attacker.greet_from_elsewhere();
        let Some(link) = self.let_attacker_in(&hello)? else { return Ok(()) };
        let frames = self.attacker.offer();
        self.hear_attacker(link, &frames)?;
        self.relay.forget(link);
        self.after_relay();
        Ok(())
    }

    /// Says everything again that was ever said, each frame on a connection that lasts.
    pub(super) fn raid_again(&mut self) -> Result<(), Failure> {
        let mut link = None;
        for frame in self.attacker.repeat() {
            if link.is_none() {
                let hello = self.attacker.greet();
                link = self.let_attacker_in(&hello)?;
            }
            let Some(open) = link else { break };
            if self.hear_attacker(open, &[frame])? == Standing::SentAway {
                self.relay.forget(open);
                link = None;
            }
        }
        link.into_iter().for_each(|link| self.relay.forget(link));
        self.after_relay();
        Ok(())
    }

    fn let_attacker_in(&mut self, hello: &[u8]) -> Result<Option<u64>, Failure> {
        self.links_opened += 1;
        let (link, now) = (self.links_opened, self.now());
        if !matches!(self.relay.accept(link, &self.templates.attacker.token, now), Ok(Some(()))) {
            return Ok(None);
        }
        let standing = self.hear_attacker(link, &[hello.to_vec()])?;
        if standing == Standing::SentAway {
            self.relay.forget(link);
        }
        Ok((standing == Standing::Heard).then_some(link))
    }

    fn hear_attacker(&mut self, link: u64, frames: &[Vec<u8>]) -> Result<Standing, Failure> {
        for bytes in frames {
            if self.hear_frame(link, bytes)? == Standing::SentAway {
                return Ok(Standing::SentAway);
            }
        }
        Ok(Standing::Heard)
    }

    fn hear_frame(&mut self, link: u64, bytes: &[u8]) -> Result<Standing, Failure> {
        self.fingerprint.add("attack", || bytes);
        // What the socket does before a session hears anything.
        let frame = if bytes.len() > FRAME_BYTES_MAX { None } else { decode_device_frame(bytes).ok() };
        let Some(frame) = frame else { return Ok(Standing::SentAway) };
        self.tell("attacker", || format!("says {frame:?}"));
        let Some(frame) = frame else { return Ok(Standing::Heard) };
        let now = self.now();
        let outgoing = self.relay.feed(link, now, session::Input::Frame(frame), &self.fingerprint, self.story);
        for outgoing in &outgoing {
            match outgoing {
                Outgoing::Frame(frame) => self.tell_attacker(frame)?,
                Outgoing::Close(goodbye)
                    if goodbye.code == GoodbyeCode::UNAVAILABLE && !self.is_for_a_new_epoch(goodbye) =>
                {
                    let detail = format!("an attack made the relay fail: {goodbye:?}");
                    return Failure::raise("an attack harms its author alone", detail);
                }
                Outgoing::Close(goodbye) => {
                    self.tell("attacker", || format!("is sent away: {goodbye:?}"));
                    return Ok(Standing::SentAway);
                }
            }
        }
        Ok(if self.relay.disk.has_ended() { Standing::SentAway } else { Standing::Heard })
    }

    fn tell_attacker(&mut self, frame: &RelayFrame) -> Result<(), Failure> {
        let bytes = encode_relay_frame(frame);
        self.fingerprint.add("answer", || &bytes);
        let Ok(Some(frame)) = decode_relay_frame(&bytes) else {
            return Failure::raise("frames can be read", "a frame for the attacker cannot be read");
        };
        self.tell("attacker", || format!("hears {frame:?}"));
        self.attacker.hear(&frame);
        // What it is told of the log has to be the log; of its own batches nobody keeps account.
        if matches!(frame, RelayFrame::Deliver(_) | RelayFrame::Bootstrap(_)) {
            self.ledger.hear(&frame)
        } else {
            Ok(())
        }
    }
}
