//! Links: how they open, what travels on them, and how they break.

use std::time::Duration;

use sync_core::client::Obstacle;
use sync_core::{client, session};
use sync_wire::{
    DeviceFrame, Goodbye, GoodbyeCode, RelayFrame, decode_device_frame, decode_relay_frame, encode_relay_frame,
};

use super::{Due, World};
use crate::edition::{Edition, UNKNOWN_FRAME};
use crate::failure::Failure;
use crate::link::{End, Link, Passage};

/// A side that hears nothing for so long gives a link up.
const DEAD_AFTER: Duration = Duration::from_secs(45);

impl World {
    /// A device dials: whether somebody answers turns out two journeys later.
    pub(super) fn connect(&mut self, index: usize) {
        self.let_go(index);
        self.devices[index].attempt += 1;
        let attempt = self.devices[index].attempt;
        let wait = (self.tempo.latency + self.rng.up_to(self.tempo.jitter)) * 2;
        self.plan(wait, Due::Connected(index, attempt));
    }

    pub(super) fn connected(&mut self, index: usize, attempt: u64) -> Result<(), Failure> {
        let now = self.now();
        let device = &self.devices[index];
        if device.attempt != attempt || device.program.is_none() || device.link.is_some() {
            return Ok(()); // that was in another life
        }
        let failed = |obstacle, detail: &str| client::Input::ConnectFailed { obstacle, detail: detail.to_owned() };
        if now < device.unreachable_until {
            return self.feed_device(index, failed(Obstacle::Unreached, "the network is away"));
        }
        let (link, token) = (self.links_opened + 1, device.token().to_owned());
        match self.relay.accept(link, &token, now) {
            Ok(None) => self.feed_device(index, failed(Obstacle::Unreached, "nobody answers")),
            Err(refused) if refused.code.is_worth_retrying() => {
                self.feed_device(index, failed(Obstacle::TurnedAway, &refused.to_string()))
            }
            Err(refused) => {
                Failure::raise("nobody is asked for help", format!("device {index} was refused: {refused}"))
            }
            Ok(Some(())) => {
                self.links_opened = link;
                self.links.insert(link, Link::new(index));
                self.devices[index].link = Some(link);
                self.tell(&format!("device {index}"), || format!("is connected by link {link}"));
                self.plan_session(link);
                self.feed_device(index, client::Input::Connected)
            }
        }
    }

    pub(super) fn send_up(&mut self, index: usize, frame: &DeviceFrame) -> Result<(), Failure> {
        if let DeviceFrame::Push(push) = frame {
            self.ledger.push(push)?;
        }
        let edition = self.devices[index].edition;
        let bytes = edition.device_frame(frame);
        self.fingerprint.add("up", || &bytes);
        if let Some(link) = self.devices[index].link {
            self.say_something_new(link, End::Relay, edition);
            self.send(link, End::Relay, bytes);
        }
        Ok(())
    }

    pub(super) fn send_down(&mut self, link: u64, frame: &RelayFrame) -> Result<(), Failure> {
        let bytes = self.relay.edition.dressed(encode_relay_frame(frame));
        self.fingerprint.add("down", || &bytes);
        self.say_something_new(link, End::Device, self.relay.edition);
        self.send(link, End::Device, bytes);
        Ok(())
    }

    /// The program of tomorrow has something to say at times that nobody understands today.
    fn say_something_new(&mut self, link: u64, towards: End, edition: Edition) {
        if edition == Edition::Tomorrow && self.editions.as_mut().is_some_and(|editions| editions.chance(0.1)) {
            self.send(link, towards, UNKNOWN_FRAME.to_vec());
        }
    }

