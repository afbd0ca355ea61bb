//! The vault against a model of it: edits, deferred edits, undo and redo, deletions, refusals, parked lanes, what people
//! do with a quarantine, restarts, and older copies that take the vault's place, in any order. `PROPTEST_CASES` asks for
//! more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use editor_vault::{Document, DocumentState, FateCode, Vault};
use proptest::prelude::*;
use serde_json::{Value, json};
use sync_wire::{Content, Push};

use crate::inline::sight::Sight;
use crate::recovery::{is_seed, line, settings, settle};
use crate::relay::Answer;
use crate::relay::inline::{InlineRelay, Line};

/// Cases of an ordinary run.
const CASES: u32 = 150;
const KEYS: usize = 4;
const TEXT: &str = "/base/workbench.note";
/// Letters of the text: each is written once, so that a doubled one is seen.
const FIRST_LETTER: u32 = 0x4e00;

#[derive(Debug, Clone)]
enum Step {
    Put(usize),
    Remove(usize),
    /// A letter of the text.
    Write,
    /// As `Put`, without waiting for the disk.
    Defer(usize),
    Undo,
    Redo,
    Create,
    Delete(prop::sample::Index),
    Undelete(prop::sample::Index),
    Sync(Mood),
    Resubmit(prop::sample::Index),
    Discard(prop::sample::Index),
    Restart,
    Copy,
    /// The copy takes the vault's place, so many letters are written, and it meets the relay.
    PutBack(usize),
}

/// What the relay thinks of the first edit of the settings that it has not heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Takes,
    Refuses,
    Parks,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let index = any::<prop::sample::Index>;
    let moods = prop_oneof![4 => Just(Mood::Takes), 2 => Just(Mood::Refuses), 1 => Just(Mood::Parks)];
    let step = prop_oneof![
        6 => (0..KEYS).prop_map(Step::Put),
        2 => (0..KEYS).prop_map(Step::Remove),
        5 => Just(Step::Write),
        4 => (0..KEYS).prop_map(Step::Defer),
        3 => Just(Step::Undo),
        2 => Just(Step::Redo),
        1 => Just(Step::Create),
        1 => index().prop_map(Step::Delete),
        1 => index().prop_map(Step::Undelete),
        5 => moods.prop_map(Step::Sync),
        2 => index().prop_map(Step::Resubmit),
        1 => index().prop_map(Step::Discard),
        2 => Just(Step::Restart),
        1 => Just(Step::Copy),
        1 => (0..3_usize).prop_map(Step::PutBack),
    ];
    prop::collection::vec(step, 1..40)
}

fn cases() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").is_ok();
    let usual = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    ProptestConfig { cases: if asked { usual.cases } else { CASES }, ..usual }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_vault_is_what_a_model_of_it_says(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.take(&step);
            world.check();
        }
        world.flush();
        world.sync(Mood::Takes);
        world.check();
        world.check_elsewhere();
    }
}

/// A key of the settings, or a letter of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    Key(usize),
    Letter(u32),
}

/// Where an edit stands for the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Pending,
    Accepted,
    Quarantined,
    /// Said again by another edit, or thrown away.
    Gone,
}

/// One change of the settings.
#[derive(Debug, Clone)]
struct Edit {
    number: u64,
    sets: Vec<(Slot, Option<i64>)>,
    before: Vec<(Slot, Option<i64>)>,
    standing: Standing,
}

/// What a vault has to hold.
#[derive(Debug, Clone, Default)]
struct Model {
    edits: Vec<Edit>,
    /// Numbers of the edits that can be taken back, and of those that were.
    undo: Vec<u64>,
    redo: Vec<u64>,
    /// By title: whether it is deleted.
    notes: BTreeMap<String, bool>,
    /// Whether the lane of the settings is closed.
    is_parked: bool,
}

impl Model {
    fn values(&self) -> BTreeMap<Slot, i64> {
        let mut values = BTreeMap::new();
        for edit in self.edits.iter().filter(|edit| matches!(edit.standing, Standing::Pending | Standing::Accepted)) {
            for (slot, value) in &edit.sets {
                match value {
                    Some(value) => drop(values.insert(*slot, *value)),
                    None => drop(values.remove(slot)),
                }
            }
        }
        values
    }

    fn find(&self, number: u64) -> Option<&Edit> {
        self.edits.iter().find(|edit| edit.number == number)
    }

    fn quarantined(&self) -> Vec<u64> {
        let refused = self.edits.iter().filter(|edit| edit.standing == Standing::Quarantined);
        refused.map(|edit| edit.number).collect()
    }

    /// What can be taken back is known only of edits that nothing happened to.
    fn forget_undo(&mut self) {
        self.undo.clear();
        self.redo.clear();
    }
}

