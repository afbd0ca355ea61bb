//! Lines of comments and the blank lines between them, each a leaf `ORDER TEXT` under an id from its content: what two
//! devices write at one place is all there, and the same line from both is there once.

use std::collections::{BTreeMap, HashMap};

use document::Intent;
use document::limits::REGISTER_BYTES_MAX;
use serde_json::{Map, Value};

use super::trivia;
use crate::list;
use crate::order::ORDER_BYTES_MAX;
use crate::pointer;

/// Length of an id.
pub(super) const ID_BYTES: usize = 20;

/// One line, or one comment over several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    id: String,
    /// Empty as long as it is not known.
    order: String,
    text: String,
}

/// Takes the whole lines out of the middle of `trivia`; what is left is the rest of the line before and the beginning
/// of the line after.
pub(super) fn split(trivia: &str) -> (String, Vec<Line>) {
    let lines = trivia::lines(trivia);
    let ([first, middle @ .., last], true) = (&lines[..], trivia::has_comment(trivia)) else {
        return (trivia.to_owned(), Vec::new());
    };
    let is_too_long = |line: &&str| line.len() + ORDER_BYTES_MAX + 1 > REGISTER_BYTES_MAX;
    if middle.iter().any(is_too_long) {
        return (format!("{first}\n{last}"), Vec::new());
    }
    let mut counts: HashMap<&str, u64> = HashMap::new();
    let mut numbered = Vec::with_capacity(middle.len());
    for text in middle.iter().copied() {
        let count = counts.entry(text).or_default();
        *count += 1;
        numbered.push(Line { id: id(text, *count), order: String::new(), text: text.to_owned() });
    }
    (format!("{first}\n{last}"), numbered)
}

/// Puts the lines back where [`split`] took them.
pub(super) fn join(frame: &str, middle: &[Line]) -> String {
    let middle: Vec<&str> =
        middle.iter().map(|line| line.text.as_str()).filter(|text| trivia::is_trivia(text)).collect();
    if middle.is_empty() {
        return frame.to_owned();
    }
    let lines = trivia::lines(frame);
    let (first, last) = match &lines[..] {
        [first, .., last] => (*first, *last),
        _ => ("", frame),
    };
    format!("{first}\n{}\n{last}", middle.join("\n"))
}

/// The stored lines in their sequence.
pub(super) fn stored(fields: &Map<String, Value>) -> Vec<Line> {
    let line = |(id, value): (&String, &Value)| {
        let (order, text) = value.as_str()?.split_once(' ')?;
        Some(Line { id: id.clone(), order: order.to_owned(), text: text.to_owned() })
    };
    let mut lines: Vec<Line> = fields.iter().filter_map(line).collect();
    lines.sort_by(|a, b| (a.order.is_empty(), &a.order, &a.id).cmp(&(b.order.is_empty(), &b.order, &b.id)));
    lines
}

/// The smallest edit from one sequence of lines to another.
pub(super) fn plan(path: &str, stored: &[Line], wanted: &[Line], intents: &mut Vec<Intent>) {
    let places: BTreeMap<&str, usize> = stored.iter().enumerate().map(|(at, line)| (line.id.as_str(), at)).collect();
    let matches: Vec<Option<usize>> = wanted.iter().map(|line| places.get(line.id.as_str()).copied()).collect();
    let orders: Vec<&str> = stored.iter().map(|line| line.order.as_str()).collect();
    for ((line, found), order) in wanted.iter().zip(&matches).zip(list::orders(&orders, &matches)) {
        if found.is_none_or(|at| stored[at].order != order || stored[at].text != line.text) {
            let value = Value::from(format!("{order} {}", line.text));
            intents.push(Intent::Put { path: pointer::join(path, &line.id), value });
        }
    }
    let gone = stored.iter().filter(|line| wanted.iter().all(|wanted| wanted.id != line.id));
    intents.extend(gone.map(|line| Intent::Remove { path: pointer::join(path, &line.id) }));
}

fn id(text: &str, count: u64) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("symphony-vault 1 layout line");
    hasher.update(&count.to_be_bytes());
    hasher.update(text.as_bytes());
    hasher.finalize().to_hex()[..ID_BYTES].to_owned()
}
