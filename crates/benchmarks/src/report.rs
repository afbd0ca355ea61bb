//! Figures as one line, for a terminal or as a row of a Markdown table, with the goal that they were to reach.

mod figures; // rates and times, as people read them
mod times; // many times, as percentiles

use std::fmt;
use std::time::Duration;

pub(crate) use figures::{bytes, grouped, rate, time};
pub(crate) use times::Times;

/// What a workload did, the figures that it gave, and what was to be reached.
#[derive(Debug)]
pub(crate) struct Line {
    what: String,
    figures: Vec<String>,
    goals: Vec<Goal>,
}

/// A goal, and whether it was reached.
#[derive(Debug)]
struct Goal {
    text: String,
    /// Above 1 means better than the goal, by that factor.
    factor: f64,
}

impl Line {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), figures: Vec::new(), goals: Vec::new() }
    }

    /// Adds a figure as it is.
    #[must_use]
    pub(crate) fn figure(mut self, figure: impl Into<String>) -> Self {
        self.figures.push(figure.into());
        self
    }

    /// Adds how many of something were done a second.
    #[must_use]
    pub(crate) fn rate(self, count: usize, took: Duration, noun: &str) -> Self {
        self.figure(format!("{} {noun}/s", grouped(rate(count, took))))
    }

    /// Adds how many times, their percentiles and maximum.
    #[must_use]
    pub(crate) fn times(self, noun: &str, times: &Times) -> Self {
        self.figure(format!("{noun} {times}"))
    }

    /// `measured` was to be at least `goal`; `unit` follows both, such as `changes/s`.
    #[must_use]
    pub(crate) fn at_least(mut self, measured: f64, goal: f64, unit: &str) -> Self {
        self.goals.push(Goal { text: format!("≥ {} {unit}", grouped(goal)), factor: measured / goal });
        self
    }

    /// `measured` was to be at most `goal`.
    #[must_use]
    pub(crate) fn at_most(mut self, what: &str, measured: f64, goal: f64, unit: &str) -> Self {
        let text = format!("{what} ≤ {goal} {unit}").trim_end().to_owned();
        self.goals.push(Goal { text, factor: goal / measured });
        self
    }

    /// A time was to be at most `goal`.
    #[must_use]
    pub(crate) fn within(mut self, what: &str, measured: Duration, goal: Duration) -> Self {
        let factor = goal.as_secs_f64() / measured.as_secs_f64();
        self.goals.push(Goal { text: format!("{what} ≤ {}", figures::round_time(goal)), factor });
        self
    }

    /// The line as a row of a Markdown table: workload, what, figures, goals, fsync.
    pub(crate) fn markdown(&self, workload: &str, fsync: &Times) -> String {
        let goals = if self.goals.is_empty() { "–".to_owned() } else { join(&self.goals) };
        let fsync = format!("{} / {}", time(fsync.at(0.5)), time(fsync.at(0.99)));
        format!("| {workload} | {} | {} | {goals} | {fsync} |", self.what, self.figures.join(", "))
    }
}

/// The head of the table whose rows [`Line::markdown`] writes.
pub(crate) const MARKDOWN_HEAD: &str = "| workload | | figures | goal | fsync p50 / p99 |\n|---|---|---|---|---|";

fn join(goals: &[Goal]) -> String {
    goals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, factor } = self;
        if *factor >= 1.0 {
            write!(f, "{text}: reached ({factor:.1}×)")
        } else {
            write!(f, "{text}: NOT reached ({factor:.2}×)")
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<44} {}", self.what, self.figures.join(", "))?;
        if !self.goals.is_empty() {
            write!(f, "; goal {}", join(&self.goals))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_says_whether_it_was_reached_and_by_how_much() {
        let line = Line::new("x").rate(1_234_567, Duration::from_secs(1), "changes");
        let line = line.at_least(100_000.0, 200_000.0, "changes/s");
        let line = line.within("p50", Duration::from_micros(500), Duration::from_millis(2));
        let text = line.to_string();
        assert!(text.contains(" 1,234,567 changes/s; goal ≥ 200,000 changes/s: NOT reached (0.50×);"), "{text}");
        assert!(text.ends_with("p50 ≤ 2 ms: reached (4.0×)"), "{text}");
    }

    #[test]
    fn a_line_without_a_goal_has_none_in_the_table() {
        let mut fsync = Times::new();
        fsync.add(Duration::from_millis(1));
        let row = Line::new("x").figure("1").markdown("w", &fsync);
        assert_eq!(row, "| w | x | 1 | – | 1.00 ms / 1.00 ms |");
    }
}