/// What the relay decided of contents, for ever; and what it is about to do.
#[derive(Debug, Default)]
struct Judge {
    refused: Vec<Content>,
    mood: Option<Mood>,
}

struct World {
    sight: Sight,
    relay: InlineRelay,
    judge: Arc<Mutex<Judge>>,
    vault: Vault,
    line: Line,
    model: Model,
    /// Numbers of edits that the log has, and of those that the relay refused.
    logged: BTreeSet<u64>,
    refused: BTreeSet<u64>,
    deferred: Vec<(Slot, Option<i64>)>,
    copy: Option<Model>,
    numbers: usize,
    limits: u64,
}

impl World {
    fn new() -> Self {
        let (sight, relay) = (Sight::new(1), InlineRelay::new(&["alice"]));
        let vault = sight.open("laptop");
        let judge = Arc::new(Mutex::new(Judge::default()));
        let (judged, subject) = (judge.clone(), settings(&vault).id());
        relay.judge(
            move |push| if push.document == subject { judged.lock().unwrap().judge(push) } else { Answer::Take },
        );
        let mut line = line(&vault);
        settle(&relay, &vault, &mut line);
        Self {
            sight,
            relay,
            judge,
            vault,
            line,
            model: Model::default(),
            logged: BTreeSet::new(),
            refused: BTreeSet::new(),
            deferred: Vec::new(),
            copy: None,
            numbers: 0,
            limits: 1,
        }
    }

    fn take(&mut self, step: &Step) {
        if !matches!(step, Step::Defer(_)) {
            self.flush();
        }
        match step {
            Step::Put(key) => {
                let value = self.number();
                self.put(*key, Some(value));
            }
            Step::Remove(key) if self.model.values().contains_key(&Slot::Key(*key)) => self.put(*key, None),
            Step::Remove(_) => {}
            Step::Write => self.write(),
            Step::Defer(key) => {
                let (path, value) = (path(*key), self.number());
                drop(settings(&self.vault).edit_deferred(|draft| draft.put(&path, value.into())).unwrap());
                self.deferred.retain(|(slot, _)| *slot != Slot::Key(*key));
                self.deferred.push((Slot::Key(*key), Some(value)));
            }
            Step::Undo => self.undo(),
            Step::Redo => self.redo(),
            Step::Create => {
                let title = format!("note {}", self.number());
                self.vault.create("note", Some(&title), None).unwrap();
                self.model.notes.insert(title, false);
            }
            Step::Delete(index) => self.mark(*index, true),
            Step::Undelete(index) => self.mark(*index, false),
            Step::Sync(mood) => self.sync(*mood),
            Step::Resubmit(index) => self.resubmit(*index),
            Step::Discard(index) => {
                if let Some(number) = self.some_quarantined(*index) {
                    self.vault.quarantine().discard(self.batch(number)).unwrap();
                    self.stands(number, Standing::Gone);
                }
            }
            Step::Restart => self.restart(),
            Step::Copy => {
                self.copy = Some(self.model.clone());
                drop(std::fs::remove_dir_all(self.vault.path().with_file_name("older")));
                self.sight.copy(self.vault.file(), "older");
            }
            Step::PutBack(letters) => self.put_back(*letters),
        }
    }

    /// Unique, and in the order in which things were done.
    fn number(&mut self) -> i64 {
        self.numbers += 1;
        i64::try_from(self.numbers).unwrap()
    }

