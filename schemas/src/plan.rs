//! From what is stored and what is wanted to the smallest list of intents, field by field.

use document::{Intent, MAJOR_PATH};
use serde_json::{Map, Value};

use crate::list;
use crate::manual::{is_removed, is_void};
use crate::pointer::{escape, join};
use crate::shape::{FREE, Merge, Shape};
use crate::violation::{Rule, Violation};

/// Deepest nesting of a value; the same as that of a document (DESIGN §7).
pub(crate) const DEPTH_MAX: usize = document::limits::VALUE_DEPTH_MAX;
/// Largest value, in bytes of keys and texts and eight for everything else: what can be read from a file, and more.
pub(crate) const SIZE_BYTES_MAX: usize = 64 << 20;
/// Paths of documents that are no fields of them.
const RESERVED: [(&str, &str); 2] = [("/", "the type"), (MAJOR_PATH, "the major version")];
/// Most violations that one check lists.
pub(crate) const VIOLATIONS_MAX: usize = 100;

/// The intents that turn `current` (stored) into `wanted` (plain), which was checked.
pub(crate) fn plan(shape: &Shape, current: &Value, wanted: &Value) -> Result<Vec<Intent>, Vec<Violation>> {
    let mut plan = Plan::default();
    match wanted {
        Value::Object(wanted) => plan.object(shape, "", Some(current), wanted),
        other => {
            let rule = Rule::File { expected: "an object" };
            plan.violations.push(Violation::new("", other, rule, "put the value under a key"));
        }
    }
    if plan.violations.is_empty() { Ok(plan.intents) } else { Err(plan.violations) }
}

#[derive(Default)]
struct Plan {
    intents: Vec<Intent>,
    violations: Vec<Violation>,
}

impl Plan {
    fn value(&mut self, shape: &Shape, path: &str, current: Option<&Value>, wanted: &Value) {
        match (shape.merge, wanted) {
            (Merge::Register | Merge::Manual, Value::Object(_)) if current != Some(wanted) => {
                self.intents.push(Intent::PutRegister { path: path.to_owned(), value: wanted.clone() });
            }
            (Merge::Text, Value::String(text)) => self.text(path, current, text),
            (Merge::Counter, Value::Number(_)) => self.counter(path, current, wanted),
            (Merge::Set, Value::Array(elements)) => {
                let keys = elements.iter().filter_map(Value::as_str).map(|key| (key.to_owned(), Value::Bool(true)));
                self.object(&FREE, path, current, &keys.collect());
            }
            (Merge::List, Value::Array(items)) => {
                self.list(shape, path, current, &list::stored(shape, current, items));
            }
            (Merge::Natural, Value::Object(fields)) => self.object(shape, path, current, fields),
            _ => self.register(path, current, shape.stored_value(current, wanted)),
        }
    }

    fn register(&mut self, path: &str, current: Option<&Value>, wanted: &Value) {
        if current != Some(wanted) {
            self.intents.push(Intent::Put { path: path.to_owned(), value: wanted.clone() });
        }
    }

    fn text(&mut self, path: &str, current: Option<&Value>, wanted: &str) {
        if current.and_then(Value::as_str) != Some(wanted) {
            self.intents.push(Intent::ReplaceText { path: path.to_owned(), text: wanted.to_owned() });
        }
    }

    fn counter(&mut self, path: &str, current: Option<&Value>, wanted: &Value) {
        let now = current.map_or(Some(0), Value::as_i64);
        match wanted.as_i64().zip(now).and_then(|(wanted, now)| wanted.checked_sub(now)) {
            Some(0) if current.is_some() => {}
            Some(by) => self.intents.push(Intent::Increment { path: path.to_owned(), by }),
            None => self.violations.push(Violation::new(path, wanted, Rule::Counter, "use a smaller whole number")),
        }
    }

    /// `wanted` is in stored form already.
    fn list(&mut self, shape: &Shape, path: &str, current: Option<&Value>, wanted: &Map<String, Value>) {
        if wanted.is_empty() && current.is_some_and(|current| is_removed(shape, current)) {
            return;
        }
        if wanted.is_empty() {
            return self.object(&FREE, path, current, wanted);
        }
        let current = current.and_then(Value::as_object);
        for (id, item) in wanted {
            self.value(shape.items(), &join(path, id), current.and_then(|items| items.get(id)), item);
        }
        let is_gone =
            |id: &str| current.and_then(|items| items.get(id)).is_some_and(|item| is_void(shape.items(), item));
        self.remove(path, current, |id| !wanted.contains_key(id) && !is_gone(id));
    }

    fn object(&mut self, shape: &Shape, path: &str, current: Option<&Value>, wanted: &Map<String, Value>) {
        let current_fields = current.and_then(Value::as_object);
        let is_unwanted = |stored: &str| {
            let key = shape.plain_key(stored);
            let is_gone = || {
                current_fields
                    .and_then(|fields| fields.get(stored))
                    .is_some_and(|value| is_removed(shape.at(key), value))
            };
            !wanted.contains_key(key) && (shape.names(key) || !shape.is_record) && !is_gone()
        };
        let stays = current_fields.is_some_and(|fields| fields.keys().any(|stored| !is_unwanted(stored)));
        if wanted.is_empty() && !stays && !path.is_empty() {
            if !current_fields.is_some_and(Map::is_empty) {
                self.intents.push(Intent::Put { path: path.to_owned(), value: Value::Object(Map::new()) });
            }
            return;
        }
        for (key, value) in wanted {
            let (stored, shape) = (shape.stored_key(key), shape.at(key));
            let current = current_fields.and_then(|fields| fields.get(stored));
            // Most fields are as they were: no path is made for them.
            if !is_unchanged(shape, current, value) {
                self.value(shape, &join(path, stored), current, value);
            }
        }
        self.remove(path, current_fields, is_unwanted);
    }

