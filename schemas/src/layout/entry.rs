//! The layout of a file as it is stored: `/layout/LAYER/file/ASPECT`, `/members/POINTER/ASPECT` and, for the earlier
//! ones of keys given twice, `/repeats/N POINTER/ASPECT`.
//!
//! Each line of comment above something is a leaf of its own, `…/above/ID`.
//! A pointer is one key, not nested ones: layout below a scalar that becomes an object never meets a leaf, and the
//! nesting stays flat.

use std::collections::BTreeMap;

use document::Intent;
use document::limits::{PATH_BYTES_MAX, REGISTER_BYTES_MAX};
use serde_json::Value;

use super::lines::{self, Line};
use super::style::Style;
use super::trivia;
use crate::pointer::join;

/// One thing that a layout says. What is as usual is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Aspect {
    /// The place among the members of an object: a string between strings.
    Order,
    /// What stands before: indentation and blank lines; whole lines of comments lie apart, in [`Lines`].
    Lead,
    /// The key with its quotes and escapes.
    Key,
    /// What stands between key and value, with the colon.
    Colon,
    /// The value as it was spelt; used while it spells the value.
    Raw,
    /// What stands between value and comma.
    Gap,
    /// What follows on the same line.
    Trail,
    /// How an object or array is spread over lines.
    Style,
    /// What stands before the members of an object on lines of their own.
    Indent,
    /// What follows the opening bracket on the same line.
    Open,
    /// What stands before the closing bracket.
    Close,
    /// What stands between the brackets when there is nothing else.
    Inside,
    /// `trailing`: the last member has a comma.
    Comma,
    /// Of a repeated key: key and value as they were written.
    Text,
    /// `yes`: the file begins with a byte order mark.
    Bom,
    /// `crlf`: every line ends so; the texts have line feeds nevertheless.
    Eol,
    /// One step of indentation.
    Unit,
    /// What stands before the value of the whole file.
    Head,
    /// What stands after it, with the last line end.
    Foot,
}

const ASPECTS: [(Aspect, &str); 19] = [
    (Aspect::Order, "order"),
    (Aspect::Lead, "lead"),
    (Aspect::Key, "key"),
    (Aspect::Colon, "colon"),
    (Aspect::Raw, "raw"),
    (Aspect::Gap, "gap"),
    (Aspect::Trail, "trail"),
    (Aspect::Style, "style"),
    (Aspect::Indent, "indent"),
    (Aspect::Open, "open"),
    (Aspect::Close, "close"),
    (Aspect::Inside, "inside"),
    (Aspect::Comma, "comma"),
    (Aspect::Text, "text"),
    (Aspect::Bom, "bom"),
    (Aspect::Eol, "eol"),
    (Aspect::Unit, "unit"),
    (Aspect::Head, "head"),
    (Aspect::Foot, "foot"),
];

impl Aspect {
    fn name(self) -> &'static str {
        ASPECTS.iter().find(|(aspect, _)| *aspect == self).map_or("", |(_, name)| name)
    }
}

/// What is said of one member, or of the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    texts: BTreeMap<Aspect, String>,
    lines: BTreeMap<Lines, Vec<Line>>,
}

/// Where lines of comments stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lines {
    /// Above a member: in the middle of its [`Aspect::Lead`].
    Above,
    /// Above the closing bracket: in the middle of [`Aspect::Close`].
    End,
    /// Above the value of the whole file: in the middle of [`Aspect::Head`].
    Top,
    /// Below it: in the middle of [`Aspect::Foot`].
    Bottom,
}

const LINES: [(Lines, Aspect, &str); 4] = [
    (Lines::Above, Aspect::Lead, "above"),
    (Lines::End, Aspect::Close, "end"),
    (Lines::Top, Aspect::Head, "top"),
    (Lines::Bottom, Aspect::Foot, "bottom"),
];

impl Lines {
    fn aspect(self) -> Aspect {
        LINES.iter().find(|(lines, ..)| *lines == self).map_or(Aspect::Lead, |(_, aspect, _)| *aspect)
    }
}

impl Entry {
    pub(super) fn get(&self, aspect: Aspect) -> Option<&str> {
        self.texts.get(&aspect).map(String::as_str)
    }

    /// The text if it is nothing but comments and white space.
    pub(super) fn trivia(&self, aspect: Aspect) -> Option<&str> {
        self.get(aspect).filter(|text| trivia::is_trivia(text))
    }

    /// The text if it is blanks and tabs.
    pub(super) fn blanks(&self, aspect: Aspect) -> Option<&str> {
        self.get(aspect).filter(|text| trivia::is_blank(text))
    }

    pub(super) fn style(&self) -> Option<Style> {
        self.get(Aspect::Style).and_then(Style::named)
    }

    /// The order; empty if there is none.
    pub(super) fn order(&self) -> &str {
        self.get(Aspect::Order).unwrap_or_default()
    }

    pub(super) fn set(&mut self, aspect: Aspect, text: &str) {
        if text.len() <= REGISTER_BYTES_MAX {
            self.texts.insert(aspect, text.to_owned());
        }
    }

    /// Sets what is not `usual`.
    pub(super) fn set_unusual(&mut self, aspect: Aspect, text: &str, usual: &str) {
        if text != usual {
            self.set(aspect, text);
        }
    }

    /// Sets trivia over several lines: the lines in its middle apart, what is left if it is not `usual`.
    pub(super) fn set_lines(&mut self, place: Lines, trivia: &str, usual: &str) {
        let (frame, middle) = lines::split(trivia);
        self.set_unusual(place.aspect(), &frame, usual);
        if !middle.is_empty() {
            self.lines.insert(place, middle);
        }
    }

