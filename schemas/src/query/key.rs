//! The total order of values, as bytes: whoever compares keys byte by byte compares values.
//!
//! No value < null < false < true < numbers < strings. Numbers are compared exactly, whole or not; strings by the bytes
//! of their UTF-8, which is the order of their code points. Of a string above 1 KiB the first KiB counts for the order,
//! and a hash of the whole tells it apart from others.

use serde_json::{Number, Value};

/// Bytes of a string that count for the order.
pub const KEY_STRING_BYTES_MAX: usize = 1024;

const ABSENT: u8 = 0x01;
const NULL: u8 = 0x02;
const FALSE: u8 = 0x03;
const TRUE: u8 = 0x04;
const NUMBER: u8 = 0x05;
const STRING: u8 = 0x06;
const END: u8 = 0x07;

/// A value's place in the order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

/// All keys from `low` on and below `high`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyRange {
    /// The first that is meant.
    pub low: Vec<u8>,
    /// The first that is not.
    pub high: Vec<u8>,
}

impl Key {
    /// Of no value.
    #[must_use]
    pub fn absent() -> Self {
        Self(vec![ABSENT])
    }

    /// Of a string, a number, a boolean or null; nothing for what has no place in the order.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(Self(vec![NULL])),
            Value::Bool(value) => Some(Self(vec![if *value { TRUE } else { FALSE }])),
            Value::Number(number) => Some(Self(of_number(number))),
            Value::String(text) => Some(Self(of_string(text))),
            Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// As stored.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// To be compared byte by byte.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The first key after this one.
    fn next(&self) -> Vec<u8> {
        [&self.0[..], &[0]].concat()
    }

    /// The keys of values of the same kind.
    fn kind(&self) -> KeyRange {
        match self.0.first() {
            Some(&FALSE | &TRUE) => KeyRange { low: vec![FALSE], high: vec![NUMBER] },
            Some(&kind) => KeyRange { low: vec![kind], high: vec![kind + 1] },
            None => KeyRange::all(),
        }
    }
}

impl KeyRange {
    /// Everything, no value too.
    #[must_use]
    pub fn all() -> Self {
        Self { low: vec![ABSENT], high: vec![END] }
    }

    pub(super) fn absent() -> Self {
        Self { low: vec![ABSENT], high: vec![NULL] }
    }

    pub(super) fn present() -> Self {
        Self { low: vec![NULL], high: vec![END] }
    }

    pub(super) fn equal(key: &Key) -> Self {
        Self { low: key.0.clone(), high: key.next() }
    }

    pub(super) fn below(key: &Key) -> Self {
        Self { low: key.kind().low, high: key.0.clone() }
    }

    pub(super) fn at_most(key: &Key) -> Self {
        Self { low: key.kind().low, high: key.next() }
    }

    pub(super) fn above(key: &Key) -> Self {
        Self { low: key.next(), high: key.kind().high }
    }

    pub(super) fn at_least(key: &Key) -> Self {
        Self { low: key.0.clone(), high: key.kind().high }
    }

    /// Strings that begin so; `prefix` is not longer than what counts for the order.
    pub(super) fn starting_with(prefix: &str) -> Self {
        let low = [&[STRING], prefix.as_bytes()].concat();
        let mut high = low.clone();
        // UTF-8 has no byte 0xFF, so the last one can be raised.
        if let Some(last) = high.last_mut() {
            *last += 1;
        }
        Self { low, high }
    }

    /// Whether `key` is in it.
    #[must_use]
    pub fn contains(&self, key: &Key) -> bool {
        self.low[..] <= key.0[..] && key.0[..] < self.high[..]
    }

    /// What is in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self { low: self.low.clone().max(other.low.clone()), high: self.high.clone().min(other.high.clone()) }
    }
}

/// The nearest `f64`, sortable, and how far the whole number is from it: that is never more than 2^11.
fn of_number(number: &Number) -> Vec<u8> {
    let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    let (near, rest) = match whole {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "the rest says what is lost")]
        Some(whole) => (whole as f64, whole - (whole as f64) as i128),
        None => (number.as_f64().unwrap_or(0.0), 0),
    };
    let bits = (near + 0.0).to_bits(); // -0 is 0
    let sortable = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    let rest = u16::try_from(rest + 0x8000).unwrap_or(0x8000);
    [&[NUMBER][..], &sortable.to_be_bytes(), &rest.to_be_bytes()].concat()
}

