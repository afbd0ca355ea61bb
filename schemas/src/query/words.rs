//! What people type to find texts: words, `"words one after the other"`, and `begin*`.

use super::QueryError;

/// Longest text to look for, in bytes.
pub const WORDS_BYTES_MAX: usize = 1024;
/// Most terms in it.
pub const TERMS_MAX: usize = 32;

/// Terms that must all occur in a text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Words {
    /// At least one.
    pub terms: Vec<Term>,
}

/// One word, or several that follow each other. Signs in it part words.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Term {
    /// Holds a letter or a digit, and neither a quotation mark nor a control character.
    pub text: String,
    /// Whether the last word may go on.
    pub is_beginning: bool,
}

impl Words {
    /// Reads what somebody typed. Whatever it is, it is no command: what is no word is left out.
    ///
    /// # Errors
    /// [`QueryError::TooMany`], and [`QueryError::NoWords`] if no letter or digit is in it.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        QueryError::check_count("bytes of words", text.len(), WORDS_BYTES_MAX)?;
        let mut terms = Vec::new();
        // Between the first and the second quotation mark stands a phrase, and so on; the last may be left open.
        for (number, part) in text.split('"').enumerate() {
            if number % 2 == 1 {
                terms.extend(Term::new(part, false));
            } else if number > 0
                && part.starts_with('*')
                && let Some(phrase) = terms.last_mut()
            {
                phrase.is_beginning = true;
                terms.extend(part[1..].split_whitespace().filter_map(Term::word));
            } else {
                terms.extend(part.split_whitespace().filter_map(Term::word));
            }
        }
        QueryError::check_count("words", terms.len(), TERMS_MAX)?;
        if terms.is_empty() { Err(QueryError::NoWords { words: text.to_owned() }) } else { Ok(Self { terms }) }
    }
}

impl Term {
    fn word(word: &str) -> Option<Self> {
        match word.strip_suffix('*') {
            Some(beginning) => Self::new(beginning, true),
            None => Self::new(word, false),
        }
    }

    fn new(text: &str, is_beginning: bool) -> Option<Self> {
        if !text.chars().any(char::is_alphanumeric) {
            return None;
        }
        let text = text.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect();
        Some(Self { text, is_beginning })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> Vec<(String, bool)> {
        Words::parse(text).unwrap().terms.into_iter().map(|term| (term.text, term.is_beginning)).collect()
    }

    #[test]
    fn words_phrases_and_beginnings_are_told_apart() {
        let term = |text: &str, is_beginning| (text.to_owned(), is_beginning);
        assert_eq!(terms("milk  eggs"), [term("milk", false), term("eggs", false)]);
        assert_eq!(terms("\"two eggs\" mil*"), [term("two eggs", false), term("mil", true)]);
        assert_eq!(terms("\"two eg\"* x"), [term("two eg", true), term("x", false)]);
        assert_eq!(terms("an \"open end"), [term("an", false), term("open end", false)]);
        assert_eq!(terms("a AND NOT (b) col:c ^d"), ["a", "AND", "NOT", "(b)", "col:c", "^d"].map(|t| term(t, false)));
        assert_eq!(terms("a\0b - + ** \"\" \"-\""), [term("a b", false)]);
    }

    #[test]
    fn what_holds_no_word_or_too_many_is_refused_by_name() {
        for text in ["", "  ", "\"", "***", "- + ()", "\"\"*"] {
            assert_eq!(Words::parse(text).unwrap_err().code(), "no_words", "{text:?}");
        }
        assert_eq!(Words::parse(&"a ".repeat(33)).unwrap_err().code(), "query_too_large");
        assert_eq!(Words::parse(&"a".repeat(1025)).unwrap_err().code(), "query_too_large");
        assert!(Words::parse(&"a".repeat(1024)).is_ok());
    }
}
