//! Programs of three releases of a type work on one document, offline and in any order: nothing that one of them wrote
//! is lost by an edit of one that does not know it.
//!
//! Each program edits fields of its own, always by writing the whole document as far as it knows it. So the last value
//! that a program wrote is what everybody has to end with.

use schemas::{DocumentType, Registry};
use serde_json::{Map, Value, json};

use crate::random_values::Random;
use crate::replicas::Replica;

/// Runs in every test run; `PROPTEST_CASES` says another number.
const RUNS: u64 = 500;
const STEPS: u64 = 24;

/// Release 2 renames a field, calls the values of one otherwise and adds two; release 3 adds more and allows another
/// state.
fn registry() -> Registry {
    let base = |version: u32| {
        json!({
            "x-type": "task", "x-version": version, "type": "object", "required": ["name"],
            "properties": {
                "name": { "type": "string", "default": "" },
                "notes": { "type": "string", "x-merge": "text" },
                "state": { "enum": ["open", "done"] },
                "steps": { "type": "array", "x-merge": "list", "items": {
                    "type": "object", "required": ["text"],
                    "properties": { "text": { "type": "string" }, "done": { "type": "boolean" } } } },
                "color": { "type": "string" },
                "urgent": { "type": "boolean" },
            }
        })
    };
    let mut second = base(2);
    let mut fields = second["properties"].take();
    let mut colour = fields.as_object_mut().unwrap().remove("color").unwrap();
    colour["x-stored-as"] = "color".into();
    fields["colour"] = colour;
    fields["urgent"] = json!({
        "enum": ["yes", "no"],
        "x-convert": [{ "stored": true, "value": "yes" }, { "stored": false, "value": "no" }],
    });
    fields["priority"] = json!({ "type": "integer", "x-since": 2 });
    fields["tags"] = json!({ "type": "array", "x-merge": "set", "items": { "type": "string" }, "x-since": 2 });
    let mut third = base(3);
    third["properties"] = fields.clone();
    second["properties"] = fields;
    third["properties"]["state"] = json!({ "enum": ["open", "done", "waiting"] });
    third["properties"]["estimate"] = json!({ "type": "integer", "x-merge": "counter", "x-since": 3 });
    third["properties"]["decision"] = json!({ "type": ["string", "null"], "x-merge": "manual", "x-since": 3 });
    third["properties"]["meta"] = json!({ "type": "object", "x-since": 3, "properties": { "by": { "type": "string" }, "at": { "type": "integer" } } });
    let files =
        [base(1), second, third].map(|schema| (format!("task/{}.json", schema["x-version"]), schema.to_string()));
    Registry::with_files(files).unwrap()
}

/// A program: its release, and the fields that only it edits.
struct Program<'r> {
    knows: &'r DocumentType,
    replica: Replica,
    edits: &'static [&'static str],
    fields: Vec<String>,
    wrote: Map<String, Value>,
}

