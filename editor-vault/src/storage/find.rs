//! Which documents a query means, of what was folded.
//!
//! Every statement goes along an index and ends with the page. A filter that leaves few documents is read first and
//! these are put in order; else the order is followed and each document held against the filters.

use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};
use schemas::{Checked, Condition, Direction, Key, KeyRange, Order, Seek, StoredIndex, Words};
use sync_wire::{DocumentId, SpaceId};

use super::Tx;
use super::tx::{signed, unsigned};
use crate::error::StorageError;

/// So many documents are read and put in order rather than looked for along the order.
const FEW: i64 = 512;
/// How much more a word in the title counts than one in the text.
const RANK: &str = "bm25(words, 8.0, 1.0)";
/// Around words that were found, in what the table of words gives.
pub(crate) const HIT: (char, char) = ('\u{2}', '\u{3}');
/// Words of a piece of text around what was found.
const SNIPPET: &str = "snippet(words, -1, char(2), char(3), '…', 16)";

/// A document that a query means.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FoundRow {
    pub(crate) seek: Seek,
    pub(crate) space: SpaceId,
    /// What a list shows, as JSON.
    pub(crate) shown: Option<String>,
    /// The best piece of its texts, with the marks of [`HIT`].
    pub(crate) snippet: Option<String>,
}

/// Which documents are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Among {
    All,
    /// Only this one, wherever in the order it stands.
    One(i64),
}

/// A query with the rows of everything that it names.
struct Asked<'q> {
    query: &'q Checked,
    /// Of the order, unless it is by rank.
    order: Option<i64>,
    conditions: Vec<(i64, &'q KeyRange)>,
    space: Option<i64>,
    among: Among,
}

impl Tx<'_> {
    /// The documents of a page, and one more if there is one. Fields that nobody declared have no documents.
    pub(crate) fn found(&self, query: &Checked, among: Among) -> Result<Vec<FoundRow>, StorageError> {
        if query.words.is_some() && !self.has_words()? {
            return Ok(Vec::new());
        }
        let Some(asked) = self.asked(query, among)? else { return Ok(Vec::new()) };
        let statement = match (&query.order, asked.order) {
            (Order::Field { direction, .. }, Some(order)) => {
                Statement::by_field(&asked, order, *direction, self.read_first(&asked)?)
            }
            _ => Statement::by_rank(&asked),
        };
        let seeks = self.all(&statement.sql, params_from_iter(statement.values), read_seek)?;
        seeks.into_iter().map(|seek| self.found_row(query, seek)).collect()
    }

    /// Nothing if the query names something that is not here.
    fn asked<'q>(&self, query: &'q Checked, among: Among) -> Result<Option<Asked<'q>>, StorageError> {
        let declared = self.declared(&query.type_name)?;
        let row =
            |index: &StoredIndex| declared.iter().find(|declared| declared.index == *index).map(|found| found.row);
        let space = query.space.map(|space| self.space(space)).transpose()?.map(|found| found.map(|space| space.row));
        let order = match &query.order {
            Order::Field { index, .. } => Some(row(index)),
            Order::Rank => None,
        };
        let conditions: Option<Vec<_>> =
            query.conditions.iter().map(|Condition { index, range }| Some((row(index)?, range))).collect();
        Ok(match (order, conditions, space) {
            (Some(None), ..) | (_, None, _) | (.., Some(None)) => None,
            (order, Some(conditions), space) => {
                Some(Asked { query, order: order.flatten(), conditions, space: space.flatten(), among })
            }
        })
    }

    /// The condition that leaves the fewest documents, if these are few.
    fn read_first(&self, asked: &Asked<'_>) -> Result<Option<usize>, StorageError> {
        if asked.among != Among::All {
            return Ok(None);
        }
        let mut fewest = (FEW, None);
        for (at, (field, range)) in asked.conditions.iter().enumerate() {
            let mut statement = Statement::default();
            statement.say("SELECT count(*) FROM (SELECT 1 FROM fields f INDEXED BY ").say(asked.index());
            statement.field("f", *field, asked.space).range("f", range).say(" LIMIT ").bind(FEW).say(")");
            let count = self.one(&statement.sql, params_from_iter(statement.values), |row| row.get(0))?;
            let count = count.unwrap_or(FEW);
            if count < fewest.0 {
                fewest = (count, Some(at));
            }
        }
        Ok(fewest.1)
    }

    /// What is shown of a document of the page.
    fn found_row(&self, query: &Checked, seek: Seek) -> Result<FoundRow, StorageError> {
        let document = signed(seek.tie);
        let shown = self.one(
            "SELECT s.space, p.shown FROM documents d JOIN spaces s ON s.id = d.space
             LEFT JOIN projections p ON p.document = d.id WHERE d.id = ?1",
            [document],
            |row| Ok((SpaceId(row.get(0)?), row.get(1)?)),
        )?;
        let (space, shown) = shown.ok_or_else(|| self.unexpected(format!("no document row {document}")))?;
        let snippet = match &query.words {
            Some(words) => self.one(
                &format!("SELECT {SNIPPET} FROM words WHERE words MATCH ?1 AND rowid = ?2"),
                params_from_iter([Value::Text(expression(words)), Value::Integer(document)]),
                |row| row.get(0),
            )?,
            None => None,
        };
        Ok(FoundRow { seek, space, shown, snippet })
    }
}

