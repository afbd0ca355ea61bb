//! What the processes said to be saved, by the name of each; and whether it is there, once.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// How many edits of each kind a process said to be saved: it numbers them from 0.
#[derive(Debug, Default)]
struct Saved {
    settings: u64,
    lines: u64,
}

/// What all of them said.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    by: BTreeMap<String, Saved>,
    /// How often a process began to sync.
    pub(super) turns: u64,
}

impl Ledger {
    /// Reads what a process said until it died.
    pub(super) fn add(&mut self, lines: &[String]) -> Result<()> {
        for line in lines {
            let Some((_, words)) = line.split_once("ledger ") else { continue };
            match words.split(' ').collect::<Vec<_>>()[..] {
                ["syncs"] => self.turns += 1,
                ["setting", name, number] => self.of(name).settings = number.parse::<u64>()? + 1,
                ["line", name, number] => self.of(name).lines = number.parse::<u64>()? + 1,
                _ => bail!("a line {line:?}"),
            }
        }
        Ok(())
    }

    fn of(&mut self, name: &str) -> &mut Saved {
        self.by.entry(name.to_owned()).or_default()
    }

    /// How many edits were saved.
    pub(super) fn saved(&self) -> u64 {
        self.by.values().map(|saved| saved.settings + saved.lines).sum()
    }

    /// Everything that was saved is there; what is there has no gaps, and no line is there twice.
    pub(super) fn check(&self, settings: &Value, note: &str) -> Result<()> {
        let mut lines: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for line in note.lines() {
            let (name, number) = line.split_once(' ').with_context(|| format!("a line {line:?}"))?;
            lines.entry(name).or_default().push(number.parse()?);
        }
        for (name, saved) in &self.by {
            let keys = settings[name].as_object().into_iter().flatten();
            let keys =
                keys.map(|(key, value)| (key.parse::<u64>().ok() == value.as_u64()).then(|| value.as_u64()).flatten());
            let settings = keys.collect::<Option<Vec<_>>>().with_context(|| format!("{name}: {}", settings[name]))?;
            run(name, "setting", settings, saved.settings)?;
            run(name, "line", lines.remove(name.as_str()).unwrap_or_default(), saved.lines)?;
        }
        ensure!(lines.is_empty(), "lines of nobody: {lines:?}");
        Ok(())
    }
}

/// The numbers are 0, 1, 2, …, and at least as many as were said to be saved.
fn run(name: &str, kind: &str, mut numbers: Vec<u64>, saved: u64) -> Result<()> {
    numbers.sort_unstable();
    let is_dense = numbers.iter().zip(0..).all(|(number, expected)| *number == expected);
    ensure!(is_dense, "{name}: a {kind} is missing or there twice in {numbers:?}");
    ensure!(numbers.len() as u64 >= saved, "{name}: {saved} of kind {kind} were saved, {} are there", numbers.len());
    Ok(())
}

#[test]
fn the_ledger_of_the_processes_notices_what_is_lost_and_what_is_doubled() {
    let mut ledger = Ledger::default();
    let said = ["syncs", "setting a 0", "setting a 1", "line a 0", "line b 0"].map(|words| format!("ledger {words}"));
    ledger.add(&said).expect("these are lines of the ledger");
    assert_eq!((ledger.saved(), ledger.turns), (4, 1));
    let settings = |text: &str| serde_json::from_str::<Value>(text).expect("it is JSON");
    let sound = settings(r#"{"a": {"0": 0, "1": 1, "2": 2}}"#);
    ledger.check(&sound, "a 0\nb 0\nb 1\n").expect("more than was said may be there");
    for (settings, note, why) in [
        (settings(r#"{"a": {"0": 0}}"#), "a 0\nb 0\n", "a: 2 of kind setting were saved, 1 are there"),
        (settings(r#"{"a": {"0": 0, "2": 2}}"#), "a 0\nb 0\n", "is missing"),
        (settings(r#"{"a": {"0": 0, "1": 0}}"#), "a 0\nb 0\n", "a: {"),
        (sound.clone(), "a 0\n", "b: 1 of kind line were saved, 0 are there"),
        (sound.clone(), "a 0\nb 0\nb 0\n", "there twice"),
        (sound.clone(), "a 0\nb 0\nc 0\n", "of nobody"),
    ] {
        let error = format!("{:#}", ledger.check(&settings, note).expect_err(why));
        assert!(error.contains(why), "{error}");
    }
}
