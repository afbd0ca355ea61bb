//! Texts as they are indexed, and the pieces of them that are shown.

mod signs; // what is part of a word

use std::ops::Range;

use self::signs::{is_accent, is_of_word};

/// Stands between signs that are words by themselves. It has no width, and parts words.
const APART: char = '\u{200B}';
/// Around words that were found, in what the table of words gives.
const HIT: (char, char) = ('\u{2}', '\u{3}');
/// Stands for what a snippet leaves out.
const LEFT_OUT: char = '…';

/// Stands before every word of documents that are found apart from others in the same table.
///
/// So the words of other people are other words: nothing that is looked for, the beginnings of words too, reads what
/// others have, and how rare a word is depends on the documents that are found together alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mark(String);

/// A piece of a text around words that were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// A line or so; `…` stands for what is left out.
    pub text: String,
    /// Where the words are in it, in bytes.
    pub hits: Vec<Range<usize>>,
}

impl Mark {
    /// None: all documents of the table are found together.
    pub const NONE: Self = Self(String::new());

    /// Of one of several sets of documents. None is the beginning of another.
    #[must_use]
    pub fn of(set: u64) -> Self {
        Self(format!("{set}x"))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// A text with the mark before each of its words.
    pub(crate) fn put(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        let mut marked = String::with_capacity(text.len() * 2);
        let (mut is_within, mut before) = (false, None);
        for sign in text.chars() {
            let is_within_now = is_of_word(sign) || is_within && is_accent(sign);
            if is_within_now && !is_within {
                if before != Some(APART) {
                    marked.push(APART);
                }
                marked.push_str(&self.0);
            }
            is_within = is_within_now;
            before = Some(sign);
            marked.push(sign);
        }
        marked
    }
}

impl Snippet {
    /// Takes out what stands for places, and what words are marked with.
    pub(crate) fn parse(found: &str, mark: &Mark) -> Self {
        let (mut text, mut hits, mut begin) = (String::with_capacity(found.len()), Vec::new(), None);
        let mut rest = found;
        // A piece begins with a word, unless the text does otherwise; then it has no mark there.
        let mut may_be_marked = true;
        while let Some(sign) = rest.chars().next() {
            if may_be_marked && let Some(after) = rest.strip_prefix(&mark.0).filter(|_| !mark.0.is_empty()) {
                (rest, may_be_marked) = (after, false);
                continue;
            }
            rest = &rest[sign.len_utf8()..];
            may_be_marked = sign == APART || sign == HIT.0 || sign == LEFT_OUT && text.is_empty();
            if sign == HIT.0 {
                begin = Some(text.len());
            } else if sign == HIT.1 {
                hits.extend(begin.take().map(|begin| begin..text.len()));
            } else if sign != APART {
                text.push(sign);
            }
        }
        Self { text, hits }
    }
}

/// A text as it is indexed: without control characters, which mark what is found, and with signs apart that are words
/// by themselves, where a language puts no spaces between words.
pub(crate) fn spaced(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len());
    let mut was_word = false;
    for sign in text.chars() {
        let is_word = is_word(sign);
        if is_word || was_word {
            spaced.push(APART);
        }
        was_word = is_word;
        spaced.push(if sign.is_control() && sign != '\n' && sign != '\t' { ' ' } else { sign });
    }
    spaced
}

/// Han, Hiragana and Katakana.
fn is_word(sign: char) -> bool {
    matches!(sign, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}'
        | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_places() {
        let snippet = Snippet::parse("…buy \u{2}milk\u{3} and \u{2}\u{200B}文\u{200B}字\u{3}", &Mark::NONE);
        assert_eq!(snippet.text, "…buy milk and 文字");
        let hits: Vec<&str> = snippet.hits.iter().map(|hit| &snippet.text[hit.clone()]).collect();
        assert_eq!(hits, ["milk", "文字"]);
        assert!(Snippet::parse("\u{3}a\u{2}b", &Mark::NONE).hits.is_empty());
    }

    #[test]
    fn signs_without_spaces_between_them_stand_apart() {
        assert_eq!(spaced("a b\nc"), "a b\nc");
        assert_eq!(spaced("a文字b"), "a\u{200B}文\u{200B}字\u{200B}b");
        assert_eq!(spaced("a\0b\u{2}c\u{3}"), "a b c ");
    }

    #[test]
    fn every_word_has_the_mark_once_and_a_snippet_has_none() {
        let mark = Mark::of(7);
        assert_eq!(mark.put("two, eggs"), "\u{200B}7xtwo, \u{200B}7xeggs");
        assert_eq!(mark.put(&spaced("文字")), "\u{200B}7x文\u{200B}7x字");
        assert_eq!(mark.put("cafe\u{301}s"), "\u{200B}7xcafe\u{301}s", "an accent parts nothing");
        assert_eq!(Mark::NONE.put("two eggs"), "two eggs");
        for text in ["two, eggs", "7x 7x7x", "…7x", "\u{3b1}-7x", "", "- 7xa", "हिन्दी में"] {
            assert_eq!(Snippet::parse(&mark.put(text), &mark).text, text, "{text:?}");
        }
        let found = Snippet::parse("…7xbuy \u{200B}\u{2}7xmilk \u{200B}7xnow\u{3}", &mark);
        assert_eq!((found.text.as_str(), &found.text[found.hits[0].clone()]), ("…buy milk now", "milk now"));
    }
}
