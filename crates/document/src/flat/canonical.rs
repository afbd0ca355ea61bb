//! Canonical JSON: keys ascending by bytes, no spaces, so that equal values are equal bytes and an unchanged register
//! is recognised as unchanged.

use serde_json::Value;

/// Depth is bounded by the validation of intents.
pub(crate) fn canonical_json(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        // Sorted here because serde_json keeps insertion order when any crate of the build asks it to.
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_bytes());
            out.push('{');
            for (index, (key, item)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(item, out);
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_equal_bytes() {
        let value: Value = serde_json::from_str(r#"{ "b": [1, 2.5, {"z": null, "é\"": true}], "a": {} }"#).unwrap();
        assert_eq!(canonical_json(&value), r#"{"a":{},"b":[1,2.5,{"z":null,"é\"":true}]}"#);
        assert_eq!(canonical_json(&Value::Object(serde_json::Map::new())), "{}");
    }
}
