//! Strings between strings: the order leaf of keyed items.
//!
//! An order is a fraction below 1 written in base 62 without the leading `0.` and without trailing zeros, so that
//! comparing the strings compares the fractions and there is always room between two of them.

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Longest order, in bytes. Longer ones (thousands of insertions at one place) are spread anew.
pub(crate) const ORDER_BYTES_MAX: usize = 64;

/// Whether `order` is one that this module could have made.
pub(crate) fn is_valid(order: &str) -> bool {
    !order.is_empty()
        && order.len() <= ORDER_BYTES_MAX
        && !order.ends_with('0')
        && order.bytes().all(|byte| DIGITS.contains(&byte))
}

/// `count` ascending orders, evenly spaced strictly between two valid ones (`None`: the ends). The same arguments give
/// the same orders on every device.
pub(crate) fn spread(lower: Option<&str>, upper: Option<&str>, count: usize) -> Vec<String> {
    let mut orders = Vec::with_capacity(count);
    spread_into(lower, upper, count, &mut orders);
    orders
}

fn spread_into(lower: Option<&str>, upper: Option<&str>, count: usize, orders: &mut Vec<String>) {
    if count == 0 {
        return;
    }
    let middle = between(lower, upper);
    let before = count / 2;
    spread_into(lower, Some(&middle), before, orders);
    orders.push(middle.clone());
    spread_into(Some(&middle), upper, count - before - 1, orders);
}

/// The shortest order in the middle of `lower` and `upper`, where `lower < upper`.
fn between(lower: Option<&str>, upper: Option<&str>) -> String {
    let (lower, mut upper) = (lower.unwrap_or_default().as_bytes(), upper.map(str::as_bytes));
    let mut order = String::new();
    for at in 0.. {
        let low = lower.get(at).map_or(0, |byte| value(*byte));
        let high = upper.map_or(DIGITS.len(), |upper| upper.get(at).map_or(0, |byte| value(*byte)));
        if high > low + 1 {
            order.push(char::from(DIGITS[(low + high).div_ceil(2)]));
            break;
        }
        if high > low {
            // Neighbouring digits: a longer upper leaves room at its own first digit, otherwise look below the lower.
            if upper.is_some_and(|upper| upper.len() > at + 1) {
                order.push(char::from(DIGITS[high]));
                break;
            }
            upper = None;
        }
        order.push(char::from(DIGITS[low]));
    }
    order
}

fn value(byte: u8) -> usize {
    DIGITS.iter().position(|digit| *digit == byte).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lower: Option<&str>, upper: Option<&str>, count: usize) {
        let orders = spread(lower, upper, count);
        assert_eq!(orders.len(), count);
        let all: Vec<&str> = lower.into_iter().chain(orders.iter().map(String::as_str)).chain(upper).collect();
        for pair in all.windows(2) {
            assert!(pair[0] < pair[1], "{pair:?} in {lower:?}..{upper:?}");
        }
        assert!(orders.iter().all(|order| is_valid(order)), "{orders:?}");
    }

    #[test]
    fn orders_lie_strictly_between_their_neighbours() {
        for (lower, upper) in [
            (None, None),
            (None, Some("1")),
            (None, Some("01")),
            (Some("z"), None),
            (Some("zzz"), None),
            (Some("1"), Some("2")),
            (Some("1"), Some("1V")),
            (Some("1"), Some("101")),
            (Some("1z"), Some("2")),
            (Some("1z"), Some("21")),
            (Some("V"), Some("V01")),
            (Some("Vzz"), Some("W")),
        ] {
            for count in [1, 2, 7, 100] {
                check(lower, upper, count);
            }
        }
    }

    #[test]
    fn orders_of_a_long_list_stay_short() {
        check(None, None, 10_000);
        assert!(spread(None, None, 10_000).iter().all(|order| order.len() <= 3));
    }

    #[test]
    fn orders_are_the_same_on_every_device() {
        assert_eq!(spread(None, None, 3), ["G", "V", "l"]);
    }
}
