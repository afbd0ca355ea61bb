//! What a document has to do without so that the rest of it can be checked, and what stands in the place of what
//! rested on that (PROTOCOL §2, §6).
//!
//! [`mend`] is what a void says, as a pure function of what it excludes: the relay that writes a void and every device
//! that gets it compute the same. [`repair`] finds what has to be excluded.

use std::collections::{HashMap, HashSet};

use sync_wire::planted::{self, Bug};
use sync_wire::{Blob, ChangeHash, Dependent, Void};

use crate::error::ApplyError;
use crate::{Change, Document, Excluded, HistoryError, ReauthorError, Reauthored, reauthor};

/// Changes that are excluded by one repair at most; each costs as many trials as it takes to find it.
const EXCLUDED_MAX: usize = 256;

/// A part of a log, mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// What it does without, and what stands in whose place.
    pub void: Void,
    /// The replacements, causes before effects.
    pub replacements: Vec<Change>,
    /// Of each dependent, how many of its operations are lost, without those that only took away what is gone anyway.
    pub lost: Vec<u64>,
}

/// What a repair excludes; nothing, if nothing fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// What the void is to say, and what comes with it; none if the document is sound as it is.
    pub mended: Option<Mended>,
    /// Why each excluded change has to go, in the order of the void.
    pub reasons: Vec<String>,
}

/// A document that cannot be repaired like this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// The named change is not among those that may be excluded.
    #[error("change {hash} is not among the unchecked changes of the document; name one of those")]
    NotUnchecked {
        /// The change.
        hash: ChangeHash,
    },
    /// The check fails, and names nobody.
    #[error("the check fails without a change to blame ({error}); name the change to be excluded")]
    NoCulprit {
        /// What it says.
        error: ApplyError,
    },
    /// Too much would have to go.
    #[error("more than {EXCLUDED_MAX} changes fail the check; name the first of them, whose dependents go with it")]
    TooMany,
    /// What was checked before cannot be read.
    #[error("the checked part of the document cannot be read: {0}")]
    Unreadable(#[from] HistoryError),
}

/// The void that excludes `excluded` from `run`, and its replacements. `run` is in the order of the log and holds
/// everything that rests on one of them; `max_op` tells the newest operation of changes outside of it.
///
/// What cannot be written anew is lost with what it rests on, for everybody alike.
///
/// # Example: what rests on an excluded change is written anew
/// ```
/// use document::{Change, Document, mend};
/// use sync_wire::Actor;
/// # fn edit(document: &mut Document, path: &str, value: i64) -> Vec<Change> {
/// #     document.edit::<_, document::Violation>(Actor([1; 16]), |draft| draft.put(path, value.into())).unwrap();
/// #     let sealed = document.seal(1_700_000_000).unwrap().unwrap();
/// #     sealed.seeds.into_iter().chain(sealed.changes).collect()
/// # }
/// let mut laptop = Document::new(Some("settings"));
/// let kept = edit(&mut laptop, "/tabSize", 4);
/// let run = [edit(&mut laptop, "/fontSize", 99), edit(&mut laptop, "/tabSize", 2)].concat();
/// let max_op = |hash: &_| kept.iter().find(|change| change.hash() == *hash).map(|change| change.header.max_op());
///
/// let mended = mend(&[run[0].hash()], &run, max_op);
/// assert_eq!(mended.void.dependents[0].change, run[1].hash());
/// assert_eq!(mended.void.dependents[0].by, Some(mended.replacements[0].hash()));
///
/// // Nothing rests on the last one, so nothing is written anew.
/// assert_eq!(mend(&[run[1].hash()], &run, max_op).replacements, []);
/// ```
#[must_use]
pub fn mend(excluded: &[ChangeHash], run: &[Change], max_op: impl Fn(&ChangeHash) -> Option<u64>) -> Mended {
    let split = Split::of(excluded, run);
    let result = split.reauthor(run, max_op).unwrap_or_default();
    split.mended(&result)
}

/// Finds what has to go from `run`, the changes of a document after those of `base`, in the order of the log, for the
/// rest to pass the check: first what is `named`, then whatever still fails, one after the other.
///
/// # Errors
/// [`RepairError`]; nothing was decided.
pub fn repair(base: &Document, run: &[Change], named: &[ChangeHash]) -> Result<Repair, RepairError> {
    if let Some(hash) = named.iter().find(|hash| !run.iter().any(|change| change.hash() == **hash)) {
        return Err(RepairError::NotUnchecked { hash: *hash });
    }
    let max_ops = max_ops(base, run)?;
    let mut reasons: HashMap<ChangeHash, String> =
        named.iter().map(|hash| (*hash, "it was named".to_owned())).collect();
    loop {
        let excluded: Vec<ChangeHash> = reasons.keys().copied().collect();
        let split = Split::of(&excluded, run);
        let made = split.reauthor(run, |hash| max_ops.get(hash).copied());
        let (hash, reason) = match &made {
            // It cannot be written anew, so it goes with what it rests on. If nothing of it can be read, nothing can.
            Err(ReauthorError::Unreadable { of, .. } | ReauthorError::Refused { of, .. }) if split.is_dependent(of) => {
                (*of, made.as_ref().err().map(ToString::to_string).unwrap_or_default())
            }
            _ => {
                let mended = split.mended(&made.unwrap_or_default());
                match base.check(&mended.rest(run)) {
                    Ok(()) => return Ok(Repair::of(mended, &reasons)),
                    Err(error) => {
                        let culprit = error.culprit().and_then(|hash| mended.original(&hash));
                        let hash = culprit.filter(|hash| !reasons.contains_key(hash));
                        (hash.ok_or_else(|| RepairError::NoCulprit { error: error.clone() })?, error.to_string())
                    }
                }
            }
        };
        if reasons.len() >= EXCLUDED_MAX {
            return Err(RepairError::TooMany);
        }
        reasons.insert(hash, reason);
    }
}

