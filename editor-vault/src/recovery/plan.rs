//! What becomes of a closure: its replacements, tried out on the document without it before anything is stored.

use std::collections::{BTreeMap, HashMap, HashSet};

use document::{Change, Excluded, ReauthorError, Reauthored, Seed, reauthor};
use sync_wire::{ChangeHash, FateCode};

use super::ground::Ground;
use super::{Because, Closure, is_gone};
use crate::error::StorageError;
use crate::storage::{Member, Tx};

/// How often content may be written anew. Somebody who refuses whatever comes would otherwise have everything behind
/// it written again for each.
const REWRITTEN_MAX: u32 = 8;
/// Branches of equal actors and numbers that replacements may meet.
const COLLISIONS_MAX: usize = 16;

/// What is to be stored.
pub(super) struct Plan {
    /// Causes before effects.
    pub(super) made: Vec<Change>,
    /// Of every change of the closure.
    pub(super) fates: BTreeMap<ChangeHash, Fate>,
}

/// What becomes of one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) by: Option<ChangeHash>,
    /// Whether nothing that it says is lost.
    pub(super) is_complete: bool,
}

/// `None`: nothing can be written anew, for a reason that is logged.
pub(super) fn make(
    tx: &Tx<'_>,
    document: i64,
    closure: &Closure,
    because: &Because<'_>,
) -> Result<Option<Plan>, StorageError> {
    if because.code == FateCode::GONE || Seed::is_seed_actor(&closure.culprit.change.header.actor) {
        return Ok(None); // nothing can be pushed to a purged document; without its seed nothing has a place
    }
    if closure.rewritten() >= REWRITTEN_MAX {
        return Ok(given_up("its content was written anew too often"));
    }
    let gone = closure.hashes();
    // Under another name it says the same, so that trying it would tell nothing of it. Once a repair has taken out what
    // spoils the document, its check is the relay's.
    let ground = if because.is_renaming() {
        Ground::as_far_as_possible(tx, document, &gone)?
    } else {
        Ground::read(tx, document, &gone)?
    };
    let ground = match ground {
        Ok(ground) => ground,
        Err(detail) => return Ok(given_up(&detail)),
    };
    let plan = match anew(closure, &ground, because).and_then(|made| Plan::of(made, &ground)) {
        Ok(plan) => plan,
        Err(error) => return Ok(given_up(&error.to_string())),
    };
    if let Err(detail) = ground.check(&plan.live(tx, document)?) {
        return Ok(given_up(&detail));
    }
    Ok(Some(plan))
}

fn given_up(detail: &str) -> Option<Plan> {
    tracing::warn!(detail, "What rests on a refused change is quarantined with it: {detail}");
    None
}

fn anew(closure: &Closure, ground: &Ground, because: &Because<'_>) -> Result<Reauthored, ReauthorError> {
    let culprit = [closure.culprit.change.clone()];
    // What was quarantined with the culprit is as lost as it is.
    let (gone, kept): (Vec<&Member>, Vec<&Member>) = closure.handled.iter().partition(|member| is_gone(member));
    let lost: Vec<Change> =
        culprit.iter().cloned().chain(gone.into_iter().map(|member| member.change.clone())).collect();
    let later: Vec<Change> = kept.into_iter().chain(&closure.later).map(|member| member.change.clone()).collect();
    let excluded = if because.is_renaming() { Excluded::Renamed(&culprit) } else { Excluded::Lost(&lost) };
    reauthor(excluded, &later, |hash| ground.max_op(hash))
}

impl Plan {
    /// What was written anew, under names that the log knows of nobody else.
    pub(super) fn of(made: Reauthored, ground: &Ground) -> Result<Self, ReauthorError> {
        let mut plan = Self::from(made);
        for _ in 0..COLLISIONS_MAX {
            if !plan.give_way(ground)? {
                break;
            }
        }
        Ok(plan)
    }

    /// A replacement whose actor and number the log knows of another holder's, who had more or other changes, gives way
    /// in turn. `false`: there is none.
    fn give_way(&mut self, ground: &Ground) -> Result<bool, ReauthorError> {
        let Some(first) = self.made.iter().find(|change| ground.is_taken(change)).cloned() else { return Ok(false) };
        let max_ops: HashMap<_, _> = self.made.iter().map(|made| (made.hash(), made.header.max_op())).collect();
        let max_op = |hash: &ChangeHash| ground.max_op(hash).or_else(|| max_ops.get(hash).copied());
        let again = reauthor(Excluded::Renamed(std::slice::from_ref(&first)), &self.made, max_op)?;
        self.made.retain(|change| !again.replaced.contains_key(&change.hash()));
        self.made.extend(again.changes);
        for fate in self.fates.values_mut() {
            if let Some(replacement) = fate.by.and_then(|by| again.replaced.get(&by)) {
                fate.by = replacement.by;
            }
        }
        Ok(true)
    }

    /// Those of the replacements that will be part of the document: some rest on what was written anew before and has
    /// gone since, and follow it next.
    fn live(&self, tx: &Tx<'_>, document: i64) -> Result<Vec<&Change>, StorageError> {
        let (mut live, mut gone) = (Vec::new(), HashSet::new());
        for change in &self.made {
            let rests_on_gone = change.header.deps.iter().any(|dep| gone.contains(dep));
            if rests_on_gone || tx.is_excluded(document, &change.hash())?.is_some() {
                gone.insert(change.hash());
            } else {
                live.push(change);
            }
        }
        Ok(live)
    }
}

impl From<Reauthored> for Plan {
    fn from(reauthored: Reauthored) -> Self {
        let fate = |replacement: document::Replacement| Fate {
            by: replacement.by,
            is_complete: replacement.lost == replacement.moot,
        };
        let fates = reauthored.replaced.into_iter().map(|(hash, replacement)| (hash, fate(replacement))).collect();
        Self { made: reauthored.changes, fates }
    }
}
