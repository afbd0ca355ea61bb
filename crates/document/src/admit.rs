//! Lets changes into a document, or names the rule and the culprit: all of a batch or nothing.
//!
//! Our own rules come first (dependencies, sequence, counters), because Automerge panics on some violations and
//! silently spoils the document on others. What it then made of the batch is read back: a document that would hand out
//! other changes than it was given is thrown away.

use std::collections::{HashMap, HashSet};

use automerge::{ActorId, AutoCommit, AutomergeError, ObjId, ObjType, ReadDoc as _};
use sync_wire::{Actor, Blob, ChangeHash};

use crate::error::ApplyError;
use crate::guard::guarded;
use crate::header::{Header, Shape};
use crate::limits::{ANCESTORS_WALK_MAX, HEADS_MAX, OBJECT_DEPTH_MAX, START_OP_SLACK};
use crate::{Change, HeaderError, canonical, seed};

/// A change of a batch, parsed.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    change: Change,
    shape: Shape,
}

impl Candidate {
    fn parse(bytes: &Blob) -> Result<Self, HeaderError> {
        let bytes = match canonical(bytes)? {
            std::borrow::Cow::Borrowed(_) => bytes.clone(),
            std::borrow::Cow::Owned(inflated) => inflated.into(),
        };
        let (header, shape) = Header::parse_with_shape(&bytes)?;
        seed::verify(&header)?;
        Ok(Self { change: Change { header, bytes }, shape })
    }

    fn header(&self) -> &Header {
        &self.change.header
    }
}

/// Parses all; leaves out what `document` has and what comes twice; puts causes before effects.
pub(crate) fn candidates(document: &AutoCommit, changes: &[Blob]) -> Result<Vec<Candidate>, ApplyError> {
    let mut fresh = Vec::new();
    let mut seen = HashSet::new();
    for (index, bytes) in changes.iter().enumerate() {
        let candidate = Candidate::parse(bytes).map_err(|error| ApplyError::Header { index, error })?;
        let hash = candidate.header().hash;
        if seen.insert(hash) && !contains(document, &hash) {
            fresh.push(candidate);
        }
    }
    require_dependencies(document, &fresh)?;
    Ok(in_causal_order(fresh))
}

pub(crate) fn contains(document: &AutoCommit, hash: &ChangeHash) -> bool {
    document.get_missing_deps(&[automerge_hash(hash)]).is_empty()
}

pub(crate) const fn automerge_hash(hash: &ChangeHash) -> automerge::ChangeHash {
    automerge::ChangeHash(hash.0)
}

pub(crate) fn heads(document: &mut AutoCommit) -> Vec<ChangeHash> {
    let mut heads: Vec<_> = document.get_heads().iter().map(|hash| ChangeHash(hash.0)).collect();
    heads.sort_unstable();
    heads
}

fn require_dependencies(document: &AutoCommit, fresh: &[Candidate]) -> Result<(), ApplyError> {
    let batch: HashSet<_> = fresh.iter().map(|candidate| candidate.header().hash).collect();
    let mut hashes: Vec<_> = fresh
        .iter()
        .flat_map(|candidate| &candidate.header().deps)
        .filter(|dep| !batch.contains(*dep) && !contains(document, dep))
        .copied()
        .collect();
    hashes.sort_unstable();
    hashes.dedup();
    if hashes.is_empty() { Ok(()) } else { Err(ApplyError::Missing { hashes }) }
}

/// Keeps the given order wherever causality allows. Hashes make cycles impossible.
fn in_causal_order(fresh: Vec<Candidate>) -> Vec<Candidate> {
    let mut waiting: HashMap<ChangeHash, usize> = HashMap::new();
    for (index, candidate) in fresh.iter().enumerate() {
        waiting.insert(candidate.header().hash, index);
    }
    let mut order = Vec::with_capacity(fresh.len());
    for index in 0..fresh.len() {
        // An explicit stack: a chain of thousands of changes given backwards must not recurse.
        let mut stack = vec![index];
        while let Some(&top) = stack.last() {
            let header = fresh[top].header();
            if !waiting.contains_key(&header.hash) {
                stack.pop();
                continue;
            }
            let blockers: Vec<_> = header.deps.iter().filter_map(|dep| waiting.get(dep).copied()).collect();
            if blockers.is_empty() {
                waiting.remove(&header.hash);
                order.push(top);
                stack.pop();
            } else {
                stack.extend(blockers);
            }
        }
    }
    let mut slots: Vec<_> = fresh.into_iter().map(Some).collect();
    order.into_iter().filter_map(|index| slots[index].take()).collect()
}

