//! A page that is kept current: documents that moved are put in their places one by one. Only where one leaves a page
//! that others wait to get into has the query to be asked again.

use std::cmp::Ordering;

use schemas::{Checked, Direction, DocumentType, Order, Seek};

use crate::answer::Found;
use crate::index::find::FoundRow;

/// A page as it is now.
#[derive(Debug, Clone, Default)]
pub struct LivePage {
    /// In order.
    pub entries: Vec<Entry>,
    /// Whether others wait to get in.
    pub has_more: bool,
}

/// A document of the page, at its place.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The row of the document, which tells it from all others of the host.
    pub row: u64,
    /// Where it stands.
    pub seek: Seek,
    /// What is shown of it.
    pub found: Found,
}

/// Whether a page could be kept current by looking at single documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is.
    Yes,
    /// Somebody from beyond the page may have come into it.
    Unknown,
}

impl LivePage {
    /// Of the rows of a page, and the one after it, if there is one.
    #[must_use]
    pub fn of(schema: &DocumentType, query: &Checked, mut rows: Vec<FoundRow>) -> Self {
        let has_more = rows.len() > query.limit;
        rows.truncate(query.limit);
        Self { entries: rows.into_iter().map(|row| Entry::of(schema, row)).collect(), has_more }
    }

    /// Puts a document in its place, or takes it out.
    pub fn put(&mut self, query: &Checked, row: u64, now: Option<Entry>) -> Kept {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.row != row);
        let was_in = self.entries.len() < before;
        let Some(now) = now else {
            return if was_in && self.has_more { Kept::Unknown } else { Kept::Yes };
        };
        let place = self.entries.partition_point(|entry| order(query, &entry.seek, &now.seek).is_lt());
        if place == self.entries.len() && self.has_more {
            return if was_in { Kept::Unknown } else { Kept::Yes };
        }
        self.entries.insert(place, now);
        if self.entries.len() > query.limit {
            self.entries.truncate(query.limit);
            self.has_more = true;
        }
        Kept::Yes
    }
}

/// Which of two places comes first in the order of a query.
#[must_use]
pub fn order(query: &Checked, a: &Seek, b: &Seek) -> Ordering {
    match query.order {
        Order::Field { direction: Direction::Descending, .. } => b.cmp(a),
        _ => a.cmp(b),
    }
}

impl Entry {
    /// Of a row as it was found; its row is the tie of its place.
    #[must_use]
    pub fn of(schema: &DocumentType, row: FoundRow) -> Self {
        Self { row: row.seek.tie, seek: row.seek.clone(), found: Found::of(schema, row) }
    }
}
