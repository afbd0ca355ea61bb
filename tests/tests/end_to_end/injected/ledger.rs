//! What a story was told to be saved, and to be at the relay; and whether it is there.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use system_tests::{Device, Relay};

/// An edit of the story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Edit {
    /// A key of the settings, with the value 1.
    Setting(String),
    /// A note, by its name.
    Note(String),
    /// A line of a note.
    Line(String, String),
}

/// What was promised.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Said to be saved, in this order.
    pub(super) saved: Vec<Edit>,
    /// How many of them were said to be at the relay.
    acknowledged: usize,
}

/// What a vault or a relay shows.
#[derive(Debug, Default)]
pub(super) struct Shown {
    settings: Value,
    notes: BTreeMap<String, String>,
}

impl Ledger {
    /// Everything saved is now at the relay.
    pub(super) fn all_acknowledged(&mut self) {
        self.acknowledged = self.saved.len();
    }

    /// Everything that was saved is there, and nothing twice.
    pub(super) fn check_saved(&self, shown: &Shown) -> Result<()> {
        shown.check(&self.saved)
    }

    /// Everything that was acknowledged is there, and nothing twice.
    pub(super) fn check_acknowledged(&self, shown: &Shown) -> Result<()> {
        shown.check(&self.saved[..self.acknowledged])
    }
}

impl Shown {
    /// What the vault says.
    pub(super) fn by(device: &Device) -> Result<Self> {
        let settings = device.json(&["export", "settings", "--json"])?;
        let mut notes = BTreeMap::new();
        for info in device.json(&["list"])?.as_array().context("a list")? {
            if let (Some("note"), Some(name)) = (info["type"].as_str(), info["title"].as_str()) {
                let twice = notes.insert(name.to_owned(), device.ok(&["show", name])?);
                ensure!(twice.is_none(), "note {name} is there twice");
            }
        }
        Ok(Self { settings, notes })
    }

    /// What the relay says over HTTP.
    pub(super) fn over_http(relay: &Relay, token: &str) -> Result<Self> {
        let mut shown = Self::default();
        for item in relay.documents(token)? {
            let response = relay.document(&item, token)?;
            ensure!(response.status == 200, "{response:?}");
            let value = &response.body["value"];
            if item["type"] == "note" {
                let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
                let twice = shown.notes.insert(text("name"), text("body"));
                ensure!(twice.is_none(), "note {} is there twice", text("name"));
            } else {
                shown.settings = value["base"].clone();
            }
        }
        Ok(shown)
    }

    fn check(&self, edits: &[Edit]) -> Result<()> {
        for edit in edits {
            let is_there = match edit {
                Edit::Setting(key) => self.settings[key] == 1,
                Edit::Note(name) => self.notes.contains_key(name),
                Edit::Line(name, line) => self.notes.get(name).is_some_and(|text| text.lines().any(|l| l == line)),
            };
            ensure!(is_there, "{edit:?} is lost: {self:?}");
        }
        for (name, text) in &self.notes {
            let mut lines: Vec<&str> = text.lines().collect();
            lines.sort_unstable();
            let twice = lines.windows(2).find(|pair| pair[0] == pair[1]);
            ensure!(twice.is_none(), "note {name} has a line twice: {twice:?}");
        }
        Ok(())
    }
}

#[test]
fn the_ledger_notices_what_is_lost_and_what_is_doubled() {
    let line = |line: &str| Edit::Line("n".to_owned(), line.to_owned());
    let saved = vec![Edit::Setting("a".to_owned()), Edit::Note("n".to_owned()), line("one"), line("two")];
    let ledger = Ledger { saved, acknowledged: 3 };
    let shown = |key: &str, name: &str, text: &str| Shown {
        settings: serde_json::json!({ key: 1 }),
        notes: BTreeMap::from([(name.to_owned(), text.to_owned())]),
    };
    ledger.check_saved(&shown("a", "n", "one\ntwo\n")).expect("all is there");
    ledger.check_acknowledged(&shown("a", "n", "one\n")).expect("the last was not acknowledged");
    for (wrong, why) in [
        (shown("b", "n", "one\ntwo\n"), "Setting(\"a\") is lost"),
        (shown("a", "m", "one\ntwo\n"), "Note(\"n\") is lost"),
        (shown("a", "n", "one\n"), "\"two\") is lost"),
        (shown("a", "n", "one\ntwo\none\n"), "has a line twice"),
    ] {
        let error = ledger.check_saved(&wrong).expect_err(why);
        assert!(error.to_string().contains(why), "{error}");
    }
}
