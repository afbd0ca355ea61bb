//! One document in memory: what is sealed, and the edits that are not yet.
//!
//! The sealed part only grows by [`Document::apply`] (changes of others, behind the guard) and [`Document::seal`]
//! (our own edits). Unsealed edits are kept as intents; the working copy shows their effect and can be made again
//! from the sealed part at any time, which is what rolls an edit back and what carries edits over to new heads.

mod concurrent;
mod earlier;
mod history;
mod editable;
mod manual;
mod moves;
mod preparation;
mod rebase;
mod reopened;
mod seal;
mod snapshot;
mod takeback;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::OnceLock;

use automerge::transaction::CommitOptions;
use automerge::{ActorId, AutoCommit, ReadDoc as _};
use serde_json::Value;
use sync_wire::{Actor, Blob, ChangeHash};

use crate::admit;
use crate::draft::Draft;
use crate::error::{ApplyError, Violation};
use crate::flat::View;
use crate::guard::{caught, guarded};
use crate::intent::Intent;
use crate::manual::ManualFields;
use crate::seed::Seed;
use crate::working::Working;
use crate::{Change, flat, pointer, validate};
pub use concurrent::{Alternative, Concurrent};
pub use editable::MAJOR_PATH;
pub use history::{Blame, Difference, PastChange};
pub use preparation::{Adopted, Preparation, Spare};
use reopened::Reopened;
pub use seal::Sealed;
pub use snapshot::{Snapshot, WalkedType};

/// The actor of documents that nobody edits. Nothing is ever authored with it.
const NOBODY: [u8; Actor::LEN] = [0; Actor::LEN];

/// One document: a merge of sealed changes, and unsealed edits on top.
///
/// Readers see both. Not synchronised: whoever owns it serialises edits.
///
/// # Example: two devices create the same note offline
/// ```
/// use document::{Document, Violation};
/// use sync_wire::Actor;
///
/// let (mut laptop, mut desktop) = (Document::new(Some("note")), Document::new(Some("note")));
/// laptop.edit(Actor([1; 16]), |draft| draft.splice("/body", 0, 0, "hello"))?;
/// desktop.edit(Actor([2; 16]), |draft| draft.put("/name", "greeting".into()))?;
/// let time = 1_700_000_000;
/// for sealed in [laptop.seal(time)?, desktop.seal(time)?].into_iter().flatten() {
///     let changes: Vec<_> = sealed.seeds.into_iter().chain(sealed.changes).map(|change| change.bytes).collect();
///     laptop.apply(&changes)?;
///     desktop.apply(&changes)?;
/// }
/// assert_eq!(laptop.value(), desktop.value());
/// assert_eq!(laptop.heads(), desktop.heads());
///
/// // A refused step names the value, the rule and the remedy, and nothing of the edit remains.
/// let refused: Result<(), Violation> = laptop.edit(Actor([1; 16]), |draft| {
///     draft.put("/name", "never seen".into())?;
///     draft.splice("/body", 99, 0, "!")
/// });
/// assert_eq!(refused.unwrap_err().code(), "out_of_range");
/// assert_eq!(laptop.get("/name"), Some("greeting".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Document {
    /// Sealed changes and unsealed edits. Without `base`, the edits are exactly its open transaction.
    working: Working,
    /// The sealed part alone, kept while `working` holds more unsealed than its open transaction (seeds).
    base: Option<AutoCommit>,
    /// The unsealed edits, in order.
    pending: Vec<Intent>,
    /// Bytes that `pending` would add to a change, apart from its operations.
    pending_bytes: usize,
    /// Whether they give manual fields other values.
    decides: bool,
    /// Who made them.
    author: Option<Actor>,
    /// Heads of the sealed part, ascending.
    heads: Vec<ChangeHash>,
    max_op: u64,
    /// The type that the first edit gives the document, if it has none by then.
    type_name: Option<String>,
    flat: bool,
    /// The document should have a type and does not say so yet.
    lacks_root: bool,
    view: View,
    /// Automerge panicked while changing `working`; only a new document from the log helps.
    broken: bool,
    /// What was sealed since [`Document::prepare`].
    sealed_since: Option<Vec<Blob>>,
    /// Found in the sealed part on the first look.
    reopened: OnceLock<Reopened>,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("type_name", &self.type_name())
            .field("heads", &self.heads)
            .field("unsealed", &self.pending.len())
            .finish_non_exhaustive()
    }
}

/// What [`Document::apply`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// How many of the changes the document did not have.
    pub new: usize,
}

