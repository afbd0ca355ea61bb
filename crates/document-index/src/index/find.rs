//! Which documents a query means, of what was taken in.
//!
//! Every statement goes along an index and ends with the page. A filter that leaves few documents is read first and
//! these are put in order; else the order is followed and each document held against the filters.

mod statement; // SQL that is being written

use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};
use schemas::{Checked, Condition, Key, KeyRange, Order, Seek, StoredIndex};
use sync_wire::{DocumentId, SpaceId};

use self::statement::{Statement, expression};
use super::Index;
use crate::text::{Mark, Snippet};

/// So many documents are read and put in order rather than looked for along the order.
const FEW: i64 = 512;
/// Words of a piece of text around what was found, with a sign before and after each.
const SNIPPET: &str = "snippet(words, -1, char(2), char(3), '…', 16)";

/// A query, and of which documents it is asked.
#[derive(Debug, Clone)]
pub struct Ask<'q> {
    /// The query. Its space and its place are not looked at here.
    pub query: &'q Checked,
    /// The row of a space, if only its documents are meant.
    pub space: Option<i64>,
    /// All of them, or one.
    pub among: Among,
    /// The place after which to begin.
    pub after: Option<Seek>,
    /// What the words of these documents are marked with.
    pub mark: Mark,
}

/// Which documents are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// All.
    All,
    /// Only this row, wherever in the order it stands.
    One(i64),
}

/// Whether to read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enough {
    /// No more.
    Yes,
    /// The next, if there is one.
    No,
}

/// A document that a query means. The tie of its place is its row.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundRow {
    /// Its place.
    pub seek: Seek,
    /// Its space.
    pub space: SpaceId,
    /// What a list shows, as JSON.
    pub shown: Option<String>,
    /// The best piece of its texts.
    pub snippet: Option<Snippet>,
}

/// A question with the rows of everything that it names.
struct Named<'q> {
    ask: &'q Ask<'q>,
    /// Of the order, unless it is by rank.
    order: Option<i64>,
    conditions: Vec<(i64, &'q KeyRange)>,
}

impl Ask<'_> {
    /// The row of the only document that is looked at.
    fn one(&self) -> Option<i64> {
        match self.among {
            Among::All => None,
            Among::One(row) => Some(row),
        }
    }

    /// Where to begin. A single document is looked at wherever it stands.
    fn after(&self) -> Option<&Seek> {
        self.after.as_ref().filter(|_| self.among == Among::All)
    }

    /// The index in whose order the rows of a field are read.
    fn index(&self) -> &'static str {
        if self.space.is_some() { "fields_of_space" } else { "fields_in_order" }
    }
}

