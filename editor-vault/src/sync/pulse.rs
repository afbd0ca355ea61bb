//! Whether the other end is still there: when to ask it by a ping, and when its silence means that the connection is
//! gone. A network that swallows everything tells nobody.
//!
//! Two errors have to be weighed. To believe in a connection that is gone costs whoever waits for an edit the time
//! until it is given up; to give up one that is merely slow costs it what was under way. So silence is measured
//! against what the link has shown ([`super::patience`]), and what was sent has time to pass.
//!
//! Time is an argument.

use std::time::Duration;

use sync_wire::limits::{DEAD_AFTER, PING_INTERVAL};
use tokio::time::Instant;

use super::patience::Patience;

/// The shortest silence after which the other end is asked. With the shortest patience it decides how soon a partition
/// is noticed in the middle of work.
const ASK_AFTER_MIN: Duration = Duration::from_millis(1500);
/// The longer ago there was work, the rarer the other end is asked: after a silence of so large a part of that time.
/// An edit is followed by some thirty pings until they are as rare as ever.
const ASK_AFTER_PART: u32 = 8;
/// What is sent has time to pass at this speed before its silence counts: the credit for pushes would take more than
/// two minutes. Slower links are found out by giving up.
const SLOW_BYTES_PER_SECOND: u32 = 32 << 10;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Ask the other end by a ping.
    Ping,
    /// The connection is gone.
    GiveUp,
}

/// One connection, as far as its life is concerned.
#[derive(Debug)]
pub(super) struct Pulse {
    patience: Patience,
    heard_at: Instant,
    sent_at: Instant,
    /// When there was work last: something was pushed, acknowledged or delivered.
    worked_at: Option<Instant>,
    /// When the first of what was sent since anything was heard.
    waiting_since: Option<Instant>,
    /// When everything that was sent has passed on the slowest link that is not found out by giving up.
    through_at: Instant,
    /// Until when something has to be heard, if the other end was asked and nothing was heard since.
    answer_by: Option<Instant>,
    /// From when on a ping that is not answered yet can have been answered.
    asked_at: Option<Instant>,
    /// The same for a push.
    pushed_at: Option<Instant>,
    is_given_up: bool,
}

impl Pulse {
    /// There is TCP.
    pub(super) fn new(patience: Patience, now: Instant) -> Self {
        Self {
            patience,
            heard_at: now,
            sent_at: now,
            worked_at: None,
            waiting_since: None,
            through_at: now,
            answer_by: None,
            asked_at: None,
            pushed_at: None,
            is_given_up: false,
        }
    }

    /// The relay has answered for the first time: the life of the connection begins.
    pub(super) fn opened(&mut self, now: Instant) {
        let took = now.saturating_duration_since(self.sent_at);
        *self = Self::new(self.patience.opened(took), now);
    }

    pub(super) fn patience(&self) -> Patience {
        self.patience
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.is_given_up
    }

