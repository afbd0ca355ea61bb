//! How an object or array is spread over lines, and what that makes usual.

use serde_json::Value;

/// Longest array of scalars that is written on one line when nothing else is known, in bytes.
const LINE_BYTES_MAX: usize = 60;

/// One step of indentation when nothing else is known.
pub(super) const UNIT: &str = "  ";

/// How an object or array is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Each member on a line of its own.
    Lines,
    /// `{ "a": 1, "b": 2 }`
    Spaced,
    /// `{"a": 1, "b": 2}`
    Tight,
    /// `{"a":1,"b":2}`
    Packed,
}

/// Where a member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    First,
    Later,
}

impl Style {
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Lines, Self::Spaced, Self::Tight, Self::Packed].into_iter().find(|style| style.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Lines => "lines",
            Self::Spaced => "spaced",
            Self::Tight => "tight",
            Self::Packed => "packed",
        }
    }

    /// What is usual before a member, where `indent` is that of the members.
    pub(super) fn lead(self, place: Place, indent: &str) -> String {
        match (self, place) {
            (Self::Lines, _) => format!("\n{indent}"),
            (Self::Spaced, _) | (Self::Tight, Place::Later) => " ".to_owned(),
            (Self::Tight, Place::First) | (Self::Packed, _) => String::new(),
        }
    }

    /// What is usual before the closing bracket, where `indent` is that of the line with the opening one.
    pub(super) fn close(self, indent: &str) -> String {
        match self {
            Self::Lines => format!("\n{indent}"),
            Self::Spaced => " ".to_owned(),
            Self::Tight | Self::Packed => String::new(),
        }
    }

    /// What is usual between key and value.
    pub(super) fn colon(self) -> &'static str {
        if self == Self::Packed { ":" } else { ": " }
    }

    /// The indentation of members that is usual inside of `indent`.
    pub(super) fn inner(self, indent: &str, unit: &str) -> String {
        if self == Self::Lines { format!("{indent}{unit}") } else { indent.to_owned() }
    }

    /// The style of what is written as `raw`, an object or array with its brackets.
    pub(super) fn of(raw: &str, around: Self) -> Self {
        let inside = raw.get(1..).unwrap_or_default();
        match inside.chars().next() {
            Some('\n' | '\r') => Self::Lines,
            Some(first) if first.is_whitespace() && !inside.trim_start().starts_with([']', '}']) => Self::Spaced,
            _ => match followed_by_space(inside) {
                Some(true) => Self::Tight,
                Some(false) => Self::Packed,
                None if around == Self::Packed => Self::Packed,
                None => Self::Tight,
            },
        }
    }

    /// The style of a value that has none, inside of something written as `around`.
    pub(super) fn usual(value: &Value, around: Self) -> Self {
        let is_short = |items: &Vec<Value>| {
            items.iter().all(|item| !item.is_object() && !item.is_array())
                && items.iter().map(|item| item.to_string().len() + 2).sum::<usize>() <= LINE_BYTES_MAX
        };
        if around == Self::Lines && value.as_array().is_some_and(is_short) { Self::Tight } else { around }
    }

    /// A whole value in this style, where `indent` is that of its first line.
    pub(super) fn write(self, value: &Value, indent: &str, unit: &str, out: &mut String) {
        let inner = self.inner(indent, unit);
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                out.push('{');
                for (index, (key, field)) in fields.iter().enumerate() {
                    self.separate(index, &inner, out);
                    out.push_str(&Value::from(key.as_str()).to_string());
                    out.push_str(self.colon());
                    Self::usual(field, self).write(field, &inner, unit, out);
                }
                out.push_str(&self.close(indent));
                out.push('}');
            }
            Value::Array(items) if !items.is_empty() => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    self.separate(index, &inner, out);
                    Self::usual(item, self).write(item, &inner, unit, out);
                }
                out.push_str(&self.close(indent));
                out.push(']');
            }
            scalar => out.push_str(&scalar.to_string()),
        }
    }

    fn separate(self, index: usize, inner: &str, out: &mut String) {
        if index > 0 {
            out.push(',');
        }
        out.push_str(&self.lead(if index == 0 { Place::First } else { Place::Later }, inner));
    }
}

/// Whether white space follows the first colon or comma, as far as can be told without reading strings.
fn followed_by_space(inside: &str) -> Option<bool> {
    let inside = &inside[..inside.find([']', '}']).unwrap_or(inside.len())];
    let colon = inside.find("\":").map(|quote| quote + 1);
    let first = colon.into_iter().chain(inside.find(',')).min()?;
    inside[first + 1..].chars().next().map(char::is_whitespace)
}
