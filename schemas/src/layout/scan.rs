//! From a file to its layout: what is not as usual is kept, by the member to which it belongs.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use jsonc_parser::ast;
use jsonc_parser::common::{Range, Ranged};

use super::entry::{Aspect, Entry, Layout, Lines, MemberId, Repeat};
use super::style::{Place, Style, UNIT};
use super::trivia;
use crate::jsonc::{self, JsoncError};
use crate::list;
use crate::pointer::join;

/// The layout of `text`, which [`jsonc::read`] has accepted. Members that are in `stored` keep their order where they
/// can. `ids` are those of the items if the file is an array; their fields are leaves, whatever they hold.
pub(super) fn scan(text: &str, stored: &Layout, ids: Option<&[String]>) -> Result<Layout, JsoncError> {
    let (body, has_bom) = text.strip_prefix('\u{feff}').map_or((text, false), |body| (body, true));
    let is_crlf = ends_its_lines_with_crlf(body);
    let body = if is_crlf { Cow::Owned(body.replace("\r\n", "\n")) } else { Cow::Borrowed(body) };
    let root = jsonc::tree(&body)?;
    let mut scan = Scan { text: &body, stored: siblings(stored), unit: UNIT.to_owned(), layout: Layout::default() };
    let file = &mut scan.layout.file;
    file.set_unusual(Aspect::Bom, if has_bom { "yes" } else { "" }, "");
    file.set_unusual(Aspect::Eol, if is_crlf { "crlf" } else { "" }, "");
    // As if a line went before: so the first line of a file is one like all others.
    file.set_lines(Lines::Top, &format!("\n{}", &body[..root.start()]), "\n");
    file.set_lines(Lines::Bottom, &body[root.end()..], "\n");
    let outside = Frame { style: Style::Lines, indent: String::new() };
    match (&root, ids) {
        (ast::Value::Object(object), None) => scan.object("", object, &outside, Fields::Nest),
        (ast::Value::Array(array), Some(ids)) => scan.list(array, ids, &outside)?,
        _ => {}
    }
    Ok(scan.layout)
}

/// A file with different line ends keeps them as they are in its texts.
fn ends_its_lines_with_crlf(text: &str) -> bool {
    let count = text.matches("\r\n").count();
    count > 0 && count == text.matches('\n').count() && count == text.matches('\r').count()
}

/// The stored members of each object in their sequence, with their orders.
fn siblings(stored: &Layout) -> BTreeMap<&str, Vec<(&MemberId, &str)>> {
    let mut siblings: BTreeMap<&str, Vec<(&MemberId, &str)>> = BTreeMap::new();
    for (id, entry) in &stored.members {
        siblings.entry(id.parent()).or_default().push((id, entry.order()));
    }
    for members in siblings.values_mut() {
        members.sort_by_key(|(id, order)| (order.is_empty(), *order, *id));
    }
    siblings
}

/// How the fields of an object are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fields {
    /// Objects have members with layouts of their own.
    Nest,
    /// Each value is one leaf.
    Leaves,
}

/// What surrounds a value: the style of the object around it, and the indentation of its first line.
struct Frame {
    style: Style,
    indent: String,
}

/// One member with its place in the text: key and value, or the item of an array.
struct Part {
    id: MemberId,
    range: Range,
}

struct Scan<'a> {
    text: &'a str,
    stored: BTreeMap<&'a str, Vec<(&'a MemberId, &'a str)>>,
    unit: String,
    layout: Layout,
}

