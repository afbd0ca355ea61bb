//! Reading JSON as people write it in settings files: with comments and trailing commas, otherwise strict.
//!
//! Only values are read here. What JSON allows but a reader should hear of (a key given twice, a number that was
//! rounded) comes back as notes beside the value.

use std::fmt;

use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::errors::{ParseError, ParseErrorKind};
use jsonc_parser::{CollectOptions, ParseOptions, ast};
use serde_json::{Map, Number, Value};

/// Longest text, in bytes.
pub const TEXT_BYTES_MAX: usize = 8 << 20;
/// Deepest nesting.
pub const DEPTH_MAX: usize = crate::plan::DEPTH_MAX;

/// A text that is not JSON with comments. Displays place, rule and remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {rule}; {remedy}")]
pub struct JsoncError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub rule: String,
    /// What to do.
    pub remedy: &'static str,
}

/// A value and what its reader should hear of.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The value; of a key given twice, the last one.
    pub value: Value,
    /// In the order of the text.
    pub notes: Vec<Note>,
}

/// Something that was read, but perhaps not as it was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What.
    pub kind: NoteKind,
}

/// What a [`Note`] is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoteKind {
    /// This key came before in the same object; this value replaces the earlier one.
    DuplicateKey(String),
    /// This whole number has more than 64 bits and was rounded as JavaScript would.
    RoundedNumber(String),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        match &self.kind {
            NoteKind::DuplicateKey(key) => {
                write!(f, "the key {key:?} is there twice; this last one counts, remove the other")
            }
            NoteKind::RoundedNumber(number) => {
                write!(f, "the number {number} has more than 64 bits and was rounded; write it as a string to keep it")
            }
        }
    }
}

/// The value in `text`.
///
/// # Errors
/// [`JsoncError`] with line and column; also for an empty text, one over 8 MiB, or nesting over 64.
///
/// ```
/// let value = schemas::jsonc::parse("{\n  // two spaces\n  \"editor.tabSize\": 2,\n}")?;
/// assert_eq!(value["editor.tabSize"], 2);
/// let error = schemas::jsonc::parse("{\n  \"editor.tabSize\" 2\n}").unwrap_err();
/// assert_eq!((error.line, error.column), (2, 20));
/// # Ok::<(), schemas::jsonc::JsoncError>(())
/// ```
pub fn parse(text: &str) -> Result<Value, JsoncError> {
    read(text).map(|parsed| parsed.value)
}

/// The value in `text`, with notes.
///
/// # Errors
/// As [`parse`].
pub fn read(text: &str) -> Result<Parsed, JsoncError> {
    // A byte order mark is no character of the first line.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > TEXT_BYTES_MAX {
        let rule = format!("the text has {} bytes, more than the {TEXT_BYTES_MAX} allowed", text.len());
        return Err(JsoncError { line: 1, column: 1, rule, remedy: "split it" });
    }
    let mut reader = Reader { text, notes: Vec::new() };
    let value = reader.value(tree(text)?, 0)?;
    Ok(Parsed { value, notes: reader.notes })
}

/// The places of everything in `text`, which has no byte order mark. What [`read`] says beyond the grammar is not
/// checked.
pub(crate) fn tree(text: &str) -> Result<ast::Value<'_>, JsoncError> {
    let result = jsonc_parser::parse_to_ast(text, &CollectOptions::default(), &options()).map_err(from_parser)?;
    let nothing = || {
        let rule = "there is no value".to_owned();
        JsoncError { line: 1, column: 1, rule, remedy: "write {} for an empty object" }
    };
    result.value.ok_or_else(nothing)
}

fn options() -> ParseOptions {
    ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

struct Reader<'a> {
    text: &'a str,
    notes: Vec<Note>,
}

