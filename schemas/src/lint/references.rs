//! Where `$ref` leads: to a place in the same file, not back to where it came from, not too far, and not to a schema
//! that grows without measure when it is written out.

use std::collections::HashMap;

use serde_json::Value;

use super::faults::Faults;
use super::subschemas;
use crate::shape::SHAPE_DEPTH_MAX;

/// Most schemas that a type comes to when every `$ref` is written out.
const SCHEMAS_MAX: u64 = 10_000;

/// Whether everything can be followed.
pub(super) fn check(root: &Value, faults: &mut Faults) -> bool {
    let mut walk = Walk { root, path: String::new(), seen: HashMap::new(), is_sound: true, faults };
    let extent = walk.schema(root, 0);
    if extent.schemas > SCHEMAS_MAX {
        let rule = format!("written out, the type has more than {SCHEMAS_MAX} schemas");
        walk.path.clear();
        walk.fault("too_wide", rule, "refer less often to schemas that refer to others");
    }
    walk.is_sound
}

/// What a schema comes to with everything that it refers to.
#[derive(Debug, Clone, Copy, Default)]
struct Extent {
    schemas: u64,
    depth: usize,
}

struct Walk<'a, 'f> {
    root: &'a Value,
    path: String,
    /// By place in memory; nothing while it is being looked at.
    seen: HashMap<usize, Option<Extent>>,
    is_sound: bool,
    faults: &'f mut Faults,
}

impl<'a> Walk<'a, '_> {
    fn fault(&mut self, code: &'static str, rule: impl Into<String>, remedy: &str) {
        self.is_sound = false;
        self.faults.add(&self.path, code, rule, remedy);
    }

    fn schema(&mut self, schema: &'a Value, depth: usize) -> Extent {
        let place = std::ptr::from_ref(schema).addr();
        match self.seen.get(&place) {
            Some(Some(extent)) => {
                let extent = *extent;
                return if depth + extent.depth > SHAPE_DEPTH_MAX { self.too_deep() } else { extent };
            }
            Some(None) => {
                self.fault(
                    "recursive",
                    "a $ref leads back to a schema that it stands in, and a type has an end",
                    "write out the levels that there are, and let the last one be free: \"additionalProperties\": true",
                );
                return Extent::default();
            }
            None if depth > SHAPE_DEPTH_MAX => return self.too_deep(),
            None => {}
        }
        self.seen.insert(place, None);
        let mut extent = Extent { schemas: 1, depth: 0 };
        for (keyword, value) in schema.as_object().into_iter().flatten() {
            let below = self.keyword(keyword, value, depth + 1);
            extent.schemas = extent.schemas.saturating_add(below.schemas);
            extent.depth = extent.depth.max(below.depth);
        }
        self.seen.insert(place, Some(extent));
        extent
    }

    fn keyword(&mut self, keyword: &str, value: &'a Value, depth: usize) -> Extent {
        let end = self.path.len();
        self.path.push_str(&crate::join("", keyword));
        let keyword_end = self.path.len();
        let mut extent = Extent::default();
        let mut include = |below: Extent| {
            extent.schemas = extent.schemas.saturating_add(below.schemas);
            extent.depth = extent.depth.max(below.depth + 1);
        };
        if keyword == "$ref" {
            if let Some(target) = self.target(value) {
                include(self.schema(target, depth));
            }
        } else {
            for (below, schema) in subschemas::held(keyword, value) {
                self.path.push_str(&below);
                // Definitions begin anew: how deep they stand in the file is not how deep they are used.
                include(self.schema(schema, if keyword == "$defs" { 0 } else { depth }));
                self.path.truncate(keyword_end);
            }
        }
        self.path.truncate(end);
        // What is only defined counts where it is referred to.
        if keyword == "$defs" { Extent::default() } else { extent }
    }

    fn target(&mut self, reference: &Value) -> Option<&'a Value> {
        let reference = reference.as_str()?;
        let Some(pointer) = reference.strip_prefix('#') else {
            self.fault("ref_outside", format!("$ref {reference:?} leads out of the file"), "put it under $defs here");
            return None;
        };
        let found = self.root.pointer(pointer).filter(|_| !pointer.contains('%'));
        if found.is_none() {
            let rule = format!("$ref {reference:?} leads nowhere");
            self.fault("ref_nowhere", rule, "write a JSON Pointer such as #/$defs/NAME, without % in it");
        }
        found
    }

    fn too_deep(&mut self) -> Extent {
        let rule = format!("schemas nest at most {SHAPE_DEPTH_MAX} deep, with what they refer to");
        self.fault("too_deep", rule, "let deeper parts be free: \"additionalProperties\": true");
        Extent::default()
    }
}