impl Scan<'_> {
    fn list(&mut self, array: &ast::Array<'_>, ids: &[String], around: &Frame) -> Result<(), JsoncError> {
        let part = |(id, item): (&String, &ast::Value<'_>)| Part {
            id: MemberId::last(join("", id)),
            range: Range { start: item.start(), end: item.end() },
        };
        let parts: Vec<Part> = ids.iter().zip(&array.elements).map(part).collect();
        let frame = self.container("", array.range, &parts, around);
        for (part, item) in parts.iter().zip(&array.elements) {
            match item {
                ast::Value::Object(object) => self.object(&part.id.pointer, object, &frame, Fields::Leaves),
                other => self.leaf(&part.id.pointer, other.range(), &frame),
            }
        }
        Ok(())
    }

    fn object(&mut self, pointer: &str, object: &ast::Object<'_>, around: &Frame, fields: Fields) {
        let parts = parts(pointer, object);
        let frame = self.container(pointer, object.range, &parts, around);
        self.arrange(pointer, &parts);
        for (part, property) in parts.iter().zip(&object.properties) {
            if part.id.repeat != Repeat::Last {
                let text = &self.text[part.range.start..part.range.end];
                self.entry(&part.id).set(Aspect::Text, text);
                continue;
            }
            self.key(&part.id, property, frame.style);
            match &property.value {
                ast::Value::Object(object) if fields == Fields::Nest => {
                    self.object(&part.id.pointer, object, &frame, fields);
                }
                value => self.leaf(&part.id.pointer, value.range(), &frame),
            }
        }
    }

    fn key(&mut self, id: &MemberId, property: &ast::ObjectProp<'_>, style: Style) {
        let name = property.name.range();
        let (raw, colon) = (&self.text[name.start..name.end], &self.text[name.end..property.value.start()]);
        let usual = serde_json::Value::from(property.name.as_str()).to_string();
        let entry = self.entry(id);
        entry.set_unusual(Aspect::Key, raw, &usual);
        entry.set_unusual(Aspect::Colon, colon, style.colon());
    }

    fn leaf(&mut self, pointer: &str, range: Range, around: &Frame) {
        let raw = &self.text[range.start..range.end];
        // The text is part of one that was read.
        let Ok(value) = jsonc::parse(raw) else { return };
        let mut style = Style::usual(&value, around.style);
        let entry = self.layout.at_mut(pointer);
        if raw.starts_with(['[', '{']) {
            let usual = std::mem::replace(&mut style, Style::of(raw, around.style));
            entry.set_unusual(Aspect::Style, style.name(), usual.name());
        }
        let mut usual = String::new();
        style.write(&value, &around.indent, &self.unit, &mut usual);
        entry.set_unusual(Aspect::Raw, raw, &usual);
    }

    /// What stands between the members of an object or array, and what that says about its insides.
    fn container(&mut self, pointer: &str, range: Range, parts: &[Part], around: &Frame) -> Frame {
        let text = self.text;
        let end = range.end - 1;
        let Some(first) = parts.first() else {
            self.layout.at_mut(pointer).set_unusual(Aspect::Inside, &text[range.start + 1..end], "");
            return Frame { style: around.style, indent: around.indent.clone() };
        };
        let open = trivia::same_line(&text[range.start + 1..first.range.start]);
        let mut from = range.start + 1 + open.len();
        let frame = self.frame(pointer, range.start, &text[from..first.range.start], around);
        self.layout.at_mut(pointer).set_unusual(Aspect::Open, open, "");
        for (index, part) in parts.iter().enumerate() {
            let place = if index == 0 { Place::First } else { Place::Later };
            let lead = &text[from..part.range.start];
            let next = parts.get(index + 1).map_or(end, |next| next.range.start);
            let after = &text[part.range.end..next];
            let (gap, trail) = around_comma(after);
            let entry = self.entry(&part.id);
            entry.set_lines(Lines::Above, lead, &frame.style.lead(place, &frame.indent));
            entry.set_unusual(Aspect::Gap, gap.unwrap_or_default(), "");
            entry.set_unusual(Aspect::Trail, trail, "");
            from = part.range.end + gap.map_or(0, |gap| gap.len() + 1) + trail.len();
            if index + 1 == parts.len() && gap.is_some() {
                self.layout.at_mut(pointer).set(Aspect::Comma, "trailing");
            }
        }
        let usual = frame.style.close(&around.indent);
        self.layout.at_mut(pointer).set_lines(Lines::End, &text[from..end], &usual);
        frame
    }

    fn frame(&mut self, pointer: &str, start: usize, lead: &str, around: &Frame) -> Frame {
        let found = trivia::indentation(lead);
        let style = found.map_or_else(|| Style::of(&self.text[start..], around.style), |_| Style::Lines);
        if let ("", Some(unit)) = (pointer, found.filter(|found| !found.is_empty())) {
            unit.clone_into(&mut self.unit);
            self.layout.file.set_unusual(Aspect::Unit, unit, UNIT);
        }
        let usual = style.inner(&around.indent, &self.unit);
        let indent = found.map_or_else(|| usual.clone(), str::to_owned);
        let entry = self.layout.at_mut(pointer);
        entry.set_unusual(Aspect::Style, style.name(), around.style.name());
        entry.set_unusual(Aspect::Indent, &indent, &usual);
        Frame { style, indent }
    }

    fn arrange(&mut self, pointer: &str, parts: &[Part]) {
        let current = self.stored.get(pointer).map(Vec::as_slice).unwrap_or_default();
        let places: HashMap<&MemberId, usize> = current.iter().enumerate().map(|(at, (id, _))| (*id, at)).collect();
        let matches: Vec<Option<usize>> = parts.iter().map(|part| places.get(&part.id).copied()).collect();
        let orders: Vec<&str> = current.iter().map(|(_, order)| *order).collect();
        for (part, order) in parts.iter().zip(list::orders(&orders, &matches)) {
            self.entry(&part.id).set(Aspect::Order, &order);
        }
    }

    fn entry(&mut self, id: &MemberId) -> &mut Entry {
        self.layout.members.entry(id.clone()).or_default()
    }
}

/// The members of an object; of those with one key the last counts.
fn parts(pointer: &str, object: &ast::Object<'_>) -> Vec<Part> {
    let mut left: HashMap<&str, u32> = HashMap::new();
    for property in &object.properties {
        *left.entry(property.name.as_str()).or_default() += 1;
    }
    let totals = left.clone();
    let part = |property: &ast::ObjectProp<'_>| {
        let key = property.name.as_str();
        let total = totals.get(key).copied().unwrap_or(1);
        let left = left.get_mut(key).map_or(0, |left| {
            *left -= 1;
            *left
        });
        let repeat = if left == 0 { Repeat::Last } else { Repeat::Earlier(total - left - 1) };
        Part { id: MemberId { pointer: join(pointer, key), repeat }, range: property.range }
    };
    object.properties.iter().map(part).collect()
}

/// What stands between a value and its comma (`None`: there is no comma), and what follows on the same line.
fn around_comma(after: &str) -> (Option<&str>, &str) {
    let gap = trivia::length(after);
    match after[gap..].strip_prefix(',') {
        Some(rest) => (Some(&after[..gap]), trivia::same_line(rest)),
        None => (None, trivia::same_line(after)),
    }
}
