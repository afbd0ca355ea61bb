//! A query held against a type: every field has its index, every value its key.

use serde_json::Value;
use sync_wire::SpaceId;

use super::error::shown;
use super::{
    Compare, Cursor, Direction, FILTERS_MAX, KEY_STRING_BYTES_MAX, Key, KeyRange, LIMIT_MAX, Query, QueryError, Seek,
    Words,
};
use crate::DocumentType;
use crate::index::{IndexKind, IndexedField, StoredIndex};

/// A query of which everything is known.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The type.
    pub type_name: String,
    /// The space, if only one is meant.
    pub space: Option<SpaceId>,
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// What comes first.
    pub order: Order,
    /// What the texts must hold.
    pub words: Option<Words>,
    /// Most documents of the page: 1 to 1,000.
    pub limit: usize,
    /// The document after which the page begins.
    pub after: Option<Seek>,
    fingerprint: u64,
}

/// A field whose value lies in a range of keys; of a set, one of its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The field.
    pub index: StoredIndex,
    /// Where its key must lie.
    pub range: KeyRange,
}

/// What comes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// By a value, then by id.
    Field {
        /// The field, of one value.
        index: StoredIndex,
        /// Which end.
        direction: Direction,
    },
    /// By how well the words fit.
    Rank,
}

impl Checked {
    /// The place after `seek`, as a page gives it.
    #[must_use]
    pub fn cursor(&self, seek: Seek) -> Cursor {
        Cursor { query: self.fingerprint, seek }
    }
}

impl Query {
    /// Holds the query against the type that it names.
    ///
    /// # Errors
    /// [`QueryError`], for the first thing that is wrong.
    pub fn check(&self, schema: &DocumentType) -> Result<Checked, QueryError> {
        QueryError::check_count("filters", self.filters.len(), FILTERS_MAX)?;
        QueryError::check_count("documents", self.limit, LIMIT_MAX)?;
        if self.limit == 0 {
            return Err(QueryError::NoLimit);
        }
        let words = self.words.as_deref().map(Words::parse).transpose()?;
        if words.is_some() && !schema.indexes().iter().any(|field| field.index.kind == IndexKind::Text) {
            return Err(QueryError::NotSearchable { type_name: schema.name.clone() });
        }
        let condition = |(path, compare): &(String, Compare)| {
            let index = valued(schema, path)?.index.clone();
            Ok(Condition { index, range: range(path, compare)? })
        };
        let fingerprint = self.fingerprint();
        let after = match &self.after {
            Some(cursor) if cursor.query != fingerprint => {
                return Err(QueryError::Cursor { rule: "belongs to another query" });
            }
            after => after.as_ref().map(|cursor| cursor.seek.clone()),
        };
        Ok(Checked {
            type_name: schema.name.clone(),
            space: self.space,
            conditions: self.filters.iter().map(condition).collect::<Result<_, _>>()?,
            order: self.order(schema, words.is_some())?,
            words,
            limit: self.limit,
            after,
            fingerprint,
        })
    }

    fn order(&self, schema: &DocumentType, has_words: bool) -> Result<Order, QueryError> {
        let (field, direction) = match &self.sort {
            Some((path, direction)) => (valued(schema, path)?, *direction),
            None if has_words => return Ok(Order::Rank),
            None => (first(schema)?, Direction::Ascending),
        };
        match field.index.kind {
            IndexKind::Members => Err(QueryError::NotSortable { path: shown(&field.path) }),
            _ => Ok(Order::Field { index: field.index.clone(), direction }),
        }
    }

    /// Everything that says which documents come in which order. Programs agree on it, so it is no hash of the standard
    /// library.
    fn fingerprint(&self) -> u64 {
        let said = format!("{:?}", (&self.type_name, &self.space, &self.filters, &self.sort, &self.words));
        let mut first = [0; 8];
        blake3::Hasher::new().update(said.as_bytes()).finalize_xof().fill(&mut first);
        u64::from_be_bytes(first)
    }
}

/// The field at `path`, if its values are indexed.
fn valued<'s>(schema: &'s DocumentType, path: &str) -> Result<&'s IndexedField, QueryError> {
    let is_it = |field: &&IndexedField| field.path == path && field.index.kind != IndexKind::Text;
    schema.indexes().iter().find(is_it).ok_or_else(|| not_indexed(schema, path))
}

/// The field that gives the order where none is asked for.
fn first(schema: &DocumentType) -> Result<&IndexedField, QueryError> {
    let of_title = schema.title_path().and_then(|path| valued(schema, path).ok());
    let any = || schema.indexes().iter().find(|field| field.index.kind == IndexKind::Value);
    of_title.or_else(any).ok_or_else(|| not_indexed(schema, "every field"))
}