    /// Trivia over several lines.
    pub(super) fn lines(&self, place: Lines, usual: &str) -> String {
        let middle = self.lines.get(&place).map(Vec::as_slice).unwrap_or_default();
        lines::join(self.trivia(place.aspect()).unwrap_or(usual), middle)
    }

    /// Whether something unusual stands there.
    pub(super) fn has_comment(&self, place: Lines) -> bool {
        self.lines.contains_key(&place) || self.trivia(place.aspect()).is_some_and(trivia::has_comment)
    }

    fn stored(value: &Value) -> Self {
        let text = |(aspect, name): &(Aspect, &str)| Some((*aspect, value.get(name)?.as_str()?.to_owned()));
        let lines = |(place, _, name): &(Lines, Aspect, &str)| {
            let lines = lines::stored(value.get(name)?.as_object()?);
            (!lines.is_empty()).then_some((*place, lines))
        };
        Self { texts: ASPECTS.iter().filter_map(text).collect(), lines: LINES.iter().filter_map(lines).collect() }
    }
}

/// Names the member at a pointer: the one that counts, or (from 0) an earlier one with the same key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct MemberId {
    pub(super) pointer: String,
    /// The one that counts has none. It sorts after the others, because in a file the last one counts.
    pub(super) repeat: Repeat,
}

/// Which of several members with one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Repeat {
    Earlier(u32),
    Last,
}

impl MemberId {
    pub(super) fn last(pointer: String) -> Self {
        Self { pointer, repeat: Repeat::Last }
    }

    /// The pointer to the object around it.
    pub(super) fn parent(&self) -> &str {
        self.pointer.rsplit_once('/').map_or("", |(parent, _)| parent)
    }

    fn parse_repeat(key: &str) -> Option<Self> {
        let (number, rest) = key.split_at(key.find('/')?);
        let parsed = number.parse().ok()?;
        let is_canonical = u32::to_string(&parsed) == number;
        is_canonical.then(|| Self { pointer: rest.to_owned(), repeat: Repeat::Earlier(parsed) })
    }
}

/// The layout of one file.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    /// Of the file and its outermost object or array.
    pub(super) file: Entry,
    pub(super) members: BTreeMap<MemberId, Entry>,
}

impl Layout {
    /// What `document` holds under the two keys `root`; what is not as it should be is passed over.
    pub(super) fn stored(document: &Value, root: &[impl AsRef<str>; 2]) -> Self {
        let Some(found) = document.get(root[0].as_ref()).and_then(|layouts| layouts.get(root[1].as_ref())) else {
            return Self::default();
        };
        let group = |name: &str| found.get(name).and_then(Value::as_object).into_iter().flatten();
        let last = |(pointer, entry): (&String, &Value)| (MemberId::last(pointer.clone()), Entry::stored(entry));
        let earlier = |(key, entry): (&String, &Value)| Some((MemberId::parse_repeat(key)?, Entry::stored(entry)));
        Self {
            file: found.get("file").map(Entry::stored).unwrap_or_default(),
            members: group("members").map(last).chain(group("repeats").filter_map(earlier)).collect(),
        }
    }

    /// The entry of the member that counts at `pointer`, or of the file for the empty pointer.
    pub(super) fn at(&self, pointer: &str) -> Option<&Entry> {
        if pointer.is_empty() {
            return Some(&self.file);
        }
        self.members.get(&MemberId::last(pointer.to_owned()))
    }

    /// As [`Self::at`], made if it is not there.
    pub(super) fn at_mut(&mut self, pointer: &str) -> &mut Entry {
        if pointer.is_empty() {
            return &mut self.file;
        }
        self.members.entry(MemberId::last(pointer.to_owned())).or_default()
    }
}

/// The smallest edit from one layout to another, below the two keys `root`.
pub(super) fn plan(root: &[impl AsRef<str>; 2], stored: &Layout, wanted: &Layout) -> Vec<Intent> {
    let root = join(&join("", root[0].as_ref()), root[1].as_ref());
    let mut intents = Vec::new();
    plan_entry(&join(&root, "file"), &stored.file, &wanted.file, &mut intents);
    let nothing = Entry::default();
    for (id, entry) in &wanted.members {
        plan_entry(&path(&root, id), stored.members.get(id).unwrap_or(&nothing), entry, &mut intents);
    }
    let gone = stored.members.keys().filter(|id| !wanted.members.contains_key(*id));
    intents.extend(gone.map(|id| Intent::Remove { path: path(&root, id) }));
    intents
}

fn plan_entry(path: &str, stored: &Entry, wanted: &Entry, intents: &mut Vec<Intent>) {
    // The room for the longest path in an entry: all of it fits or nothing.
    if path.len() + "/bottom/".len() + lines::ID_BYTES > PATH_BYTES_MAX {
        return;
    }
    for (aspect, text) in &wanted.texts {
        if stored.get(*aspect) != Some(text) {
            intents.push(Intent::Put { path: join(path, aspect.name()), value: Value::from(text.as_str()) });
        }
    }
    let gone = stored.texts.keys().filter(|aspect| !wanted.texts.contains_key(*aspect));
    intents.extend(gone.map(|aspect| Intent::Remove { path: join(path, aspect.name()) }));
    for (place, _, name) in LINES {
        let lines = |entry: &Entry| entry.lines.get(&place).cloned().unwrap_or_default();
        lines::plan(&join(path, name), &lines(stored), &lines(wanted), intents);
    }
}

fn path(root: &str, id: &MemberId) -> String {
    match id.repeat {
        Repeat::Last => join(&join(root, "members"), &id.pointer),
        Repeat::Earlier(number) => join(&join(root, "repeats"), &format!("{number}{}", id.pointer)),
    }
}
