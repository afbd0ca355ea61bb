//! What an answer has of a document.

use schemas::{Checked, Cursor, DocumentType, IndexKind};
use serde_json::{Map, Value};
use sync_wire::{DocumentId, SpaceId};

use crate::index::find::FoundRow;
use crate::text::Snippet;

/// A part of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// In the order that was asked for.
    pub found: Vec<Found>,
    /// Where the next page begins; nothing if this is the last. Hand it to [`schemas::Query::after`].
    pub next: Option<Cursor>,
}

/// A document of an answer, with what a list shows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The space.
    pub space: SpaceId,
    /// Its id.
    pub id: DocumentId,
    /// What people call it.
    pub title: Option<String>,
    /// Its values that are indexed, by their paths in the plain form; strings are cut after 1 KiB.
    pub fields: Map<String, Value>,
    /// For a query for words: where they are.
    pub snippet: Option<Snippet>,
}

impl Page {
    /// Of the rows of a page, and the one after it, if there is one.
    #[must_use]
    pub fn of(schema: &DocumentType, query: &Checked, mut rows: Vec<FoundRow>) -> Self {
        let has_more = rows.len() > query.limit;
        rows.truncate(query.limit);
        let next = rows.last().filter(|_| has_more).map(|last| query.cursor(last.seek.clone()));
        Self { found: rows.into_iter().map(|row| Found::of(schema, row)).collect(), next }
    }
}

impl Found {
    /// A row as its type calls what is in it.
    #[must_use]
    pub fn of(schema: &DocumentType, row: FoundRow) -> Self {
        let shown = row.shown.as_deref().and_then(|shown| serde_json::from_str::<Map<String, Value>>(shown).ok());
        let mut shown = shown.unwrap_or_default();
        let valued = schema.indexes().iter().filter(|field| field.index.kind != IndexKind::Text);
        let fields: Map<String, Value> =
            valued.filter_map(|field| Some((field.path.clone(), shown.remove(&field.index.path)?))).collect();
        let title = schema.title_path().and_then(|path| fields.get(path)?.as_str()).map(str::to_owned);
        Self { space: row.space, id: row.seek.id, title, fields, snippet: row.snippet }
    }
}