fn not_indexed(schema: &DocumentType, path: &str) -> QueryError {
    let fields = schema.indexes().iter().filter(|field| field.index.kind != IndexKind::Text);
    let known: Vec<&str> = fields.map(|field| field.path.as_str()).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    QueryError::NotIndexed { type_name: schema.name.clone(), path: shown(path), known }
}

fn range(path: &str, compare: &Compare) -> Result<KeyRange, QueryError> {
    let not_comparable = |value: &str, rule| {
        let (path, value) = (shown(path), shown(value));
        QueryError::NotComparable { path, value, rule }
    };
    let key = |value: &Value| {
        let rule = "only strings, numbers, booleans and null have an order";
        Key::of(value).ok_or_else(|| not_comparable(&value.to_string(), rule))
    };
    Ok(match compare {
        Compare::Equal(value) => KeyRange::equal(&key(value)?),
        Compare::Below(value) => KeyRange::below(&key(value)?),
        Compare::AtMost(value) => KeyRange::at_most(&key(value)?),
        Compare::Above(value) => KeyRange::above(&key(value)?),
        Compare::AtLeast(value) => KeyRange::at_least(&key(value)?),
        Compare::StartsWith(beginning) if beginning.len() > KEY_STRING_BYTES_MAX => {
            return Err(not_comparable(beginning, "a beginning has at most 1024 bytes"));
        }
        Compare::StartsWith(beginning) => KeyRange::starting_with(beginning),
        Compare::Present => KeyRange::present(),
        Compare::Absent => KeyRange::absent(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Registry;

    const TASK: &str = r#"{
        "$schema": "https://json-schema.org/draft/2020-12/schema", "x-type": "task", "x-version": 1, "type": "object",
        "properties": {
            "points": { "type": "integer", "x-index": "value" },
            "tags": { "type": "array", "items": { "type": "string" }, "x-merge": "set", "x-index": "value" },
            "done": { "type": "boolean" }
        }
    }"#;

    fn check(query: &Query) -> Result<Checked, QueryError> {
        let registry = Registry::with_files([("task/1.json", TASK)]).unwrap();
        query.check(registry.get(query.type_name()).unwrap())
    }

    fn task() -> Query {
        Query::of("task")
    }

    #[test]
    fn what_cannot_be_answered_is_refused_with_the_remedy() {
        let long = "x".repeat(1025);
        let many = (0..9).fold(task(), |query, _| query.where_("/points", Compare::Present));
        let other = check(&task()).unwrap().cursor(Seek { key: Key::absent(), id: [0; 16].into(), tie: 0 });
        for (query, code, words) in [
            (task().where_("/done", Compare::Present), "not_indexed", "x-index"),
            (task().where_("points", Compare::Present), "not_indexed", "/points, /tags"),
            (task().sort("/done", Direction::Ascending), "not_indexed", "/done"),
            (task().sort("/tags", Direction::Ascending), "not_sortable", "/tags"),
            (task().matching("x"), "not_searchable", "x-index"),
            (Query::of("note").matching("--"), "no_words", "--"),
            (task().where_("/points", Compare::Equal(json!([1]))), "not_comparable", "[1]"),
            (task().where_("/points", Compare::StartsWith(long)), "not_comparable", "1024"),
            (many, "query_too_large", "9 filters"),
            (task().limit(0), "query_too_large", "0 documents"),
            (task().limit(1001), "query_too_large", "1001 documents"),
            (task().where_("/points", Compare::Present).after(other), "cursor", "another query"),
        ] {
            let refused = check(&query).unwrap_err();
            assert_eq!(refused.code(), code, "{refused}");
            assert!(refused.to_string().contains(words), "{refused}");
        }
    }

    #[test]
    fn an_order_that_is_not_asked_for_is_that_of_titles_or_of_the_first_index() {
        let path = |query: &Query| match check(query).unwrap().order {
            Order::Field { index, direction: Direction::Ascending } => index.path,
            order => panic!("{order:?}"),
        };
        assert_eq!(path(&Query::of("note")), "/name");
        assert_eq!(path(&task()), "/points");
        assert_eq!(check(&Query::of("note").matching("x")).unwrap().order, Order::Rank);
    }

    #[test]
    fn a_place_goes_on_in_its_own_query_whatever_the_page() {
        let query = task().where_("/points", Compare::AtLeast(json!(3)));
        let seek = Seek { key: Key::absent(), id: [1; 16].into(), tie: 4 };
        let cursor = check(&query).unwrap().cursor(seek.clone());
        assert_eq!(check(&query.limit(7).after(cursor)).unwrap().after, Some(seek));
    }
}
