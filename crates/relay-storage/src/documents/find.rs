//! Which documents of some spaces a query means, of what was taken in.
//!
//! Each space is asked by itself, along its own part of an index, and what they give is merged as it comes: a space
//! ends with the first document that comes behind those that are found already.

use std::cmp::Ordering;

use document_index::{Among, Ask, Enough, FoundRow, order};
use rusqlite::{Connection, OptionalExtension, params};
use schemas::{Checked, Direction, Order, Seek};
use sync_wire::{DocumentId, Epoch, LogPosition, Position, SpaceId};

use super::shelves::{Shelf, index, shelf};
use crate::change_log::unsigned;
use crate::error::StorageError;
use crate::storage::{Reader, Storage};

/// A query, and the spaces of which it is asked.
#[derive(Debug, Clone)]
pub struct FindDocuments {
    /// In these spaces only; the space of the query is not looked at.
    pub spaces: Vec<SpaceId>,
    /// The query.
    pub query: Checked,
    /// Bytes of what is shown of documents, after which the page ends.
    pub bytes_max: usize,
}

/// A document that a query means.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundDocument {
    /// Tells the document from all others, while the relay runs.
    pub row: u64,
    /// What is shown of it, and its place; the tie of that is the same for all documents of a space.
    pub found: FoundRow,
    /// Its entries up to here are in what is shown.
    pub position: LogPosition,
}

/// A page of an answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FoundPage {
    /// In order.
    pub documents: Vec<FoundDocument>,
    /// Whether more follow.
    pub has_more: bool,
    /// The last turn of each space, for [`Storage::found_since`]; 0 where nobody has asked before.
    pub turns: Vec<(SpaceId, i64)>,
}

/// What moved in some spaces after a turn of each.
#[derive(Debug, Clone, PartialEq)]
pub enum FoundSince {
    /// These rows, each as it is found now, or not any more.
    Documents(Vec<(u64, Option<FoundDocument>)>),
    /// More than are looked at one by one.
    Many,
}

impl Storage {
    /// Asks a query of what was taken in. Costs a look-up for each space, and the page.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn find_documents(&self, find: FindDocuments) -> Result<FoundPage, StorageError> {
        self.read(move |reader| reader.find_documents(find)).await
    }

    /// The documents that were taken in after these turns, at most `max`, and the turns now.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn found_since(
        &self,
        turns: Vec<(SpaceId, i64)>,
        query: Checked,
        max: usize,
    ) -> Result<(FoundSince, Vec<(SpaceId, i64)>), StorageError> {
        self.read(move |reader| reader.found_since(turns, &query, max)).await
    }
}

impl Reader {
    fn find_documents(&self, find: FindDocuments) -> Result<FoundPage, StorageError> {
        let FindDocuments { mut spaces, query, bytes_max } = find;
        spaces.sort_unstable();
        spaces.dedup();
        let moment = self.connection.unchecked_transaction()?;
        let after = place_now(&moment, &spaces, &query)?;
        let (mut shelves, mut best, mut turns) = (Vec::new(), Vec::new(), Vec::new());
        for space in spaces {
            let shelf = shelf(&moment, space, &query.type_name)?;
            turns.push((space, shelf.as_ref().map_or(Ok(0), |shelf| turn(&moment, shelf))?));
            if let Some(shelf) = shelf {
                merge(&moment, &query, after.as_ref(), (space, &shelf), shelves.len(), &mut best)?;
                shelves.push((space, shelf));
            }
        }
        let mut page = FoundPage { has_more: best.len() > query.limit, turns, ..FoundPage::default() };
        best.truncate(query.limit);
        let mut bytes = 0;
        for Candidate { place, row, shelf } in best {
            if bytes > bytes_max {
                page.has_more = true;
                break;
            }
            let (space, shelf) = &shelves[shelf];
            let document = found_document(&moment, &ask(&query, shelf, Among::All), *space, place, row)?;
            bytes += document.found.shown.as_ref().map_or(0, String::len);
            page.documents.push(document);
        }
        Ok(page)
    }

    fn found_since(
        &self,
        turns: Vec<(SpaceId, i64)>,
        query: &Checked,
        max: usize,
    ) -> Result<(FoundSince, Vec<(SpaceId, i64)>), StorageError> {
        let moment = self.connection.unchecked_transaction()?;
        let (mut moved, mut now, mut is_many) = (Vec::new(), Vec::new(), false);
        for (space, since) in turns {
            let Some(shelf) = shelf(&moment, space, &query.type_name)? else {
                now.push((space, 0));
                continue;
            };
            now.push((space, turn(&moment, &shelf)?));
            let mut statement =
                moment.prepare_cached("SELECT document FROM indexed WHERE shelf = ?1 AND turn > ?2 LIMIT ?3")?;
            let most = i64::try_from(max + 1).unwrap_or(i64::MAX);
            let rows = statement.query_map(params![shelf.row, since, most], |row| row.get::<_, i64>(0))?;
            for row in rows.collect::<rusqlite::Result<Vec<_>>>()? {
                is_many |= moved.len() == max;
                if is_many {
                    break;
                }
                let mut found = None;
                let one = ask(query, &shelf, Among::One(row));
                index(&moment).seeks(&one, |seek| {
                    found = Some(seek);
                    Enough::Yes
                })?;
                let place = found.map(|seek| Seek { tie: tie(space), ..seek });
                let found = place.map(|place| found_document(&moment, &one, space, place, row)).transpose()?;
                moved.push((row.cast_unsigned(), found));
            }
        }
        Ok((if is_many { FoundSince::Many } else { FoundSince::Documents(moved) }, now))
    }
}