    fn send(&mut self, id: u64, towards: End, bytes: Vec<u8>) {
        let now = self.now();
        let Some(link) = self.links.get_mut(&id) else { return };
        let copies = link.in_flight(towards);
        let passage = link.send(towards, now, bytes, self.tempo, &self.faults, &mut self.rng);
        let copies = link.in_flight(towards) - copies;
        match passage {
            Passage::Arrives(at) => (0..copies).for_each(|_| self.schedule.plan(at, Due::Arrival(id, towards))),
            Passage::Void => {}
            Passage::Lost => {
                self.tell("link", || format!("{id} loses a frame towards {towards:?}"));
                self.reset(id, Duration::from_secs(5));
            }
        }
    }

    /// Both ends notice, each for itself, that a link is gone.
    pub(super) fn reset(&mut self, id: u64, longest: Duration) {
        for end in [End::Device, End::Relay] {
            let wait = self.rng.up_to(longest);
            self.plan(wait, Due::Break(id, end));
        }
    }

    /// One end of a link has gone without a word; the other one notices within `notice`. What is on its way arrives, or
    /// does not.
    pub(super) fn forsake(&mut self, id: u64, left: End, notice: Duration) {
        let is_lost = self.rng.chance(0.5);
        let wait = self.rng.up_to(notice);
        let Some(link) = self.links.get_mut(&id) else { return };
        link.lose(left.other());
        if is_lost {
            link.lose(left);
        } else {
            link.cut(left);
        }
        self.plan(wait, Due::Break(id, left));
    }

