//! Which keywords of JSON Schema 2020-12 hold schemas, and how.

use serde_json::{Map, Value};

/// How a keyword holds schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    One,
    ByName,
    InOrder,
}

fn held_by(keyword: &str) -> Option<Holds> {
    Some(match keyword {
        "properties" | "patternProperties" | "$defs" | "dependentSchemas" => Holds::ByName,
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => Holds::InOrder,
        "additionalProperties"
        | "items"
        | "contains"
        | "propertyNames"
        | "not"
        | "if"
        | "then"
        | "else"
        | "unevaluatedItems"
        | "unevaluatedProperties"
        | "contentSchema" => Holds::One,
        _ => return None,
    })
}

/// The schemas that `value` under `keyword` holds, each with its pointer below the keyword.
pub(super) fn held<'a>(keyword: &str, value: &'a Value) -> Vec<(String, &'a Value)> {
    let by_name =
        |fields: &'a Map<String, Value>| fields.iter().map(|(name, schema)| (crate::join("", name), schema)).collect();
    match held_by(keyword) {
        Some(Holds::One) => vec![(String::new(), value)],
        Some(Holds::ByName) => value.as_object().map(by_name).unwrap_or_default(),
        Some(Holds::InOrder) => {
            let schemas = value.as_array().into_iter().flatten().enumerate();
            schemas.map(|(index, schema)| (format!("/{index}"), schema)).collect()
        }
        None => Vec::new(),
    }
}