impl Asked<'_> {
    /// The index in whose order the rows of a field are read.
    fn index(&self) -> &'static str {
        if self.space.is_some() { "fields_of_space" } else { "fields_in_order" }
    }

    /// Where the page begins. A single document is looked at wherever it stands.
    fn after(&self) -> Option<&Seek> {
        self.query.after.as_ref().filter(|_| self.among == Among::All)
    }
}

/// A statement that is being written, with what is bound to it.
#[derive(Default)]
struct Statement {
    sql: String,
    values: Vec<Value>,
}

impl Statement {
    /// In the order of a field, of which `first` are those conditions that are read first.
    fn by_field(asked: &Asked<'_>, order: i64, direction: Direction, first: Option<usize>) -> Self {
        let mut statement = Self::default();
        match first.map(|at| asked.conditions[at]) {
            Some(condition) => statement.put_in_order(asked, order, condition),
            None => statement.follow_order(asked, order),
        };
        for (at, (field, range)) in asked.conditions.iter().enumerate().filter(|(at, _)| Some(*at) != first) {
            // What the order is followed by need not be looked up again.
            if *field == order {
                statement.range("s", range);
            } else {
                statement.has("s.document", at, *field, range);
            }
        }
        if let Some(words) = &asked.query.words {
            statement.say(" AND s.document IN (SELECT rowid FROM words WHERE words MATCH ");
            statement.bind(expression(words)).say(")");
        }
        let (beyond, way) = match direction {
            Direction::Ascending => (">", "ASC"),
            Direction::Descending => ("<", "DESC"),
        };
        if let Some(Seek { key, id, tie }) = asked.after() {
            statement.say(&format!(" AND (s.value, s.id, s.document) {beyond} "));
            statement.tuple([Value::Blob(key.as_bytes().to_vec()), blob(*id), Value::Integer(signed(*tie))]);
        }
        statement.say(&format!(" ORDER BY s.value {way}, s.id {way}, s.document {way} LIMIT "));
        statement.bind(limit(asked.query));
        statement
    }

    /// Reads the few documents of a condition. A set may fit with several members.
    fn put_in_order(&mut self, asked: &Asked<'_>, order: i64, (field, range): (i64, &KeyRange)) {
        self.say("SELECT DISTINCT s.value, s.id, s.document FROM fields f INDEXED BY ").say(asked.index());
        self.say(" CROSS JOIN fields s ON s.document = f.document");
        self.field("f", field, asked.space).range("f", range).say(" AND s.field = ").bind(order);
    }

    fn follow_order(&mut self, asked: &Asked<'_>, order: i64) {
        self.say("SELECT s.value, s.id, s.document FROM fields s");
        if asked.among == Among::All {
            self.say(" INDEXED BY ").say(asked.index());
        }
        self.field("s", order, asked.space);
        if let Among::One(document) = asked.among {
            self.say(" AND s.document = ").bind(document);
        }
    }