impl Document {
    /// An empty document. The first edit of a typed one makes its root seed.
    ///
    /// # Panics
    /// If `type_name` is not 1 to 64 of `a-z 0-9 - _ .` beginning with a letter: types come from a registry that has
    /// checked their names.
    #[must_use]
    pub fn new(type_name: Option<&str>) -> Self {
        assert!(type_name.is_none_or(pointer::is_type_name), "{type_name:?} cannot name a document type");
        Self::of(AutoCommit::new(), type_name.map(str::to_owned))
    }

    /// A document whose sealed part is `auto`.
    fn of(mut auto: AutoCommit, type_name: Option<String>) -> Self {
        auto.set_actor(ActorId::from(NOBODY));
        let (heads, max_op, flat) = (admit::heads(&mut auto), admit::max_op(&mut auto), flat::is_flat(&auto));
        let (working, base, pending) = (Working::new(auto, ManualFields::default()), None, Vec::new());
        let (author, view, decides, broken) = (None, View::default(), false, false);
        let (pending_bytes, lacks_root) = (0, type_name.is_some() && flat::type_name(&working.auto).is_none());
        Self {
            working,
            base,
            pending,
            pending_bytes,
            decides,
            author,
            heads,
            max_op,
            type_name,
            flat,
            lacks_root,
            view,
            broken,
            sealed_since: None,
            reopened: OnceLock::new(),
        }
    }

    /// Adds changes of others: all of them, or on error none. Known ones are left out. Unsealed edits stay unsealed
    /// and are carried over to the new heads.
    ///
    /// # Errors
    /// [`ApplyError`]; the document is as it was, and [`ApplyError::culprit`] names whom to blame if that is known.
    /// [`ApplyError::Undecided`] if an unsealed edit writes to a manual field.
    pub fn apply(&mut self, changes: &[Blob]) -> Result<Applied, ApplyError> {
        let base = self.sealed_part()?;
        let fresh = admit::candidates(&base, changes)?;
        if fresh.is_empty() {
            return Ok(Applied { new: 0 });
        }
        if self.decides {
            return Err(ApplyError::Undecided);
        }
        let next = admit::admit(base, &fresh, || self.sealed_part())?;
        drop(self.move_to(next, changes));
        Ok(Applied { new: fresh.len() })
    }

    /// Takes a sealed part that has `changes` more, and carries unsealed edits over to it. Gives what was before.
    fn move_to(&mut self, mut next: AutoCommit, changes: &[Blob]) -> Self {
        let intents = rebase::carry_over(self, &mut next, changes);
        self.become_sealed(next, intents)
    }

    /// Takes another sealed part, with these edits on it. Gives what was before.
    fn become_sealed(&mut self, next: AutoCommit, intents: Vec<Intent>) -> Self {
        let (author, manual) = (self.author, self.working.manual.clone());
        let mut next = Self::of(next, self.type_name.take());
        next.working.manual = manual;
        let replaced = std::mem::replace(self, next);
        self.author = author;
        self.replay(intents);
        replaced
    }

    /// Whether [`Document::apply`] would take the changes.
    ///
    /// # Errors
    /// What `apply` would return.
    pub fn check(&self, changes: &[Blob]) -> Result<(), ApplyError> {
        let base = self.sealed_part()?;
        let fresh = admit::candidates(&base, changes)?;
        if fresh.is_empty() { Ok(()) } else { admit::admit(base, &fresh, || self.sealed_part()).map(drop) }
    }

    /// A copy of the sealed part, without an open transaction.
    fn sealed_part(&self) -> Result<AutoCommit, ApplyError> {
        if self.broken {
            return Err(ApplyError::Broken);
        }
        Ok(self.base.clone().unwrap_or_else(|| {
            let mut copy = self.working.auto.clone();
            copy.rollback();
            copy
        }))
    }

    /// Heads of the sealed part, ascending.
    #[must_use]
    pub fn heads(&self) -> Vec<ChangeHash> {
        self.heads.clone()
    }

    /// Whether the sealed part holds this change.
    #[must_use]
    pub fn contains(&self, hash: &ChangeHash) -> bool {
        admit::contains(self.base.as_ref().unwrap_or(&self.working.auto), hash)
    }

    /// Counter of the newest sealed operation; 0 if there is none.
    #[must_use]
    pub const fn max_op(&self) -> u64 {
        self.max_op
    }

    /// The document type: what the document says, else what it was created with.
    #[must_use]
    pub fn type_name(&self) -> Option<String> {
        flat::type_name(&self.working.auto).or_else(|| self.type_name.clone())
    }

