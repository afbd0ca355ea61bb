//! Broken files and hostile layouts: no panic, no lost byte, no value that comes from anywhere but the values.

use schemas::jsonc;
use serde_json::{Value, json};

use crate::flat::{Flat, lines};
use crate::layout::{Kind, fixtures, imported};
use crate::random_values::Random;
use crate::replicas::Replica;

const RUNS: u64 = 4000;
const PIECES: [&str; 26] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\n",
    "\r\n",
    "\r",
    " ",
    "\t",
    "// c\n",
    "//",
    "/* d */",
    "/*",
    "*/",
    "1",
    "-0",
    "\"a\": 1,",
    "\"a\"",
    "null",
    "\\",
    "é",
    "\u{feff}",
    "{ \"b\": 2 },",
];

/// One step of damage at a random place: a piece put in, or some characters taken out or doubled.
fn damaged(random: &mut Random, text: &str) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let at = index(random, characters.len() + 1);
    let end = (at + index(random, 12)).min(characters.len());
    match random.below(4) {
        0 => drop(characters.drain(at..end)),
        1 => {
            let copy = characters[at..end].to_vec();
            let to = index(random, characters.len() + 1);
            drop(characters.splice(to..to, copy));
        }
        _ => drop(characters.splice(at..at, PIECES[index(random, PIECES.len())].chars())),
    }
    characters.into_iter().collect()
}

fn index(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).unwrap_or_default()
}

#[test]
fn what_can_be_read_comes_back_byte_by_byte_and_the_rest_is_refused() {
    let fixtures = fixtures();
    let mut read = 0;
    for run in 0..RUNS {
        let mut random = Random(run);
        let (name, text) = &fixtures[index(&mut random, fixtures.len())];
        let (kind, mut flat, mut text) = (Kind::of(text), imported(name, text), text.clone());
        for _ in 0..6 {
            let next = damaged(&mut random, &text);
            let Ok(intents) = kind.import(&flat.value(), &next) else { continue };
            text = next;
            read += 1;
            flat.apply(&intents);
            assert_eq!(kind.export(&flat.value()), text, "run {run}, {name}");
            assert_eq!(
                lines(&kind.import(&flat.value(), &text).expect("imported before")),
                [""; 0],
                "run {run}, {name}"
            );
        }
    }
    assert!(read > RUNS, "only {read} texts could be read");
}

#[test]
fn no_layout_changes_a_value() {
    let fixtures = fixtures();
    for run in 0..RUNS {
        let mut random = Random(run);
        let (name, text) = &fixtures[index(&mut random, fixtures.len())];
        let (kind, flat) = (Kind::of(text), imported(name, text));
        let mut document = flat.value();
        let values = kind.values(&document);
        if let Some(layout) = document.get_mut("layout") {
            damage(&mut random, layout);
        }
        let text = kind.export(&document);
        let read = jsonc::parse(&text).unwrap_or_else(|error| panic!("run {run}, {name}: {error}\n{text}"));
        assert_eq!(read, values, "run {run}, {name}");
        // What it says is imported as it is: after that it is an ordinary file.
        let mut flat = Flat::holding(&document);
        flat.apply(&kind.import(&json!({}), &text).expect("an export can be imported"));
    }
}

#[test]
fn what_two_devices_make_of_one_file_is_a_file() {
    for (run, (name, text)) in (0..).zip(fixtures()) {
        let (mut random, kind) = (Random(run), Kind::of(&text));
        let type_name = if kind == Kind::Keymap { "keymap" } else { "settings" };
        let mut devices = [Replica::new(type_name, 1), Replica::new(type_name, 2)];
        for _ in 0..5 {
            for device in &mut devices {
                let mut text = kind.export(&device.document.value());
                for _ in 0..20 {
                    let next = damaged(&mut random, &text);
                    text = if kind.import(&json!({}), &next).is_ok() { next } else { text };
                }
                let intents = kind.import(&device.document.value(), &text).expect("it was read before");
                device.apply(intents);
                assert_eq!(kind.export(&device.document.value()), text, "run {run}, {name}");
            }
            let [laptop, desktop] = &mut devices;
            laptop.meet(desktop);
            let document = laptop.document.value();
            let text = kind.export(&document);
            assert_eq!(text, kind.export(&desktop.document.value()), "run {run}, {name}");
            assert_eq!(jsonc::parse(&text).as_ref(), Ok(&kind.values(&document)), "run {run}, {name}: {text}");
        }
    }
}

fn damage(random: &mut Random, layout: &mut Value) {
    match layout {
        Value::Object(fields) => fields.values_mut().for_each(|field| damage(random, field)),
        leaf if random.below(4) == 0 => {
            *leaf = match random.below(5) {
                0 => json!(1),
                1 => json!({}),
                2 => json!(PIECES[index(random, PIECES.len())]),
                _ => json!(damaged(random, leaf.as_str().unwrap_or_default())),
            };
        }
        _ => {}
    }
}