    /// All that fit have their rank found out; only the page is looked at further.
    fn by_rank(asked: &Asked<'_>) -> Self {
        let mut statement = Self::default();
        statement.say("WITH w AS MATERIALIZED (SELECT rowid AS document, ").say(RANK);
        statement.say(" AS score FROM words WHERE words MATCH ");
        statement.bind(asked.query.words.as_ref().map(expression).unwrap_or_default());
        if let Among::One(document) = asked.among {
            statement.say(" AND rowid = ").bind(document);
        }
        statement
            .say(") SELECT w.score, d.document, d.id FROM w JOIN documents d ON d.id = w.document WHERE d.type = ");
        statement.bind(asked.query.type_name.clone());
        if let Some(space) = asked.space {
            statement.say(" AND d.space = ").bind(space);
        }
        for (at, (field, range)) in asked.conditions.iter().enumerate() {
            statement.has("d.id", at, *field, range);
        }
        if let Some(Seek { key, id, tie }) = asked.after() {
            statement.say(" AND (w.score, d.document, d.id) > ");
            statement.tuple([Value::Real(score(key)), blob(*id), Value::Integer(signed(*tie))]);
        }
        statement.say(" ORDER BY w.score, d.document, d.id LIMIT ").bind(limit(asked.query));
        statement
    }

    fn say(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        self.say("?")
    }

    fn tuple(&mut self, values: [Value; 3]) {
        for (before, value) in ["(", ", ", ", "].into_iter().zip(values) {
            self.say(before).bind(value);
        }
        self.say(")");
    }

    fn field(&mut self, table: &str, field: i64, space: Option<i64>) -> &mut Self {
        self.say(&format!(" WHERE {table}.field = ")).bind(field);
        if let Some(space) = space {
            self.say(&format!(" AND {table}.space = ")).bind(space);
        }
        self
    }

    fn range(&mut self, table: &str, range: &KeyRange) -> &mut Self {
        self.say(&format!(" AND {table}.value >= ")).bind(range.low.clone());
        self.say(&format!(" AND {table}.value < ")).bind(range.high.clone())
    }

    /// That a document has a value in a range.
    fn has(&mut self, document: &str, number: usize, field: i64, range: &KeyRange) {
        let table = format!("c{number}");
        self.say(&format!(" AND EXISTS (SELECT 1 FROM fields {table} WHERE {table}.document = {document}"));
        self.say(&format!(" AND {table}.field = ")).bind(field).range(&table, range).say(")");
    }
}

fn blob(id: DocumentId) -> Value {
    Value::Blob(id.0.to_vec())
}

/// One more than the page has: so it is known whether there is another.
fn limit(query: &Checked) -> i64 {
    i64::try_from(query.limit + 1).unwrap_or(i64::MAX)
}

/// Words as the table of words reads them: each in quotation marks, in which nothing has a meaning.
fn expression(words: &Words) -> String {
    let term = |term: &schemas::Term| {
        let text = crate::query::spaced(&term.text.replace('"', " "));
        if term.is_beginning { format!("\"{text}\" *") } else { format!("\"{text}\"") }
    };
    words.terms.iter().map(term).collect::<Vec<_>>().join(" ")
}

fn read_seek(row: &Row<'_>) -> rusqlite::Result<Seek> {
    let key = match row.get::<_, Value>(0)? {
        Value::Blob(key) => Key::from_bytes(key),
        Value::Real(score) => Key::from_bytes(score.to_bits().to_be_bytes().to_vec()),
        _ => Key::absent(),
    };
    Ok(Seek { key, id: DocumentId(row.get(1)?), tie: unsigned(row.get(2)?) })
}

/// The rank that a place in the order of ranks was made of.
fn score(key: &Key) -> f64 {
    key.as_bytes().try_into().map_or(0.0, |bits| f64::from_bits(u64::from_be_bytes(bits)))
}
