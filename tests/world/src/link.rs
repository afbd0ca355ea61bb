//! A connection between a device and the relay: encoded bytes in order, with latency, and all the ways to go wrong.

use std::collections::VecDeque;
use std::time::Duration;

use sync_core::time::Instant;

use crate::faults::{Faults, Tempo};
use crate::rng::Rng;

/// An end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The device's.
    Device,
    /// The relay's.
    Relay,
}

impl End {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Device => Self::Relay,
            Self::Relay => Self::Device,
        }
    }
}

/// What became of a frame that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It arrives at this time.
    Arrives(Instant),
    /// It is lost, and so is everything behind it: the link has to break.
    Lost,
    /// It is gone without anybody noticing: the link was broken already.
    Void,
}

/// One direction.
#[derive(Debug, Default)]
struct Wire {
    in_flight: VecDeque<(Instant, Vec<u8>)>,
    /// When the last frame arrives: none behind it arrives earlier.
    last: Instant,
    /// Nothing gets through any more.
    is_cut: bool,
}

/// One connection, from its opening until both ends have let go.
#[derive(Debug)]
pub struct Link {
    /// Whose it is.
    pub device: usize,
    up: Wire,
    down: Wire,
    /// A frame was doubled or overtaken on it, which no TCP would do: what its machines make of that may end it.
    pub is_tampered: bool,
}

impl Link {
    /// A new link of a device.
    #[must_use]
    pub fn new(device: usize) -> Self {
        Self { device, up: Wire::default(), down: Wire::default(), is_tampered: false }
    }

    fn wire(&mut self, towards: End) -> &mut Wire {
        match towards {
            End::Device => &mut self.down,
            End::Relay => &mut self.up,
        }
    }

    /// Sends a frame.
    pub fn send(
        &mut self,
        towards: End,
        now: Instant,
        bytes: Vec<u8>,
        tempo: Tempo,
        faults: &Faults,
        rng: &mut Rng,
    ) -> Passage {
        let wire = self.wire(towards);
        if wire.is_cut {
            return Passage::Void;
        }
        if rng.chance(faults.drop) {
            wire.is_cut = true;
            return Passage::Lost;
        }
        let mut at = now + tempo.latency + rng.up_to(tempo.jitter);
        if rng.chance(faults.delay) {
            at = at + rng.up_to(Duration::from_secs(4));
        }
        wire.last = wire.last.max(at);
        let at = wire.last;
        let (is_double, is_early) = (rng.chance(faults.duplicate), rng.chance(faults.reorder));
        if is_double {
            wire.in_flight.push_back((at, bytes.clone()));
        }
        wire.in_flight.push_back((at, bytes));
        let overtaken = wire.in_flight.len();
        if is_early && overtaken > 1 {
            let (last, before) = (overtaken - 1, overtaken - 2);
            let (left, right) = (wire.in_flight[before].1.clone(), wire.in_flight[last].1.clone());
            (wire.in_flight[before].1, wire.in_flight[last].1) = (right, left);
        }
        self.is_tampered |= is_double || is_early;
        Passage::Arrives(at)
    }

    /// The frame that has arrived by now.
    pub fn take_arrived(&mut self, towards: End, now: Instant) -> Option<Vec<u8>> {
        let wire = self.wire(towards);
        if wire.in_flight.front()?.0 > now {
            return None;
        }
        wire.in_flight.pop_front().map(|(_, bytes)| bytes)
    }

    /// How many frames are on their way.
    pub fn in_flight(&mut self, towards: End) -> usize {
        self.wire(towards).in_flight.len()
    }

    /// When everything that is on its way has arrived.
    pub fn last_arrival(&mut self, towards: End) -> Instant {
        self.wire(towards).last
    }

    /// Nothing more gets through in this direction; what is on its way arrives.
    pub fn cut(&mut self, towards: End) {
        self.wire(towards).is_cut = true;
    }

    /// What is on its way is lost as well.
    pub fn lose(&mut self, towards: End) {
        let wire = self.wire(towards);
        wire.is_cut = true;
        wire.in_flight.clear();
    }

    /// Whether nothing is on its way.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.up.in_flight.is_empty() && self.down.in_flight.is_empty()
    }
}