    fn remove(&mut self, path: &str, current: Option<&Map<String, Value>>, is_unwanted: impl Fn(&str) -> bool) {
        let unwanted = current.into_iter().flat_map(Map::keys).filter(|stored| is_unwanted(stored));
        self.intents.extend(unwanted.map(|stored| Intent::Remove { path: join(path, stored) }));
    }
}

/// Whether nothing is to be done for a field that is neither object nor array; `false` if that has to be looked at.
fn is_unchanged(shape: &Shape, current: Option<&Value>, wanted: &Value) -> bool {
    match (shape.merge, wanted) {
        (Merge::Counter, _) | (_, Value::Object(_) | Value::Array(_)) => false,
        (Merge::Text, Value::String(_)) => current == Some(wanted),
        _ => current == Some(shape.stored_value(current, wanted)),
    }
}

/// What a value may not be whatever its type: keys that have no place in the flat form, nesting that is too deep, too
/// much of it. Goes no deeper and no further than is allowed, so that what comes after it need not be careful.
pub(crate) fn check_form(value: &Value) -> Vec<Violation> {
    let mut form = Form { path: Path::default(), size: 0, violations: Vec::new() };
    for (path, what) in RESERVED {
        if let Some(lost) = value.pointer(path) {
            let remedy = format!("give the key another name, because this one holds {what} of the document");
            form.violations.push(Violation { remedy, ..Violation::new(path, lost, Rule::Key, "") });
        }
    }
    form.check(value, 0);
    if form.size > SIZE_BYTES_MAX {
        let rule = Rule::Size { max: SIZE_BYTES_MAX };
        form.violations.insert(0, Violation::new("", value, rule, "make several documents of it"));
    }
    form.violations
}

struct Form {
    path: Path,
    size: usize,
    violations: Vec<Violation>,
}

impl Form {
    fn check(&mut self, value: &Value, depth: usize) {
        self.size = self.size.saturating_add(value.as_str().map_or(8, str::len));
        if self.size > SIZE_BYTES_MAX || self.violations.len() >= VIOLATIONS_MAX {
            return;
        }
        if depth > DEPTH_MAX {
            return self.violations.push(Violation::new(&*self.path.0, &Value::Null, Rule::Depth, "flatten it"));
        }
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    self.size = self.size.saturating_add(key.len());
                    let end = self.path.push(&escape(key));
                    if key.contains('\0') {
                        self.violations.push(Violation::new(&*self.path.0, value, Rule::Key, "rename the key"));
                    }
                    self.check(value, depth + 1);
                    self.path.truncate(end);
                }
            }
            Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    let end = self.path.push(&index.to_string());
                    self.check(value, depth + 1);
                    self.path.truncate(end);
                }
            }
            _ => {}
        }
    }
}

/// The `x-limit`s, and the one key that items of a list cannot have; at paths of which `concerns` says so.
pub(crate) fn check_limits(
    shape: &Shape,
    value: &Value,
    concerns: &dyn Fn(&str) -> bool,
    violations: &mut Vec<Violation>,
) {
    Limits { path: Path::default(), concerns, violations }.check(shape, value);
}

struct Limits<'a> {
    path: Path,
    concerns: &'a dyn Fn(&str) -> bool,
    violations: &'a mut Vec<Violation>,
}

impl Limits<'_> {
    fn check(&mut self, shape: &Shape, value: &Value) {
        if self.violations.len() >= VIOLATIONS_MAX {
            return;
        }
        let items = value.as_array().map(Vec::len).or_else(|| value.as_object().map(Map::len));
        self.limit(value, "items", items.unwrap_or(0), shape.items_max);
        if shape.bytes_max.is_some() {
            let bytes = value.as_str().map_or_else(|| value.to_string().len(), str::len);
            self.limit(value, "bytes", bytes, shape.bytes_max);
        }
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    let end = self.path.push(&escape(key));
                    self.check(shape.at(key), value);
                    self.path.truncate(end);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let end = self.path.push(&index.to_string());
                    if let (Merge::List, Some(lost)) = (shape.merge, item.get(list::ORDER)) {
                        let path = join(&self.path.0, list::ORDER);
                        if (self.concerns)(&path) {
                            self.violations.push(Violation::new(path, lost, Rule::ListOrder, "rename the key"));
                        }
                    }
                    self.check(shape.items(), item);
                    self.path.truncate(end);
                }
            }
            _ => {}
        }
    }

    fn limit(&mut self, value: &Value, unit: &'static str, found: usize, max: Option<usize>) {
        if let Some(max) = max.filter(|max| found > *max && (self.concerns)(&self.path.0)) {
            let rule = Rule::Limit { unit, found, max };
            self.violations.push(Violation::new(&*self.path.0, value, rule, "make it smaller"));
        }
    }
}

/// Where a walk is, without a text of its own for each place.
#[derive(Default)]
struct Path(String);

impl Path {
    /// Goes one segment deeper; gives where to come back to.
    fn push(&mut self, segment: &str) -> usize {
        let end = self.0.len();
        self.0.push('/');
        self.0.push_str(segment);
        end
    }

    fn truncate(&mut self, end: usize) {
        self.0.truncate(end);
    }
}