    /// Anything came, if only a byte: the other end is there.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
        (self.waiting_since, self.answer_by) = (None, None);
    }

    /// A ping was answered.
    pub(super) fn answered(&mut self, now: Instant) {
        if let Some(asked_at) = self.asked_at.take() {
            self.patience.learn(now, now.saturating_duration_since(asked_at));
        }
    }

    /// A frame leaves.
    pub(super) fn sent(&mut self, now: Instant, bytes: usize) {
        self.sent_at = now;
        self.waiting_since.get_or_insert(now);
        let passing = Duration::from_secs_f64(bytes as f64 / f64::from(SLOW_BYTES_PER_SECOND));
        self.through_at = self.through_at.max(now) + passing;
    }

    /// A frame with a push leaves.
    pub(super) fn pushed(&mut self, now: Instant, bytes: usize) {
        self.sent(now, bytes);
        self.worked_at = Some(now);
        self.pushed_at.get_or_insert(self.through_at);
    }

    /// A push was answered.
    pub(super) fn acknowledged(&mut self, now: Instant) {
        self.worked_at = Some(now);
        if let Some(pushed_at) = self.pushed_at.take() {
            self.patience.ease(now, now.saturating_duration_since(pushed_at));
        }
    }

    /// Others' work came.
    pub(super) fn delivered(&mut self, now: Instant) {
        self.worked_at = Some(now);
    }

    /// When to ask [`Self::take_due`] again; each input may move it.
    pub(super) fn due_at(&self) -> Instant {
        let next = self.answer_by.unwrap_or_else(|| self.ask_at());
        next.min(self.heard_at + DEAD_AFTER)
    }

    /// What is due, if anything is. A connection that is given up stays so.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Due> {
        if now < self.due_at() {
            return None;
        }
        if self.answer_by.is_some() || now >= self.heard_at + DEAD_AFTER {
            self.is_given_up = true;
            self.patience.gave_up();
            return Some(Due::GiveUp);
        }
        // It leaves behind everything that was sent before.
        let leaves_at = self.through_at.max(now);
        self.sent_at = now;
        self.asked_at.get_or_insert(leaves_at);
        self.answer_by = Some(leaves_at + self.patience.answer_within());
        Some(Due::Ping)
    }

    fn ask_at(&self) -> Instant {
        let quiet_since = self.waiting_since.unwrap_or(self.heard_at);
        let after = match (self.waiting_since, self.worked_at) {
            (Some(_), _) => ASK_AFTER_MIN,
            (None, Some(at)) => {
                let part = quiet_since.saturating_duration_since(at) / ASK_AFTER_PART;
                part.clamp(ASK_AFTER_MIN, PING_INTERVAL)
            }
            (None, None) => PING_INTERVAL,
        };
        // The other end wants to hear of us, too.
        (quiet_since + after).min(self.sent_at + PING_INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::patience::ANSWER_WITHIN_MIN;

    /// A connection and its clock.
    struct Link {
        pulse: Pulse,
        began: Instant,
        now: Instant,
        pings: usize,
    }

    impl Link {
        fn open(patience: Patience) -> Self {
            let began = Instant::now();
            let mut pulse = Pulse::new(patience, began);
            pulse.opened(began);
            Self { pulse, began, now: began, pings: 0 }
        }

        fn push(&mut self, bytes: usize) {
            self.pulse.pushed(self.now, bytes);
        }

        /// Lives until `until` after the beginning with an end that answers each ping so late, or never; whether the
        /// connection was given up meanwhile.
        fn live(&mut self, until: Duration, answers_after: Option<Duration>) -> bool {
            let end = self.began + until;
            let mut pong_at = None;
            loop {
                let due_at = self.pulse.due_at().max(self.now);
                let next = pong_at.map_or(due_at, |pong: Instant| pong.min(due_at));
                if next > end {
                    self.now = end;
                    return false;
                }
                self.now = next;
                if pong_at.is_some_and(|pong| pong <= next) {
                    pong_at = None;
                    self.pulse.heard(self.now);
                    self.pulse.answered(self.now);
                    continue;
                }
                match self.pulse.take_due(self.now) {
                    Some(Due::GiveUp) => return true,
                    Some(Due::Ping) => {
                        self.pings += 1;
                        pong_at = pong_at.or(answers_after.map(|after| self.now + after));
                    }
                    None => {}
                }
            }
        }

        fn age(&self) -> Duration {
            self.now - self.began
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);
    const PROMPT: Option<Duration> = Some(Duration::from_millis(20));
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_idle_connection_is_asked_three_times_a_minute_and_given_up_when_it_does_not_answer() {
        let mut link = Link::open(Patience::default());
        assert!(!link.live(HOUR, PROMPT));
        assert!((178..=180).contains(&link.pings), "{}", link.pings);
        assert!(link.live(HOUR * 2, None));
        let silent = link.now - link.pulse.heard_at;
        assert!(silent <= PING_INTERVAL + ANSWER_WITHIN_MIN, "{silent:?}");
    }

    #[test]
    fn silence_in_the_middle_of_work_is_noticed_within_four_seconds() {
        let mut link = Link::open(Patience::default());
        link.push(500);
        link.pulse.heard(link.now);
        assert!(link.live(HOUR, None));
        assert!(link.age() < 4 * SECOND, "{:?}", link.age());
        assert!(link.pulse.is_given_up());
    }

    #[test]
    fn who_sends_after_a_long_silence_is_told_as_soon_that_nobody_is_there() {
        let mut link = Link::open(Patience::default());
        assert!(!link.live(19 * SECOND, None), "nobody was asked yet");
        link.push(500);
        assert!(link.live(HOUR, None));
        assert!(link.age() < 23 * SECOND, "{:?}", link.age());
    }

    #[test]
    fn a_greeting_without_an_answer_is_noticed_as_well() {
        let mut link = Link::open(Patience::default());
        link.pulse.sent(link.now, 100);
        assert!(link.live(HOUR, None));
        assert!(link.age() < 4 * SECOND, "{:?}", link.age());
    }

    #[test]
    fn any_byte_is_a_sign_of_life() {
        let mut link = Link::open(Patience::default());
        link.push(500);
        for tenth in 1..600 {
            assert!(!link.live(SECOND * tenth / 10, None), "after {tenth} tenths of a second");
            link.pulse.heard(link.now);
        }
    }

    #[test]
    fn pings_become_rare_again_after_an_edit() {
        let mut link = Link::open(Patience::default());
        link.push(500);
        link.pulse.heard(link.now);
        assert!(!link.live(3 * 60 * SECOND, PROMPT));
        assert!(link.pings <= 35, "{}", link.pings);
        let before = link.pings;
        assert!(!link.live(3 * 60 * SECOND + HOUR, PROMPT));
        assert!(link.pings - before <= 180, "{}", link.pings - before);
    }

    #[test]
    fn what_is_sent_has_time_to_pass() {
        let mut link = Link::open(Patience::default());
        link.push(1 << 20);
        assert!(!link.live(32 * SECOND, None), "256 kbit/s are enough for a large push");
        assert!(link.live(HOUR, None));
        assert!(link.age() < 35 * SECOND, "{:?}", link.age());
    }

    #[test]
    fn who_goes_on_typing_does_not_put_off_the_end() {
        let mut link = Link::open(Patience::default());
        let mut letters = 0;
        while !link.live(SECOND / 10 * letters, None) {
            link.push(500);
            letters += 1;
        }
        assert!(link.age() < 4 * SECOND, "{:?}", link.age());
    }

    #[test]
    fn nothing_is_believed_for_longer_than_forty_five_seconds() {
        let mut link = Link::open(Patience::default());
        (0..4).for_each(|_| link.push(1 << 20));
        assert!(link.live(HOUR, None));
        assert_eq!(link.age(), DEAD_AFTER);
    }

    #[test]
    fn a_link_that_answers_ever_so_slowly_is_worked_with_after_a_few_attempts() {
        for seconds in 1..=40 {
            let answers_after = Some(SECOND * seconds);
            let mut patience = Patience::default();
            let mut attempts = 0;
            loop {
                attempts += 1;
                let mut link = Link::open(patience);
                link.push(500);
                if !link.live(2 * 60 * SECOND, answers_after) {
                    break;
                }
                patience = link.pulse.patience();
            }
            assert!(attempts <= 6, "{attempts} attempts where an answer takes {seconds} s");
        }
    }

    #[test]
    fn a_partition_that_attempts_have_met_as_well_makes_nobody_patient() {
        let mut patience = Patience::default();
        for _ in 0..10 {
            let mut link = Link::open(patience);
            link.push(500);
            assert!(link.live(HOUR, None));
            patience = link.pulse.patience();
            patience.failed(link.now);
        }
        assert_eq!(patience.opened(Duration::ZERO).answer_within(), ANSWER_WITHIN_MIN);
    }
}