/// What a document becomes with the candidates. `document` is a copy without an open transaction; `again` makes
/// another, to find out whom to blame.
pub(crate) fn admit(
    document: AutoCommit,
    fresh: &[Candidate],
    again: impl FnOnce() -> Result<AutoCommit, ApplyError>,
) -> Result<AutoCommit, ApplyError> {
    match try_admit(document, fresh) {
        Err(ApplyError::Dangerous { hash: None, rule }) => Err(blame(&again()?, fresh, rule)),
        result => result,
    }
}

/// Finds the shortest beginning of the batch that fails; its last change is the culprit.
fn blame(document: &AutoCommit, fresh: &[Candidate], rule: String) -> ApplyError {
    let (mut sound, mut failing, mut error) = (0, fresh.len(), None);
    while failing - sound > 1 {
        let middle = sound + (failing - sound) / 2;
        match try_admit(document.clone(), &fresh[..middle]) {
            Ok(_) => sound = middle,
            Err(found) => (failing, error) = (middle, Some(found)),
        }
    }
    match error {
        Some(error) if error.culprit().is_some() => error,
        _ => {
            let hash = fresh.get(failing.saturating_sub(1)).map(|candidate| candidate.header().hash);
            ApplyError::Dangerous { hash, rule }
        }
    }
}

fn try_admit(mut next: AutoCommit, fresh: &[Candidate]) -> Result<AutoCommit, ApplyError> {
    let panicked = |text: String| dangerous(None, format!("Automerge panics on it ({text})"));
    guarded(|| {
        check_log_rules(&mut next, fresh)?;
        let before = next.get_heads();
        apply_batch(&mut next, fresh)?;
        check_read_back(&mut next, &before, fresh)?;
        check_targets(&next, fresh)?;
        check_depth(&next, fresh)?;
        check_marks(&mut next, fresh)?;
        Ok(next)
    })
    .unwrap_or_else(|text| Err(panicked(text)))
}

const fn dangerous(hash: Option<ChangeHash>, rule: String) -> ApplyError {
    ApplyError::Dangerous { hash, rule }
}

/// What a change in the document or earlier in the batch says about itself.
struct Known {
    actor: Actor,
    seq: u64,
    max_op: u64,
    deps: Vec<ChangeHash>,
}

impl Known {
    /// Whether it is the change of the same actor before that one.
    fn is_followed_by(&self, next: &Header) -> bool {
        self.actor == next.actor && self.seq + 1 == next.seq
    }
}

fn known(document: &mut AutoCommit, batch: &HashMap<ChangeHash, &Header>, hash: &ChangeHash) -> Option<Known> {
    if let Some(header) = batch.get(hash) {
        let (actor, seq, max_op, deps) = (header.actor, header.seq, header.max_op(), header.deps.clone());
        return Some(Known { actor, seq, max_op, deps });
    }
    let meta = document.get_change_meta_by_hash(&automerge_hash(hash))?;
    let actor = Actor::from_slice(meta.actor.to_bytes())?;
    let deps = meta.deps.iter().map(|dep| ChangeHash(dep.0)).collect();
    Some(Known { actor, seq: meta.seq, max_op: meta.max_op, deps })
}

/// The counter of the newest operation. Counters grow along dependencies, so the heads know.
pub(crate) fn max_op(document: &mut AutoCommit) -> u64 {
    let heads = document.get_heads();
    let newest = heads.iter().filter_map(|hash| document.get_change_meta_by_hash(hash).map(|meta| meta.max_op)).max();
    newest.unwrap_or(0)
}

