//! Says in one go what many edits have said (PROTOCOL §5): a paste that no relay takes, and its deletion, come to
//! nothing together, and a lane of a thousand keystrokes comes to one change.
//!
//! The result is a pure function of the edits and what they rest on, never of how much else its holder knows, so that
//! two copies of a vault which squash the same edits make the same bytes.

use std::collections::{BTreeSet, HashMap};

use sync_wire::{Actor, Blob, ChangeHash};

use crate::error::{ApplyError, HistoryError, SealError, Violation};
use crate::{Change, Document, Intent, Seed};

/// First byte of the actor of what was squashed, so that none can be taken for that of a seed.
const SQUASHED_ACTOR: u8 = 0x51;

/// Edits to be said in one go. None of them may be known to anybody who does not squash them as well.
#[derive(Debug, Clone, Copy)]
pub struct Squash<'a> {
    /// All that the edits rest on; may hold more, and the edits themselves.
    pub known: &'a [Change],
    /// The edits. Seeds among them are left alone: they are the same for everybody.
    pub originals: &'a [Change],
    /// Edits before them that were squashed already, if these were made on top of them.
    pub before: Option<Earlier<'a>>,
}

/// An earlier squash.
#[derive(Debug, Clone, Copy)]
pub struct Earlier<'a> {
    /// What was squashed; among what is known.
    pub originals: &'a [ChangeHash],
    /// What says it since; among what is known. Nothing, if it came to nothing.
    pub by: &'a [ChangeHash],
}

/// What [`squash`] made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Squashed {
    /// Seeds that the changes need and that no original rests on.
    pub seeds: Vec<Change>,
    /// Mostly one; several if the difference exceeds one change; none if there is no difference.
    pub changes: Vec<Change>,
}

impl Squashed {
    /// What it adds to a log, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.seeds.iter().chain(&self.changes).map(|change| change.bytes.len()).sum()
    }
}

/// Edits that cannot be squashed. Nothing was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SquashError {
    /// There is nothing to squash.
    #[error("no edits were given that can be squashed; name at least one that is no seed")]
    Nothing,
    /// Something is missing.
    #[error("change {hash}, on which the edits rest, is not known here; supply it first")]
    Unknown {
        /// The change.
        hash: ChangeHash,
    },
    /// The edits, or what they rest on, do not make a document.
    #[error("the edits cannot be put together: {0}")]
    Unreadable(String),
    /// The difference cannot be written as an edit.
    #[error("the difference cannot be written: {0}")]
    Unwritable(String),
}