fn of_string(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    match bytes.get(..KEY_STRING_BYTES_MAX) {
        Some(first) if bytes.len() > KEY_STRING_BYTES_MAX => {
            [&[STRING], first, &blake3::hash(bytes).as_bytes()[..16]].concat()
        }
        _ => [&[STRING], bytes].concat(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// In their order; no two are equal.
    fn ascending() -> Vec<Value> {
        let long = "x".repeat(KEY_STRING_BYTES_MAX);
        vec![
            json!(null),
            json!(false),
            json!(true),
            json!(f64::MIN),
            json!(i64::MIN),
            json!(i64::MIN + 1),
            json!(-9_007_199_254_740_993_i64),
            json!(-9_007_199_254_740_992_i64),
            json!(-1.5),
            json!(-1),
            json!(-f64::MIN_POSITIVE),
            json!(0),
            json!(f64::MIN_POSITIVE),
            json!(0.5),
            json!(1),
            json!(1.5),
            json!(2),
            json!(9_007_199_254_740_992_i64),
            json!(9_007_199_254_740_993_i64),
            json!(9_007_199_254_740_994_i64),
            json!(i64::MAX - 1),
            json!(i64::MAX),
            json!(9_223_372_036_854_775_808_u64),
            json!(u64::MAX - 1),
            json!(u64::MAX),
            json!(1e300),
            json!(""),
            json!("\0"),
            json!("A"),
            json!("a"),
            json!("a\0"),
            json!("aa"),
            json!("b"),
            json!(long),
            json!(format!("{long}y")),
            json!("é"),
            json!("\u{FFFF}"),
            json!("🙂"),
        ]
    }

    fn key(value: &Value) -> Key {
        Key::of(value).unwrap()
    }

    #[test]
    fn keys_are_in_the_order_of_values() {
        let keys: Vec<Key> = ascending().iter().map(key).collect();
        for (pair, values) in keys.windows(2).zip(ascending().windows(2)) {
            assert!(pair[0] < pair[1], "{} is not below {}", values[0], values[1]);
        }
        assert!(keys.iter().all(|key| Key::absent() < *key && KeyRange::all().contains(key)));
    }

    #[test]
    fn equal_values_have_one_key() {
        for (a, b) in [(json!(1), json!(1.0)), (json!(0), json!(-0.0)), (json!(1u64), json!(1i64))] {
            assert_eq!(key(&a), key(&b));
        }
        assert_eq!(Key::of(&json!([])), None);
        assert_eq!(Key::of(&json!({})), None);
    }

    #[test]
    fn ranges_end_with_the_kind_of_their_value() {
        let kind = |value: &Value| match value {
            Value::Null => 0,
            Value::Bool(_) => 1,
            Value::Number(_) => 2,
            _ => 3,
        };
        for a in &ascending() {
            for b in &ascending() {
                let (x, y) = (key(a), key(b));
                let same = kind(a) == kind(b);
                assert_eq!(KeyRange::equal(&x).contains(&y), x == y, "{a} = {b}");
                assert_eq!(KeyRange::below(&x).contains(&y), same && y < x, "{b} < {a}");
                assert_eq!(KeyRange::at_most(&x).contains(&y), same && y <= x, "{b} <= {a}");
                assert_eq!(KeyRange::above(&x).contains(&y), same && y > x, "{b} > {a}");
                assert_eq!(KeyRange::at_least(&x).contains(&y), same && y >= x, "{b} >= {a}");
            }
        }
    }

    #[test]
    fn a_beginning_is_a_range() {
        for prefix in ["", "a", "é", "🙂", "x"] {
            for value in &ascending() {
                let begins = value.as_str().is_some_and(|text| text.starts_with(prefix));
                assert_eq!(KeyRange::starting_with(prefix).contains(&key(value)), begins, "{value} from {prefix:?}");
            }
        }
    }

    #[test]
    fn long_strings_that_begin_alike_stay_apart() {
        let long = "x".repeat(KEY_STRING_BYTES_MAX + 1);
        let (a, b) = (key(&json!(format!("{long}a"))), key(&json!(format!("{long}b"))));
        assert_ne!(a, b);
        assert!(a.as_bytes().len() <= 1 + KEY_STRING_BYTES_MAX + 16);
    }
}
