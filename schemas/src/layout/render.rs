//! From values and layout to a file. Every text of the layout is checked before it is used, because it may come from
//! a broken or hostile device: reading the file always gives the values.

use jsonc_parser::ast;
use jsonc_parser::common::{Range, Ranged};
use serde_json::{Map, Value};

use super::entry::{Aspect, Entry, Layout, Lines, MemberId, Repeat};
use super::style::{Place, Style, UNIT};
use super::trivia;
use crate::jsonc;
use crate::pointer::join;

/// What a file holds.
pub(super) enum Content<'a> {
    /// An object whose objects have layouts of their own.
    Object(&'a Value),
    /// An array of items with ids. The fields of an item are leaves.
    List(&'a [(String, Value)]),
}

/// The file.
pub(super) fn render(layout: &Layout, content: &Content<'_>) -> String {
    let file = &layout.file;
    let unit = file.blanks(Aspect::Unit).filter(|unit| !unit.is_empty()).unwrap_or(UNIT);
    let mut renderer = Renderer { layout, unit, out: Output::default() };
    let head = file.lines(Lines::Top, "\n");
    renderer.out.trivia(head.strip_prefix('\n').unwrap_or(&head));
    let frame = Frame { style: Style::Lines, indent: String::new(), depth: 0 };
    match content {
        Content::Object(Value::Object(fields)) => renderer.object("", fields, &frame, Fields::Nest),
        Content::Object(value) => renderer.leaf(value, file, &frame),
        Content::List(items) => renderer.list(items, &frame),
    }
    renderer.out.trivia(&file.lines(Lines::Bottom, "\n"));
    let mut text = renderer.out.text;
    if file.get(Aspect::Eol) == Some("crlf") {
        text = text.replace("\r\n", "\n").replace('\n', "\r\n");
    }
    if file.get(Aspect::Bom) == Some("yes") {
        text.insert(0, '\u{feff}');
    }
    text
}

/// How the fields of an object are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fields {
    Nest,
    Leaves,
}

/// What surrounds a value: the style of the object around it, the indentation of its first line, and in how many
/// objects and arrays it lies.
struct Frame {
    style: Style,
    indent: String,
    depth: usize,
}

/// One member to be written.
struct Member<'a> {
    id: MemberId,
    entry: &'a Entry,
    content: Part<'a>,
}

/// What is written of a member: a field with its key, an item, or a repeated field as it was written.
enum Part<'a> {
    Field(&'a str, &'a Value),
    Item(&'a Value),
    Repeat(&'a str),
}

struct Renderer<'a> {
    layout: &'a Layout,
    unit: &'a str,
    out: Output,
}

static NOTHING: std::sync::LazyLock<Entry> = std::sync::LazyLock::new(Entry::default);

impl<'a> Renderer<'a> {
    fn list(&mut self, items: &[(String, Value)], around: &Frame) {
        let member = |(id, item)| {
            let pointer = join("", id);
            let entry = self.layout.at(&pointer).unwrap_or(&NOTHING);
            Member { id: MemberId::last(pointer), entry, content: Part::Item(item) }
        };
        let members: Vec<Member<'_>> = items.iter().map(|(id, item)| member((id, item))).collect();
        self.container(["[", "]"], &self.layout.file, &members, around, Fields::Leaves);
    }

