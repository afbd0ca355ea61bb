//! Writes changes anew without those that they must not rest on any more (PROTOCOL §6).
//!
//! The result is a pure function of bytes: whoever holds the same changes makes the same replacements, so that two
//! devices which mend the same document do not double what it says. Actors are derived, sequence numbers begin at 1,
//! and every replacement depends only on its causal past, never on how much else its holder knows. Next: `operations`,
//! which says what becomes of a single operation.

mod operations;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use automerge::legacy::OpType;
use automerge::{ActorId, ExpandedChange};
use sync_wire::planted::{self, Bug};
use sync_wire::{Actor, Blob, ChangeHash};

use self::operations::{Origin, Rewriter};
use crate::guard::guarded;
use crate::{Change, HeaderError, seed};

/// First byte of every derived actor, so that none can be taken for that of a seed.
const DERIVED_ACTOR: u8 = 0x52;

/// Changes that a document must do without.
#[derive(Debug, Clone, Copy)]
pub enum Excluded<'a> {
    /// Refused or void: what they say is lost, and kept by their author as quarantine.
    Lost(&'a [Change]),
    /// The losing branch of an equivocation: only the name under which it was said is lost.
    Renamed(&'a [Change]),
}

/// What [`reauthor`] made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reauthored {
    /// The new changes, causes before effects.
    pub changes: Vec<Change>,
    /// What became of every change that was excluded or rests on an excluded one.
    pub replaced: BTreeMap<ChangeHash, Replacement>,
}

/// What became of one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replacement {
    /// The change in its place; none if nothing of it could be kept.
    pub by: Option<ChangeHash>,
    /// How many of its operations could not be kept: they are about something that an excluded change made.
    pub lost: u64,
    /// How many of those only took away what is gone anyway.
    pub moot: u64,
}

/// Changes that cannot be written anew. Nothing was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReauthorError {
    /// There is nothing to exclude.
    #[error("no excluded change was given; name at least the one that was refused")]
    Nothing,
    /// A change that stays must be known by its counter.
    #[error("change {hash}, on which a replacement would rest, is not known here; supply it first")]
    Unknown {
        /// The change.
        hash: ChangeHash,
    },
    /// The replacement breaks a limit of changes.
    #[error("the replacement of change {of} is refused: {error}")]
    Refused {
        /// What was to be replaced.
        of: ChangeHash,
        /// The rule.
        error: HeaderError,
    },
    /// Automerge cannot read a change that has passed every check, or cannot write its replacement.
    #[error("change {of} cannot be taken apart: {detail}")]
    Unreadable {
        /// The change.
        of: ChangeHash,
        /// What Automerge says.
        detail: String,
    },
}

/// Writes anew every change of `later` that rests on an excluded one, in a form that does not; changes that rest on
/// none are left alone. `later` may come in any order and may hold more than rests on the excluded ones.
///
/// `max_op` tells the counter of the newest operation of a change that stays.
///
/// - The actor becomes BLAKE3("re-author", old actor, first excluded hash), 16 bytes, the first of them `52`.
/// - Dependencies on what is lost become its own dependencies; predecessors and elements likewise.
/// - Operations in objects that are lost, and deletions and increments of what is lost, are lost with it.
///
/// # Errors
/// [`ReauthorError`]; nothing is half done.
///
/// # Example: the edit after a refused one is kept
/// ```
/// use document::{Document, Excluded, reauthor};
/// use sync_wire::Actor;
/// # fn seal(document: &mut Document) -> Vec<document::Change> {
/// #     let sealed = document.seal(1_700_000_000).unwrap().unwrap();
/// #     sealed.seeds.into_iter().chain(sealed.changes).collect()
/// # }
/// let mut laptop = Document::new(Some("settings"));
/// laptop.edit(Actor([1; 16]), |draft| draft.put("/tabSize", 4.into()))?;
/// let kept = seal(&mut laptop);
/// laptop.edit(Actor([1; 16]), |draft| draft.put("/fontSize", 99.into()))?;
/// let refused = seal(&mut laptop);
/// laptop.edit(Actor([1; 16]), |draft| draft.put("/tabSize", 2.into()))?;
/// let later = seal(&mut laptop);
///
/// let max_op = |hash: &_| kept.iter().find(|change| change.hash() == *hash).map(|change| change.header.max_op());
/// let mended = reauthor(Excluded::Lost(&refused), &later, max_op)?;
/// let mut fresh = Document::new(Some("settings"));
/// fresh.apply(&kept.iter().chain(&mended.changes).map(|change| change.bytes.clone()).collect::<Vec<_>>())?;
/// assert_eq!(fresh.value(), serde_json::json!({ "tabSize": 2 }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn reauthor(
    excluded: Excluded<'_>,
    later: &[Change],
    max_op: impl Fn(&ChangeHash) -> Option<u64>,
) -> Result<Reauthored, ReauthorError> {
    let (lost, renamed) = match excluded {
        Excluded::Lost(changes) => (changes, &[][..]),
        Excluded::Renamed(changes) => (&[][..], changes),
    };
    let order = in_order(lost, renamed, later);
    let first = first_excluded(&order)?;
    let mut work = Work { first, max_op, made: HashMap::new(), seqs: HashMap::new(), rewriter: Rewriter::default() };
    work.replace_all(order)
}

