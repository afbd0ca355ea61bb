//! What is wrong with a value: where, which rule, and what would be right.

use std::fmt::{self, Write as _};

use serde_json::Value;

/// Longest piece of a value that is repeated in an error, in characters.
const SHOWN_CHARS: usize = 60;

/// One rule that a value breaks. Displays as one sentence naming path, value, rule and remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value} at {} breaks a rule: {rule}; {remedy}", Place(.path))]
pub struct Violation {
    /// JSON Pointer to the value; empty for the whole document.
    pub path: String,
    /// The value as JSON, cut after 60 characters.
    pub value: String,
    /// The rule.
    pub rule: Rule,
    /// What to do, as an imperative without a full stop.
    pub remedy: String,
}

/// The rules that values can break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// A keyword of the document type's JSON Schema.
    Schema {
        /// The keyword, such as `type`.
        keyword: String,
        /// What the validator says.
        says: String,
    },
    /// A key that has no place in the flat form: empty or `$major` at the top of a document, or with a NUL in it.
    Key,
    /// An item of a list has a key `order`, under which the place of the item is stored.
    ListOrder,
    /// Nested deeper than 64.
    Depth,
    /// Larger than any document.
    Size {
        /// How many bytes are allowed.
        max: usize,
    },
    /// An `x-limit` of the document type.
    Limit {
        /// What is counted: `bytes` or `items`.
        unit: &'static str,
        /// How many were found.
        found: usize,
        /// How many are allowed.
        max: usize,
    },
    /// The file as a whole is not what it must be (an object for settings, an array for a keymap).
    File {
        /// What it must be.
        expected: &'static str,
    },
    /// A counter moves by more than 64 bits can hold.
    Counter,
    /// Values that were written concurrently wait for a person.
    Conflict,
}

impl Violation {
    pub(crate) fn new(path: impl Into<String>, value: &Value, rule: Rule, remedy: impl Into<String>) -> Self {
        Self { path: path.into(), value: shown(value), rule, remedy: remedy.into() }
    }

    /// A stable code for programs: `schema.KEYWORD`, `key`, `list_order`, `depth`, `size`, `limit`, `file`,
    /// `counter` or `conflict_open`.
    #[must_use]
    pub fn code(&self) -> String {
        match &self.rule {
            Rule::Schema { keyword, .. } => format!("schema.{keyword}"),
            Rule::Key => "key".to_owned(),
            Rule::ListOrder => "list_order".to_owned(),
            Rule::Depth => "depth".to_owned(),
            Rule::Size { .. } => "size".to_owned(),
            Rule::Limit { .. } => "limit".to_owned(),
            Rule::File { .. } => "file".to_owned(),
            Rule::Counter => "counter".to_owned(),
            Rule::Conflict => "conflict_open".to_owned(),
        }
    }

    /// Whether the value is too deep or too large for anybody to walk it.
    pub(crate) fn is_of_measure(&self) -> bool {
        matches!(self.rule, Rule::Depth | Rule::Size { .. })
    }

    /// Whether `other` is the same rule broken at the same place, whatever the value there.
    pub(crate) fn is_same_rule_as(&self, other: &Self) -> bool {
        self.path == other.path && self.code() == other.code()
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema { keyword, says } => write!(f, "{says} ({keyword})"),
            Self::ListOrder => f.write_str("items of a list have no key `order`, which holds their place"),
            Self::Key => f.write_str("a key has no NUL in it and, at the top of a document, is not empty"),
            Self::Depth => write!(f, "values nest at most {} deep", crate::plan::DEPTH_MAX),
            Self::Size { max } => write!(f, "a document has at most {max} bytes of keys and values"),
            Self::Limit { unit, found, max } => write!(f, "{found} {unit} are more than the {max} allowed"),
            Self::File { expected } => write!(f, "the file must hold {expected}"),
            Self::Conflict => f.write_str("values that were written concurrently wait for a person"),
            Self::Counter => f.write_str("a counter moves by a whole number of at most 64 bits"),
        }
    }
}

struct Place<'a>(&'a str);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("the top") } else { f.write_str(self.0) }
    }
}

/// A value as JSON, short enough for a sentence.
pub(crate) fn shown(value: &Value) -> String {
    let mut shown = Cut { text: String::new(), room: SHOWN_CHARS };
    // Whoever has no more room refuses the rest, so that a large value is not written out for its beginning.
    match write!(shown, "{value}") {
        Ok(()) => shown.text,
        Err(_) => shown.text + "…",
    }
}

/// `text`, with at most so many characters of it.
pub(crate) fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

struct Cut {
    text: String,
    room: usize,
}

impl fmt::Write for Cut {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        for character in piece.chars() {
            self.room = self.room.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(character);
        }
        Ok(())
    }
}
