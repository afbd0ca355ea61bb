//! What the checks say of a schema, first by JSON Pointer, then by line and column.

use std::fmt;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;

use super::FINDINGS_MAX;
use crate::jsonc::{self, JsoncError};
use crate::pointer::unescape;
use crate::violation::cut;

/// Longest rule of a finding, in characters: what the validator says may repeat half the file.
const RULE_CHARS_MAX: usize = 400;
/// Longest pointer of a finding, in characters.
const POINTER_CHARS_MAX: usize = 1024;

/// One thing that is wrong with a schema file. Displays place, rule and remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// JSON Pointer to the place, cut after 1,024 characters; empty for the whole file.
    pub pointer: String,
    /// A stable code for programs, such as `unknown_keyword`.
    pub code: &'static str,
    /// What is wrong.
    pub rule: String,
    /// What to do, as an imperative without a full stop.
    pub remedy: String,
}

impl Finding {
    pub(super) fn at_top(code: &'static str, rule: String, remedy: &str) -> Self {
        Self { line: 1, column: 1, pointer: String::new(), code, rule, remedy: remedy.to_owned() }
    }

    pub(super) fn from_json(error: JsoncError) -> Self {
        let JsoncError { line, column, rule, remedy } = error;
        Self { line, column, pointer: String::new(), code: "not_json", rule, remedy: remedy.to_owned() }
    }

    /// What is wrong, where in the document, and what to do: the finding without line and column.
    #[must_use]
    pub fn sentence(&self) -> String {
        let place = if self.pointer.is_empty() { "the top" } else { &self.pointer };
        format!("{} (at {place}); {}", self.rule, self.remedy)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.sentence())
    }
}

/// Faults of one schema, by JSON Pointer.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

#[derive(Debug)]
struct Fault {
    pointer: String,
    code: &'static str,
    rule: String,
    remedy: String,
}

impl Faults {
    /// Adds one, unless there are enough or the same was said of this place.
    pub(super) fn add(
        &mut self,
        pointer: &str,
        code: &'static str,
        rule: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let rule = cut(&rule.into(), RULE_CHARS_MAX);
        let is_known = |fault: &Fault| fault.pointer == pointer && fault.code == code && fault.rule == rule;
        if self.0.len() < FINDINGS_MAX && !self.0.iter().any(is_known) {
            self.0.push(Fault { pointer: pointer.to_owned(), code, rule, remedy: remedy.into() });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn has(&self, code: &str) -> bool {
        self.0.iter().any(|fault| fault.code == code)
    }

    /// The findings in the order of `text`, from which the schema was read.
    pub(super) fn located(self, text: &str) -> Vec<Finding> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let tree = jsonc::tree(text).ok();
        let locate = |fault: Fault| {
            let offset = tree.as_ref().map_or(0, |tree| offset(tree, &fault.pointer));
            let (line, column) = jsonc::place(text, offset);
            let Fault { pointer, code, rule, remedy } = fault;
            let pointer = cut(&pointer, POINTER_CHARS_MAX);
            Finding { line, column, pointer, code, rule, remedy }
        };
        let mut findings: Vec<Finding> = self.0.into_iter().map(locate).collect();
        findings.sort_by_key(|finding| (finding.line, finding.column));
        findings
    }
}

/// Where the value at `pointer` begins, with its key; of what is not there, where that begins in which it is missing.
fn offset(tree: &ast::Value<'_>, pointer: &str) -> usize {
    let (mut at, mut start) = (tree, tree.range().start);
    for segment in pointer.split('/').skip(1) {
        let key = unescape(segment);
        let next = match at {
            // Of a key given twice, the last one counts.
            ast::Value::Object(object) => {
                let property = object.properties.iter().rev().find(|property| property.name.as_str() == key);
                property.map(|property| (&property.value, property.range.start))
            }
            ast::Value::Array(array) => {
                let element = key.parse().ok().and_then(|index: usize| array.elements.get(index));
                element.map(|element| (element, element.range().start))
            }
            _ => None,
        };
        let Some(next) = next else { break };
        (at, start) = next;
    }
    start
}