impl Reader<'_> {
    fn value(&mut self, node: ast::Value<'_>, depth: usize) -> Result<Value, JsoncError> {
        match node {
            ast::Value::NullKeyword(_) => Ok(Value::Null),
            ast::Value::BooleanLit(node) => Ok(Value::Bool(node.value)),
            ast::Value::StringLit(node) => {
                self.check_lines(node.range)?;
                Ok(Value::String(node.value.into_owned()))
            }
            ast::Value::NumberLit(node) => self.number(node.value, node.range.start),
            ast::Value::Array(node) => {
                self.check_depth(depth, node.range.start)?;
                node.elements.into_iter().map(|element| self.value(element, depth + 1)).collect()
            }
            ast::Value::Object(node) => {
                self.check_depth(depth, node.range.start)?;
                self.object(node, depth)
            }
        }
    }

    fn object(&mut self, node: ast::Object<'_>, depth: usize) -> Result<Value, JsoncError> {
        let mut fields = Map::new();
        for property in node.properties {
            self.check_lines(property.name.range())?;
            let key = property.name.into_string();
            let value = self.value(property.value, depth + 1)?;
            if fields.insert(key.clone(), value).is_some() {
                self.note(property.range.start, NoteKind::DuplicateKey(key));
            }
        }
        Ok(Value::Object(fields))
    }

    fn number(&mut self, literal: &str, offset: usize) -> Result<Value, JsoncError> {
        let Ok(number) = literal.parse::<Number>() else {
            let rule = format!("the number {literal} is out of range");
            return Err(self.error(offset, rule, "write it as a string"));
        };
        if number.is_f64() && literal != "-0" && literal.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
            self.note(offset, NoteKind::RoundedNumber(literal.to_owned()));
        }
        Ok(Value::Number(number))
    }

    fn check_depth(&self, depth: usize, offset: usize) -> Result<(), JsoncError> {
        if depth < DEPTH_MAX {
            return Ok(());
        }
        Err(self.error(offset, format!("values nest at most {DEPTH_MAX} deep"), "flatten it"))
    }

    /// The parser lets texts run over lines, which turns one forgotten quote into a wrong value.
    fn check_lines(&self, range: Range) -> Result<(), JsoncError> {
        if !self.text[range.start..range.end].contains(['\n', '\r']) {
            return Ok(());
        }
        let rule = "a text does not run over the end of a line".to_owned();
        Err(self.error(range.start, rule, "close it with a double quote, or write a line break as \\n"))
    }

    fn note(&mut self, offset: usize, kind: NoteKind) {
        let (line, column) = place(self.text, offset);
        self.notes.push(Note { line, column, kind });
    }

    fn error(&self, offset: usize, rule: String, remedy: &'static str) -> JsoncError {
        let (line, column) = place(self.text, offset);
        JsoncError { line, column, rule, remedy }
    }
}

/// Line and column of a byte offset, from 1.
pub(crate) fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[expect(clippy::needless_pass_by_value, reason = "a function for map_err")]
fn from_parser(error: ParseError) -> JsoncError {
    let mut rule = error.kind().to_string();
    if let Some(first) = rule.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    let (line, column) = (error.line_display(), error.column_display());
    JsoncError { line, column, rule, remedy: remedy(error.kind()) }
}

fn remedy(kind: &ParseErrorKind) -> &'static str {
    match kind {
        ParseErrorKind::ExpectedComma => "put a comma between the two",
        ParseErrorKind::ExpectedColonAfterObjectKey => "put a colon after the key",
        ParseErrorKind::ExpectedStringObjectProperty
        | ParseErrorKind::SingleQuotedStringsNotAllowed
        | ParseErrorKind::UnexpectedWord => "put keys and texts in double quotes",
        ParseErrorKind::UnterminatedArray => "close the array with ]",
        ParseErrorKind::UnterminatedObject => "close the object with }",
        ParseErrorKind::UnterminatedCommentBlock => "close the comment with */",
        ParseErrorKind::MultipleRootJsonValues => "keep one value and remove the rest",
        ParseErrorKind::NestingDepthExceeded => "flatten it",
        ParseErrorKind::String(_) => "end the text with a double quote, and use only escapes that JSON has",
        _ => "correct it at this place",
    }
}