impl<'r> Program<'r> {
    fn new(registry: &'r Registry, version: u8, fields: &[&str], edits: &'static [&'static str]) -> Self {
        let knows = registry.version("task", version.into()).unwrap();
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        Self { knows, replica: Replica::new("task", version), edits, fields, wrote: Map::new() }
    }

    /// Writes everything that it knows, with one field of its own changed.
    fn edit(&mut self, random: &mut Random) {
        let stored = self.replica.document.value();
        let plain = self.knows.plain(&stored);
        let known = |(key, _): &(&String, &Value)| self.fields.contains(key);
        let mut wanted: Map<String, Value> = plain
            .as_object()
            .into_iter()
            .flatten()
            .filter(known)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let field = self.edits[usize::try_from(random.below(self.edits.len() as u64)).unwrap()];
        match value(field, random) {
            Some(value) => {
                wanted.insert(field.to_owned(), value.clone());
                self.wrote.insert(field.to_owned(), value);
            }
            None => {
                wanted.remove(field);
                self.wrote.remove(field);
            }
        }
        let intents = self.knows.plan(&stored, &Value::Object(wanted)).expect("no rule is broken that was not before");
        self.replica.apply(intents);
    }
}

/// A new value of a field; none if it goes. Counters, texts and manual fields stay once they are there.
fn value(field: &str, random: &mut Random) -> Option<Value> {
    let number = random.below(5);
    Some(match field {
        "name" => format!("task {number}").into(),
        "notes" => "one two three"[..usize::try_from(number * 2).unwrap()].into(),
        "state" => json!(["open", "done", "waiting"][usize::try_from(number % 3).unwrap()]),
        "urgent" => json!(["yes", "no"][usize::try_from(number % 2).unwrap()]),
        "steps" => {
            (0..number).map(|step| json!({ "text": format!("step {step}"), "done": random.below(2) == 0 })).collect()
        }
        "tags" => (0..number).map(|tag| tag.to_string()).collect(),
        "priority" | "estimate" => number.into(),
        "meta" => json!({ "by": number.to_string(), "at": number }),
        _ if number == 0 && field == "colour" => return None,
        _ => number.to_string().into(),
    })
}

fn meet(programs: &mut [Program<'_>], one: usize, other: usize) {
    let (low, high) = (one.min(other), one.max(other));
    let (before, after) = programs.split_at_mut(high);
    before[low].replica.meet(&mut after[0].replica);
}

fn run(registry: &Registry, seed: u64) {
    let mut random = Random(seed);
    let known: [&[&str]; 3] = [
        &["name", "notes", "state", "steps", "color", "urgent"],
        &["name", "notes", "state", "steps", "colour", "urgent", "priority", "tags"],
        &["name", "notes", "state", "steps", "colour", "urgent", "priority", "tags", "estimate", "decision", "meta"],
    ];
    let mut programs = [
        Program::new(registry, 1, known[0], &["name", "steps"]),
        Program::new(registry, 2, known[1], &["colour", "urgent", "priority", "tags"]),
        Program::new(registry, 3, known[2], &["state", "notes", "estimate", "decision", "meta"]),
    ];
    let made = programs[0].knows.initial(None);
    programs[0].replica.apply(made);
    [1, 2].into_iter().for_each(|other| meet(&mut programs, 0, other));
    for _ in 0..STEPS {
        let one = usize::try_from(random.below(3)).unwrap();
        if random.below(3) == 0 {
            meet(&mut programs, one, (one + 1) % 3);
        } else {
            programs[one].edit(&mut random);
        }
    }
    for (one, other) in [(0, 1), (1, 2), (0, 2), (0, 1)] {
        meet(&mut programs, one, other);
    }
    let stored = programs[0].replica.document.value();
    let newest = registry.get("task").unwrap();
    let plain = newest.plain(&stored);
    let mut wrote = Map::new();
    programs.iter().for_each(|program| wrote.extend(program.wrote.clone()));
    for field in known[2] {
        let expected = wrote.get(*field).filter(|value| **value != json!([]));
        let found = plain.get(*field).filter(|value| !is_empty(value));
        assert!(found == expected.filter(|value| !is_empty(value)), "run {seed}: {field} in {plain}");
    }
    let expect = |version: u32, is_right: bool| {
        let knows = registry.version("task", version).unwrap();
        let violations = knows.check(&knows.plain(&stored));
        assert_eq!(violations.is_empty(), is_right, "run {seed}, release {version}: {violations:?}");
    };
    let is_new_state = plain.get("state") == Some(&json!("waiting"));
    expect(3, true);
    expect(2, !is_new_state);
    expect(1, !is_new_state);
}

/// A text, list or set in which nothing is left may be there or not.
fn is_empty(value: &Value) -> bool {
    *value == json!("") || *value == json!([]) || *value == json!({})
}

#[test]
fn programs_of_three_releases_lose_nothing_of_each_other() {
    let registry = registry();
    let runs = std::env::var("PROPTEST_CASES").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS);
    (0..runs).for_each(|seed| run(&registry, seed));
}
