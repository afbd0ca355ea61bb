//! Documents with random histories of everything that a document can hold.

use std::path::Path;

use anyhow::{Context, Result, bail};
use document::{Change, Document, Draft, Excluded, Violation, reauthor};
use editor_vault::{EditError, Vault};
use serde_json::{Value, json};
use sync_wire::{Actor, Blob};
use system_tests::Chance;

/// Edits of one document, at most.
const EDITS_MAX: u64 = 24;
const REPLICAS_MAX: u64 = 3;
/// Few places, so that edits meet; some below others, so that objects and scalars do.
const PLACES: [&str; 8] = ["/a", "/a/b", "/a/b/c", "/d~1e", "/d~0", "/größe", "/items/x/order", "/items/x"];

/// A document that up to three replicas wrote, which met now and then.
pub(super) fn merged(chance: &mut Chance) -> Result<Document> {
    let count = 1 + chance.below(REPLICAS_MAX);
    let type_name = ["settings", "note"][draw(chance, 2)];
    let typed = (chance.below(4) > 0).then_some(type_name);
    let mut replicas = (0..count).map(|number| Replica::new(number, typed)).collect::<Result<Vec<_>>>()?;
    for _ in 0..=chance.below(EDITS_MAX) {
        let which = draw(chance, replicas.len());
        replicas[which].edit(chance)?;
        if chance.below(3) == 0 {
            let from = draw(chance, replicas.len());
            let brought = replicas[from].made.clone();
            replicas[which].take(&brought)?;
        }
    }
    let (mut first, others) = (replicas.remove(0), replicas);
    others.iter().try_for_each(|other| first.take(&other.made))?;
    Ok(first.document)
}

/// A document that lost a change, or the name of one, and all that rested on it was written anew.
pub(super) fn reauthored(chance: &mut Chance) -> Result<Document> {
    let mut replica = Replica::new(0, Some("settings"))?;
    for _ in 0..3 + chance.below(EDITS_MAX) {
        replica.edit(chance)?;
    }
    let edits: Vec<usize> = (0..replica.made.len()).filter(|index| !is_seed(&replica.made[*index])).collect();
    let at = edits[draw(chance, edits.len())];
    let (kept, later) = replica.made.split_at(at);
    let (culprit, later) = later.split_at(1);
    // Seeds rest on nothing, so they stay wherever they stand.
    let seeds: Vec<Change> = later.iter().filter(|change| is_seed(change)).cloned().collect();
    let kept = [kept, &seeds].concat();
    let max_op = |hash: &_| kept.iter().find(|one| one.hash() == *hash).map(|one| one.header.max_op());
    let excluded = if chance.below(2) == 0 { Excluded::Lost(culprit) } else { Excluded::Renamed(culprit) };
    let mended = reauthor(excluded, later, max_op)?;
    of(kept.iter().chain(&mended.changes))
}

/// A document whose later history is one change that says what all of it said.
pub(super) fn squashed(chance: &mut Chance) -> Result<Document> {
    let mut replica = Replica::new(0, Some("settings"))?;
    replica.edit(chance)?;
    let mut whole =
        Replica { document: replica.document.clone(), made: replica.made.clone(), actor: Actor([0x51; 16]) };
    for _ in 0..2 + chance.below(EDITS_MAX) {
        replica.edit(chance)?;
    }
    let intents = replica.document.intents_from(&whole.document.heads())?;
    whole.seal(|draft| intents.iter().cloned().try_for_each(|intent| draft.apply(intent)))?;
    Ok(whole.document)
}

/// Documents that a vault wrote, each read from its file again.
pub(super) fn of_vaults(
    directory: &Path,
    count: usize,
    chance: &mut Chance,
    add: &mut dyn FnMut(&str, &Document) -> Result<()>,
) -> Result<()> {
    let place = directory.join("vault");
    let vault = Vault::open(&place)?;
    for number in 0..count {
        let note = vault.create("note", Some(&format!("note {number}")), None)?;
        for _ in 0..=chance.below(EDITS_MAX) {
            match chance.below(8) {
                0 => undone(note.undo())?,
                1 => undone(note.redo())?,
                2 => drop(note.edit_deferred(|draft| act(draft, chance))?),
                _ => note.edit(|draft| act(draft, chance))?,
            }
        }
    }
    vault.flush()?;
    drop(vault);
    let vault = Vault::open(&place)?;
    if let Some(finding) = vault.verify()?.first() {
        bail!("the vault is not sound: {finding:?}");
    }
    for number in 0..count {
        let name = format!("note {number}");
        let note = vault.find(&name)?;
        note.read(|document| add(&name, document))??;
    }
    Ok(())
}

