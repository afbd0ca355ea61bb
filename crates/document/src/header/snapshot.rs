//! Walks a document chunk before Automerge loads it: every column inflated with a cap and counted without expanding.

use std::io::Read as _;

use super::{Column, Fault, HeaderError, Reader, at_most, chunk_type, open_chunk, walk_column};
use crate::limits::{DOCUMENT_OPS_MAX, SNAPSHOT_INFLATED_BYTES_MAX};

const TYPE_DOCUMENT: u8 = 0;
/// Set in a column's number if its bytes are deflated.
const DEFLATED: u32 = 8;
/// Automerge writes fewer; this bounds the table.
const COLUMNS_MAX: u64 = 64;

/// Checks that `bytes` are one document chunk whose checksum holds and whose columns stay within
/// [`SNAPSHOT_INFLATED_BYTES_MAX`] and [`DOCUMENT_OPS_MAX`] when they are expanded.
pub(crate) fn inspect_document_chunk(bytes: &[u8]) -> Result<(), HeaderError> {
    inspect(bytes).map_err(HeaderError)
}

fn inspect(bytes: &[u8]) -> Result<(), Fault> {
    let kind = chunk_type(bytes)?;
    if kind != TYPE_DOCUMENT {
        return Err(Fault::ChunkType(kind));
    }
    let (_, mut reader) = open_chunk(bytes)?;
    for _ in 0..reader.uleb("actors")? {
        let length = reader.uleb("actor")?;
        reader.take(length_of(length), "actor")?;
    }
    let heads = reader.uleb("heads")?;
    reader.take(length_of(heads.saturating_mul(32)), "heads")?;
    let tables = [read_table(&mut reader)?, read_table(&mut reader)?];
    let mut room = SNAPSHOT_INFLATED_BYTES_MAX as u64;
    for (spec, length) in tables.iter().flatten() {
        let column = reader.take(length_of(*length), "columns")?;
        let inflated = inspect_column(*spec, column, room)?;
        room -= inflated;
    }
    Ok(())
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

/// Gives the inflated size.
fn inspect_column(spec: u32, bytes: &[u8], room: u64) -> Result<u64, Fault> {
    let limit = SNAPSHOT_INFLATED_BYTES_MAX as u64;
    if spec & DEFLATED == 0 {
        let length = bytes.len() as u64;
        at_most("the inflated size in bytes", length + limit - room, limit)?;
        count(spec, bytes)?;
        return Ok(length);
    }
    let mut inflated = Vec::new();
    flate2::bufread::DeflateDecoder::new(bytes)
        .take(room + 1)
        .read_to_end(&mut inflated)
        .map_err(|_| Fault::Deflate)?;
    let length = inflated.len() as u64;
    at_most("the inflated size in bytes", length + limit - room, limit)?;
    count(spec, &inflated)?;
    Ok(length)
}

fn count(spec: u32, bytes: &[u8]) -> Result<(), Fault> {
    walk_column(Column::of(spec), bytes, "document", DOCUMENT_OPS_MAX, |_, _| Ok(())).map(drop)
}