impl From<ApplyError> for SquashError {
    fn from(error: ApplyError) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl From<HistoryError> for SquashError {
    fn from(error: HistoryError) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl From<Violation> for SquashError {
    fn from(error: Violation) -> Self {
        Self::Unwritable(error.to_string())
    }
}

impl From<SealError> for SquashError {
    fn from(error: SealError) -> Self {
        Self::Unwritable(error.to_string())
    }
}

/// Makes the difference between what the edits rest on and what they lead to.
///
/// - The actor is BLAKE3("squash", heads that it rests on, hashes of the originals, both ascending), 16 bytes, the first
///   of them `51`. Time 0, no note.
/// - What it rests on is what the originals rest on, and nothing that others have done beside them.
///
/// # Errors
/// [`SquashError`].
///
/// # Example: a paste and its deletion come to nothing
/// ```
/// use document::{Document, Squash, squash};
/// use sync_wire::Actor;
/// # fn seal(document: &mut Document) -> Vec<document::Change> {
/// #     let sealed = document.seal(1_700_000_000).unwrap().unwrap();
/// #     sealed.seeds.into_iter().chain(sealed.changes).collect()
/// # }
/// let mut note = Document::new(Some("note"));
/// note.edit(Actor([1; 16]), |draft| draft.splice("/body", 0, 0, "kept"))?;
/// let known = seal(&mut note);
/// note.edit(Actor([1; 16]), |draft| draft.splice("/body", 4, 0, &"pasted ".repeat(9_999)))?;
/// let paste = seal(&mut note);
/// note.edit(Actor([1; 16]), |draft| draft.replace_text("/body", "kept"))?;
/// let originals = [paste, seal(&mut note)].concat();
///
/// let squashed = squash(&Squash { known: &known, originals: &originals, before: None })?;
/// assert_eq!(squashed.bytes(), 0);
/// // What they rest on must be there.
/// assert!(squash(&Squash { known: &[], originals: &originals, before: None }).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn squash(edits: &Squash<'_>) -> Result<Squashed, SquashError> {
    let originals: Vec<&Change> = edits.originals.iter().filter(|change| !is_seed(change)).collect();
    if originals.is_empty() {
        return Err(SquashError::Nothing);
    }
    let all: HashMap<ChangeHash, &Change> =
        edits.known.iter().chain(edits.originals).map(|change| (change.hash(), change)).collect();
    let inside: BTreeSet<ChangeHash> = originals.iter().map(|change| change.hash()).collect();
    let earlier = edits.before.map(|earlier| earlier.originals).unwrap_or_default();
    let below = originals.iter().flat_map(|change| &change.header.deps).chain(earlier);
    let past: BTreeSet<ChangeHash> = ancestors(&all, below)?.difference(&inside).copied().collect();
    let mut before = document_of(&all, &past)?;
    let heads = before.heads();
    before.apply(&originals.iter().map(|change| change.bytes.clone()).collect::<Vec<_>>())?;
    let intents = before.intents_from(&heads)?;
    let mut ground = match edits.before {
        None => document_of(&all, &past)?,
        Some(earlier) => {
            let mut stays = past;
            stays.retain(|hash| !earlier.originals.contains(hash));
            stays.extend(ancestors(&all, earlier.by.iter())?);
            document_of(&all, &stays)?
        }
    };
    let actor = derived_actor(&ground.heads(), &inside);
    let intents = intents.into_iter().map(|intent| decided_at(&ground, intent)).collect::<Result<Vec<_>, _>>()?;
    ground.edit(actor, |draft| intents.into_iter().try_for_each(|intent| draft.apply(intent)))?;
    let sealed = ground.seal(0)?;
    Ok(sealed.map_or_else(Squashed::default, |sealed| Squashed { seeds: sealed.seeds, changes: sealed.changes }))
}

/// A resolution closes what is open on this ground: earlier edits may have been squashed, and so have other names.
fn decided_at(ground: &Document, intent: Intent) -> Result<Intent, SquashError> {
    let Intent::Resolve { path, value, .. } = intent else { return Ok(intent) };
    let open = ground.alternatives(&path)?;
    if open.iter().all(|one| one.value == open[0].value) {
        return Ok(Intent::PutRegister { path, value });
    }
    let closes = open.into_iter().map(|one| one.hash).collect();
    Ok(Intent::Resolve { path, value, closes })
}

fn is_seed(change: &Change) -> bool {
    Seed::is_seed_actor(&change.header.actor)
}

/// These changes and everything that they rest on.
fn ancestors<'a>(
    all: &HashMap<ChangeHash, &Change>,
    of: impl Iterator<Item = &'a ChangeHash>,
) -> Result<BTreeSet<ChangeHash>, SquashError> {
    let mut left: Vec<ChangeHash> = of.copied().collect();
    let mut found = BTreeSet::new();
    while let Some(hash) = left.pop() {
        if found.insert(hash) {
            let change = all.get(&hash).ok_or(SquashError::Unknown { hash })?;
            left.extend(&change.header.deps);
        }
    }
    Ok(found)
}

fn document_of(all: &HashMap<ChangeHash, &Change>, these: &BTreeSet<ChangeHash>) -> Result<Document, SquashError> {
    let mut document = Document::new(None);
    let bytes: Vec<Blob> = these.iter().filter_map(|hash| all.get(hash)).map(|change| change.bytes.clone()).collect();
    document.apply(&bytes)?;
    Ok(document)
}

fn derived_actor(heads: &[ChangeHash], originals: &BTreeSet<ChangeHash>) -> Actor {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"squash");
    for hash in heads.iter().chain(originals) {
        hasher.update(&hash.0);
    }
    let mut actor = [0; Actor::LEN];
    actor.copy_from_slice(&hasher.finalize().as_bytes()[..Actor::LEN]);
    actor[0] = SQUASHED_ACTOR;
    Actor(actor)
}
