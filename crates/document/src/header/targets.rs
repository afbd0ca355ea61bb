//! Which objects the operations of a change address, and as what.
//!
//! Automerge takes a list position on a map in release builds and panics on it in debug builds; two builds of one
//! document must not differ, so whoever admits a change compares each address with the object's real kind. It also
//! takes an insertion at a key, and does not when the change comes with others: some devices would have what others
//! refuse. And it takes a mark that is no element of its own, which is shown as one thing before saving and as another
//! after.

use std::collections::BTreeSet;

use super::columns::{
    ACTION, ACTION_MARK, Column, Columns, INSERT, KEY_TEXT, OBJECT_ACTOR, OBJECT_COUNTER, read_value,
};
use super::{Fault, Header, HeaderError, Reader, fields};
use crate::limits::OPS_MAX;

/// An object and how it is addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    /// Index of the actor (0 for the change's own, then `other_actors`) and counter; `None` for the root.
    pub(crate) object: Option<(u64, u64)>,
    /// By position (list, text) rather than by key (map).
    pub(crate) by_position: bool,
    /// As a new element.
    pub(crate) inserts: bool,
    /// To begin or end a mark.
    pub(crate) marks: bool,
}

impl Header {
    /// The distinct targets of a change that [`Header::parse`] accepts. Takes a step per run, not per operation.
    pub(crate) fn targets(bytes: &[u8]) -> Result<BTreeSet<Target>, HeaderError> {
        let read = || {
            let (header, columns, _) = fields(bytes)?;
            targets(&columns, header.ops)
        };
        read().map_err(HeaderError)
    }
}

fn targets(columns: &Columns<'_>, ops: u64) -> Result<BTreeSet<Target>, Fault> {
    let mut actors = Runs::new(columns.get(OBJECT_ACTOR), Column::Unsigned, "object actor");
    let mut counters = Runs::new(columns.get(OBJECT_COUNTER), Column::Unsigned, "object counter");
    let mut keys = Runs::new(columns.get(KEY_TEXT), Column::Text, "key text");
    let mut actions = Runs::new(columns.get(ACTION), Column::Unsigned, "action");
    let mut inserts = Flags { reader: Reader::new(columns.get(INSERT)), left: 0, value: true };
    let mut found = BTreeSet::new();
    let (mut done, mut last) = (0, None);
    while done < ops {
        let steps = actors.left()?.min(counters.left()?).min(keys.left()?).min(actions.left()?);
        let steps = steps.min(inserts.left()?);
        let object = actors.value.zip(counters.value);
        let marks = actions.value == Some(ACTION_MARK);
        let target = Target { object, by_position: keys.value.is_none(), inserts: inserts.value, marks };
        if last != Some(target) {
            found.insert(target);
            last = Some(target);
        }
        for runs in [&mut actors, &mut counters, &mut keys, &mut actions] {
            runs.left -= steps;
        }
        inserts.left -= steps;
        done += steps;
    }
    Ok(found)
}

/// A column of flags, in runs that are false and true by turns; false for ever after the end.
struct Flags<'a> {
    reader: Reader<'a>,
    left: u64,
    /// Of the present run; the first one follows a true one that is not there.
    value: bool,
}

impl Flags<'_> {
    /// How often the present flag still comes; at least once.
    fn left(&mut self) -> Result<u64, Fault> {
        while self.left == 0 {
            (self.left, self.value) = match self.reader.is_empty() {
                true => (OPS_MAX, false),
                false => (self.reader.uleb("insert")?, !self.value),
            };
        }
        Ok(self.left)
    }
}

/// A column run by run. After the end, gaps for ever: a column of gaps only is not written.
struct Runs<'a> {
    reader: Reader<'a>,
    kind: Column,
    name: &'static str,
    /// Single values that follow in a literal run.
    literals: u64,
    left: u64,
    value: Option<u64>,
}

impl<'a> Runs<'a> {
    fn new(bytes: &'a [u8], kind: Column, name: &'static str) -> Self {
        Self { reader: Reader::new(bytes), kind, name, literals: 0, left: 0, value: None }
    }

    /// How often the present value still comes; at least once.
    fn left(&mut self) -> Result<u64, Fault> {
        while self.left == 0 {
            if self.literals > 0 {
                self.literals -= 1;
                (self.left, self.value) = (1, self.read()?);
            } else if self.reader.is_empty() {
                (self.left, self.value) = (OPS_MAX, None);
            } else {
                match self.reader.sleb(self.name)? {
                    0 => (self.left, self.value) = (self.reader.uleb(self.name)?, None),
                    count @ 1.. => (self.left, self.value) = (count.unsigned_abs(), self.read()?),
                    count => self.literals = count.unsigned_abs(),
                }
            }
        }
        Ok(self.left)
    }

    fn read(&mut self) -> Result<Option<u64>, Fault> {
        // A text counts as present, whatever it says.
        read_value(&mut self.reader, self.kind, self.name).map(|value| value.or(Some(0)))
    }
}