/// The way back: writes anew, on the originals, every change of `later` that rests on one of their replacements.
/// `originals` are what [`reauthor`] wrote anew as *later* of what was `lost`; with other originals, or without one of
/// them, the replacements are others. Nothing is lost on this way: whatever a replacement says its original says too.
///
/// The actor becomes that of a replacement of which the first of the replacements was excluded.
///
/// # Errors
/// [`ReauthorError`]; nothing is half done.
///
/// # Example: a letter typed after a replaced one comes to stand after the original
/// ```
/// use document::{Change, Document, Excluded, reauthor, retrace};
/// use sync_wire::Actor;
/// # fn seal(document: &mut Document) -> Vec<document::Change> {
/// #     let sealed = document.seal(1_700_000_000).unwrap().unwrap();
/// #     sealed.seeds.into_iter().chain(sealed.changes).collect()
/// # }
/// # fn bytes(changes: &[Change]) -> Vec<sync_wire::Blob> {
/// #     changes.iter().map(|change| change.bytes.clone()).collect()
/// # }
/// let mut laptop = Document::new(Some("settings"));
/// laptop.edit(Actor([1; 16]), |draft| draft.splice("/note", 0, 0, "-"))?;
/// let kept = seal(&mut laptop);
/// laptop.edit(Actor([1; 16]), |draft| draft.put("/fontSize", 99.into()))?;
/// let lost = seal(&mut laptop);
/// laptop.edit(Actor([1; 16]), |draft| draft.splice("/note", 1, 0, "a"))?;
/// let originals = seal(&mut laptop);
///
/// let all = [kept.clone(), lost.clone(), originals.clone()].concat();
/// let max_op = |hash: &_| all.iter().find(|change| change.hash() == *hash).map(|change| change.header.max_op());
/// let mended = reauthor(Excluded::Lost(&lost), &originals, max_op)?;
/// let mut tablet = Document::new(Some("settings"));
/// tablet.apply(&bytes(&[kept.clone(), mended.changes].concat()))?;
/// tablet.edit(Actor([2; 16]), |draft| draft.splice("/note", 2, 0, "b"))?;
///
/// let back = retrace(&lost, &originals, &seal(&mut tablet), max_op)?;
/// let mut before = Document::new(Some("settings"));
/// before.apply(&bytes(&[all, back.changes].concat()))?;
/// assert_eq!(before.value(), serde_json::json!({ "fontSize": 99, "note": "-ab" }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn retrace(
    lost: &[Change],
    originals: &[Change],
    later: &[Change],
    max_op: impl Fn(&ChangeHash) -> Option<u64>,
) -> Result<Reauthored, ReauthorError> {
    let order = in_order(lost, &[], originals);
    let first = first_excluded(&order)?;
    let (made, seqs) = (HashMap::new(), HashMap::new());
    let mut there = Work { first, max_op: &max_op, made, seqs, rewriter: Rewriter::default() };
    let replaced = there.replace_all(order)?;
    let Some(first) = replaced.changes.first().map(Change::hash) else { return Ok(Reauthored::default()) };
    let instead = |original: &Change| {
        let by = replaced.replaced.get(&original.hash())?.by?;
        let (deps, max_op) = (vec![original.hash()], original.header.max_op());
        Some((by, Instead { deps, max_op, lost_before: HashSet::new() }))
    };
    let (made, seqs) = (originals.iter().filter_map(instead).collect(), HashMap::new());
    let mut back = Work { first, max_op: &max_op, made, seqs, rewriter: there.rewriter.back() };
    back.replace_all(in_order(&[], &[], later))
}

