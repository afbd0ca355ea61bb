//! What users do: edits of settings, notes, counters and texts, with no thought of what could go wrong.

mod types; // documents whose types say more than settings do

use editor_vault::{Document, Draft, EditError, ListFilter, ReadError, Role, SpaceId, Vault, Violation};
use serde_json::{Value, json};
use sync_wire::{ChangeHash, DocumentId, SpaceKind};

use crate::check;
use crate::device::{Deferred, Device};
use crate::edition::Edition;
use crate::failure::Failure;
use crate::ledger::{Certainty, Increment, Ledger};
use crate::rng::Rng;

/// Few keys, so that devices meet.
const KEYS: u64 = 5;
/// Notes of one world; more would only cost time.
const NOTES_MAX: usize = 6;

/// How often users do what; drawn for each world.
#[derive(Debug, Clone)]
pub struct Habits {
    weights: [u32; 10],
    /// In how many actions a burst of edits comes instead of one, as a share.
    bursts: f64,
    /// In how many actions a user edits a document of another type than settings and notes, as a share.
    types: f64,
    /// How often another program pushes something.
    pub visits: f64,
    /// Edits of a burst, at most.
    burst_edits_max: u64,
}

/// What a user does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Put,
    Remove,
    Count,
    Write,
    Create,
    Type,
    Delete,
    Restore,
    Undo,
    Defer,
}

const ACTIONS: [Action; 10] = [
    Action::Put,
    Action::Remove,
    Action::Count,
    Action::Write,
    Action::Create,
    Action::Type,
    Action::Delete,
    Action::Restore,
    Action::Undo,
    Action::Defer,
];

impl Habits {
    /// The habits of a seed.
    #[must_use]
    pub fn draw(rng: &mut Rng) -> Self {
        let usual = [8, 3, 4, 4, 2, 8, 2, 2, 3, 6];
        let weights = usual.map(|weight| if rng.chance(0.25) { 0 } else { weight * rng.between(1, 3) as u32 });
        let weights = if weights.iter().all(|weight| *weight == 0) { usual } else { weights };
        let bursts = if rng.chance(0.08) { 0.04 } else { 0.0 };
        let visits = if rng.chance(0.25) { 0.15 } else { 0.0 };
        Self { weights, bursts, types: 0.0, visits, burst_edits_max: 100 }
    }

    /// Adds what came later, from a source of its own, so that a seed without it stays the world that it was.
    #[must_use]
    pub fn and_types(self, rng: &mut Rng) -> Self {
        Self { types: if rng.chance(0.5) { 0.1 + rng.below(50) as f64 / 100.0 } else { 0.0 }, ..self }
    }

    /// One action of the user of a device.
    ///
    /// # Errors
    /// If something is refused that nothing forbids.
    pub fn act(&self, device: &mut Device, ledger: &mut Ledger, rng: &mut Rng) -> Result<String, Failure> {
        let Some(program) = &device.program else { return Ok("is off".to_owned()) };
        let vault = program.vault.clone();
        if rng.chance(self.types) {
            return User { device, ledger, rng, vault }.perform_typed();
        }
        let action = ACTIONS[rng.weighted(&self.weights)];
        let edits = if rng.chance(self.bursts) { rng.between(20, self.burst_edits_max) } else { 1 };
        let mut user = User { device, ledger, rng, vault };
        let mut did = String::new();
        for _ in 0..edits {
            did = user.perform(action)?;
            if user.device.disk.has_ended() {
                break;
            }
        }
        Ok(if edits > 1 { format!("{did} ({edits} times)") } else { did })
    }
}

struct User<'a> {
    device: &'a mut Device,
    ledger: &'a mut Ledger,
    rng: &'a mut Rng,
    vault: Vault,
}

