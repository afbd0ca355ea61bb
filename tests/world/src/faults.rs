//! What goes wrong in a world, and how often: a swarm. Each seed switches on a random subset with random strength, so
//! that no fault always hides behind another.

use std::time::Duration;

use crate::rng::Rng;

/// Probabilities; 0 means that this does not happen in this world.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults {
    /// Per action: a device cannot reach the relay for a while.
    pub partition: f64,
    /// Per frame: it is lost, and the link breaks some time later, as TCP would reset it.
    pub drop: f64,
    /// Per frame: it comes twice.
    pub duplicate: f64,
    /// Per frame: it overtakes the one before it.
    pub reorder: f64,
    /// Per frame: it, and all behind it, come much later.
    pub delay: f64,
    /// Per action: a link breaks, and one side does not notice.
    pub half_open: f64,
    /// Per action: a device's process dies within the next few commits or effects.
    pub device_crash: f64,
    /// Of those: what was not flushed is lost as well.
    pub power_loss: f64,
    /// Per action: the relay dies within the next few commits or effects.
    pub relay_crash: f64,
    /// Per input of a device or of the relay: its disk holds it up.
    pub slow_disk: f64,
    /// Per action: a device reads nothing for a while.
    pub slow_reader: f64,
    /// Per hint: it is lost.
    pub lost_hint: f64,
    /// Per check: it waits much longer than usual.
    pub late_check: f64,
    /// Per action: a vault or the relay moves its write-ahead log into its file.
    pub checkpoint: f64,
    /// Per action: a grant is taken, changed or given back.
    pub access: f64,
    /// Per action: an account with good credentials attacks.
    pub attack: f64,
    /// Per action: a device's wall clock jumps by up to ten years; where that happens, each begins anywhere.
    pub clock: f64,
    /// Per action: a device begins with the files of another.
    pub clone: f64,
    /// Per action: a device's files are copied, or put back to an earlier copy.
    pub restore: f64,
    /// Per action: the relay's files are copied, or put back to an earlier copy.
    pub relay_restore: f64,
    /// Per world: a bit of a stored change turns while its machine is off, when everything is over.
    pub decay: f64,
    /// Per action: an account may have only little more than it has, or as much as it likes again.
    pub scarcity: f64,
    /// Per action: a program with a fault spoils a document that devices edit.
    pub spoil: f64,
    /// Per action: an account revokes one of its devices, whose user logs in again some time later.
    pub revocation: f64,
}

impl Faults {
    /// Nothing goes wrong.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The faults of a seed.
    #[must_use]
    pub fn swarm(rng: &mut Rng) -> Self {
        // One world in twelve is fair weather: then nothing may go wrong at all.
        if rng.chance(1.0 / 12.0) {
            return Self::none();
        }
        let mut some = |most: f64| {
            let strength = [0.1, 0.35, 1.0][rng.index(3)];
            if rng.chance(0.4) { most * strength } else { 0.0 }
        };
        Self {
            partition: some(0.08),
            drop: some(0.03),
            duplicate: some(0.03),
            reorder: some(0.03),
            delay: some(0.08),
            half_open: some(0.05),
            device_crash: some(0.08),
            power_loss: some(1.0),
            relay_crash: some(0.06),
            slow_disk: some(0.05),
            slow_reader: some(0.04),
            lost_hint: some(0.8),
            late_check: some(0.5),
            checkpoint: some(0.05),
            access: some(0.06),
            attack: some(0.2),
            clock: some(0.05),
            clone: some(0.04),
            restore: some(0.06),
            decay: some(0.5),
            ..Self::none()
        }
    }

    /// Adds faults that came later. They have a source of their own, so that a seed without them stays the world that
    /// it was.
    #[must_use]
    pub fn and_later(self, rng: &mut Rng) -> Self {
        if self == Self::none() {
            return self;
        }
        let relay_restore = if rng.chance(0.25) { [0.05, 0.15][rng.index(2)] } else { 0.0 };
        Self { relay_restore, ..self }
    }

    /// Adds those that came later still, from a source of their own once more.
    #[must_use]
    pub fn and_latest(self, rng: &mut Rng) -> Self {
        if self == Self::none() {
            return self;
        }
        let mut some = |strengths: [f64; 2]| if rng.chance(0.2) { strengths[rng.index(2)] } else { 0.0 };
        Self { scarcity: some([0.1, 0.3]), spoil: some([0.1, 0.25]), revocation: some([0.03, 0.1]), ..self }
    }
}

/// The times of a network and of what surrounds it.
#[derive(Debug, Clone, Copy)]
pub struct Tempo {
    /// Least time that a frame takes.
    pub latency: Duration,
    /// What comes on top, at most.
    pub jitter: Duration,
    /// Longest pause between two actions of users.
    pub pause: Duration,
}

impl Tempo {
    /// The tempo of a seed: from one desk to two continents.
    #[must_use]
    pub fn draw(rng: &mut Rng) -> Self {
        let milliseconds = |rng: &mut Rng, choices: [u64; 3]| Duration::from_millis(choices[rng.index(3)]);
        Self {
            latency: milliseconds(rng, [1, 15, 120]),
            jitter: milliseconds(rng, [0, 5, 80]),
            pause: milliseconds(rng, [20, 200, 2000]),
        }
    }
}
