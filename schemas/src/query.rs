//! Which documents of a type are wanted: filters, an order, words, and how many at once.
//!
//! A query knows nothing of where documents are kept: a vault and a relay give the same answer to the same one. Values
//! are compared by their keys ([`Key`]), which are the same everywhere; filters and orders name fields that have an
//! index, so that no query reads every document.

mod check; // start here: a query held against a type
mod condition; // filters as people type them
mod cursor;
mod error;
mod key; // the total order of values
mod words; // what people type to find texts

use serde_json::Value;
use sync_wire::SpaceId;

pub use self::check::{Checked, Condition, Order};
pub use self::cursor::{Cursor, Seek};
pub use self::error::QueryError;
pub use self::key::{KEY_STRING_BYTES_MAX, Key, KeyRange};
pub use self::words::{TERMS_MAX, Term, WORDS_BYTES_MAX, Words};

/// Most filters of one query.
pub const FILTERS_MAX: usize = 8;
/// Most documents of one page.
pub const LIMIT_MAX: usize = 1000;
/// Documents of one page, unless a query says otherwise.
pub const LIMIT: usize = 50;

/// Which documents are wanted, in which order, and how many at once.
///
/// # Example
/// ```
/// use schemas::{Compare, Direction, Query, Registry};
///
/// let of_this_year = Compare::StartsWith("2026-".into());
/// let query = Query::of("note").where_("/name", of_this_year).sort("/name", Direction::Descending);
/// let note = Registry::builtin().get("note").ok_or("no notes")?;
/// assert!(query.check(note).is_ok());
/// // Only fields with an index are compared.
/// let refused = Query::of("note").where_("/colour", Compare::Present).check(note).unwrap_err();
/// assert_eq!(refused.code(), "not_indexed");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    type_name: String,
    space: Option<SpaceId>,
    filters: Vec<(String, Compare)>,
    sort: Option<(String, Direction)>,
    words: Option<String>,
    limit: usize,
    after: Option<Cursor>,
}

/// What the value of a field must be.
///
/// Values are compared with values of their own kind only: no string is above 5. A set fits if one of its members does.
#[derive(Debug, Clone, PartialEq)]
pub enum Compare {
    /// This value; null is a value.
    Equal(Value),
    /// A value of the same kind below this one.
    Below(Value),
    /// A value of the same kind, this one or below.
    AtMost(Value),
    /// A value of the same kind above this one.
    Above(Value),
    /// A value of the same kind, this one or above.
    AtLeast(Value),
    /// A string that begins so, of at most 1 KiB.
    StartsWith(String),
    /// Any value that has a place in the order.
    Present,
    /// None.
    Absent,
}

/// Which end of the order comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// The least value first; documents without a value before all others.
    #[default]
    Ascending,
    /// Exactly the other way round, documents with equal values too.
    Descending,
}

impl Query {
    /// All documents of a type, 50 at once, in the order of their titles (of a type without one: of its first index).
    #[must_use]
    pub fn of(type_name: impl Into<String>) -> Self {
        Self {
            type_name: type_name.into(),
            space: None,
            filters: Vec::new(),
            sort: None,
            words: None,
            limit: LIMIT,
            after: None,
        }
    }

    /// Only those whose field at `path` (a JSON Pointer into the plain form) compares so. At most eight filters, all of
    /// which must hold.
    #[must_use]
    pub fn where_(mut self, path: impl Into<String>, compare: Compare) -> Self {
        self.filters.push((path.into(), compare));
        self
    }

    /// In the order of the field at `path`; documents with equal values in that of their ids.
    #[must_use]
    pub fn sort(mut self, path: impl Into<String>, direction: Direction) -> Self {
        self.sort = Some((path.into(), direction));
        self
    }

    /// Only those with these words in their texts, the best first unless [`Self::sort`] says otherwise.
    ///
    /// All words must occur; `"several words"` one after the other, `begin*` as the beginning of a word. Case and
    /// accents do not count. Nothing else has a meaning: other signs only part words.
    #[must_use]
    pub fn matching(mut self, words: impl Into<String>) -> Self {
        self.words = Some(words.into());
        self
    }

    /// Only those of one space.
    #[must_use]
    pub fn in_space(mut self, space: SpaceId) -> Self {
        self.space = Some(space);
        self
    }

    /// At most so many at once: 1 to 1,000.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Those that come after a place that an earlier page of the same query gave.
    #[must_use]
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// The type.
    #[must_use]
    pub fn type_name(&self) -> &str {
        &self.type_name
    }

    /// The space, if only one is meant.
    #[must_use]
    pub fn space(&self) -> Option<SpaceId> {
        self.space
    }
}