    fn object(&mut self, pointer: &str, fields: &Map<String, Value>, around: &Frame, kind: Fields) {
        let entry = self.layout.at(pointer).unwrap_or(&NOTHING);
        let mut members: Vec<(bool, &str, Member<'_>)> = Vec::with_capacity(fields.len());
        for (key, value) in fields {
            let id = MemberId::last(join(pointer, key));
            let entry = self.layout.at(&id.pointer).unwrap_or(&NOTHING);
            let (unordered, order) = (entry.order().is_empty(), entry.order());
            for (id, entry, text) in self.repeats(&id, key, around.depth) {
                // Never after the one that counts, whatever its own order: in a file the last one counts.
                let own = (entry.order().is_empty(), entry.order());
                let (unordered, order) = own.min((unordered, order));
                members.push((unordered, order, Member { id, entry, content: Part::Repeat(text) }));
            }
            members.push((unordered, order, Member { id, entry, content: Part::Field(key, value) }));
        }
        members.sort_by(|a, b| (a.0, a.1, &a.2.id).cmp(&(b.0, b.1, &b.2.id)));
        let members: Vec<Member<'_>> = members.into_iter().map(|(_, _, member)| member).collect();
        self.container(["{", "}"], entry, &members, around, kind);
    }

    /// The earlier members with the key of `last`, as far as they are members of that key.
    fn repeats(&self, last: &MemberId, key: &str, depth: usize) -> Vec<(MemberId, &'a Entry, &'a str)> {
        let first = MemberId { pointer: last.pointer.clone(), repeat: Repeat::Earlier(0) };
        let text = |(id, entry): (&MemberId, &'a Entry)| {
            let text = entry.get(Aspect::Text).filter(|text| is_member(text, key, depth))?;
            Some((id.clone(), entry, text))
        };
        self.layout.members.range(first..last.clone()).filter_map(text).collect()
    }

    fn container(
        &mut self,
        [open, close]: [&str; 2],
        entry: &Entry,
        members: &[Member<'_>],
        around: &Frame,
        kind: Fields,
    ) {
        self.out.token(open);
        let style = entry.style().unwrap_or(around.style);
        let usual = || style.inner(&around.indent, self.unit);
        let indent = entry.blanks(Aspect::Indent).map_or_else(usual, str::to_owned);
        let inside = Frame { style, indent, depth: around.depth + 1 };
        // Without members the comments on that line are all there is to keep.
        let opening = entry.trivia(Aspect::Open).filter(|text| !members.is_empty() || trivia::has_comment(text));
        self.out.trivia(opening.unwrap_or_default());
        for (index, member) in members.iter().enumerate() {
            let place = if index == 0 { Place::First } else { Place::Later };
            let usual = style.lead(place, &inside.indent);
            self.out.trivia(&member.entry.lines(Lines::Above, &usual));
            self.member(member, &inside, kind);
            let has_comma = index + 1 < members.len() || entry.get(Aspect::Comma) == Some("trailing");
            self.after(member.entry, has_comma);
        }
        self.before_close(entry, members.is_empty(), &style.close(&around.indent));
        self.out.token(close);
    }

    fn member(&mut self, member: &Member<'_>, inside: &Frame, kind: Fields) {
        let pointer = &member.id.pointer;
        match member.content {
            Part::Repeat(text) => self.out.token(text),
            Part::Item(Value::Object(fields)) => self.object(pointer, fields, inside, kind),
            Part::Item(value) => self.leaf(value, member.entry, inside),
            Part::Field(key, value) => {
                self.key(key, member.entry, inside.style);
                match value {
                    Value::Object(fields) if kind == Fields::Nest => self.object(pointer, fields, inside, kind),
                    value => self.leaf(value, member.entry, inside),
                }
            }
        }
    }

    fn key(&mut self, key: &str, entry: &Entry, style: Style) {
        let key = Value::from(key);
        match entry.get(Aspect::Key).filter(|raw| spells(raw, &key)) {
            Some(raw) => self.out.token(raw),
            None => self.out.token(&key.to_string()),
        }
        let colon = entry.get(Aspect::Colon).unwrap_or_default();
        let (before, after) = colon.split_at(trivia::length(colon));
        match after.strip_prefix(':').filter(|after| trivia::is_trivia(after)) {
            Some(after) => {
                self.out.trivia(before);
                self.out.token(":");
                self.out.trivia(after);
            }
            None => self.out.token(style.colon()),
        }
    }

    fn leaf(&mut self, value: &Value, entry: &Entry, around: &Frame) {
        if let Some(raw) = entry.get(Aspect::Raw).filter(|raw| spells(raw, value)) {
            return self.out.token(raw);
        }
        let style = entry.style().unwrap_or_else(|| Style::usual(value, around.style));
        let mut text = String::new();
        style.write(value, &around.indent, self.unit, &mut text);
        self.out.token(&text);
    }

    fn after(&mut self, entry: &Entry, has_comma: bool) {
        let gap = entry.trivia(Aspect::Gap).unwrap_or_default();
        if has_comma {
            self.out.trivia(gap);
            self.out.token(",");
        } else if trivia::has_comment(gap) {
            self.out.trivia(gap.trim_end());
        }
        self.out.trivia(entry.trivia(Aspect::Trail).unwrap_or_default());
    }

    /// An object that became empty, or is no longer, keeps its comments.
    fn before_close(&mut self, entry: &Entry, is_empty: bool, usual: &str) {
        let inside = entry.trivia(Aspect::Inside).map(str::to_owned);
        let text = if is_empty {
            let close = entry.has_comment(Lines::End).then(|| entry.lines(Lines::End, usual));
            inside.or(close).unwrap_or_default()
        } else if entry.has_comment(Lines::End) {
            entry.lines(Lines::End, usual)
        } else {
            inside.filter(|text| trivia::has_comment(text)).unwrap_or_else(|| entry.lines(Lines::End, usual))
        };
        self.out.trivia(&text);
    }
}

/// The text so far. Layouts of different origin may meet in it, so a line comment is closed before anything else.
#[derive(Default)]
struct Output {
    text: String,
    is_open: bool,
}

impl Output {
    fn trivia(&mut self, trivia: &str) {
        if trivia.is_empty() {
            return;
        }
        if self.is_open && !trivia.starts_with(['\n', '\r']) {
            self.text.push('\n');
        }
        self.text.push_str(trivia);
        self.is_open = trivia::is_open(trivia);
    }

    fn token(&mut self, token: &str) {
        if std::mem::take(&mut self.is_open) {
            self.text.push('\n');
        }
        self.text.push_str(token);
    }
}

/// Whether `raw` is `value` and nothing else.
fn spells(raw: &str, value: &Value) -> bool {
    let is_whole = jsonc::tree(raw).is_ok_and(|root| root.range() == Range { start: 0, end: raw.len() });
    is_whole && jsonc::read(raw).is_ok_and(|parsed| parsed.value == *value)
}

/// Whether `text` is one member with this key, which nests no deeper than allowed inside of `depth` others.
fn is_member(text: &str, key: &str, depth: usize) -> bool {
    let object = format!("{{{text}}}");
    let Ok(ast::Value::Object(found)) = jsonc::tree(&object) else { return false };
    let [property] = &found.properties[..] else { return false };
    let is_whole = property.range == Range { start: 1, end: object.len() - 1 };
    let nested = format!("{}{object}{}", "[".repeat(depth), "]".repeat(depth));
    is_whole && property.name.as_str() == key && jsonc::read(&nested).is_ok()
}
