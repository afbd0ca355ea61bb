//! Walks a document chunk before Automerge loads it: every column inflated with a cap and counted without expanding.

use std::borrow::Cow;

use flate2::{Decompress, FlushDecompress, Status};
use sync_wire::{Actor, ChangeHash};

use super::{Column, Fault, HeaderError, Reader, at_most, chunk_type, open_chunk, walk_column};
use crate::limits::{DOCUMENT_OPS_MAX, SNAPSHOT_INFLATED_BYTES_MAX};
use crate::seed::Seed;

const TYPE_DOCUMENT: u8 = 0;
/// Set in a column's number if its bytes are deflated.
const DEFLATED: u32 = 8;
/// Room that is made at least for what a column inflates to.
const INFLATED_STEP_BYTES: usize = 1024;
/// Automerge writes fewer; this bounds the table.
const COLUMNS_MAX: u64 = 64;
/// In the table of changes: who wrote each.
const CHANGE_ACTOR: u32 = 0x01;
/// In the table of changes: the note of each.
const CHANGE_MESSAGE: u32 = 0x35;

/// What a document chunk says of itself, read without loading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outline {
    /// As stored; whoever compares them sorts them.
    pub(crate) heads: Vec<ChangeHash>,
    /// How many changes it holds.
    pub(crate) changes: u64,
    /// The types of its root seeds: mostly one.
    pub(crate) root_types: Vec<String>,
}

/// Checks that `bytes` are one document chunk whose checksum holds and whose columns stay within
/// [`SNAPSHOT_INFLATED_BYTES_MAX`] and [`DOCUMENT_OPS_MAX`] when they are expanded.
pub(crate) fn inspect_document_chunk(bytes: &[u8]) -> Result<Outline, HeaderError> {
    inspect(bytes).map_err(HeaderError)
}

fn inspect(bytes: &[u8]) -> Result<Outline, Fault> {
    let kind = chunk_type(bytes)?;
    if kind != TYPE_DOCUMENT {
        return Err(Fault::ChunkType(kind));
    }
    let (_, mut reader) = open_chunk(bytes)?;
    let seeds = read_seed_actors(&mut reader)?;
    let mut outline = Outline { heads: read_heads(&mut reader)?, changes: 0, root_types: Vec::new() };
    let (changes, operations) = (read_table(&mut reader)?, read_table(&mut reader)?);
    let mut room = Room { bytes: SNAPSHOT_INFLATED_BYTES_MAX as u64, inflater: None };
    for (spec, length) in changes {
        let column = Inflated::take(&mut reader, spec, length, &mut room)?;
        let values = column.count()?;
        match column.spec {
            CHANGE_ACTOR => outline.changes = values,
            CHANGE_MESSAGE => column.each_text(|note| {
                let Some(root @ Seed::Root { .. }) = Seed::from_message(note) else { return };
                // Anybody may write such a note; the name of a seed is its own.
                if seeds.contains(&root.actor())
                    && let Seed::Root { type_name } = root
                {
                    outline.root_types.push(type_name);
                }
            })?,
            _ => {}
        }
    }
    for (spec, length) in operations {
        Inflated::take(&mut reader, spec, length, &mut room)?.count()?;
    }
    outline.root_types.sort_unstable();
    outline.root_types.dedup();
    Ok(outline)
}

/// The actors that are those of seeds.
fn read_seed_actors(reader: &mut Reader<'_>) -> Result<Vec<Actor>, Fault> {
    let mut seeds = Vec::new();
    for _ in 0..reader.uleb("actors")? {
        let length = reader.uleb("actor")?;
        let actor = Actor::from_slice(reader.take(length_of(length), "actor")?);
        seeds.extend(actor.filter(Seed::is_seed_actor));
    }
    Ok(seeds)
}

fn read_heads(reader: &mut Reader<'_>) -> Result<Vec<ChangeHash>, Fault> {
    let count = reader.uleb("heads")?;
    let bytes = reader.take(length_of(count.saturating_mul(32)), "heads")?;
    Ok(bytes.as_chunks().0.iter().map(|hash| ChangeHash(*hash)).collect())
}

/// A length that cannot be met is left to `take` to refuse.
fn length_of(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

fn read_table(reader: &mut Reader<'_>) -> Result<Vec<(u32, u64)>, Fault> {
    let count = reader.uleb("column table")?;
    at_most("the number of columns", count, COLUMNS_MAX)?;
    let mut table = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let spec = reader.uleb("column table")?;
        let spec = u32::try_from(spec).map_err(|_| Fault::UnknownColumn(spec))?;
        table.push((spec, reader.uleb("column table")?));
    }
    Ok(table)
}

