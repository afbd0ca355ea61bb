//! Why a query cannot be answered.

use super::{LIMIT_MAX, WORDS_BYTES_MAX};

/// Longest piece of a query that is repeated in an error, in characters.
const SHOWN_CHARS: usize = 60;

/// Why a query cannot be answered, whoever is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// A filter or an order names a field without an index.
    #[error(
        "{path} of type {type_name} has no index, and documents are not read one by one: add \"x-index\": \"value\" to \
         the field in its schema, or use one of {known}"
    )]
    NotIndexed {
        /// The type.
        type_name: String,
        /// As asked for.
        path: String,
        /// Fields that have one, for people.
        known: String,
    },
    /// A set has no place in an order.
    #[error("{path} holds several values at once and gives no order: sort by another field, or filter by this one")]
    NotSortable {
        /// As asked for.
        path: String,
    },
    /// Texts of the type are not indexed.
    #[error("no text of type {type_name} is indexed: add \"x-index\": \"text\" to a field in its schema")]
    NotSearchable {
        /// The type.
        type_name: String,
    },
    /// An array or an object, or too long a beginning.
    #[error("{path} cannot be compared with {value}: {rule}")]
    NotComparable {
        /// The field.
        path: String,
        /// The value, cut.
        value: String,
        /// What it must be.
        rule: &'static str,
    },
    /// More than can be answered at once.
    #[error("{found} {what} are more than the {max} allowed: ask for less at once")]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are allowed.
        max: usize,
    },
    /// Nothing was asked for.
    #[error("a page of 0 documents holds nothing: ask for 1 to {LIMIT_MAX}")]
    NoLimit,
    /// Nothing to look for.
    #[error("{words:?} holds no word: give letters or digits, at most {WORDS_BYTES_MAX} bytes")]
    NoWords {
        /// As asked for.
        words: String,
    },
    /// A filter without an operator.
    #[error("{condition:?} compares nothing: write PATH=VALUE, or one of {operators}")]
    Condition {
        /// As asked for.
        condition: String,
        /// Those that there are.
        operators: String,
    },
    /// Not a place that this query gave.
    #[error("the place to go on from {rule}: begin again without it")]
    Cursor {
        /// What is wrong with it.
        rule: &'static str,
    },
}

impl QueryError {
    /// The stable word for this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotIndexed { .. } => "not_indexed",
            Self::NotSortable { .. } => "not_sortable",
            Self::NotSearchable { .. } => "not_searchable",
            Self::NotComparable { .. } => "not_comparable",
            Self::TooMany { .. } | Self::NoLimit => "query_too_large",
            Self::NoWords { .. } => "no_words",
            Self::Condition { .. } => "condition",
            Self::Cursor { .. } => "cursor",
        }
    }

    pub(super) fn check_count(what: &'static str, found: usize, max: usize) -> Result<(), Self> {
        if found > max { Err(Self::TooMany { what, found, max }) } else { Ok(()) }
    }
}

/// A piece of a query, short enough for a sentence.
pub(super) fn shown(text: &str) -> String {
    if text.chars().count() <= SHOWN_CHARS {
        return text.to_owned();
    }
    text.chars().take(SHOWN_CHARS).chain(['…']).collect()
}