/// The newest operation of every change that one of the run rests on.
fn max_ops(base: &Document, run: &[Change]) -> Result<HashMap<ChangeHash, u64>, RepairError> {
    let wanted: HashSet<ChangeHash> = run.iter().flat_map(|change| change.header.deps.iter().copied()).collect();
    let known = base.changes()?;
    let all = known.iter().chain(run).filter(|change| wanted.contains(&change.hash()));
    Ok(all.map(|change| (change.hash(), change.header.max_op())).collect())
}

/// A run, split by what is excluded.
struct Split {
    excluded: Vec<Change>,
    dependents: Vec<Change>,
}

impl Split {
    fn of(excluded: &[ChangeHash], run: &[Change]) -> Self {
        let mut gone: HashSet<ChangeHash> = excluded.iter().copied().collect();
        let (mut split, named) = (Self { excluded: Vec::new(), dependents: Vec::new() }, gone.clone());
        for change in run {
            if named.contains(&change.hash()) {
                split.excluded.push(change.clone());
            } else if change.header.deps.iter().any(|dep| gone.contains(dep)) {
                gone.insert(change.hash());
                split.dependents.push(change.clone());
            }
        }
        split
    }

    fn is_dependent(&self, hash: &ChangeHash) -> bool {
        self.dependents.iter().any(|change| change.hash() == *hash)
    }

    fn reauthor(
        &self,
        run: &[Change],
        max_op: impl Fn(&ChangeHash) -> Option<u64>,
    ) -> Result<Reauthored, ReauthorError> {
        if self.excluded.is_empty() {
            return Ok(Reauthored::default());
        }
        let of_run: HashMap<ChangeHash, u64> = run.iter().map(|one| (one.hash(), one.header.max_op())).collect();
        let known = |hash: &ChangeHash| of_run.get(hash).copied().or_else(|| max_op(hash));
        reauthor(Excluded::Lost(&self.excluded), &self.dependents, known)
    }

    fn mended(&self, result: &Reauthored) -> Mended {
        let made: HashMap<ChangeHash, &Change> = result.changes.iter().map(|change| (change.hash(), change)).collect();
        let mut mended =
            Mended { void: Void { excluded: Vec::new(), dependents: Vec::new() }, replacements: vec![], lost: vec![] };
        mended.void.excluded = self.excluded.iter().map(Change::hash).collect();
        for change in &self.dependents {
            let replaced = result.replaced.get(&change.hash());
            let made = replaced.and_then(|one| one.by).and_then(|by| made.get(&by).copied());
            mended.void.dependents.push(Dependent { change: change.hash(), by: made.map(Change::hash) });
            mended.lost.push(replaced.map_or(change.header.ops, |one| one.lost - one.moot));
            mended.replacements.extend(made.cloned());
        }
        mended
    }
}

impl Mended {
    /// What is left of a run, with the replacements.
    fn rest(&self, run: &[Change]) -> Vec<Blob> {
        let gone: HashSet<ChangeHash> = self.void.changes().collect();
        let stays = run.iter().filter(|change| !gone.contains(&change.hash()));
        stays.chain(&self.replacements).map(|change| change.bytes.clone()).collect()
    }

    /// The change itself, or the one that it replaces.
    fn original(&self, hash: &ChangeHash) -> Option<ChangeHash> {
        let dependent = self.void.dependents.iter().find(|dependent| dependent.by == Some(*hash));
        Some(dependent.map_or(*hash, |dependent| dependent.change))
    }
}

impl Repair {
    fn of(mut mended: Mended, reasons: &HashMap<ChangeHash, String>) -> Self {
        if planted::is(Bug::VoidWithoutReplacements) {
            mended.void.dependents.iter_mut().for_each(|dependent| dependent.by = None);
            mended.replacements.clear(); // PLANTED: what rested on it is simply gone
        }
        let reason = |hash: &ChangeHash| reasons.get(hash).cloned().unwrap_or_default();
        let reasons = mended.void.excluded.iter().map(reason).collect();
        Self { mended: (!mended.void.excluded.is_empty()).then_some(mended), reasons }
    }
}
