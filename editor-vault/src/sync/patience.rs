//! How long an answer of the relay may take, and how long it may take to reach it: learnt from connection to connection.
//!
//! An answer may take twice as long as the slowest of late. If a connection was given up and the relay could be reached
//! at once, that one may have been alive on a link that is slower than we believed: so we are twice as patient. A link
//! of any slowness is worked with after a few attempts that way.

use std::time::Duration;

use sync_core::backoff::YOUNG_FOR;
use sync_wire::limits::DEAD_AFTER;
use tokio::time::Instant;

/// How long an answer may take at least: longer than over a satellite or for a relay that is busy.
pub(super) const ANSWER_WITHIN_MIN: Duration = Duration::from_secs(2);
/// An answer may take so many times as long as the slowest of late.
const TIMES_SLOWEST: u32 = 2;

/// For name and TCP together. A lost request for a connection is repeated after 1 s and 3 s, then after 7 s: early in
/// an outage, a new attempt is sooner. Afterwards it may be the link, and not its absence, that is slow.
const REACH_WITHIN_WHILE_YOUNG: Duration = Duration::from_millis(3500);
/// The same later.
const REACH_WITHIN: Duration = Duration::from_secs(15);

/// What connections teach of the link; it outlives them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// From [`ANSWER_WITHIN_MIN`] to [`DEAD_AFTER`].
    answer_within: Duration,
    /// The last connection was given up for silence, and no attempt has failed since: it may have been alive.
    is_doubted: bool,
    failing_since: Option<Instant>,
}

impl Default for Patience {
    fn default() -> Self {
        Self { answer_within: ANSWER_WITHIN_MIN, is_doubted: false, failing_since: None }
    }
}

impl Patience {
    /// An attempt to reach the relay has failed: so it was right to give up.
    pub(super) fn failed(&mut self, now: Instant) {
        self.is_doubted = false;
        self.failing_since.get_or_insert(now);
    }

    /// A connection was silent for too long.
    pub(super) fn gave_up(&mut self) {
        self.is_doubted = true;
    }

    /// How long an answer may take.
    pub(super) fn answer_within(&self) -> Duration {
        self.answer_within
    }

    /// How long name and TCP may take.
    pub(super) fn reach_within(&self, now: Instant) -> Duration {
        match self.failing_since {
            Some(since) if now.saturating_duration_since(since) >= YOUNG_FOR => REACH_WITHIN,
            _ => REACH_WITHIN_WHILE_YOUNG,
        }
    }

    /// The relay is reached.
    #[must_use]
    pub(super) fn opened(self) -> Self {
        let times = if self.is_doubted { 2 } else { 1 };
        Self { answer_within: (self.answer_within * times).min(DEAD_AFTER), is_doubted: false, failing_since: None }
    }

    /// A slow answer makes patient at once, prompt ones make impatient little by little.
    pub(super) fn learn(&mut self, took: Duration) {
        let wanted = (took * TIMES_SLOWEST).max(self.answer_within * 7 / 8);
        self.answer_within = wanted.clamp(ANSWER_WITHIN_MIN, DEAD_AFTER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_answers_make_patient_at_once_and_prompt_ones_impatient_by_and_by() {
        let mut patience = Patience::default();
        patience.learn(Duration::from_millis(1900));
        assert_eq!(patience.answer_within, Duration::from_millis(3800));
        patience.learn(Duration::from_millis(100));
        assert!(patience.answer_within > Duration::from_secs(3), "{patience:?}");
        (0..10).for_each(|_| patience.learn(Duration::from_millis(100)));
        assert_eq!(patience.answer_within, ANSWER_WITHIN_MIN);
        patience.learn(Duration::from_secs(3600));
        assert_eq!(patience.answer_within, DEAD_AFTER);
    }

    #[test]
    fn attempts_are_short_while_an_outage_is_young() {
        let (mut patience, began) = (Patience::default(), Instant::now());
        assert_eq!(patience.reach_within(began), REACH_WITHIN_WHILE_YOUNG);
        patience.failed(began);
        let later = began + YOUNG_FOR - Duration::from_secs(1);
        patience.failed(later);
        assert_eq!(patience.reach_within(later), REACH_WITHIN_WHILE_YOUNG);
        assert_eq!(patience.reach_within(began + YOUNG_FOR), REACH_WITHIN);
        assert_eq!(patience.opened().reach_within(began + YOUNG_FOR), REACH_WITHIN_WHILE_YOUNG);
    }
}