/// Sequence numbers and operation counters, in causal order. Automerge trusts both.
fn check_log_rules(document: &mut AutoCommit, fresh: &[Candidate]) -> Result<(), ApplyError> {
    let mut newest = max_op(document);
    let mut batch = HashMap::new();
    for candidate in fresh {
        let header = candidate.header();
        let refuse = |rule: String| Err(dangerous(Some(header.hash), rule));
        let mut below = 0;
        let mut follows = header.seq == 1;
        for dep in &header.deps {
            let Some(dep) = known(document, &batch, dep) else { continue };
            below = below.max(dep.max_op);
            follows |= dep.is_followed_by(header);
        }
        let start = header.start_op;
        if start <= below || (header.ops == 0 && start != below + 1) {
            return refuse(format!("operations start at {start}, but must follow {below}, the newest it rests on"));
        }
        if start > newest.saturating_add(1 + START_OP_SLACK) {
            return refuse(format!("operations start at {start}, too far beyond {newest}, the newest of the document"));
        }
        if !follows && !has_previous_ancestor(document, &batch, header) {
            return refuse(format!(
                "it is number {} of its actor but does not rest on number {}",
                header.seq,
                header.seq - 1
            ));
        }
        newest = newest.max(header.max_op());
        batch.insert(header.hash, header);
    }
    Ok(())
}

/// Changes made at older heads name their actor's previous change only through others.
fn has_previous_ancestor(document: &mut AutoCommit, batch: &HashMap<ChangeHash, &Header>, header: &Header) -> bool {
    let mut seen: HashSet<ChangeHash> = header.deps.iter().copied().collect();
    let mut stack = header.deps.clone();
    while let Some(change) = stack.pop().and_then(|hash| known(document, batch, &hash)) {
        if change.is_followed_by(header) {
            return true;
        }
        stack.extend(change.deps.iter().filter(|dep| seen.insert(**dep)));
        if seen.len() > ANCESTORS_WALK_MAX {
            return false;
        }
    }
    false
}

fn apply_batch(document: &mut AutoCommit, fresh: &[Candidate]) -> Result<(), ApplyError> {
    let mut changes = Vec::with_capacity(fresh.len());
    for candidate in fresh {
        let hash = candidate.header().hash;
        let change = automerge::Change::from_bytes(candidate.change.bytes.to_vec())
            .map_err(|error| dangerous(Some(hash), format!("Automerge cannot read it ({error})")))?;
        if change.hash().0 != hash.0 {
            return Err(dangerous(Some(hash), format!("Automerge reads it as {}", change.hash())));
        }
        changes.push(change);
    }
    let applied = document.apply_changes(changes);
    // Automerge 0.12 notes every letter of a batch for patches, 160 bytes each, also where nobody asks for any. They
    // would stay with the document and with all of its copies.
    document.reset_diff_cursor();
    applied.map_err(|error| match &error {
        AutomergeError::DuplicateSeqNumber(seq, actor) => {
            let second = fresh
                .iter()
                .map(Candidate::header)
                .find(|header| header.seq == *seq && header.actor.0 == *actor.to_bytes());
            match second {
                Some(header) => ApplyError::Equivocation { hash: header.hash, seq: *seq },
                None => dangerous(None, format!("Automerge refuses it ({error})")),
            }
        }
        _ => dangerous(None, format!("Automerge refuses it ({error})")),
    })
}

/// The document must hand out exactly what it was given, and nothing may wait in it.
fn check_read_back(
    document: &mut AutoCommit,
    before: &[automerge::ChangeHash],
    fresh: &[Candidate],
) -> Result<(), ApplyError> {
    if !document.get_missing_deps(&[]).is_empty() {
        return Err(dangerous(None, "it leaves changes waiting for others".to_owned()));
    }
    let heads = document.get_heads().len();
    if heads > HEADS_MAX {
        return Err(ApplyError::TooManyHeads { heads, limit: HEADS_MAX });
    }
    let returned: HashSet<_> = document.get_changes(before).iter().map(|change| ChangeHash(change.hash().0)).collect();
    let lost = fresh.iter().map(|candidate| candidate.header().hash).find(|hash| !returned.contains(hash));
    match lost {
        Some(_) => Err(dangerous(None, "the document would hand it out with other content".to_owned())),
        None if returned.len() != fresh.len() => {
            Err(dangerous(None, "the document would hand out changes that it was not given".to_owned()))
        }
        None => Ok(()),
    }
}