impl User<'_> {
    fn perform(&mut self, action: Action) -> Result<String, Failure> {
        let key = self.rng.below(KEYS);
        match action {
            Action::Put => {
                let (path, value) = (format!("/base/key{key}"), self.value());
                let told = format!("puts {value} at {path}");
                self.edit_settings(|draft| changing(draft, &path, |draft| draft.put(&path, value))).map(|_| told)
            }
            Action::Remove => {
                let path = format!("/base/key{key}");
                let told = format!("removes {path}");
                self.edit_settings(|draft| changing(draft, &path, |draft| draft.remove(&path))).map(|_| told)
            }
            Action::Count => {
                let (path, by) = (format!("/counts/{key}"), self.rng.between(1, 9) as i64);
                let told = format!("adds {by} to {path}");
                match self.edit_settings(|draft| draft.increment(&path, by).map(|()| Effect::Some))? {
                    Effect::Some => self.counted(path, by).map(|()| told),
                    Effect::None => Ok(format!("{told}, and may not")),
                }
            }
            Action::Write => {
                let (path, at) = (format!("/texts/{key}"), self.rng.draw());
                let word = self.word();
                self.edit_settings(|draft| splice(draft, &path, at, &word)).map(|_| format!("writes {word} in {path}"))
            }
            Action::Create => self.create(),
            Action::Type => self.in_note(|user, note| {
                let (at, word) = (user.rng.draw(), user.word());
                let pins = user.device.edition == Edition::Tomorrow && at % 4 == 0;
                user.edit(note, |draft| {
                    if pins {
                        draft.put("/pinned", (at % 8 == 0).into())?; // a field that only the second version knows
                    }
                    splice(draft, "/body", at, &word)
                })
                .map(drop)
            }),
            Action::Delete => self.in_note(|user, note| {
                let outcome = user.vault.delete(note);
                user.mark(outcome)
            }),
            Action::Restore => self.in_note(|user, note| {
                let outcome = user.vault.restore(note);
                user.mark(outcome)
            }),
            Action::Undo => self.undo(),
            Action::Defer => self.defer(key),
        }
    }

    /// Writes down that somebody added to a counter: the one head that an edit leaves is its change.
    fn counted(&mut self, path: String, by: i64) -> Result<(), Failure> {
        let Device { index: device, account, .. } = *self.device;
        if !self.device.disk.has_ended()
            && let [change] = heads(&self.settings()?)[..]
        {
            self.ledger.increment(Increment { device, account, path, by, change });
        } else {
            self.ledger.count(account, &path, by, Certainty::Unknown);
        }
        Ok(())
    }

    fn value(&mut self) -> Value {
        match self.rng.below(5) {
            0 => json!(self.rng.below(100)),
            1 => json!(self.rng.chance(0.5)),
            2 => json!(self.word()),
            3 => json!({ "a": self.rng.below(10), "b": { "c": self.word() } }),
            _ => json!([self.rng.below(10), "x"]),
        }
    }

    fn word(&mut self) -> String {
        let letters = self.rng.between(1, 6);
        (0..letters).map(|_| char::from(b'a' + self.rng.below(26) as u8)).collect()
    }

    fn settings(&self) -> Result<Document, Failure> {
        self.vault.well_known("settings").map_err(|error| refused("settings", error.code(), &error))
    }

    fn edit_settings(
        &mut self,
        edit: impl FnOnce(&mut Draft<'_>) -> Result<Effect, Violation>,
    ) -> Result<Effect, Failure> {
        let settings = self.settings()?;
        self.edit(&settings, edit)
    }

    /// An edit that is acknowledged when this returns, unless the device ended meanwhile.
    fn edit(
        &mut self,
        document: &Document,
        edit: impl FnOnce(&mut Draft<'_>) -> Result<Effect, Violation>,
    ) -> Result<Effect, Failure> {
        let outcome = document.edit(edit);
        self.saved(document, outcome)
    }

    /// Writes down what was acknowledged: the one head that an edit leaves is its change. Gives whether there may be
    /// one.
    fn saved(&mut self, document: &Document, outcome: Result<Effect, EditError>) -> Result<Effect, Failure> {
        if self.device.disk.has_ended() {
            return Ok(Effect::Some);
        }
        match outcome {
            Ok(Effect::Some) => {
                if let [head] = heads(document)[..] {
                    self.ledger.saved[self.device.index].insert(head, document.id());
                }
                Ok(Effect::Some)
            }
            Ok(Effect::None) => Ok(Effect::None),
            Err(error) => allowed(error).map(|()| Effect::None),
        }
    }

    fn mark(&self, outcome: Result<(), EditError>) -> Result<(), Failure> {
        if self.device.disk.has_ended() {
            return Ok(());
        }
        outcome.or_else(allowed)
    }

    fn create(&mut self) -> Result<String, Failure> {
        let notes = self.notes()?;
        if notes.len() >= NOTES_MAX {
            return Ok("has enough notes".to_owned());
        }
        let space = self.some_space()?;
        let title = self.word();
        let outcome = self.vault.create("note", Some(&title), space);
        let told = format!("makes note {title}{}", if space.is_some() { " for the team" } else { "" });
        match outcome {
            Ok(note) => self.saved(&note, Ok(Effect::Some)).map(|_| told),
            Err(_) if self.device.disk.has_ended() => Ok(told),
            Err(error) => allowed(error).map(|()| told),
        }
    }

    /// The team's space in one case of three, if the account may write there.
    fn some_space(&mut self) -> Result<Option<SpaceId>, Failure> {
        if !self.rng.chance(0.4) {
            return Ok(None);
        }
        let spaces = self.vault.spaces().map_err(|error| refused("spaces", error.code(), &error))?;
        let team = spaces.iter().find(|it| it.kind == Some(SpaceKind::Team) && it.role.is_some_and(Role::can_write));
        Ok(team.map(|team| team.id))
    }

    fn notes(&self) -> Result<Vec<(SpaceId, DocumentId)>, Failure> {
        let filter = ListFilter { type_name: Some("note".to_owned()), include_deleted: true, space: None };
        let listed = self.vault.list(&filter).map_err(|error| refused("a list", error.code(), &error))?;
        Ok(listed.into_iter().map(|info| (info.space, info.id)).collect())
    }

    fn in_note(&mut self, action: impl FnOnce(&mut Self, &Document) -> Result<(), Failure>) -> Result<String, Failure> {
        let notes = self.notes()?;
        if notes.is_empty() {
            return Ok("has no note".to_owned());
        }
        let (space, id) = notes[self.rng.index(notes.len())];
        let note = self.vault.document(space, id).map_err(|error| refused("a note", error.code(), &error))?;
        action(self, &note).map(|()| format!("edits, deletes or restores note {id}"))
    }

    fn undo(&mut self) -> Result<String, Failure> {
        self.flush()?;
        self.ledger.undone.insert(self.device.account);
        let settings = self.settings()?;
        let outcome = if self.rng.chance(0.7) { settings.undo() } else { settings.redo() };
        self.saved(&settings, outcome.map(|_| Effect::Some)).map(|_| "undoes or redoes".to_owned())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let outcome = self.vault.flush();
        if self.device.disk.has_ended() { Ok(()) } else { outcome.or_else(allowed) }
    }

    fn defer(&mut self, key: u64) -> Result<String, Failure> {
        let settings = self.settings()?;
        let (path, value) = (format!("/base/deferred{key}"), self.rng.below(100));
        let told = format!("puts {value} at {path}, deferred");
        match settings.edit_deferred(|draft| changing(draft, &path, |draft| draft.put(&path, value.into()))) {
            // What is saved then is what was there before.
            Ok((Effect::None, _)) => Ok(told),
            Ok((Effect::Some, ticket)) => {
                let (space, document) = (settings.space(), settings.id());
                self.device.deferred.push(Deferred { ticket, space, document });
                Ok(told)
            }
            Err(_) if self.device.disk.has_ended() => Ok(told),
            Err(error) => allowed(error).map(|()| told),
        }
    }
}

/// The user of a device restores every note that is deleted there.
///
/// # Errors
/// If that is refused.
pub fn restore_all(device: &Device) -> Result<(), Failure> {
    let Some(program) = &device.program else { return Ok(()) };
    let filter = ListFilter { type_name: Some("note".to_owned()), include_deleted: true, space: None };
    let listed = program.vault.list(&filter).map_err(|error| refused("a list", error.code(), &error))?;
    for info in listed.iter().filter(|info| info.deleted) {
        let note = program.vault.document(info.space, info.id);
        let note = note.map_err(|error| refused("a note", error.code(), &error))?;
        program.vault.restore(&note).or_else(allowed)?;
    }
    Ok(())
}

/// Writes down deferred edits that are on disk by now.
pub fn take_in_tickets(device: &mut Device, ledger: &mut Ledger) {
    let Some(program) = &device.program else { return };
    if device.disk.has_ended() {
        return;
    }
    let (saved, waiting): (Vec<_>, Vec<_>) =
        std::mem::take(&mut device.deferred).into_iter().partition(|deferred| deferred.ticket.is_saved());
    device.deferred = waiting;
    for Deferred { space, document, .. } in saved {
        let Ok(found) = program.vault.document(space, document) else { continue };
        // With several heads, one may be another device's that is not flushed here.
        if let [head] = heads(&found)[..]
            && is_own(device, &found, &head)
        {
            ledger.saved[device.index].insert(head, document);
        }
    }
}

/// Whether a change was made in this vault.
fn is_own(device: &Device, document: &Document, hash: &ChangeHash) -> bool {
    if device.has_twin {
        // A copy has the same name.
        return check::authored(device.disk.file(), hash).unwrap_or(false);
    }
    document
        .history()
        .is_ok_and(|past| past.iter().any(|it| it.hash == *hash && it.device == Some(document.vault().device())))
}

/// Whether an edit changes anything: one that does not leaves no change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Some,
    None,
}

