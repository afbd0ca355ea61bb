//! Counts the operations of a change by walking run lengths, never by expanding them.
//!
//! A 52-byte change can declare a million operations, and Automerge expands them all. Here a run is one step however
//! long it is, and every column must tell the same number of operations.

use super::{Fault, Reader, at_most};
use crate::limits::{OPS_MAX, PREDS_MAX};

/// What the operations of a change contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Shape {
    /// How many there are.
    pub(crate) ops: u64,
    /// Some create an object.
    pub(crate) makes_objects: bool,
    /// Some begin or end a mark.
    pub(crate) marks: bool,
}

pub(super) const OBJECT_ACTOR: u32 = 0x01;
pub(super) const OBJECT_COUNTER: u32 = 0x02;
const KEY_ACTOR: u32 = 0x11;
const KEY_COUNTER: u32 = 0x13;
pub(super) const KEY_TEXT: u32 = 0x15;
pub(super) const INSERT: u32 = 0x34;
pub(super) const ACTION: u32 = 0x42;
const VALUE_META: u32 = 0x56;
const VALUE: u32 = 0x57;
pub(super) const PRED_COUNT: u32 = 0x70;
const PRED_ACTOR: u32 = 0x71;
const PRED_COUNTER: u32 = 0x73;
const EXPAND: u32 = 0x94;
const MARK_NAME: u32 = 0xa5;

pub(super) const ACTION_DELETE: u64 = 3;
pub(super) const ACTION_MARK: u64 = 7;

fn name(spec: u32) -> Option<&'static str> {
    Some(match spec {
        OBJECT_ACTOR => "object actor",
        OBJECT_COUNTER => "object counter",
        KEY_ACTOR => "key actor",
        KEY_COUNTER => "key counter",
        KEY_TEXT => "key text",
        INSERT => "insert",
        ACTION => "action",
        VALUE_META => "value kind",
        VALUE => "value",
        PRED_COUNT => "predecessor count",
        PRED_ACTOR => "predecessor actor",
        PRED_COUNTER => "predecessor counter",
        EXPAND => "expand",
        MARK_NAME => "mark name",
        _ => return None,
    })
}

const COLUMNS_MAX: usize = 14;

