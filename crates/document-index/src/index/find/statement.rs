//! Statements that are being written, with what is bound to them.

use rusqlite::types::Value;
use schemas::{Direction, KeyRange, Seek, Words};

use super::{Ask, Named, rank_of, signed};
use crate::index::Host;
use crate::text::{Mark, spaced};

/// How much more a word in the title counts than one in the text.
const RANK: &str = "bm25(words, 8.0, 1.0)";

/// See the file's head.
#[derive(Default)]
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

impl Statement {
    /// How many documents have a value in a range, counted no further than `max`.
    pub(super) fn count(ask: &Ask<'_>, field: i64, range: &KeyRange, max: i64) -> Self {
        let mut statement = Self::default();
        statement.say("SELECT count(*) FROM (SELECT 1 FROM fields f INDEXED BY ").say(ask.index());
        statement.field("f", field, ask.space).range("f", range).say(" LIMIT ").bind(max).say(")");
        statement
    }

    /// In the order of a field, of which `first` is the condition that is read first, if one is.
    pub(super) fn by_field(named: &Named<'_>, order: i64, direction: Direction, first: Option<usize>) -> Self {
        let mut statement = Self::default();
        match first.map(|at| named.conditions[at]) {
            Some(condition) => statement.put_in_order(named.ask, order, condition),
            None => statement.follow_order(named.ask, order),
        }
        for (at, (field, range)) in named.conditions.iter().enumerate().filter(|(at, _)| Some(*at) != first) {
            // What the order is followed by need not be looked up again.
            if *field == order {
                statement.range("s", range);
            } else {
                statement.has("s.document", at, *field, range);
            }
        }
        if let Some(words) = &named.ask.query.words {
            statement.say(" AND s.document IN (SELECT rowid FROM words WHERE words MATCH ");
            statement.bind(expression(words, &named.ask.mark)).say(")");
        }
        let (beyond, way) = match direction {
            Direction::Ascending => (">", "ASC"),
            Direction::Descending => ("<", "DESC"),
        };
        if let Some(Seek { key, id, tie }) = named.ask.after() {
            statement.say(&format!(" AND (s.value, s.id, s.document) {beyond} "));
            let key = Value::Blob(key.as_bytes().to_vec());
            statement.tuple([key, Value::Blob(id.0.to_vec()), Value::Integer(signed(*tie))]);
        }
        statement.say(&format!(" ORDER BY s.value {way}, s.id {way}, s.document {way} LIMIT "));
        statement.bind(limit(named.ask));
        statement
    }

    /// Reads the few documents of a condition. A set may fit with several members.
    fn put_in_order(&mut self, ask: &Ask<'_>, order: i64, (field, range): (i64, &KeyRange)) {
        self.say("SELECT DISTINCT s.value, s.id, s.document FROM fields f INDEXED BY ").say(ask.index());
        self.say(" CROSS JOIN fields s ON s.document = f.document");
        self.field("f", field, ask.space).range("f", range).say(" AND s.field = ").bind(order);
    }

    fn follow_order(&mut self, ask: &Ask<'_>, order: i64) {
        self.say("SELECT s.value, s.id, s.document FROM fields s");
        if ask.one().is_none() {
            self.say(" INDEXED BY ").say(ask.index());
        }
        self.field("s", order, ask.space);
        if let Some(document) = ask.one() {
            self.say(" AND s.document = ").bind(document);
        }
    }

    /// All that fit have their rank found out; only the page is looked at further.
    pub(super) fn by_rank(host: &Host, named: &Named<'_>) -> Self {
        let (ask, mut statement) = (named.ask, Self::default());
        statement.say("WITH w AS MATERIALIZED (SELECT rowid AS document, ").say(RANK);
        statement.say(" AS score FROM words WHERE words MATCH ");
        statement.bind(ask.query.words.as_ref().map(|words| expression(words, &ask.mark)).unwrap_or_default());
        if let Some(document) = ask.one() {
            statement.say(" AND rowid = ").bind(document);
        }
        let Host { document_row: row, document_id: id, document_space: space, .. } = host;
        statement.say(&format!(") SELECT w.score, d.{id}, d.{row} FROM w JOIN documents d ON d.{row} = w.document"));
        statement.say(" WHERE d.type = ").bind(ask.query.type_name.clone());
        if let Some(asked) = ask.space {
            statement.say(&format!(" AND d.{space} = ")).bind(asked);
        }
        for (at, (field, range)) in named.conditions.iter().enumerate() {
            statement.has(&format!("d.{row}"), at, *field, range);
        }
        if let Some(Seek { key, id: seek, tie }) = ask.after() {
            statement.say(&format!(" AND (w.score, d.{id}, d.{row}) > "));
            let score = Value::Real(rank_of(key));
            statement.tuple([score, Value::Blob(seek.0.to_vec()), Value::Integer(signed(*tie))]);
        }
        statement.say(&format!(" ORDER BY w.score, d.{id}, d.{row} LIMIT ")).bind(limit(ask));
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

/// One more than the page has: so it is known whether there is another.
fn limit(ask: &Ask<'_>) -> i64 {
    i64::try_from(ask.query.limit + 1).unwrap_or(i64::MAX)
}

/// Words as the table of words reads them: each in quotation marks, in which nothing has a meaning.
pub(super) fn expression(words: &Words, mark: &Mark) -> String {
    let term = |term: &schemas::Term| {
        let text = mark.put(&spaced(&term.text.replace('"', " ")));
        if term.is_beginning { format!("\"{text}\" *") } else { format!("\"{text}\"") }
    };
    words.terms.iter().map(term).collect::<Vec<_>>().join(" ")
}