    fn put(&mut self, key: usize, value: Option<i64>) {
        let path = path(key);
        let put = |draft: &mut editor_vault::Draft<'_>| match value {
            Some(value) => draft.put(&path, value.into()),
            None => draft.remove(&path),
        };
        settings(&self.vault).edit(put).unwrap();
        self.did(vec![(Slot::Key(key), value)]);
    }

    fn write(&mut self) {
        let number = u32::try_from(self.number()).unwrap();
        let letter = char::from_u32(FIRST_LETTER + number).unwrap().to_string();
        settings(&self.vault).edit(|draft| draft.splice(TEXT, 0, 0, &letter)).unwrap();
        self.did(vec![(Slot::Letter(number), Some(1))]);
    }

    fn flush(&mut self) {
        self.vault.flush().unwrap();
        let deferred = std::mem::take(&mut self.deferred);
        if !deferred.is_empty() {
            self.did(deferred);
        }
    }

    /// An edit by a person: it can be taken back, and nothing taken back before can be done again.
    fn did(&mut self, sets: Vec<(Slot, Option<i64>)>) {
        let number = self.record(sets);
        self.model.undo.push(number);
        self.model.redo.clear();
    }

    fn record(&mut self, sets: Vec<(Slot, Option<i64>)>) -> u64 {
        let (number, values) = (self.number().unsigned_abs(), self.model.values());
        let before = sets.iter().map(|(slot, _)| (*slot, values.get(slot).copied())).collect();
        self.model.edits.push(Edit { number, sets, before, standing: Standing::Pending });
        number
    }

    fn undo(&mut self) {
        let Some(number) = self.model.undo.pop() else { return };
        settings(&self.vault).undo().unwrap();
        let before = self.model.find(number).unwrap().before.clone();
        self.record(before);
        self.model.redo.push(number);
    }

    fn redo(&mut self) {
        let Some(number) = self.model.redo.pop() else { return };
        settings(&self.vault).redo().unwrap();
        let sets = self.model.find(number).unwrap().sets.clone();
        self.record(sets);
        self.model.undo.push(number);
    }

    fn mark(&mut self, index: prop::sample::Index, deleted: bool) {
        let titles: Vec<String> = self.model.notes.keys().cloned().collect();
        if titles.is_empty() {
            return;
        }
        let title = index.get(&titles);
        let note = self.note(title);
        if deleted {
            self.vault.delete(&note).unwrap()
        } else {
            self.vault.restore(&note).unwrap()
        }
        self.model.notes.insert(title.clone(), deleted);
    }

    fn note(&self, title: &str) -> Document {
        let filter = editor_vault::ListFilter { include_deleted: true, ..editor_vault::ListFilter::default() };
        let listed = self.vault.list(&filter).unwrap();
        let info = listed.into_iter().find(|info| info.title.as_deref() == Some(title)).unwrap();
        self.vault.document(info.space, info.id).unwrap()
    }

    fn sync(&mut self, mood: Mood) {
        if self.model.is_parked {
            // What was parked is judged again when the limits are others, which a greeting says.
            self.limits += 1;
            self.relay.set_limits_version(self.limits);
            self.line = line(&self.vault);
            self.model.is_parked = false;
        }
        let fresh: Vec<u64> =
            self.model.edits.iter().filter(|edit| edit.standing == Standing::Pending).map(|edit| edit.number).collect();
        let first = fresh.iter().copied().find(|number| !self.refused.contains(number));
        self.judge.lock().unwrap().mood = Some(mood);
        settle(&self.relay, &self.vault, &mut self.line);
        self.judge.lock().unwrap().mood = None;
        match (mood, first) {
            (Mood::Refuses, Some(first)) => drop(self.refused.insert(first)),
            (Mood::Parks, Some(_)) => self.model.is_parked = true,
            _ => {}
        }
        for number in fresh {
            if self.refused.contains(&number) {
                self.stands(number, Standing::Quarantined);
                self.model.forget_undo();
            } else if !(self.model.is_parked && Some(number) >= first) {
                self.stands(number, Standing::Accepted);
                self.logged.insert(number);
            }
        }
    }

    fn stands(&mut self, number: u64, standing: Standing) {
        let edit = self.model.edits.iter_mut().find(|edit| edit.number == number).unwrap();
        edit.standing = standing;
    }

    fn some_quarantined(&self, index: prop::sample::Index) -> Option<u64> {
        let quarantined = self.model.quarantined();
        if quarantined.is_empty() { None } else { Some(*index.get(&quarantined)) }
    }

    /// Those of one document are listed in the order in which they were saved.
    fn batch(&self, number: u64) -> sync_wire::BatchId {
        let at = self.model.quarantined().iter().position(|one| *one == number).unwrap();
        self.vault.quarantine().list().unwrap()[at].id
    }

    fn resubmit(&mut self, index: prop::sample::Index) {
        let Some(number) = self.some_quarantined(index) else { return };
        let sets = self.model.find(number).unwrap().sets.clone();
        // It is said again beside what was said since, and which of two values of one place wins no model tells.
        let is_later = |edit: &&Edit| edit.number > number && edit.standing != Standing::Quarantined;
        let touched = self.model.edits.iter().filter(is_later).flat_map(|edit| &edit.sets).map(|(slot, _)| *slot);
        let touched: BTreeSet<Slot> = touched.collect();
        let is_taking = |(slot, value): &(Slot, Option<i64>)| matches!(slot, Slot::Letter(_)) && value.is_none();
        if sets.iter().any(|set| touched.contains(&set.0) || is_taking(set)) {
            return;
        }
        self.vault.quarantine().resubmit(self.batch(number)).unwrap();
        self.stands(number, Standing::Gone);
        self.did(sets);
        self.model.forget_undo();
    }

    fn restart(&mut self) {
        self.swap(|_| ());
    }

    /// Closes the vault, does something to its files, and opens it again.
    fn swap(&mut self, meanwhile: impl FnOnce(&Sight)) {
        let aside = self.sight.open("aside");
        self.line = line(&aside);
        self.vault = aside;
        meanwhile(&self.sight);
        self.vault = self.sight.open("laptop");
        self.line = line(&self.vault);
    }

    fn put_back(&mut self, letters: usize) {
        let Some(copy) = self.copy.take() else { return };
        self.swap(|sight| sight.put_back("older", "laptop"));
        let later = std::mem::replace(&mut self.model, copy);
        self.model.forget_undo();
        for _ in 0..letters {
            self.write();
        }
        self.sync(Mood::Takes);
        self.sync(Mood::Takes);
        // What the log has comes back; what nobody else ever had is gone with the disk.
        let known: BTreeSet<u64> = self.model.edits.iter().map(|edit| edit.number).collect();
        let returned = later.edits.into_iter().filter(|edit| !known.contains(&edit.number));
        let returned = returned.filter(|edit| self.logged.contains(&edit.number));
        let at = self.model.edits.len() - letters;
        let returned = returned.map(|edit| Edit { standing: Standing::Accepted, ..edit }).collect::<Vec<_>>();
        self.model.edits.splice(at..at, returned);
        self.model.forget_undo();
        let notes = self.model.notes.clone();
        for (title, _) in later.notes.iter().filter(|(title, _)| !notes.contains_key(*title)) {
            if let Some(deleted) = self.deleted(title) {
                self.model.notes.insert(title.clone(), deleted);
            }
        }
        for title in notes.keys() {
            // A mark that was sent comes back, one that was not does not: both may be.
            let deleted = self.deleted(title).unwrap();
            self.model.notes.insert(title.clone(), deleted);
        }
    }

    /// Whether a note is deleted, if there is one.
    fn deleted(&self, title: &str) -> Option<bool> {
        let filter = editor_vault::ListFilter { include_deleted: true, ..editor_vault::ListFilter::default() };
        let listed = self.vault.list(&filter).unwrap();
        listed.into_iter().find(|info| info.title.as_deref() == Some(title)).map(|info| info.deleted)
    }

    fn check(&self) {
        let mut values = self.model.values();
        for (slot, value) in &self.deferred {
            values.extend(value.map(|value| (*slot, value)));
        }
        assert_eq!(read(&self.vault), values);
        let quarantined = self.vault.quarantine().list().unwrap();
        assert_eq!(quarantined.len(), self.model.quarantined().len(), "{quarantined:?}");
        assert!(quarantined.iter().all(|edit| edit.code == FateCode::DANGEROUS), "{quarantined:?}");
        for (title, deleted) in &self.model.notes {
            assert_eq!(self.deleted(title), Some(*deleted), "{title}");
        }
        let state = settings(&self.vault).status().unwrap().state;
        assert_eq!(matches!(state, DocumentState::Parked { .. }), self.model.is_parked, "{state:?}");
    }

    /// Everything that the vault shows is in the log: a device that is new has it from there.
    fn check_elsewhere(&self) {
        let desktop = self.sight.open("desktop");
        settle(&self.relay, &desktop, &mut line(&desktop));
        assert_eq!(read(&desktop), read(&self.vault));
        assert_eq!(settings(&self.vault).status().unwrap().pending_batches, 0);
    }
}

