//! What is kept of a document: its values as keys, what a list shows of it, the texts in which words are looked for.

use schemas::{IndexKind, Key, StoredIndex};
use serde_json::{Map, Value};

use crate::text::{Mark, spaced};

/// Bytes of a document's texts in which words are looked for.
const TEXT_BYTES_MAX: usize = 1 << 20;
/// Bytes of a string that a list shows.
const SHOWN_BYTES_MAX: usize = 1024;

/// A declared index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredIndex {
    /// Its row.
    pub row: i64,
    /// What it holds.
    pub index: StoredIndex,
}

/// What is kept of a document; nothing of one that is deleted or cannot be read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Content {
    /// By the rows of declared indexes.
    pub values: Vec<(i64, Key)>,
    /// What a list shows, as JSON.
    pub shown: Option<String>,
    /// What words are looked for in, if it has any.
    pub texts: Option<Texts>,
}

/// What words are looked for in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// What people call the document.
    pub title: String,
    /// All other texts.
    pub body: String,
}

impl Content {
    /// Bytes of its texts, which take the longest to be kept.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.texts.as_ref().map_or(0, |texts| texts.title.len() + texts.body.len())
    }

    /// As the tables give it back: each value once and in order, the words of its texts marked.
    #[must_use]
    pub fn as_kept(mut self, mark: &Mark) -> Self {
        self.values.sort();
        self.values.dedup();
        let put = |texts: Texts| Texts { title: mark.put(&texts.title), body: mark.put(&texts.body) };
        self.texts = self.texts.map(put);
        self
    }
}

impl Texts {
    /// Tells texts apart; `mark` is part of how they are kept.
    pub(crate) fn digest(&self, mark: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(self.title.len() as u64).to_be_bytes()).update(self.title.as_bytes());
        *hasher.update(self.body.as_bytes()).update(mark.as_bytes()).finalize().as_bytes()
    }
}

/// What is kept of a document of which `get` reads stored values; `title` is the stored path of what it is called.
pub fn content_of(title: Option<&str>, declared: &[DeclaredIndex], get: impl Fn(&str) -> Option<Value>) -> Content {
    let (mut values, mut shown, mut texts) = (Vec::new(), Map::new(), Texts::default());
    let mut has_texts = false;
    for DeclaredIndex { row, index } in declared {
        if index.kind == IndexKind::Text {
            let text = index.text(&get).unwrap_or_default();
            let into = if Some(index.path.as_str()) == title { &mut texts.title } else { &mut texts.body };
            add_text(into, &text);
            has_texts |= !text.is_empty();
            continue;
        }
        let found = index.values(&get);
        values.extend(found.iter().filter_map(Key::of).map(|key| (*row, key)));
        if found.is_empty() {
            values.push((*row, Key::absent()));
        }
        show(&mut shown, index, found);
    }
    Content { values, shown: Some(Value::Object(shown).to_string()), texts: has_texts.then_some(texts) }
}

fn add_text(texts: &mut String, text: &str) {
    let room = TEXT_BYTES_MAX.saturating_sub(texts.len());
    if room == 0 || text.is_empty() {
        return;
    }
    if !texts.is_empty() {
        texts.push('\n');
    }
    texts.push_str(&spaced(cut(text, room)));
}

fn show(shown: &mut Map<String, Value>, index: &StoredIndex, found: Vec<Value>) {
    let short = |value: Value| match value {
        Value::String(text) => Value::from(cut(&text, SHOWN_BYTES_MAX)),
        other => other,
    };
    if found.is_empty() {
        return;
    }
    let mut found = found.into_iter().map(short);
    let value = if index.kind == IndexKind::Members { found.collect() } else { found.next().unwrap_or_default() };
    shown.insert(index.path.clone(), value);
}

/// At most so many bytes of a text, whole characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_texts_and_what_is_shown_are_taken_and_long_ones_cut() {
        let declared = [("/name", IndexKind::Value), ("/name", IndexKind::Text), ("/body", IndexKind::Text)];
        let index = |(row, (path, kind)): (usize, (&str, IndexKind))| DeclaredIndex {
            row: i64::try_from(row).unwrap(),
            index: StoredIndex { path: path.into(), kind },
        };
        let declared: Vec<DeclaredIndex> = declared.into_iter().enumerate().map(index).collect();
        let long = "é".repeat(TEXT_BYTES_MAX);
        let value = json!({ "name": long, "body": "two eggs" });
        let content = content_of(Some("/name"), &declared, |path| value.pointer(path).cloned());
        assert_eq!(content.values, [(0, Key::of(&json!(long)).unwrap())]);
        let shown: Value = serde_json::from_str(&content.shown.clone().unwrap()).unwrap();
        assert_eq!(shown["/name"].as_str().unwrap().len(), SHOWN_BYTES_MAX);
        let texts = content.texts.unwrap();
        assert_eq!((texts.title.len(), texts.body.as_str()), (TEXT_BYTES_MAX, "two eggs"));
        let nothing = content_of(Some("/name"), &declared, |_| None);
        assert_eq!((nothing.values, nothing.texts), (vec![(0, Key::absent())], None));
    }
}
