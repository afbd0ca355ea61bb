//! Rates, times and sizes, as people read them.

use std::time::Duration;

/// How many a second.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// A time with three digits and the unit that fits.
pub(crate) fn time(time: Duration) -> String {
    let (value, unit) = in_unit(time);
    let digits = if value >= 100.0 { 0 } else { 1 + usize::from(value < 10.0) };
    format!("{value:.digits$} {unit}")
}

/// A time that somebody chose: without digits that say nothing.
pub(super) fn round_time(time: Duration) -> String {
    let (value, unit) = in_unit(time);
    format!("{} {unit}", (value * 1e3).round() / 1e3)
}

fn in_unit(time: Duration) -> (f64, &'static str) {
    let nanos = time.as_secs_f64() * 1e9;
    match nanos {
        ..1e3 => (nanos, "ns"),
        ..1e6 => (nanos / 1e3, "µs"),
        ..1e9 => (nanos / 1e6, "ms"),
        _ => (nanos / 1e9, "s"),
    }
}

/// A number of bytes with the unit that fits.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) fn bytes(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        ..4096.0 => format!("{bytes:.0} B"),
        ..4_194_304.0 => format!("{:.1} KiB", bytes / 1024.0),
        _ => format!("{:.0} MiB", bytes / 1024.0 / 1024.0),
    }
}

/// A whole number with commas.
pub(crate) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let parts: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_have_a_unit() {
        assert_eq!(time(Duration::from_nanos(740)), "740 ns");
        assert_eq!(time(Duration::from_nanos(8_250)), "8.25 µs");
        assert_eq!(time(Duration::from_micros(12_340)), "12.3 ms");
        assert_eq!(time(Duration::from_secs(2)), "2.00 s");
        assert_eq!(round_time(Duration::from_micros(600)), "600 µs");
        assert_eq!(round_time(Duration::from_micros(1_500)), "1.5 ms");
        assert_eq!(bytes(400), "400 B");
        assert_eq!(bytes(6 << 10), "6.0 KiB");
        assert_eq!(grouped(1_234_567.0), "1,234,567");
    }
}