impl Index<'_> {
    /// Calls `take` with the places of the documents that are meant, in order, until it has enough or one more than a
    /// page was given. Fields that nobody declared have no documents.
    ///
    /// # Errors
    /// SQLite failed.
    pub fn seeks(&self, ask: &Ask<'_>, mut take: impl FnMut(Seek) -> Enough) -> rusqlite::Result<()> {
        if ask.query.words.is_some() && !self.has_words()? {
            return Ok(());
        }
        let Some(named) = self.named(ask)? else { return Ok(()) };
        let statement = match (&ask.query.order, named.order) {
            (Order::Field { direction, .. }, Some(order)) => {
                Statement::by_field(&named, order, *direction, self.read_first(&named)?)
            }
            _ => Statement::by_rank(self.host, &named),
        };
        let mut prepared = self.connection.prepare_cached(&statement.sql)?;
        let mut rows = prepared.query(params_from_iter(statement.values))?;
        while let Some(row) = rows.next()? {
            if take(read_seek(row)?) == Enough::Yes {
                break;
            }
        }
        Ok(())
    }

    /// The documents of a page, and one more if there is one.
    ///
    /// # Errors
    /// SQLite failed.
    pub fn found(&self, ask: &Ask<'_>) -> rusqlite::Result<Vec<FoundRow>> {
        let mut seeks = Vec::new();
        self.seeks(ask, |seek| {
            seeks.push(seek);
            Enough::No
        })?;
        seeks.into_iter().map(|seek| self.row(ask, seek)).collect()
    }

    /// What is shown of a document at a place that [`Self::seeks`] gave in the same transaction.
    ///
    /// # Errors
    /// SQLite failed, or there is no such document.
    pub fn row(&self, ask: &Ask<'_>, seek: Seek) -> rusqlite::Result<FoundRow> {
        let (document, host) = (signed(seek.tie), self.host);
        let sql = format!(
            "SELECT s.{}, p.shown FROM documents d JOIN spaces s ON s.{} = d.{}
             LEFT JOIN {} p ON p.document = d.{row} WHERE d.{row} = ?1",
            host.space_id,
            host.space_row,
            host.document_space,
            host.shown,
            row = host.document_row
        );
        let shown = self.one(&sql, [document], |row| Ok((SpaceId(row.get(0)?), row.get(1)?)))?;
        let (space, shown) = shown.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        let marked: Option<String> = match &ask.query.words {
            Some(words) => self.one(
                &format!("SELECT {SNIPPET} FROM words WHERE words MATCH ?1 AND rowid = ?2"),
                params_from_iter([Value::Text(expression(words, &ask.mark)), Value::Integer(document)]),
                |row| row.get(0),
            )?,
            None => None,
        };
        Ok(FoundRow { seek, space, shown, snippet: marked.map(|marked| Snippet::parse(&marked, &ask.mark)) })
    }

    /// Where a document stands by now, for a page that goes on after it: how well words fit changes with every other
    /// document, and nothing else does. The place as it was, if the document is found no more.
    ///
    /// # Errors
    /// SQLite failed.
    pub fn place_now(&self, ask: &Ask<'_>, was: Seek) -> rusqlite::Result<Seek> {
        if ask.query.order != Order::Rank {
            return Ok(was);
        }
        let mut now = None;
        self.seeks(&Ask { among: Among::One(signed(was.tie)), ..ask.clone() }, |seek| {
            now = Some(seek);
            Enough::Yes
        })?;
        Ok(now.filter(|now| now.id == was.id).unwrap_or(was))
    }

    /// Nothing if the query names something that is not here.
    fn named<'q>(&self, ask: &'q Ask<'q>) -> rusqlite::Result<Option<Named<'q>>> {
        let declared = self.declared(&ask.query.type_name)?;
        let row =
            |index: &StoredIndex| declared.iter().find(|declared| declared.index == *index).map(|found| found.row);
        let order = match &ask.query.order {
            Order::Field { index, .. } => Some(row(index)),
            Order::Rank => None,
        };
        let conditions: Option<Vec<_>> =
            ask.query.conditions.iter().map(|Condition { index, range }| Some((row(index)?, range))).collect();
        Ok(match (order, conditions) {
            (Some(None), _) | (_, None) => None,
            (order, Some(conditions)) => Some(Named { ask, order: order.flatten(), conditions }),
        })
    }

    /// The condition that leaves the fewest documents, if these are few.
    fn read_first(&self, named: &Named<'_>) -> rusqlite::Result<Option<usize>> {
        if named.ask.among != Among::All {
            return Ok(None);
        }
        let mut fewest = (FEW, None);
        for (at, (field, range)) in named.conditions.iter().enumerate() {
            let statement = Statement::count(named.ask, *field, range, FEW);
            let count = self.one(&statement.sql, params_from_iter(statement.values), |row| row.get(0))?;
            let count = count.unwrap_or(FEW);
            if count < fewest.0 {
                fewest = (count, Some(at));
            }
        }
        Ok(fewest.1)
    }
}

fn read_seek(row: &Row<'_>) -> rusqlite::Result<Seek> {
    let key = match row.get::<_, Value>(0)? {
        Value::Blob(key) => Key::from_bytes(key),
        Value::Real(score) => Key::from_bytes(rank_key(score)),
        _ => Key::absent(),
    };
    Ok(Seek { key, id: DocumentId(row.get(1)?), tie: u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0) })
}

/// A rank as a key: the least is the best. Ranks of any two sets of documents are compared by their keys.
fn rank_key(score: f64) -> Vec<u8> {
    let bits = (score + 0.0).to_bits();
    let sortable = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    sortable.to_be_bytes().to_vec()
}

/// The rank that a key was made of.
fn rank_of(key: &Key) -> f64 {
    let Ok(bytes) = key.as_bytes().try_into() else { return 0.0 };
    let sortable = u64::from_be_bytes(bytes);
    f64::from_bits(if sortable >> 63 == 1 { sortable & !(1 << 63) } else { !sortable })
}

/// A row number as SQLite has it; of one that it cannot have, the last.
fn signed(row: u64) -> i64 {
    i64::try_from(row).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_in_the_order_of_their_keys_and_come_back() {
        let ranks = [-1e9, -3.25, -3.0, -1e-9, 0.0, 1e-9, 2.0];
        for pair in ranks.windows(2) {
            assert!(rank_key(pair[0]) < rank_key(pair[1]), "{pair:?}");
        }
        for rank in ranks {
            assert_eq!(rank_of(&Key::from_bytes(rank_key(rank))).to_bits(), rank.to_bits());
        }
        assert_eq!(rank_key(-0.0), rank_key(0.0));
        assert_eq!(rank_of(&Key::absent()).to_bits(), 0.0_f64.to_bits());
    }
}