    /// The whole document as nested JSON: texts as strings, counters as numbers; without the type and its major
    /// version.
    #[must_use]
    pub fn value(&self) -> Value {
        let all = if self.flat { self.view.value(&self.working.auto) } else { flat::value(&self.working.auto) };
        editable::without(all)
    }

    /// The value at `path`, a JSON Pointer; the empty pointer is the whole document.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<Value> {
        if path.is_empty() {
            Some(self.value())
        } else if self.flat {
            self.view.get(&self.working.auto, path)
        } else {
            flat::get(&self.working.auto, path, false)
        }
    }

    /// The text at `path`, if a text (not a plain string) is there.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<String> {
        flat::text(&self.working.auto, path)
    }

    /// About how much memory the document takes, in bytes.
    #[must_use]
    pub fn bytes_estimate(&self) -> usize {
        let stats = self.working.auto.stats();
        let copies = 1 + usize::from(self.base.is_some());
        copies * (8192 + stats.num_ops as usize * 48 + stats.num_changes as usize * 160)
            + self.pending_bytes
            + self.view.len() * 160
    }

    /// Whether there are edits that [`Document::seal`] would turn into changes.
    #[must_use]
    pub fn has_unsealed(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Runs `f` on a draft. What it does is visible at once and stays unsealed until [`Document::seal`].
    ///
    /// If `f` returns an error or panics, nothing of what it did remains; earlier unsealed edits do.
    ///
    /// # Errors
    /// That of `f`; `authority` and `newer_major` ([`Document::check_editable`]) without running it. A [`Violation`]
    /// that `f` ignored does not fail the edit, unless the document was damaged by it.
    ///
    /// # Panics
    /// If `actor` begins with `53 44`, which is reserved for seeds, or if unsealed edits of another actor are there:
    /// one change has one actor, so the caller seals before it changes actors.
    pub fn edit<R, E: From<Violation>>(
        &mut self,
        actor: Actor,
        f: impl FnOnce(&mut Draft<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        self.begin(actor)?;
        self.check_editable()?;
        let (kept, kept_bytes) = (self.pending.len(), self.pending_bytes);
        let mut draft = Draft::new(self);
        let result = catch_unwind(AssertUnwindSafe(|| {
            let result = f(&mut draft)?;
            draft.say_major(kept)?;
            Ok::<R, E>(result)
        }));
        let damage = draft.damage.take();
        if damage.is_some() || !matches!(result, Ok(Ok(_))) {
            self.rewind(kept, kept_bytes);
        }
        match (result, damage) {
            (Err(panic), _) => resume_unwind(panic),
            (Ok(_), Some(damage)) => Err(damage.into()),
            (Ok(result), None) => result,
        }
    }

    /// The edits that are not sealed, in order.
    #[must_use]
    pub fn unsealed(&self) -> &[Intent] {
        &self.pending
    }

    /// Makes edits again that were made at other heads: what they mean here is what they would have meant if they had
    /// been written at the same time as everything since (positions are clamped, leaves of another kind give way).
    ///
    /// # Errors
    /// If the document cannot be edited; if an edit writes to a manual field and values are open there that it did not
    /// close when it was made.
    ///
    /// # Panics
    /// As [`Document::edit`].
    pub fn edit_again(&mut self, actor: Actor, edits: &[Intent]) -> Result<(), Violation> {
        self.begin(actor)?;
        let decides = self.examine_again(edits)?;
        let earlier = self.pending.clone();
        let all = earlier.iter().chain(edits).cloned().collect();
        self.rewind(0, 0);
        self.replay(all);
        self.decides |= decides;
        if self.broken { Err(broken()) } else { Ok(()) }
    }

    fn begin(&mut self, actor: Actor) -> Result<(), Violation> {
        assert!(!Seed::is_seed_actor(&actor), "actor {actor} is reserved for seeds; draw another");
        assert!(
            self.pending.is_empty() || self.author == Some(actor),
            "unsealed edits of another actor are there; seal them before editing as {actor}"
        );
        if self.broken {
            return Err(broken());
        }
        if !self.flat {
            let problem =
                "this document nests objects as its authors like; only documents in flat form can be edited here";
            return Err(Violation::new("", "not_flat", problem));
        }
        if self.pending.is_empty() && self.author != Some(actor) {
            self.working.auto.set_actor(ActorId::from(actor.0));
            self.author = Some(actor);
        }
        Ok(())
    }

    /// Checks `intent`, carries it out on the working copy and keeps it.
    pub(crate) fn record(&mut self, intent: Intent) -> Result<(), Recorded> {
        validate::intent(&intent).map_err(Recorded::Refused)?;
        let again = |path: &str| self.waiting_again(path);
        let decides = self.working.examine_manual(&intent, again).map_err(Recorded::Refused)?;
        self.working.examine(&intent).map_err(Recorded::Refused)?;
        self.view.changed();
        let seeds: Vec<_> = self.missing_root().into_iter().chain(self.working.missing_seed(&intent)).collect();
        if !seeds.is_empty() {
            self.plant(&seeds);
        }
        let performed = caught(|| self.working.perform(&intent));
        match performed {
            Ok(Ok(())) => {}
            Ok(Err(violation)) => return Err(Recorded::Damaged(violation)),
            Err(text) => {
                return Err(Recorded::Damaged(Violation::new(
                    intent.path(),
                    "broken",
                    format!("internal error: {text}"),
                )));
            }
        }
        self.pending_bytes += seal::own_bytes(&intent);
        self.pending.push(intent);
        self.decides |= decides;
        Ok(())
    }

    /// The root seed, if the document should have a type and does not say so.
    fn missing_root(&self) -> Option<Seed> {
        let type_name = self.type_name.as_ref().filter(|_| self.lacks_root)?;
        Some(Seed::Root { type_name: type_name.clone() })
    }

    /// Adds seeds to the working copy. They cannot join an open transaction, so what is open is committed there for the
    /// time being; sealing begins again from the sealed part.
    fn plant(&mut self, seeds: &[Seed]) {
        if self.base.is_none() {
            let mut base = self.working.auto.clone();
            base.rollback();
            self.base = Some(base);
        }
        self.working.auto.commit_with(CommitOptions::default().with_time(0));
        self.working.transaction_ended();
        let changes: Vec<_> = seeds.iter().map(|seed| automerge_change(&seed.change())).collect();
        self.lacks_root = false;
        // Our own seeds, well-formed by construction; one that is there already changes nothing.
        if self.working.auto.apply_changes(changes).is_err() {
            self.broken = true;
        }
    }

    /// Drops the unsealed edits from number `kept` on.
    fn rewind(&mut self, kept: usize, kept_bytes: usize) {
        let mut intents = std::mem::take(&mut self.pending);
        intents.truncate(kept);
        self.pending_bytes = kept_bytes;
        self.decides &= kept > 0;
        let manual = self.working.manual.clone();
        let restored = guarded(|| {
            let base = self.base.take();
            let auto = base.unwrap_or_else(|| {
                self.working.auto.rollback();
                std::mem::take(&mut self.working.auto)
            });
            self.working = Working::new(auto, manual);
        });
        // A transaction that panicked may not even roll back.
        self.broken |= restored.is_err();
        self.replay(intents);
    }

    /// Carries intents out again on the sealed part, leniently.
    fn replay(&mut self, intents: Vec<Intent>) {
        self.view.changed();
        self.lacks_root = self.type_name.is_some() && flat::type_name(&self.working.auto).is_none();
        self.pending_bytes = intents.iter().map(seal::own_bytes).sum();
        self.pending = intents;
        if let Some(author) = self.author {
            self.working.auto.set_actor(ActorId::from(author.0));
        }
        let replayed = guarded(|| {
            for index in 0..self.pending.len() {
                let intent = self.pending[index].clone();
                let seeds: Vec<_> = self.missing_root().into_iter().chain(self.working.missing_seed(&intent)).collect();
                if !seeds.is_empty() {
                    self.plant(&seeds);
                }
                if self.working.perform(&intent).is_err() {
                    return false;
                }
            }
            true
        });
        self.broken |= replayed != Ok(true);
    }
}

/// Why an intent was not recorded.
pub(crate) enum Recorded {
    /// It breaks a rule; nothing happened.
    Refused(Violation),
    /// It failed half way; the edit must be rolled back.
    Damaged(Violation),
}

fn broken() -> Violation {
    Violation::new("", "broken", "the document is broken after an internal error; load it again")
}

/// Our own change as Automerge's.
///
/// # Panics
/// If Automerge cannot read it: then this build must not write anything.
pub(crate) fn automerge_change(change: &Change) -> automerge::Change {
    match automerge::Change::from_bytes(change.bytes.to_vec()) {
        Ok(parsed) => parsed,
        Err(error) => panic!("a change of our own does not parse: {error}"),
    }
}