fn undone<T>(outcome: Result<T, EditError>) -> Result<()> {
    match outcome {
        Ok(_) | Err(EditError::NothingToUndo { .. } | EditError::NothingToRedo { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A document, and all that was made of it, causes before effects.
struct Replica {
    document: Document,
    made: Vec<Change>,
    actor: Actor,
}

impl Replica {
    /// A document that holds something, so that replicas begin alike.
    fn new(number: u64, type_name: Option<&str>) -> Result<Self> {
        let mut first = Self { document: Document::new(type_name), made: Vec::new(), actor: Actor([1; 16]) };
        first.seal(|draft| draft.put("/begun", true.into()))?;
        first.actor = Actor([2 + u8::try_from(number)?; 16]);
        Ok(first)
    }

    fn edit(&mut self, chance: &mut Chance) -> Result<()> {
        self.seal(|draft| (0..=chance.below(3)).try_for_each(|_| act(draft, chance)))
    }

    fn seal(&mut self, edit: impl FnOnce(&mut Draft<'_>) -> Result<(), Violation>) -> Result<()> {
        self.document.edit(self.actor, edit)?;
        if let Some(sealed) = self.document.seal(1_700_000_000)? {
            self.made.extend(sealed.seeds.into_iter().chain(sealed.changes));
        }
        Ok(())
    }

    fn take(&mut self, changes: &[Change]) -> Result<()> {
        let new: Vec<Change> =
            changes.iter().filter(|change| !self.document.contains(&change.hash())).cloned().collect();
        self.document.apply(&new.iter().map(|change| change.bytes.clone()).collect::<Vec<_>>())?;
        self.made.extend(new);
        Ok(())
    }
}

fn is_seed(change: &Change) -> bool {
    document::Seed::is_seed_actor(&change.header.actor)
}

fn of<'a>(changes: impl Iterator<Item = &'a Change>) -> Result<Document> {
    let mut document = Document::new(Some("settings"));
    document.apply(&changes.map(|change| change.bytes.clone()).collect::<Vec<Blob>>()).context("replacements apply")?;
    Ok(document)
}

/// One thing that a person can do to a document.
fn act(draft: &mut Draft<'_>, chance: &mut Chance) -> Result<(), Violation> {
    let place = PLACES[draw(chance, PLACES.len())];
    // Texts and counters stay what they are, so nothing is above or below them.
    let number = chance.below(4);
    match chance.below(10) {
        0..4 => draft.put(place, value(chance)),
        4 => draft.put_register(place, json!({ "z": [1, 2.5, null], "a": { "é": "ß" } })),
        5 => draft.remove(place),
        6 => draft.increment(&format!("/counts/{number}"), chance.below(100).cast_signed() - 50),
        7 => draft.replace_text(&format!("/texts/{number}"), ["", "one", "two words", "🦀 grüße\n"][draw(chance, 4)]),
        _ => {
            let path = format!("/texts/{number}");
            let letters = draft.text(&path).map_or(0, |text| text.chars().count());
            let at = draw(chance, letters + 1);
            let deleted = draw(chance, (letters - at).min(4) + 1);
            draft.splice(&path, at, deleted, ["", "x", "naïve", "👩‍💻"][draw(chance, 4)])
        }
    }
}

fn value(chance: &mut Chance) -> Value {
    match chance.below(9) {
        0 => Value::Null,
        1 => (chance.below(2) == 0).into(),
        2 => (chance.below(1 << 40).cast_signed() - (1 << 39)).into(),
        3 => json!(chance.below(1000) as f64 / 7.0),
        4 => ["", "text", "counter", "{}", "\u{0}", "ünï\u{10348}"][draw(chance, 6)].into(),
        5 => json!({}),
        6 => json!([]),
        7 => json!([chance.below(9), { "k": "v" }, [null, 1.0]]),
        _ => json!({ "b": chance.below(9), "c": { "d": null } }),
    }
}

fn draw(chance: &mut Chance, end: usize) -> usize {
    usize::try_from(chance.below(end as u64)).unwrap_or(0)
}
