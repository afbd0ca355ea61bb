//! Texts as they are indexed, and the pieces of them that are shown.

use std::ops::Range;

use crate::storage::HIT;

/// Stands between signs that are words by themselves. It has no width, and parts words.
const APART: char = '\u{200B}';

/// A piece of a text around words that were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// A line or so; `…` stands for what is left out.
    pub text: String,
    /// Where the words are in it, in bytes.
    pub hits: Vec<Range<usize>>,
}

impl Snippet {
    /// Takes the marks out.
    pub(super) fn parse(marked: &str) -> Self {
        let (mut text, mut hits, mut begin) = (String::with_capacity(marked.len()), Vec::new(), None);
        for sign in marked.chars() {
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
        let snippet = Snippet::parse("…buy \u{2}milk\u{3} and \u{2}\u{200B}文\u{200B}字\u{3}");
        assert_eq!(snippet.text, "…buy milk and 文字");
        let hits: Vec<&str> = snippet.hits.iter().map(|hit| &snippet.text[hit.clone()]).collect();
        assert_eq!(hits, ["milk", "文字"]);
        assert!(Snippet::parse("\u{3}a\u{2}b").hits.is_empty());
    }

    #[test]
    fn signs_without_spaces_between_them_stand_apart() {
        assert_eq!(spaced("a b\nc"), "a b\nc");
        assert_eq!(spaced("a文字b"), "a\u{200B}文\u{200B}字\u{200B}b");
        assert_eq!(spaced("a\0b\u{2}c\u{3}"), "a b c ");
    }
}