impl Judge {
    fn judge(&mut self, push: &Push) -> Answer {
        if is_seed(push) {
            return Answer::Take;
        }
        if self.refused.contains(&push.content) {
            return Answer::Refuse(FateCode::DANGEROUS);
        }
        match self.mood {
            Some(Mood::Refuses) => {
                self.mood = Some(Mood::Takes);
                self.refused.push(push.content.clone());
                Answer::Refuse(FateCode::DANGEROUS)
            }
            Some(Mood::Parks) => Answer::Park(FateCode::QUOTA, 0),
            Some(Mood::Takes) | None => Answer::Take,
        }
    }
}

fn path(key: usize) -> String {
    format!("/base/key{key}")
}

/// What a vault shows.
fn read(vault: &Vault) -> BTreeMap<Slot, i64> {
    let settings = settings(vault);
    let value = settings.value().unwrap();
    let base = value.get("base").cloned().unwrap_or_else(|| json!({}));
    let number = |key| base.get(format!("key{key}")).and_then(Value::as_i64).map(|value| (Slot::Key(key), value));
    let mut values: BTreeMap<Slot, i64> = (0..KEYS).filter_map(number).collect();
    for letter in settings.text(TEXT).unwrap().unwrap_or_default().chars() {
        *values.entry(Slot::Letter(u32::from(letter) - FIRST_LETTER)).or_default() += 1;
    }
    values
}
