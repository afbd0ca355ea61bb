//! What happened in a world, told line by line for a person who looks for a cause.

use sync_core::time::Instant;

/// Whether a world tells what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Story {
    /// It keeps still.
    #[default]
    Silent,
    /// One line to standard output for each thing that happens.
    Told,
}

/// A line is cut here: frames can be long.
const LINE_CHARS_MAX: usize = 4000;

impl Story {
    /// Tells one line; `line` is not called if nobody listens.
    pub fn tell(self, at: Instant, who: &str, line: impl FnOnce() -> String) {
        if self == Self::Told {
            let line: String = line().chars().take(LINE_CHARS_MAX).collect();
            println!("{:>12.6} {who:<9} {line}", at.0.as_secs_f64());
        }
    }
}
