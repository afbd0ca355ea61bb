//! Rows out of the pages of a file, without the tree that leads to them: for tables whose tree is damaged near its
//! root.
//!
//! Every page that looks like a leaf of a table is read, whatever table it is of, and also if it is of none any more.
//! So what is found counts only if it proves itself, and only where nothing is known better.
//!
//! The format is that of <https://sqlite.org/fileformat2.html>, sections 1.3 (header), 1.6 (pages) and 2.1 (records).

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use rusqlite::types::Value;

/// What a leaf of a table begins with.
const LEAF: u8 = 0x0d;
/// A row larger than this is none of ours: twice the largest value that SQLite may take.
const ROW_BYTES_MAX: u64 = 128 << 20;

/// Calls `take` with every record of so many columns, and its row number.
pub(super) fn each_record(
    path: &Path,
    columns: usize,
    mut take: impl FnMut(i64, Vec<Value>) -> Result<(), crate::error::StorageError>,
) -> Result<(), crate::error::StorageError> {
    let io = |error: io::Error| crate::error::StorageError::Io { path: path.to_owned(), detail: error.to_string() };
    let mut pages = Pages::open(path).map_err(io)?;
    for number in 1..=pages.count {
        let Some(page) = pages.read(number).map_err(io)? else { continue };
        let header = if number == 1 { 100 } else { 0 };
        if page.get(header) != Some(&LEAF) {
            continue;
        }
        let cells = two(&page, header + 3).unwrap_or(0);
        for cell in 0..cells {
            let Some(at) = two(&page, header + 8 + 2 * cell) else { break };
            if let Some((row, record)) = pages.cell(&page, at).map_err(io)?
                && let Some(values) = values(&record, columns)
            {
                take(row, values)?;
            }
        }
    }
    Ok(())
}

struct Pages {
    file: File,
    size: usize,
    /// Bytes of a page that are used.
    usable: usize,
    count: u64,
}

impl Pages {
    fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut header = [0_u8; 100];
        file.read_exact(&mut header)?;
        // What a damaged header says is not believed: all files of ours have pages of this size.
        let (size, reserved) = (4096, 0);
        let usable = size - reserved;
        let count = file.metadata()?.len() / size as u64;
        Ok(Self { file, size, usable, count })
    }

    /// A page by its number, from 1; nothing if there is none.
    fn read(&mut self, number: u64) -> io::Result<Option<Vec<u8>>> {
        if number == 0 || number > self.count {
            return Ok(None);
        }
        let mut page = vec![0; self.size];
        self.file.seek(SeekFrom::Start((number - 1) * self.size as u64))?;
        self.file.read_exact(&mut page)?;
        Ok(Some(page))
    }

    /// The row number and the record of a cell; nothing if it is none.
    fn cell(&mut self, page: &[u8], at: usize) -> io::Result<Option<(i64, Vec<u8>)>> {
        let Some((length, at)) = varint(page, at) else { return Ok(None) };
        let Some((row, at)) = varint(page, at) else { return Ok(None) };
        if length > ROW_BYTES_MAX {
            return Ok(None);
        }
        let length = length as usize;
        let local = self.local(length);
        let Some(here) = page.get(at..at + local) else { return Ok(None) };
        let mut record = here.to_vec();
        let mut next = page.get(at + local..at + local + 4).map_or(0, four);
        while record.len() < length {
            let Some(overflow) = self.read(next)? else { return Ok(None) };
            let part = (length - record.len()).min(self.usable - 4);
            record.extend_from_slice(&overflow[4..4 + part]);
            next = four(&overflow[..4]);
        }
        Ok(Some((row.cast_signed(), record)))
    }

    /// How much of a record of this length is on the page of its cell.
    fn local(&self, length: usize) -> usize {
        let most = self.usable - 35;
        if length <= most {
            return length;
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let fitting = least + (length - least) % (self.usable - 4);
        if fitting <= most { fitting } else { least }
    }
}

fn two(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes: [u8; 2] = bytes.get(at..at + 2)?.try_into().ok()?;
    Some(usize::from(u16::from_be_bytes(bytes)))
}

fn four(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// A number of one to nine bytes, and where the next thing begins.
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut number = 0_u64;
    for index in 0..9 {
        let byte = *bytes.get(at + index)?;
        if index == 8 {
            return Some((number << 8 | u64::from(byte), at + 9));
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((number, at + index + 1));
        }
    }
    None
}

