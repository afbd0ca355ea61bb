//! The values that a schema names, held against it: a new document is not to be born with a fault, and a conversion
//! goes from what is not allowed to what is.

use std::collections::BTreeSet;

use jsonschema::ValidatorMap;
use serde_json::Value;

use super::faults::Faults;
use super::{subschemas, validation};
use crate::plan;
use crate::shape::Shape;

pub(super) fn check(root: &Value, faults: &mut Faults) {
    // If it cannot be built, building the type says why.
    let Ok(validators) = validation().build_map(root) else { return };
    let mut walk = Walk { root, validators, path: String::new(), faults };
    walk.schema(root);
}

struct Walk<'a, 'f> {
    root: &'a Value,
    validators: ValidatorMap,
    path: String,
    faults: &'f mut Faults,
}

impl Walk<'_, '_> {
    fn schema(&mut self, schema: &Value) {
        if let Some(default) = schema.get("default") {
            self.default(schema, default);
        }
        self.conversions(schema);
        for (keyword, value) in schema.as_object().into_iter().flatten() {
            for (below, schema) in subschemas::held(keyword, value) {
                let end = self.path.len();
                self.path.push_str(&crate::join("", keyword));
                self.path.push_str(&below);
                self.schema(schema);
                self.path.truncate(end);
            }
        }
    }

    /// Which stored value means what has one answer, and so has the way back.
    fn conversions(&mut self, schema: &Value) {
        let (mut stored, mut values) = (BTreeSet::new(), BTreeSet::new());
        let conversions = schema.get("x-convert").and_then(Value::as_array);
        for (index, conversion) in conversions.into_iter().flatten().enumerate() {
            for (key, seen) in [("stored", &mut stored), ("value", &mut values)] {
                let Some(one) = conversion.get(key) else { continue };
                let pointer = format!("{}/x-convert/{index}/{key}", self.path);
                if !seen.insert(one.to_string()) {
                    self.faults.add(&pointer, "convert_twice", format!("{one} is there twice"), "remove one of them");
                }
                let is_allowed = self.is_valid(one);
                if is_allowed && key == "stored" {
                    let rule = format!("{one} is allowed itself, so nobody could tell which of the two is meant");
                    self.faults.add(&pointer, "convert_value", rule, "do not allow it any more, or remove this");
                }
                if !is_allowed && key == "value" {
                    let rule = format!("{one} is not allowed by the schema of the field");
                    self.faults.add(&pointer, "convert_value", rule, "allow it, or give another value");
                }
            }
        }
    }

    /// Whether the schema at this place allows a value. Where there is no telling, something else is wrong.
    fn is_valid(&self, value: &Value) -> bool {
        self.validators.get(&format!("#{}", self.path)).is_some_and(|validator| validator.is_valid(value))
    }

    fn default(&mut self, schema: &Value, default: &Value) {
        let mut said = Vec::new();
        if let Some(validator) = self.validators.get(&format!("#{}", self.path)) {
            said.extend(validator.iter_errors(default).take(1).map(|error| error.to_string()));
        }
        let mut violations = Vec::new();
        plan::check_limits(&Shape::within(self.root, schema), default, &|_| true, &mut violations);
        said.extend(violations.first().map(|violation| violation.rule.to_string()));
        for rule in said {
            let pointer = crate::join(&self.path, "default");
            self.faults.add(
                &pointer,
                "default",
                format!("the default breaks its own schema: {rule}"),
                "mend one of them",
            );
        }
    }
}