/// A document that may be on the page.
struct Candidate {
    place: Seek,
    row: i64,
    /// Which of the shelves.
    shelf: usize,
}

/// Puts the documents of a space among those that were found, of which at most a page and one more are kept.
fn merge(
    connection: &Connection,
    query: &Checked,
    after: Option<&Seek>,
    (space, shelf): (SpaceId, &Shelf),
    number: usize,
    best: &mut Vec<Candidate>,
) -> Result<(), StorageError> {
    let after = after.map(|after| Seek { tie: bound(query, tie(space).cmp(&after.tie)), ..after.clone() });
    let ask = Ask { after, ..ask(query, shelf, Among::All) };
    let worst = best.get(query.limit).map(|worst| worst.place.clone());
    let mut found = Vec::new();
    index(connection).seeks(&ask, |seek| {
        let (row, place) = (seek.tie.cast_signed(), Seek { tie: tie(space), ..seek });
        if worst.as_ref().is_some_and(|worst| order(query, worst, &place).is_le()) {
            return Enough::Yes;
        }
        found.push(Candidate { place, row, shelf: number });
        Enough::No
    })?;
    best.append(&mut found);
    best.sort_by(|a, b| order(query, &a.place, &b.place));
    best.truncate(query.limit + 1);
    Ok(())
}

/// Where the documents of a space begin that have the value and the id of the place to go on from: all of them or none.
fn bound(query: &Checked, space: Ordering) -> u64 {
    let is_descending = matches!(query.order, Order::Field { direction: Direction::Descending, .. });
    let is_behind = if is_descending { space.is_lt() } else { space.is_gt() };
    // A row lies between these two.
    if is_behind == is_descending { i64::MAX.cast_unsigned() } else { 0 }
}

/// Where to go on by now. Only ranks move by themselves.
fn place_now(connection: &Connection, spaces: &[SpaceId], query: &Checked) -> Result<Option<Seek>, StorageError> {
    let Some(after) = query.after.clone().filter(|_| query.order == Order::Rank) else {
        return Ok(query.after.clone());
    };
    let Some(space) = spaces.iter().find(|space| tie(**space) == after.tie) else { return Ok(Some(after)) };
    let Some(shelf) = shelf(connection, *space, &query.type_name)? else { return Ok(Some(after)) };
    let Some(row) = super::document_key(connection, shelf.space_key, after.id)? else { return Ok(Some(after)) };
    let was = Seek { tie: row.cast_unsigned(), ..after.clone() };
    let now = index(connection).place_now(&ask(query, &shelf, Among::All), was)?;
    Ok(Some(Seek { key: now.key, ..after }))
}

/// Tells documents of equal ids in two spaces apart, and says nothing of the relay.
fn tie(space: SpaceId) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&space.0[..8]);
    u64::from_be_bytes(first)
}

fn ask<'q>(query: &'q Checked, shelf: &Shelf, among: Among) -> Ask<'q> {
    Ask { query, space: Some(shelf.space_key), among, after: None, mark: shelf.mark() }
}

fn turn(connection: &Connection, shelf: &Shelf) -> Result<i64, StorageError> {
    let mut statement = connection.prepare_cached("SELECT coalesce(max(turn), 0) FROM indexed WHERE shelf = ?1")?;
    Ok(statement.query_row([shelf.row], |row| row.get(0))?)
}

fn found_document(
    connection: &Connection,
    ask: &Ask<'_>,
    space: SpaceId,
    place: Seek,
    row: i64,
) -> Result<FoundDocument, StorageError> {
    let mut found = index(connection).row(ask, Seek { tie: row.cast_unsigned(), ..place.clone() })?;
    found.seek = place;
    debug_assert_eq!(found.space, space, "a document stands on a shelf of its space");
    let mut statement = connection.prepare_cached(
        "SELECT s.epoch, x.position FROM indexed x JOIN documents d ON d.document_key = x.document
         JOIN spaces s USING (space_key) WHERE x.document = ?1",
    )?;
    let position = statement
        .query_row([row], |row| Ok(LogPosition { epoch: Epoch(row.get(0)?), position: Position(unsigned(row, 1)?) }));
    let position = position.optional()?.ok_or_else(|| damaged(found.seek.id))?;
    Ok(FoundDocument { row: row.cast_unsigned(), found, position })
}

fn damaged(document: DocumentId) -> StorageError {
    StorageError::damaged(format!("document {document} has values and is on no shelf"))
}

#[cfg(test)]
mod tests {
    use schemas::{Query, Registry};

    use super::*;

    #[test]
    fn documents_of_equal_ids_are_behind_each_other_in_the_order_of_their_spaces() {
        let note = Registry::builtin().get("note").unwrap();
        let check = |query: Query| query.check(note).unwrap();
        let all = i64::MAX.cast_unsigned();
        // Rows are above 0: ascending, what comes after 0 is everything, and nothing after the last.
        for (query, spaces) in [
            (Query::of("note"), [(Ordering::Less, all), (Ordering::Equal, all), (Ordering::Greater, 0)]),
            (
                Query::of("note").sort("/name", Direction::Descending),
                [(Ordering::Less, all), (Ordering::Equal, 0), (Ordering::Greater, 0)],
            ),
        ] {
            for (space, expected) in spaces {
                assert_eq!(bound(&check(query.clone()), space), expected, "{query:?} {space:?}");
            }
        }
    }
}