/// The first of those that are not merely later.
fn first_excluded(order: &[(&Change, Origin)]) -> Result<ChangeHash, ReauthorError> {
    let first = order.iter().find(|(_, origin)| *origin != Origin::Later);
    first.map(|(change, _)| change.hash()).ok_or(ReauthorError::Nothing)
}

/// The actor under which what `old` wrote is written anew.
pub(crate) fn derived_actor(old: &Actor, first_excluded: &ChangeHash) -> Actor {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"re-author").update(&old.0).update(&first_excluded.0);
    if planted::is(Bug::ReplacementActorRandom) {
        hasher.update(&seed::drift().to_le_bytes()); // PLANTED: it differs every time
    }
    let mut actor = [0; Actor::LEN];
    actor.copy_from_slice(&hasher.finalize().as_bytes()[..Actor::LEN]);
    actor[0] = DERIVED_ACTOR;
    Actor(actor)
}

/// Causes before effects; among those that no cause orders, by hash, so that every holder goes the same way.
fn in_order<'a>(lost: &'a [Change], renamed: &'a [Change], later: &'a [Change]) -> Vec<(&'a Change, Origin)> {
    let lost = lost.iter().map(|change| (change, Origin::Lost));
    let renamed = renamed.iter().map(|change| (change, Origin::Renamed));
    let later = later.iter().map(|change| (change, Origin::Later));
    let mut all: BTreeMap<ChangeHash, (&Change, Origin)> = BTreeMap::new();
    for (change, origin) in lost.chain(renamed).chain(later) {
        all.entry(change.hash()).or_insert((change, origin));
    }
    let mut blockers: HashMap<ChangeHash, usize> = HashMap::new();
    let mut blocked: HashMap<ChangeHash, Vec<ChangeHash>> = HashMap::new();
    for (hash, (change, _)) in &all {
        let inside: Vec<_> = change.header.deps.iter().filter(|dep| all.contains_key(dep)).collect();
        blockers.insert(*hash, inside.len());
        inside.into_iter().for_each(|dep| blocked.entry(*dep).or_default().push(*hash));
    }
    let mut ready: BTreeSet<ChangeHash> = all.keys().filter(|hash| blockers[*hash] == 0).copied().collect();
    let mut order = Vec::with_capacity(all.len());
    while let Some(hash) = ready.pop_first() {
        order.extend(all.get(&hash));
        for waiting in blocked.remove(&hash).unwrap_or_default() {
            let left = blockers.entry(waiting).or_default();
            *left = left.saturating_sub(1);
            if *left == 0 {
                ready.insert(waiting);
            }
        }
    }
    order
}

/// What was made so far.
struct Work<M> {
    first: ChangeHash,
    max_op: M,
    /// By the hash of what is replaced: on what to rest instead.
    made: HashMap<ChangeHash, Instead>,
    /// Changes made by each derived actor.
    seqs: HashMap<Actor, u64>,
    rewriter: Rewriter,
}

/// What stands in the place of a change.
struct Instead {
    /// The replacement, or the dependencies of what has none.
    deps: Vec<ChangeHash>,
    /// The counter of the newest operation up to there.
    max_op: u64,
    /// Lost changes before it, itself included.
    lost_before: HashSet<ChangeHash>,
}

struct Outcome {
    change: Option<Change>,
    lost: u64,
    moot: u64,
}

