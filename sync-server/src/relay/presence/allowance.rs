//! How fast one session may show where its person is.

use std::time::Duration;

use sync_wire::limits::PRESENCE_PER_SECOND;
use tokio::time::Instant;

/// Presences that may be shown at once, beyond the average.
pub(super) const PRESENCE_BURST: u32 = 32;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    /// When what was shown is paid off.
    even_at: Option<Instant>,
}

impl Allowance {
    /// Whether one more may be shown at `now`; then it counts.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let each = Duration::from_secs(1) / PRESENCE_PER_SECOND;
        let even_at = self.even_at.map_or(now, |even_at| even_at.max(now));
        if even_at + each > now + each * PRESENCE_BURST {
            return false;
        }
        self.even_at = Some(even_at + each);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_shown_at_once_and_then_ten_a_second() {
        let (now, mut allowance) = (Instant::now(), Allowance::default());
        let taken = |allowance: &mut Allowance, now| (0..1_000).filter(|_| allowance.take(now)).count();
        assert_eq!(taken(&mut allowance, now), 32);
        assert_eq!(taken(&mut allowance, now + Duration::from_millis(99)), 0);
        assert_eq!(taken(&mut allowance, now + Duration::from_millis(100)), 1);
        assert_eq!(taken(&mut allowance, now + Duration::from_secs(1)), 9);
        assert_eq!(taken(&mut allowance, now + Duration::from_hours(1)), 32, "no more is saved up");
    }
}