/// Positions belong to lists and texts, keys to maps.
fn check_targets(document: &AutoCommit, fresh: &[Candidate]) -> Result<(), ApplyError> {
    for candidate in fresh {
        let header = candidate.header();
        let refuse = |rule: &str| dangerous(Some(header.hash), rule.to_owned());
        let targets =
            Header::targets(&candidate.change.bytes).map_err(|_| refuse("its columns contradict each other"))?;
        for target in targets {
            let kind = match target.object {
                None => Ok(ObjType::Map),
                Some((actor, counter)) => {
                    let other = (actor as usize).checked_sub(1);
                    let actor = other.map_or(Some(&header.actor), |other| header.other_actors.get(other));
                    let actor = actor.ok_or_else(|| refuse("it names an actor that it does not list"))?;
                    document.object_type(ObjId::Id(counter, ActorId::from(actor.0), 0))
                }
            };
            let kind = kind.map_err(|_| refuse("it changes an object that is not there"))?;
            if kind.is_sequence() != target.by_position {
                return Err(refuse("it takes a map for a list, or a list for a map"));
            }
            if target.inserts && !target.by_position {
                return Err(refuse("it inserts at a key, where nothing has an order"));
            }
            if target.marks && !target.inserts {
                return Err(refuse("it makes a mark of what is there, and marks are elements of their own"));
            }
        }
    }
    Ok(())
}

/// Readers recurse by nesting, so nesting is bounded where it is made.
fn check_depth(document: &AutoCommit, fresh: &[Candidate]) -> Result<(), ApplyError> {
    for candidate in fresh.iter().filter(|candidate| candidate.shape.makes_objects) {
        let header = candidate.header();
        let refuse = |rule: String| dangerous(Some(header.hash), rule);
        let change = automerge::Change::from_bytes(candidate.change.bytes.to_vec())
            .map_err(|error| refuse(format!("Automerge cannot read it ({error})")))?;
        let expanded = change.decode();
        let makes = |op: &automerge::legacy::Op| matches!(op.action, automerge::legacy::OpType::Make(_));
        for (index, _) in expanded.operations.iter().enumerate().filter(|(_, op)| makes(op)) {
            let object = ObjId::Id(header.start_op + index as u64, change.actor_id().clone(), 0);
            let parents = document.parents(&object).map_err(|error| refuse(format!("its object is lost ({error})")))?;
            if parents.take(OBJECT_DEPTH_MAX + 1).count() > OBJECT_DEPTH_MAX {
                return Err(refuse(format!("it nests objects deeper than {OBJECT_DEPTH_MAX}")));
            }
        }
    }
    Ok(())
}

/// Marks can be spoiled so that only a saved document shows it.
fn check_marks(document: &mut AutoCommit, fresh: &[Candidate]) -> Result<(), ApplyError> {
    if !fresh.iter().any(|candidate| candidate.shape.marks) {
        return Ok(());
    }
    let mut loaded = AutoCommit::load(&document.save())
        .map_err(|error| dangerous(None, format!("its marks make the document unloadable ({error})")))?;
    if loaded.get_heads() == document.get_heads() {
        return Ok(());
    }
    Err(dangerous(None, "its marks do not survive saving".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Document;

    #[test]
    fn automerge_keeps_no_notes_of_what_was_applied() {
        let mut writer = Document::new(None);
        writer.edit(Actor([1; 16]), |draft| draft.splice("/body", 0, 0, "some letters")).unwrap();
        let sealed = writer.seal(0).unwrap().unwrap();
        let changes: Vec<Blob> = sealed.seeds.into_iter().chain(sealed.changes).map(|change| change.bytes).collect();
        let mut reader = AutoCommit::new();
        let fresh = candidates(&reader, &changes).unwrap();
        apply_batch(&mut reader, &fresh).unwrap();
        let shown = format!("{reader:?}");
        assert!(shown.contains("PatchLog { events: [], "), "of what it logs there is nothing: {shown}");
    }
}
