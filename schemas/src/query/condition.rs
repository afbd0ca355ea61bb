//! Filters and orders as people type them: `name^=2026-`, `-name`. The same on a command line and in a URL.

use serde_json::Value;

use super::error::shown;
use super::{Compare, Direction, Query, QueryError};
use crate::pointer::join;

/// Operators, of which the first that occurs counts; those of two signs before those of one.
const OPERATORS: [&str; 6] = [">=", "<=", "^=", "=", ">", "<"];

impl Query {
    /// Only those that fit `PATH=VALUE`, or `^=` (begins with), `>`, `>=`, `<`, `<=` in place of `=`. A path is a JSON
    /// Pointer, or the name of a field at the top; the value is JSON, and a string if it is none.
    ///
    /// # Errors
    /// [`QueryError::Condition`] if nothing is compared.
    ///
    /// ```
    /// use schemas::{Compare, Query};
    ///
    /// let query = Query::of("note").filter("name^=2026-")?;
    /// assert_eq!(query, Query::of("note").where_("/name", Compare::StartsWith("2026-".into())));
    /// assert_eq!(Query::of("note").filter("name").unwrap_err().code(), "condition");
    /// # Ok::<(), schemas::QueryError>(())
    /// ```
    pub fn filter(self, condition: &str) -> Result<Self, QueryError> {
        let at = condition.find(['=', '<', '>', '^']).unwrap_or(condition.len());
        let (path, rest) = condition.split_at(at);
        let Some(operator) = OPERATORS.into_iter().find(|operator| rest.starts_with(operator)) else {
            return Err(QueryError::Condition { condition: shown(condition), operators: OPERATORS.join(" ") });
        };
        let text = &rest[operator.len()..];
        let value = || serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        let compare = match operator {
            ">=" => Compare::AtLeast(value()),
            "<=" => Compare::AtMost(value()),
            ">" => Compare::Above(value()),
            "<" => Compare::Below(value()),
            "^=" => Compare::StartsWith(text.to_owned()),
            _ => Compare::Equal(value()),
        };
        Ok(self.where_(pointer(path), compare))
    }

    /// Only those with a value at a path, as [`Self::filter`] reads one.
    #[must_use]
    pub fn present(self, path: &str) -> Self {
        self.where_(pointer(path), Compare::Present)
    }

    /// Only those without one.
    #[must_use]
    pub fn absent(self, path: &str) -> Self {
        self.where_(pointer(path), Compare::Absent)
    }

    /// In the order of a path, as [`Self::filter`] reads one; with `-` before it, the other way round.
    #[must_use]
    pub fn sorted(self, sort: &str) -> Self {
        match sort.strip_prefix('-') {
            Some(path) => self.sort(pointer(path), Direction::Descending),
            None => self.sort(pointer(sort), Direction::Ascending),
        }
    }
}

/// A field by its name alone is one at the top.
fn pointer(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { join("", path) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_are_read_as_they_are_written() {
        for (text, path, compare) in [
            ("name=a", "/name", Compare::Equal(json!("a"))),
            ("name=\"5\"", "/name", Compare::Equal(json!("5"))),
            ("points>=5", "/points", Compare::AtLeast(json!(5))),
            ("points<=-1.5", "/points", Compare::AtMost(json!(-1.5))),
            ("/place/floor<2", "/place/floor", Compare::Below(json!(2))),
            ("points>2", "/points", Compare::Above(json!(2))),
            ("name^=a=b", "/name", Compare::StartsWith("a=b".into())),
            ("done=true", "/done", Compare::Equal(json!(true))),
            ("a~b=", "/a~0b", Compare::Equal(json!(""))),
        ] {
            assert_eq!(Query::of("x").filter(text).unwrap(), Query::of("x").where_(path, compare), "{text}");
        }
        for text in ["", "name", "name^2", "^"] {
            assert_eq!(Query::of("x").filter(text).unwrap_err().code(), "condition", "{text}");
        }
        assert_eq!(Query::of("x").sorted("-name"), Query::of("x").sort("/name", Direction::Descending));
        assert_eq!(Query::of("x").sorted("/name"), Query::of("x").sort("/name", Direction::Ascending));
    }
}