impl<M: Fn(&ChangeHash) -> Option<u64>> Work<M> {
    fn replace_all(&mut self, order: Vec<(&Change, Origin)>) -> Result<Reauthored, ReauthorError> {
        let mut result = Reauthored::default();
        for (change, origin) in order {
            let hash = change.hash();
            let rests_on_one = change.header.deps.iter().any(|dep| self.made.contains_key(dep));
            if origin == Origin::Later && !rests_on_one {
                continue;
            }
            let outcome = guarded(|| self.replace(change, origin))
                .unwrap_or_else(|detail| Err(ReauthorError::Unreadable { of: hash, detail }))?;
            let by = outcome.change.as_ref().map(Change::hash);
            result.replaced.insert(hash, Replacement { by, lost: outcome.lost, moot: outcome.moot });
            result.changes.extend(outcome.change);
        }
        Ok(result)
    }

    fn replace(&mut self, change: &Change, origin: Origin) -> Result<Outcome, ReauthorError> {
        let hash = change.hash();
        let unreadable = |detail: String| ReauthorError::Unreadable { of: hash, detail };
        let (deps, below, mut lost_before) = self.rest_on(change)?;
        let expanded =
            automerge::Change::from_bytes(change.bytes.to_vec()).map_err(|error| unreadable(error.to_string()))?;
        let mut expanded = expanded.decode();
        let count = expanded.operations.len() as u64;
        if origin == Origin::Lost {
            lost_before.insert(hash);
            self.rewriter.lose(hash, &expanded);
            self.made.insert(hash, Instead { deps, max_op: below, lost_before });
            return Ok(Outcome { change: None, lost: count, moot: 0 });
        }
        let actor = derived_actor(&change.header.actor, &self.first);
        let deletions = count_deletions(&expanded);
        expanded.operations = self.rewriter.rewrite(&expanded, &ActorId::from(actor.0), below + 1, &lost_before);
        let moot = deletions - count_deletions(&expanded);
        let kept = expanded.operations.len() as u64;
        if kept == 0 && count > 0 {
            self.made.insert(hash, Instead { deps, max_op: below, lost_before });
            return Ok(Outcome { change: None, lost: count, moot });
        }
        let seq = self.seqs.get(&actor).copied().unwrap_or(0) + 1;
        let new = write(expanded, actor, seq, below + 1, &deps).map_err(unreadable)?;
        let new = Change::parse(new).map_err(|error| ReauthorError::Refused { of: hash, error })?;
        self.seqs.insert(actor, seq);
        self.made.insert(hash, Instead { deps: vec![new.hash()], max_op: new.header.max_op(), lost_before });
        Ok(Outcome { change: Some(new), lost: count - kept, moot })
    }

    /// The dependencies of the replacement, the counter that it follows, and the lost changes before it.
    fn rest_on(&self, change: &Change) -> Result<(Vec<ChangeHash>, u64, HashSet<ChangeHash>), ReauthorError> {
        let (mut deps, mut below, mut lost_before) = (BTreeSet::new(), 0, HashSet::new());
        for dep in &change.header.deps {
            if let Some(instead) = self.made.get(dep) {
                deps.extend(&instead.deps);
                below = below.max(instead.max_op);
                lost_before.extend(&instead.lost_before);
            } else {
                deps.insert(*dep);
                below = below.max((self.max_op)(dep).ok_or(ReauthorError::Unknown { hash: *dep })?);
            }
        }
        Ok((deps.into_iter().collect(), below, lost_before))
    }
}

fn count_deletions(change: &ExpandedChange) -> u64 {
    change.operations.iter().filter(|op| op.action == OpType::Delete).count() as u64
}

fn write(
    mut expanded: ExpandedChange,
    actor: Actor,
    seq: u64,
    start_op: u64,
    deps: &[ChangeHash],
) -> Result<Blob, String> {
    expanded.actor_id = ActorId::from(actor.0);
    expanded.hash = None;
    expanded.seq = seq;
    expanded.start_op = start_op.try_into().map_err(|_| "it starts at operation 0".to_owned())?;
    expanded.deps = deps.iter().map(crate::admit::automerge_hash).collect();
    Ok(automerge::Change::from(expanded).raw_bytes().to_vec().into())
}
