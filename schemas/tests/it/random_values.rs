//! Plans between random values: whatever was there, what was wanted comes out, and a second plan is empty.

use schemas::settings::Layer;
use schemas::{keymap, settings};
use serde_json::{Map, Value, json};

use crate::flat::Flat;

const RUNS: u64 = 2000;
const KEYS: [&str; 7] = ["a", "b", "", "a/b", "~", "[rust]", "editor.tabSize"];

/// A small generator, so that a failing run can be repeated from its number.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn key(&mut self) -> &'static str {
        KEYS[usize::try_from(self.below(KEYS.len() as u64)).unwrap_or_default()]
    }

    fn value(&mut self, depth: u64) -> Value {
        match self.below(if depth < 4 { 9 } else { 6 }) {
            0 => json!(null),
            1 => json!(self.below(2) == 0),
            2 => json!(self.below(3)),
            3 => json!(0.5),
            4 => json!("text"),
            5 => json!([1, {"x": self.below(2)}]),
            _ => self.object(depth),
        }
    }

    fn object(&mut self, depth: u64) -> Value {
        let fields: Map<String, Value> =
            (0..self.below(4)).map(|_| (self.key().to_owned(), self.value(depth + 1))).collect();
        Value::Object(fields)
    }

    fn binding(&mut self) -> Value {
        let mut binding = json!({"key": self.key(), "command": self.below(3).to_string()});
        if self.below(3) == 0 {
            binding["args"] = self.object(2);
        }
        if self.below(3) == 0 {
            binding["when"] = json!("focus");
        }
        binding
    }

    fn keymap(&mut self) -> Value {
        (0..self.below(8)).map(|_| self.binding()).collect()
    }
}

#[test]
fn settings_become_what_is_wanted() {
    for run in 0..RUNS {
        let mut random = Random(run);
        let mut flat = Flat::default();
        for _ in 0..4 {
            let wanted = random.object(0);
            let intents = settings::import(&Layer::BASE, &flat.value(), &wanted).expect("no rule is broken");
            flat.apply(&intents);
            assert_eq!(settings::export(&Layer::BASE, &flat.value()), wanted, "run {run}");
            let again = settings::import(&Layer::BASE, &flat.value(), &wanted).expect("no rule is broken");
            assert!(again.is_empty(), "run {run}: {again:?}");
        }
    }
}

#[test]
fn keymaps_become_what_is_wanted() {
    for run in 0..RUNS {
        let mut random = Random(run);
        let mut flat = Flat::default();
        for _ in 0..4 {
            let wanted = random.keymap();
            flat.apply(&keymap::import(&flat.value(), &wanted).expect("no rule is broken"));
            assert_eq!(keymap::export(&flat.value()), wanted, "run {run}");
            let again = keymap::import(&flat.value(), &wanted).expect("no rule is broken");
            assert!(again.is_empty(), "run {run}: {again:?}");
        }
    }
}
