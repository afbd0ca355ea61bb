//! Each keyword by itself: whether it is one, whether it stands where somebody looks for it, and patterns.

use document::limits::PATH_BYTES_MAX;
use serde_json::{Value, json};

use super::faults::Faults;
use super::nearest::nearest;
use super::{PATTERN_BYTES_MAX, subschemas, validation_with_patterns_of};

/// The keywords that are ours.
const OURS: [&str; 14] = [
    "x-type",
    "x-version",
    "x-major",
    "x-well-known",
    "x-authority",
    "x-title",
    "x-public-when",
    "x-merge",
    "x-since",
    "x-stored-as",
    "x-convert",
    "x-limit",
    "x-index",
    "x-public",
];
/// Those that stand at the top only.
const ROOT_ONLY: [&str; 7] =
    ["x-type", "x-version", "x-major", "x-well-known", "x-authority", "x-title", "x-public-when"];
/// Those of JSON Schema 2020-12, to tell a slip from a note of somebody else.
const STANDARD: [&str; 58] = [
    "$id",
    "$schema",
    "$ref",
    "$anchor",
    "$dynamicRef",
    "$dynamicAnchor",
    "$vocabulary",
    "$comment",
    "$defs",
    "prefixItems",
    "items",
    "contains",
    "additionalProperties",
    "properties",
    "patternProperties",
    "dependentSchemas",
    "propertyNames",
    "if",
    "then",
    "else",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "unevaluatedItems",
    "unevaluatedProperties",
    "type",
    "const",
    "enum",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "maxContains",
    "minContains",
    "maxProperties",
    "minProperties",
    "required",
    "dependentRequired",
    "title",
    "description",
    "default",
    "deprecated",
    "readOnly",
    "writeOnly",
    "examples",
    "format",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "definitions",
];
/// Most patterns of one schema.
const PATTERNS_MAX: usize = 64;
/// Most bytes of all compiled patterns of one schema: a relay holds those of many types.
const PATTERNS_BYTES_MAX: usize = 4 << 20;
/// Smaller ones are counted as if they had so many bytes.
const PATTERN_BYTES_MIN: usize = 16 << 10;
const DIALECTS: [&str; 2] =
    ["https://json-schema.org/draft/2020-12/schema", "https://symphony-editor.dev/schemas/meta.json"];

pub(super) fn check(schema: &Value, faults: &mut Faults) {
    let version = schema.get("x-version").and_then(Value::as_u64);
    let mut walk = Walk { path: String::new(), version, patterns: 0, patterns_bytes: 0, faults };
    walk.schema(schema, Position::Root);
}

/// Where a schema stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Root,
    /// A field of an object.
    Field,
    /// What merging sees otherwise: other keys, items, what is referred to.
    Inside,
    /// What only the validator sees.
    Elsewhere,
}

impl Position {
    fn below(self, keyword: &str) -> Self {
        match keyword {
            _ if self == Self::Elsewhere => Self::Elsewhere,
            "properties" => Self::Field,
            "additionalProperties" | "items" | "$defs" => Self::Inside,
            _ => Self::Elsewhere,
        }
    }
}

struct Walk<'f> {
    path: String,
    version: Option<u64>,
    patterns: usize,
    patterns_bytes: usize,
    faults: &'f mut Faults,
}