fn changing(
    draft: &mut Draft<'_>,
    path: &str,
    edit: impl FnOnce(&mut Draft<'_>) -> Result<(), Violation>,
) -> Result<Effect, Violation> {
    let before = draft.get(path);
    edit(draft)?;
    Ok(if draft.get(path) == before { Effect::None } else { Effect::Some })
}

fn splice(draft: &mut Draft<'_>, path: &str, at: u64, word: &str) -> Result<Effect, Violation> {
    let letters = draft.text(path).map_or(0, |text| text.chars().count());
    let at = (at % (letters as u64 + 1)) as usize;
    let delete = if letters > 12 { (letters - at).min(3) } else { 0 };
    draft.splice(path, at, delete, word).map(|()| Effect::Some)
}

/// Heads as they are saved; none if the document cannot be read.
fn heads(document: &Document) -> Vec<ChangeHash> {
    document.read(::document::Document::heads).unwrap_or_default()
}

/// Refusals that a user has to live with.
fn allowed(error: EditError) -> Result<(), Failure> {
    match error {
        EditError::Deleted { .. }
        | EditError::NothingToUndo { .. }
        | EditError::NothingToRedo { .. }
        | EditError::Read(ReadError::NotFound { .. }) => Ok(()),
        // Another program spoiled it, and its owner has yet to repair it.
        EditError::Held { .. } => Ok(()),
        // Somebody who may write in the team's space nested objects in a document of theirs.
        EditError::Violation(violation) if violation.code() == "not_flat" => Ok(()),
        error => Err(refused("an edit", error.code(), &error)),
    }
}

fn refused(what: &str, code: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new("users can work", format!("{what} was refused ({code}): {error}"))
}