/// What has been counted so far, by what the columns count.
#[derive(Default)]
struct Counted {
    shape: Shape,
    /// Values per column: every present one must come to the number of operations.
    values: [(&'static str, u64); COLUMNS_MAX],
    columns: usize,
    preds: u64,
    pred_values: [(&'static str, u64); 2],
    value_bytes_declared: u64,
    value_bytes: u64,
}

/// The columns of a change, by number.
pub(crate) struct Columns<'a> {
    entries: [(u32, &'a [u8]); COLUMNS_MAX],
    count: usize,
}

impl<'a> Columns<'a> {
    /// Reads the column table and the columns; leaves the tail unread.
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let count = reader.uleb("column table")?;
        at_most("the number of columns", count, COLUMNS_MAX as u64)?;
        let count = count as usize;
        let mut lengths = [(0_u32, 0_u64); COLUMNS_MAX];
        let mut previous = 0;
        for entry in &mut lengths[..count] {
            let (spec, length) = (reader.uleb("column table")?, reader.uleb("column table")?);
            let known = u32::try_from(spec).ok().filter(|spec| name(*spec).is_some() && *spec > previous && length > 0);
            previous = known.ok_or(Fault::UnknownColumn(spec))?;
            *entry = (previous, length);
        }
        let mut entries = [(0, &[][..]); COLUMNS_MAX];
        for (entry, (spec, length)) in entries.iter_mut().zip(&lengths[..count]) {
            let column = name(*spec).unwrap_or("unknown");
            let length = usize::try_from(*length).map_err(|_| Fault::Truncated(column))?;
            *entry = (*spec, reader.take(length, column)?);
        }
        Ok(Self { entries, count })
    }

    fn present(&self) -> impl Iterator<Item = (u32, &'a [u8])> {
        self.entries[..self.count].iter().copied()
    }

    pub(super) fn get(&self, spec: u32) -> &'a [u8] {
        self.present().find(|(found, _)| *found == spec).map_or(&[], |(_, bytes)| bytes)
    }

    /// Counts what the operations contain, and checks that all columns tell of the same operations.
    pub(crate) fn shape(&self) -> Result<Shape, Fault> {
        let mut counted = Counted::default();
        for (spec, bytes) in self.present() {
            counted.add(spec, name(spec).unwrap_or("unknown"), bytes)?;
        }
        counted.finish()
    }
}

impl Counted {
    fn add(&mut self, spec: u32, column: &'static str, bytes: &[u8]) -> Result<(), Fault> {
        match spec {
            VALUE => self.value_bytes = bytes.len() as u64,
            PRED_ACTOR | PRED_COUNTER => {
                let found = walk_column(Column::of(spec), bytes, column, PREDS_MAX, |_, _| Ok(()))?;
                self.pred_values[usize::from(spec == PRED_COUNTER)] = (column, found);
            }
            _ => {
                let found = self.add_per_operation(spec, column, bytes)?;
                self.values[self.columns] = (column, found);
                self.columns += 1;
            }
        }
        Ok(())
    }

    fn add_per_operation(&mut self, spec: u32, column: &'static str, bytes: &[u8]) -> Result<u64, Fault> {
        let kind = Column::of(spec);
        match spec {
            ACTION => {
                let shape = &mut self.shape;
                shape.ops = walk_column(kind, bytes, column, OPS_MAX, |_, action| match action {
                    Some(action @ 0..=ACTION_MARK) => {
                        shape.makes_objects |= action % 2 == 0;
                        shape.marks |= action == ACTION_MARK;
                        Ok(())
                    }
                    Some(unknown) => Err(Fault::Action(unknown)),
                    None => Err(Fault::Run(column)),
                })?;
                Ok(shape.ops)
            }
            VALUE_META => {
                let bytes_declared = &mut self.value_bytes_declared;
                walk_column(kind, bytes, column, OPS_MAX, |count, meta| {
                    *bytes_declared = bytes_declared.saturating_add(count.saturating_mul(meta.unwrap_or(0) >> 4));
                    Ok(())
                })
            }
            PRED_COUNT => {
                let preds = &mut self.preds;
                walk_column(kind, bytes, column, OPS_MAX, |count, preds_each| {
                    *preds = preds.saturating_add(count.saturating_mul(preds_each.unwrap_or(0)));
                    Ok(())
                })
            }
            _ => walk_column(kind, bytes, column, OPS_MAX, |_, _| Ok(())),
        }
    }

    fn finish(self) -> Result<Shape, Fault> {
        let expect = |column, found, expected| {
            if found == expected { Ok(()) } else { Err(Fault::ColumnLength { column, found, expected }) }
        };
        for (column, found) in &self.values[..self.columns] {
            expect(column, *found, self.shape.ops)?;
        }
        at_most("the number of predecessors", self.preds, PREDS_MAX)?;
        for (column, found) in self.pred_values {
            expect(if column.is_empty() { "predecessor" } else { column }, found, self.preds)?;
        }
        expect("value", self.value_bytes, self.value_bytes_declared)?;
        Ok(self.shape)
    }
}

/// How the values of a column are encoded; the low three bits of a column's number say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// Runs of unsigned numbers.
    Unsigned,
    /// Runs of signed differences.
    Delta,
    /// Alternating run lengths of false and true.
    Boolean,
    /// Runs of texts.
    Text,
    /// Bytes that another column describes.
    Raw,
}

impl Column {
    /// The encoding of the column with this number.
    pub(crate) const fn of(spec: u32) -> Self {
        match spec & 7 {
            3 => Self::Delta,
            4 => Self::Boolean,
            5 => Self::Text,
            7 => Self::Raw,
            _ => Self::Unsigned,
        }
    }
}

/// Walks a column's runs: `visit(count, value)` for each run or single value, with `None` for gaps and for values that
/// are not unsigned numbers. Gives the number of values.
pub(crate) fn walk_column(
    kind: Column,
    bytes: &[u8],
    column: &'static str,
    limit: u64,
    mut visit: impl FnMut(u64, Option<u64>) -> Result<(), Fault>,
) -> Result<u64, Fault> {
    let mut reader = Reader::new(bytes);
    let mut total = 0_u64;
    let mut add = |count: u64| {
        total = total.saturating_add(count);
        at_most("the number of operations", total, limit)
    };
    match kind {
        Column::Raw => {}
        Column::Boolean => {
            while !reader.is_empty() {
                add(reader.uleb(column)?)?;
            }
        }
        Column::Unsigned | Column::Delta | Column::Text => {
            while !reader.is_empty() {
                match reader.sleb(column)? {
                    0 => {
                        let count = reader.uleb(column)?;
                        add(count)?;
                        visit(count, None)?;
                    }
                    count @ 1.. => {
                        add(count.unsigned_abs())?;
                        visit(count.unsigned_abs(), read_value(&mut reader, kind, column)?)?;
                    }
                    count => {
                        add(count.unsigned_abs())?;
                        for _ in 0..count.unsigned_abs() {
                            visit(1, read_value(&mut reader, kind, column)?)?;
                        }
                    }
                }
            }
        }
    }
    Ok(total)
}

#[inline]
pub(super) fn read_value(reader: &mut Reader<'_>, kind: Column, column: &'static str) -> Result<Option<u64>, Fault> {
    match kind {
        Column::Delta => reader.sleb(column).map(|_| None),
        Column::Text => {
            let length = usize::try_from(reader.uleb(column)?).map_err(|_| Fault::Truncated(column))?;
            reader.take(length, column).map(|_| None)
        }
        Column::Unsigned | Column::Boolean | Column::Raw => reader.uleb(column).map(Some),
    }
}
