//! What the value of a foreign setting becomes, as data for the tables.

use serde_json::{Value, json};

/// Settings by their names.
pub(super) type Settings = Vec<(&'static str, Value)>;

/// From one value to settings.
#[derive(Debug, Clone, Copy)]
pub(super) enum Convert {
    /// A boolean, as it is.
    Flag(&'static str),
    /// A boolean, the other way round.
    Not(&'static str),
    /// A number, as it is.
    Number(&'static str),
    /// A number of seconds, in milliseconds.
    Seconds(&'static str),
    /// A text, as it is.
    Text(&'static str),
    /// A boolean, as one of two words.
    Either(&'static str, &'static str, &'static str),
    /// One of these words, as another value written as JSON.
    Word(&'static str, &'static [(&'static str, &'static str)]),
    /// A list of numbers, as it is.
    Numbers(&'static str),
    /// A list of patterns, as an object with each set to true.
    Patterns(&'static str),
    /// What only a function can say.
    With(fn(&Value) -> Option<Settings>),
}

impl Convert {
    /// The settings; nothing if the value has no counterpart.
    pub(super) fn apply(self, value: &Value) -> Option<Settings> {
        let one = |key, value: Option<Value>| Some(vec![(key, value?)]);
        match self {
            Self::Flag(key) => one(key, value.as_bool().map(Value::from)),
            Self::Not(key) => one(key, value.as_bool().map(|is_set| Value::from(!is_set))),
            Self::Number(key) => one(key, value.is_number().then(|| value.clone())),
            Self::Seconds(key) => {
                one(key, value.as_u64().and_then(|seconds| seconds.checked_mul(1000)).map(Value::from))
            }
            Self::Text(key) => one(key, value.is_string().then(|| value.clone())),
            Self::Either(key, yes, no) => one(key, value.as_bool().map(|is_set| json!(if is_set { yes } else { no }))),
            Self::Word(key, words) => one(key, word(value, words)),
            Self::Numbers(key) => one(key, all(value, Value::is_number).then(|| value.clone())),
            Self::Patterns(key) => one(key, all(value, Value::is_string).then(|| patterns(value))),
            Self::With(convert) => convert(value),
        }
    }
}

/// Booleans count as the words `true` and `false`.
fn word(value: &Value, words: &[(&str, &str)]) -> Option<Value> {
    let found = match value {
        Value::Bool(is_set) => {
            if *is_set {
                "true"
            } else {
                "false"
            }
        }
        other => other.as_str()?,
    };
    let (_, becomes) = words.iter().find(|(word, _)| *word == found)?;
    serde_json::from_str(becomes).ok()
}

fn all(value: &Value, is_right: impl Fn(&Value) -> bool) -> bool {
    value.as_array().is_some_and(|items| items.iter().all(is_right))
}

fn patterns(value: &Value) -> Value {
    let patterns = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    patterns.map(|pattern| (pattern.to_owned(), Value::Bool(true))).collect()
}