    /// A link breaks; `aware` notices at once, the other end believes in it for a while.
    pub(super) fn half_open(&mut self, id: u64, aware: End) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.cut(End::Device);
        link.cut(End::Relay);
        let wait = self.rng.up_to(DEAD_AFTER);
        self.plan(Duration::ZERO, Due::Break(id, aware));
        self.plan(wait, Due::Break(id, aware.other()));
    }

    /// All that a device has of the network is gone; links break when that is noticed.
    pub(super) fn cut_off(&mut self, index: usize) {
        if let Some(id) = self.devices[index].link
            && let Some(link) = self.links.get_mut(&id)
        {
            link.lose(End::Device);
            link.lose(End::Relay);
            self.reset(id, DEAD_AFTER);
        }
    }

    /// A device closes its link. What it sent before arrives first.
    pub(super) fn disconnect(&mut self, index: usize) {
        self.devices[index].attempt += 1; // an attempt under way is given up
        self.let_go(index);
    }

    fn let_go(&mut self, index: usize) {
        let Some(id) = self.devices[index].link.take() else { return };
        let now = self.now();
        let Some(link) = self.links.get_mut(&id) else { return };
        link.lose(End::Device);
        link.cut(End::Relay);
        let at = link.last_arrival(End::Relay).max(now) + self.tempo.latency;
        self.schedule.plan(at, Due::Break(id, End::Relay));
    }

    /// The relay closes a link with a last frame.
    pub(super) fn close(&mut self, id: u64, goodbye: Goodbye) -> Result<(), Failure> {
        self.tell("relay", || format!("closes link {id}: {goodbye:?}"));
        self.check_goodbye(id, &goodbye)?;
        self.send_down(id, &RelayFrame::Goodbye(goodbye))?;
        self.relay.forget(id);
        let now = self.now();
        if let Some(link) = self.links.get_mut(&id) {
            link.lose(End::Relay);
            link.cut(End::Device);
            let at = link.last_arrival(End::Device).max(now) + self.tempo.latency;
            self.schedule.plan(at, Due::Break(id, End::Device));
        }
        Ok(())
    }

    /// On a link that does what TCP does, no device breaks a rule; and the relay's storage never fails here.
    fn check_goodbye(&self, id: u64, goodbye: &Goodbye) -> Result<(), Failure> {
        let is_tampered = self.links.get(&id).is_none_or(|link| link.is_tampered);
        let is_slow = goodbye.code == GoodbyeCode::TOO_SLOW; // a Hello that was held up
        let is_full = goodbye.code == GoodbyeCode::OVERLOADED; // links that nobody knows to be gone yet
        // It has a newer link, or a copy of it has, or its clock went back while it was off.
        let is_superseded = goodbye.code == GoodbyeCode::SUPERSEDED;
        if goodbye.code == GoodbyeCode::DEVICE_REVOKED && !self.revoked.is_empty() {
            return Ok(()); // that it is no other device turns out when everybody has to be connected
        }
        if is_tampered || is_slow || is_full || is_superseded || self.is_damaged || self.is_for_a_new_epoch(goodbye) {
            return Ok(());
        }
        Failure::raise("nobody breaks a rule", format!("the relay closed link {id}: {goodbye:?}"))
    }

    /// A log went another way since the relay was put back to an earlier copy: who comes again is told where it goes
    /// on.
    pub(super) fn is_for_a_new_epoch(&self, goodbye: &Goodbye) -> bool {
        let is_it = goodbye.code == GoodbyeCode::UNAVAILABLE && goodbye.detail.ends_with("(epoch_changed)");
        is_it && self.ledger.relay_restores > 0
    }

    pub(super) fn arrive(&mut self, id: u64, end: End) -> Result<(), Failure> {
        let now = self.now();
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let index = link.device;
        let ready = match end {
            End::Device => self.devices[index].busy_until.max(self.devices[index].deaf_until),
            End::Relay => self.relay.busy_until,
        };
        if now < ready {
            self.schedule.plan(ready, Due::Arrival(id, end));
            return Ok(());
        }
        let Some(bytes) = link.take_arrived(end, now) else { return Ok(()) };
        match end {
            End::Device if self.devices[index].link == Some(id) => self.arrive_at_device(id, index, &bytes),
            End::Relay if self.relay.sessions.contains_key(&id) => self.arrive_at_relay(id, &bytes),
            End::Device | End::Relay => Ok(()),
        }
    }

    fn arrive_at_device(&mut self, id: u64, index: usize, bytes: &[u8]) -> Result<(), Failure> {
        let frame = decode_relay_frame(bytes).map_err(|error| undecodable("relay", &error.to_string()))?;
        let Some(frame) = frame else { return Ok(()) };
        self.tell(&format!("device {index}"), || format!("hears {frame:?}"));
        if id <= self.lost_links {
            self.ledger.hear_of_lost_life(&frame);
        } else {
            self.ledger.hear(&frame)?;
        }
        self.feed_device(index, client::Input::Frame(frame))
    }

    fn arrive_at_relay(&mut self, id: u64, bytes: &[u8]) -> Result<(), Failure> {
        let frame = decode_device_frame(bytes).map_err(|error| undecodable("device", &error.to_string()))?;
        let Some(frame) = frame else { return Ok(()) };
        self.tell("relay", || format!("hears on link {id} {frame:?}"));
        self.feed_session(id, session::Input::Frame(frame))
    }

    /// An end notices that its link is gone.
    pub(super) fn break_off(&mut self, id: u64, end: End) -> Result<(), Failure> {
        let Some(index) = self.links.get(&id).map(|link| link.device) else { return Ok(()) };
        match end {
            End::Device if self.devices[index].link == Some(id) => {
                self.tell(&format!("device {index}"), || format!("notices that link {id} is gone"));
                self.devices[index].link = None;
                self.feed_device(index, client::Input::Closed { detail: "the link broke".into() })?;
                self.plan(Duration::from_secs(1), Due::Break(id, End::Relay));
            }
            End::Relay if self.relay.sessions.contains_key(&id) => {
                self.tell("relay", || format!("notices that link {id} is gone"));
                self.relay.forget(id);
                self.plan(Duration::from_secs(1), Due::Break(id, End::Device));
            }
            End::Device | End::Relay => {}
        }
        let is_in_use = self.devices[index].link == Some(id) || self.relay.sessions.contains_key(&id);
        if !is_in_use {
            self.links.remove(&id);
        }
        Ok(())
    }
}

fn undecodable(who: &str, error: &str) -> Failure {
    Failure::new("frames can be read", format!("a frame of the {who} cannot be read: {error}"))
}