/// The values of a record, if it has so many.
fn values(record: &[u8], columns: usize) -> Option<Vec<Value>> {
    let (end, mut at) = varint(record, 0)?;
    let end = usize::try_from(end).ok()?;
    let (mut body, mut values) = (end, Vec::with_capacity(columns));
    while at < end {
        if values.len() == columns {
            return None;
        }
        let (kind, next) = varint(record, at)?;
        let (value, length) = value(record, body, kind)?;
        values.push(value);
        (at, body) = (next, body + length);
    }
    (values.len() == columns && at == end).then_some(values)
}

/// A value of some kind, and its length.
fn value(record: &[u8], at: usize, kind: u64) -> Option<(Value, usize)> {
    let integer = |length: usize| {
        let bytes = record.get(at..at + length)?;
        let begin = if bytes[0] & 0x80 == 0 { 0 } else { -1 };
        Some((Value::Integer(bytes.iter().fold(begin, |number, byte| number << 8 | i64::from(*byte))), length))
    };
    let bytes = |length: u64| record.get(at..at.checked_add(usize::try_from(length).ok()?)?);
    match kind {
        0 => Some((Value::Null, 0)),
        1..=4 => integer(kind as usize),
        5 => integer(6),
        6 => integer(8),
        7 => {
            let bytes: [u8; 8] = bytes(8)?.try_into().ok()?;
            Some((Value::Real(f64::from_be_bytes(bytes)), 8))
        }
        8 | 9 => Some((Value::Integer(i64::from(kind == 9)), 0)),
        10 | 11 => None,
        _ if kind.is_multiple_of(2) => bytes((kind - 12) / 2).map(|bytes| (Value::Blob(bytes.to_vec()), bytes.len())),
        _ => {
            let bytes = bytes((kind - 13) / 2)?;
            Some((Value::Text(String::from_utf8(bytes.to_vec()).ok()?), bytes.len()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_row_is_found_as_sqlite_wrote_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sqlite");
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, c); CREATE TABLE u (a, b)").unwrap();
        let mut written = BTreeMap::new();
        for number in 0..400_i64 {
            let id = if number % 7 == 0 { -number - 1 } else { number << (number % 40) };
            let length = [0, 1, 40, 900, 4_000, 4_061, 4_062, 9_000, 70_000][number as usize % 9];
            let row = vec![
                Value::Blob(vec![number as u8; length]),
                [Value::Null, Value::Integer(number - 200), Value::Integer(i64::MIN + number), Value::Real(0.1)]
                    [number as usize % 4]
                    .clone(),
                Value::Text("ü".repeat(number as usize)),
            ];
            let parameters = std::iter::once(Value::Integer(id)).chain(row.iter().cloned());
            let sql = "INSERT OR REPLACE INTO t VALUES (?, ?, ?, ?)";
            connection.execute(sql, rusqlite::params_from_iter(parameters)).unwrap();
            connection.execute("INSERT INTO u VALUES (1, 2)", []).unwrap();
            written.insert(id, row);
        }
        drop(connection);
        let mut found = BTreeMap::new();
        each_record(&path, 4, |row, mut values| {
            assert_eq!(values.remove(0), Value::Null, "the number stands for it");
            found.insert(row, values);
            Ok(())
        })
        .unwrap();
        // Pages that are used no more may have what was replaced; nothing was here.
        assert!(found == written, "{} of {}", found.len(), written.len());
    }

    #[test]
    fn no_bytes_make_it_panic_or_hang() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sqlite");
        let mut state = 7_u64;
        for round in 0..200 {
            let mut bytes = vec![0_u8; 4096 * 8];
            for byte in &mut bytes {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = (state >> 33) as u8;
            }
            for page in 0..8 {
                bytes[page * 4096] = LEAF;
                // Lengths and numbers that look like some, so that cells are followed.
                bytes[page * 4096 + 8..page * 4096 + 200]
                    .iter_mut()
                    .for_each(|byte| *byte &= if round % 2 == 0 { 0x0f } else { 0xff });
            }
            std::fs::write(&path, &bytes).unwrap();
            each_record(&path, 3, |_, _| Ok(())).unwrap();
        }
    }
}
