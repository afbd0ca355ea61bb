//! What users do to documents whose types say more than settings do: lists with an order, wishes that stay, texts and
//! fields that everybody sees. Through Rust types, so that each edit is what the types' plan makes of old and new.

use editor_vault::types::{
    Binding, ExtensionState, Extensions, Keymap, Link, Prefix, Profile, Snippet, Snippets, Wanted,
};
use editor_vault::{Document, EditError, Resolution, Typed, TypedError};
use sync_wire::ChangeHash;

use super::{Effect, User, allowed, heads, refused};
use crate::failure::Failure;
use crate::ledger::Wish;

/// Bindings of one keymap; more would only cost time.
const BINDINGS_MAX: usize = 12;
/// Languages, names and links are few, so that devices meet.
const FEW: u64 = 3;

impl User<'_> {
    /// One edit of a typed document.
    pub(super) fn perform_typed(&mut self) -> Result<String, Failure> {
        match self.rng.below(9) {
            0 | 1 => self.bind(),
            2 => self.install(),
            3 => self.uninstall(),
            4 => self.keep_snippet(),
            5 => self.settle(),
            _ => self.present_oneself(),
        }
    }

    /// Adds a binding somewhere, moves one, changes one or removes one.
    fn bind(&mut self) -> Result<String, Failure> {
        let (what, at, to, word) = (self.rng.below(4), self.rng.draw(), self.rng.draw(), self.word());
        self.update(|keymap: &mut Keymap| {
            let bindings = &mut keymap.bindings;
            let place = |draw: u64, places: usize| (draw % places.max(1) as u64) as usize;
            let (from, last) = (place(at, bindings.len()), bindings.len().saturating_sub(1));
            match what {
                _ if bindings.is_empty() || (what < 2 && bindings.len() < BINDINGS_MAX) => {
                    bindings.insert(place(at, bindings.len() + 1), binding(&word));
                }
                0 | 1 => drop(bindings.remove(from)),
                2 => {
                    let moved = bindings.remove(from);
                    bindings.insert(place(to, last + 1), moved);
                }
                _ => bindings[from].command = word,
            }
        })
        .map(|_| "edits the keymap".to_owned())
    }

    /// Wants an extension that nobody ever wanted before.
    fn install(&mut self) -> Result<String, Failure> {
        let id = format!("{}.x{:x}", self.word(), self.rng.draw());
        let wanted =
            Wanted { state: ExtensionState::Enabled, version: None, preview: false, machines: Default::default() };
        let edit = {
            let id = id.clone();
            move |extensions: &mut Extensions| drop(extensions.wanted.insert(id, wanted))
        };
        let change = self.update(edit)?;
        self.wished(id.clone(), |wish| wish.wanted_by = change);
        Ok(format!("wants {id}"))
    }

    /// Wants one no more that is there.
    fn uninstall(&mut self) -> Result<String, Failure> {
        let extensions =
            self.vault.typed::<Extensions>().map_err(|error| refused("extensions", error.code(), &error))?;
        let found = match extensions.get() {
            Ok(found) => found,
            Err(error) => return self.bear(error).map(|()| "cannot read what he wants".to_owned()),
        };
        let there: Vec<_> = found.wanted.iter().filter(|(_, it)| it.state == ExtensionState::Enabled).collect();
        if there.is_empty() {
            return Ok("wants nothing".to_owned());
        }
        let id = there[self.rng.index(there.len())].0.clone();
        // Said before it is done: an edit of which nobody hears may be there all the same.
        self.wished(id.clone(), |wish| wish.is_withdrawn = true);
        let edit = |extensions: &mut Extensions| {
            if let Some(wanted) = extensions.wanted.get_mut(&id) {
                wanted.state = ExtensionState::Uninstalled;
            }
        };
        let change = self.update(edit)?;
        self.wished(id.clone(), |wish| wish.withdrawn_by.extend(change));
        Ok(format!("wants {id} no more"))
    }

    fn keep_snippet(&mut self) -> Result<String, Failure> {
        let (language, name) = (format!("l{}", self.rng.below(FEW)), format!("s{}", self.rng.below(FEW)));
        let (prefix, body, is_removed) = (self.word(), self.word(), self.rng.chance(0.2));
        self.update(|snippets: &mut Snippets| {
            let language = snippets.languages.entry(language).or_default();
            if is_removed {
                language.remove(&name);
            } else {
                language.insert(name, Snippet { prefix: Prefix::One(prefix), body });
            }
        })
        .map(|_| "edits a snippet".to_owned())
    }

    /// Changes what others may see of a person, and whether they may.
    fn present_oneself(&mut self) -> Result<String, Failure> {
        let (what, word, at) = (self.rng.below(5), self.word(), self.rng.below(FEW));
        self.update(|profile: &mut Profile| match what {
            0 => profile.shown = !profile.shown,
            1 => profile.name = Some(word),
            2 => profile.about = Some(profile.about.take().map_or(word.clone(), |about| edited(&about, &word))),
            3 if profile.links.len() > FEW as usize => drop(profile.links.remove(at as usize)),
            3 => profile.links.insert(0, Link { address: format!("https://{word}.example"), label: None }),
            _ => profile.email = Some(format!("{word}@example.org")),
        })
        .map(|_| "edits the profile".to_owned())
    }

    /// Decides what stays of a field that waits for a person.
    fn settle(&mut self) -> Result<String, Failure> {
        let profile = self.vault.well_known("profile").map_err(|error| refused("a profile", error.code(), &error))?;
        let Some(conflict) = profile.conflicts().ok().and_then(|found| found.into_iter().next()) else {
            return Ok("has nothing to decide".to_owned());
        };
        let value = &conflict.values[self.rng.index(conflict.values.len())];
        let resolution = if self.rng.chance(0.5) {
            Resolution::Keep(value.revision.hash)
        } else {
            Resolution::Value(format!("{}@example.com", self.word()).into())
        };
        match profile.resolve(&conflict, resolution) {
            // By another program on this vault, or by what came from elsewhere.
            Err(EditError::Violation(violation)) if ["conflict_moved", "no_conflict"].contains(&violation.code()) => {}
            outcome => drop(self.saved(&profile, outcome.map(|()| Effect::Some))?),
        }
        Ok(format!("decides {}", conflict.path))
    }

    /// An edit of the one document of a type; its change, if it was acknowledged and is the newest.
    fn update<T: Typed>(&mut self, change: impl FnOnce(&mut T)) -> Result<Option<ChangeHash>, Failure> {
        let typed = self.vault.typed::<T>().map_err(|error| refused(T::TYPE, error.code(), &error))?;
        let before = heads(typed.document());
        let outcome = typed.update(change);
        if self.device.disk.has_ended() {
            return Ok(None);
        }
        match outcome {
            Ok(()) => self.acknowledged(typed.document(), &before),
            Err(error) => self.bear(error).map(|()| None),
        }
    }

    fn acknowledged(&mut self, document: &Document, before: &[ChangeHash]) -> Result<Option<ChangeHash>, Failure> {
        let after = heads(document);
        // What makes no difference leaves no change.
        if after == before {
            return Ok(None);
        }
        self.saved(document, Ok(Effect::Some))?;
        Ok(if let [head] = after[..] { Some(head) } else { None })
    }

    /// Refusals that a user has to live with, of typed documents.
    fn bear(&self, error: TypedError) -> Result<(), Failure> {
        match error {
            _ if self.device.disk.has_ended() => Ok(()),
            // What two devices wrote at once waits for a person, who may be busy with something else.
            TypedError::Edit(EditError::Violation(violation)) if violation.code() == "conflict_open" => Ok(()),
            TypedError::Edit(error) => allowed(error),
            error => Err(refused("a typed edit", error.code(), &error)),
        }
    }

    fn wished(&mut self, id: String, change: impl FnOnce(&mut Wish)) {
        change(self.ledger.wishes.entry((self.device.account, id)).or_default());
    }
}

/// A text with a word in front, and without an end that is too long.
fn edited(text: &str, word: &str) -> String {
    word.chars().chain(text.chars().take(20)).collect()
}

fn binding(word: &str) -> Binding {
    Binding { key: format!("ctrl+{word}"), command: word.to_owned(), when: None, args: None, other: Default::default() }
}
