//! Defaults against their own schema: a new document is not to be born with a fault.

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