impl Walk<'_> {
    fn schema(&mut self, schema: &Value, position: Position) {
        for (keyword, value) in schema.as_object().into_iter().flatten() {
            self.within(&crate::join("", keyword), |walk| {
                walk.keyword(keyword, value, position);
                for (below, schema) in subschemas::held(keyword, value) {
                    walk.within(&below, |walk| walk.schema(schema, position.below(keyword)));
                }
            });
        }
    }

    /// Goes on below `pointer`, unless that is longer than a document could follow.
    fn within(&mut self, pointer: &str, visit: impl FnOnce(&mut Self)) {
        if pointer.len() > PATH_BYTES_MAX {
            let rule = format!("a key of {} bytes is longer than the {PATH_BYTES_MAX} of a path", pointer.len() - 1);
            return self.fault("key", rule, "use a shorter key");
        }
        let end = self.path.len();
        self.path.push_str(pointer);
        visit(self);
        self.path.truncate(end);
    }

    fn fault(&mut self, code: &'static str, rule: impl Into<String>, remedy: impl Into<String>) {
        self.faults.add(&self.path, code, rule, remedy);
    }

    fn keyword(&mut self, keyword: &str, value: &Value, position: Position) {
        match keyword {
            "pattern" => self.pattern(value.as_str()),
            "patternProperties" => value.as_object().into_iter().flatten().for_each(|(pattern, _)| {
                self.within(&crate::join("", pattern), |walk| walk.pattern(Some(pattern)));
            }),
            "$schema" => self.dialect(value),
            "$id" if position != Position::Root => {
                self.fault("nested_id", "an $id inside moves what every $ref below it means", "remove it");
            }
            "$dynamicRef" => self.fault("dynamic_ref", "a $dynamicRef is followed by nobody here", "use $ref"),
            _ if keyword.starts_with("x-") => self.ours(keyword, value, position),
            _ => self.standard(keyword),
        }
    }

    fn ours(&mut self, keyword: &str, value: &Value, position: Position) {
        if !OURS.contains(&keyword) {
            let rule = format!("there is no keyword {keyword}");
            let remedy = match nearest(keyword, &OURS) {
                Some(meant) => format!("write {meant}"),
                None => format!("remove it, or use one of {}", OURS.join(", ")),
            };
            return self.fault("unknown_keyword", rule, remedy);
        }
        if ROOT_ONLY.contains(&keyword) {
            if position != Position::Root {
                self.fault("root_only", format!("{keyword} says something of the whole type"), "move it to the top");
            }
            return;
        }
        if position == Position::Elsewhere {
            let rule =
                format!("{keyword} is never seen here: only properties, additionalProperties, items and $ref are");
            return self.fault("unreached", rule, "move it beside the type of the field");
        }
        if keyword == "x-stored-as" && position != Position::Field {
            return self.fault("unreached", "x-stored-as says something of a field", "move it into one of properties");
        }
        if let (Some(since), Some(version)) = (value.as_u64(), self.version)
            && keyword == "x-since"
            && since > version
        {
            let rule = format!("x-since {since} is above x-version {version}");
            self.fault("since", rule, format!("write a version from 1 to {version}"));
        }
    }

    /// A word of somebody else is none of ours, but a slip is.
    fn standard(&mut self, keyword: &str) {
        if !STANDARD.contains(&keyword)
            && let Some(meant) = nearest(keyword, &STANDARD)
        {
            self.fault("misspelt", format!("{keyword} is no keyword of JSON Schema"), format!("write {meant}"));
        }
    }

    fn dialect(&mut self, value: &Value) {
        if value.as_str().is_some_and(|dialect| !DIALECTS.contains(&dialect.trim_end_matches('#'))) {
            let rule = format!("{value} is another dialect than JSON Schema 2020-12");
            self.fault("dialect", rule, format!("write {:?}", DIALECTS[0]));
        }
    }

    fn pattern(&mut self, pattern: Option<&str>) {
        let Some(pattern) = pattern else { return };
        self.patterns += 1;
        if self.patterns > PATTERNS_MAX {
            let rule = format!("a type has at most {PATTERNS_MAX} patterns");
            return self.fault("patterns", rule, "use enum, or leave it to the editor");
        }
        match compiled_bytes(pattern) {
            Err(error) => {
                let rule = format!("the pattern is none that runs in linear time and 1 MiB: {error}");
                self.fault("pattern", rule, "leave out look-around and back references, and bound repetitions");
            }
            Ok(bytes) => {
                self.patterns_bytes += bytes;
                if self.patterns_bytes > PATTERNS_BYTES_MAX {
                    let rule =
                        format!("with this one the patterns of the type take more than {PATTERNS_BYTES_MAX} bytes");
                    self.fault(
                        "patterns",
                        rule,
                        "shorten repetitions of \\w and the like, or use maxLength beside them",
                    );
                }
            }
        }
    }
}

/// How large a pattern is when it is compiled, in bytes, rounded up to a power of two.
fn compiled_bytes(pattern: &str) -> Result<usize, String> {
    let schema = json!({ "pattern": pattern });
    let mut bytes = PATTERN_BYTES_MIN;
    loop {
        match validation_with_patterns_of(bytes).build(&schema) {
            Ok(_) => return Ok(bytes),
            Err(error) if bytes >= PATTERN_BYTES_MAX => return Err(error.to_string()),
            Err(_) => bytes *= 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_keywords_are_those_of_the_meta_schema() {
        let meta: Value = serde_json::from_str(super::super::META).expect("meta.json is JSON");
        let listed = meta.pointer("/propertyNames/anyOf/1/enum").expect("the list");
        let mut listed: Vec<&str> = listed.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut ours = OURS.to_vec();
        listed.sort_unstable();
        ours.sort_unstable();
        assert_eq!(ours, listed);
        for keyword in ours {
            assert!(meta.pointer(&crate::join("/properties", keyword)).is_some(), "{keyword} says what it takes");
        }
    }
}