/// A column as Automerge will expand it.
struct Inflated<'a> {
    /// Its number, as if it were not deflated.
    spec: u32,
    bytes: Cow<'a, [u8]>,
}

impl<'a> Inflated<'a> {
    /// Takes the next column, and what it needs from the room for all of them.
    fn take(reader: &mut Reader<'a>, spec: u32, length: u64, room: &mut Room) -> Result<Self, Fault> {
        let stored = reader.take(length_of(length), "columns")?;
        let bytes = if spec & DEFLATED == 0 { Cow::Borrowed(stored) } else { Cow::Owned(room.inflate(stored)?) };
        let (length, limit) = (bytes.len() as u64, SNAPSHOT_INFLATED_BYTES_MAX as u64);
        at_most("the inflated size in bytes", length + limit - room.bytes, limit)?;
        room.bytes -= length;
        Ok(Self { spec: spec & !DEFLATED, bytes })
    }

    fn count(&self) -> Result<u64, Fault> {
        walk_column(Column::of(self.spec), &self.bytes, "document", DOCUMENT_OPS_MAX, |_, _| Ok(()))
    }

    /// Calls `look` with each text of a column of texts, once per run. The column was counted before.
    fn each_text(&self, mut look: impl FnMut(&str)) -> Result<(), Fault> {
        let mut reader = Reader::new(&self.bytes);
        while !reader.is_empty() {
            let run = reader.sleb("document")?;
            if run == 0 {
                reader.uleb("document")?;
                continue;
            }
            for _ in 0..if run > 0 { 1 } else { run.unsigned_abs() } {
                let length = reader.uleb("document")?;
                let text = reader.take(length_of(length), "document")?;
                std::str::from_utf8(text).ok().map(&mut look);
            }
        }
        Ok(())
    }
}

/// What the columns that are still to come may take, expanded.
struct Room {
    bytes: u64,
    /// Made for the first column that needs it: to make one costs more than to inflate most columns.
    inflater: Option<Decompress>,
}

impl Room {
    /// Inflates at most twice what there is room for.
    fn inflate(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Fault> {
        let inflater = self.inflater.get_or_insert_with(|| Decompress::new(false));
        inflater.reset(false);
        let room = usize::try_from(self.bytes + 1).unwrap_or(usize::MAX);
        let mut inflated = Vec::with_capacity(INFLATED_STEP_BYTES.max(bytes.len() * 3).min(room));
        loop {
            let taken = usize::try_from(inflater.total_in()).unwrap_or(usize::MAX);
            let rest = bytes.get(taken..).unwrap_or_default();
            let (before, capacity) = (inflated.len(), inflated.capacity());
            let status = inflater.decompress_vec(rest, &mut inflated, FlushDecompress::None);
            match status.map_err(|_| Fault::Deflate)? {
                Status::StreamEnd => return Ok(inflated),
                _ if inflated.len() as u64 > self.bytes => return Ok(inflated), // which its taker refuses
                _ if inflated.len() == capacity => inflated.reserve(capacity),
                // That it goes on while there is room is not promised: only one that stands still is at its end.
                _ if inflated.len() == before && inflater.total_in() == taken as u64 => return Err(Fault::Deflate),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn packed(zeros: usize) -> Vec<u8> {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&vec![0; zeros]).unwrap();
        encoder.finish().unwrap()
    }

    fn inflated(room: usize, bytes: &[u8]) -> Result<usize, Fault> {
        Room { bytes: room as u64, inflater: None }.inflate(bytes).map(|inflated| inflated.len())
    }

    #[test]
    fn a_column_is_expanded_to_what_there_is_room_for_and_hardly_farther() {
        let room = 2 * INFLATED_STEP_BYTES; // where the space made for it is full at the limit
        assert_eq!(inflated(room, &packed(room)), Ok(room));
        assert_eq!(inflated(room, &packed(room + 1)), Ok(room + 1), "its taker sees that it is too large");
        let bomb = inflated(room, &packed(1_000 * room)).unwrap();
        assert!(bomb > room && bomb <= 2 * room, "{bomb} bytes");
    }

    #[test]
    fn a_column_that_is_cut_off_is_refused() {
        for size in [0, 1, INFLATED_STEP_BYTES, 100_000] {
            let whole = packed(size);
            assert_eq!(inflated(200_000, &whole), Ok(size));
            for length in 0..whole.len() {
                assert_eq!(inflated(200_000, &whole[..length]), Err(Fault::Deflate), "{length} bytes of {size}");
            }
        }
    }
}
