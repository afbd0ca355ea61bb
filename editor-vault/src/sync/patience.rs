//! How long an answer of the relay may take, and how long it may take to reach it: learnt from one connection to the
//! next.
//!
//! An answer may take twice as long as the slowest of late. If a connection was given up and the relay answers the next
//! attempt at once, that one may have been alive on a link that is slower than we believed: so we are twice as patient.
//! A link of any slowness is worked with after a few attempts that way.

use std::time::Duration;

use sync_core::backoff::YOUNG_FOR;
use sync_wire::limits::DEAD_AFTER;
use tokio::time::Instant;

/// How long an answer may take at least: longer than over a satellite or for a relay that is busy.
pub(super) const ANSWER_WITHIN_MIN: Duration = Duration::from_secs(2);
/// An answer may take so many times as long as the slowest of late.
const TIMES_SLOWEST: u32 = 2;
/// After so many doubts, that the relay was not reached at once does not count any more.
const DOUBTS_MAX: u32 = 3;
/// How often patience comes down at most.
const EASED_EVERY: Duration = Duration::from_secs(1);

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
    /// Connections that were given up for silence since the last answer or failed attempt: they may have been alive.
    doubts: u32,
    /// When it came down last.
    eased_at: Option<Instant>,
    failing_since: Option<Instant>,
}

impl Default for Patience {
    fn default() -> Self {
        Self { answer_within: ANSWER_WITHIN_MIN, doubts: 0, eased_at: None, failing_since: None }
    }
}

impl Patience {
    /// An attempt to reach the relay has failed: so it was right to give up.
    pub(super) fn failed(&mut self, now: Instant) {
        self.doubts = 0;
        self.failing_since.get_or_insert(now);
    }

    /// A connection was silent for too long.
    pub(super) fn gave_up(&mut self) {
        self.doubts += 1;
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

    /// The relay is reached, and took so long to answer once there was TCP.
    #[must_use]
    pub(super) fn opened(mut self, took: Duration) -> Self {
        // Who had to wait for it has seen the network come back, unless it happens again and again.
        let was_at_once = took <= self.answer_within;
        if (self.doubts > 0 && was_at_once) || self.doubts >= DOUBTS_MAX {
            self.answer_within = (self.answer_within * 2).min(DEAD_AFTER);
        }
        self.failing_since = None;
        self
    }

    /// A ping was answered after so long: a slow answer makes patient at once, prompt ones impatient little by little.
    pub(super) fn learn(&mut self, now: Instant, took: Duration) {
        self.doubts = 0;
        self.answer_within = self.answer_within.max(took * TIMES_SLOWEST).min(DEAD_AFTER);
        self.ease(now, took);
    }

    /// A push was answered after so long. Only prompt answers count: a slow one may be due to what was pushed.
    pub(super) fn ease(&mut self, now: Instant, took: Duration) {
        if self.eased_at.is_none_or(|at| now >= at + EASED_EVERY) {
            let less = (self.answer_within * 7 / 8).max(took * TIMES_SLOWEST).max(ANSWER_WITHIN_MIN);
            self.answer_within = self.answer_within.min(less);
            self.eased_at = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const PROMPT: Duration = Duration::from_millis(100);

    #[test]
    fn slow_answers_make_patient_at_once_and_prompt_ones_impatient_by_and_by() {
        let (mut patience, mut now) = (Patience::default(), Instant::now());
        patience.learn(now, Duration::from_millis(1900));
        assert_eq!(patience.answer_within, Duration::from_millis(3800));
        (0..100).for_each(|_| patience.learn(now, PROMPT));
        assert_eq!(patience.answer_within, Duration::from_millis(3800), "one step a second");
        now += SECOND;
        patience.ease(now, PROMPT);
        assert!(patience.answer_within > SECOND * 3, "{patience:?}");
        for _ in 0..10 {
            now += SECOND;
            patience.learn(now, PROMPT);
        }
        assert_eq!(patience.answer_within, ANSWER_WITHIN_MIN);
        patience.learn(now, SECOND * 3600);
        assert_eq!(patience.answer_within, DEAD_AFTER);
    }

    #[test]
    fn a_push_that_is_judged_slowly_makes_nobody_patient() {
        let mut patience = Patience::default();
        patience.ease(Instant::now(), SECOND * 20);
        assert_eq!(patience.answer_within, ANSWER_WITHIN_MIN);
    }

    #[test]
    fn who_gave_up_and_is_answered_at_once_is_twice_as_patient() {
        let mut patience = Patience::default();
        patience.gave_up();
        assert_eq!(patience.opened(PROMPT).answer_within, ANSWER_WITHIN_MIN * 2);
        assert_eq!(patience.opened(SECOND * 9).answer_within, ANSWER_WITHIN_MIN, "the network has come back");
        (1..DOUBTS_MAX).for_each(|_| patience.gave_up());
        assert_eq!(patience.opened(SECOND * 9).answer_within, ANSWER_WITHIN_MIN * 2, "or it is always so slow");
        patience.failed(Instant::now());
        assert_eq!(patience.opened(PROMPT).answer_within, ANSWER_WITHIN_MIN, "nobody was there");
    }

    #[test]
    fn attempts_are_short_while_an_outage_is_young() {
        let (mut patience, began) = (Patience::default(), Instant::now());
        assert_eq!(patience.reach_within(began), REACH_WITHIN_WHILE_YOUNG);
        patience.failed(began);
        let later = began + YOUNG_FOR - SECOND;
        patience.failed(later);
        assert_eq!(patience.reach_within(later), REACH_WITHIN_WHILE_YOUNG);
        assert_eq!(patience.reach_within(began + YOUNG_FOR), REACH_WITHIN);
        assert_eq!(patience.opened(PROMPT).reach_within(began + YOUNG_FOR), REACH_WITHIN_WHILE_YOUNG);
    }
}
