//! A repair that the log brings: what it excludes leaves its document, and what is pending on that is written anew,
//! with the same result as everywhere else.
//!
//! A vault does not take the relay's word for it. Whoever holds what is excluded computes what rests on it and what
//! stands in its place; if that is not what the void says, nothing of it is applied and the document is held.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use document::{Change, Excluded, mend, reauthor};
use sync_wire::planted::{self, Bug};
use sync_wire::{BatchId, ChangeHash, FateCode, LogPosition, Void};

use super::ground::Ground;
use super::lost;
use super::plan::Plan;
use super::{is_gone, reseal_tombstones, resting_on};
use crate::error::StorageError;
use crate::storage::{BatchState, Member, MemberBatch, NewBatch, Refusal, Tx};

/// Pending changes that are given up one by one, because their replacements do not fit, before all are.
const LOST_MAX: usize = 16;

/// What a void did here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TookVoid {
    /// Nothing of what it excludes counted here.
    Nothing,
    /// Rows left their document.
    Rows,
}

/// Applies a void that stands at this place. An error of the second kind says why it does not follow from the log.
pub(crate) fn take(
    tx: &Tx<'_>,
    document: i64,
    void: &Void,
    at: LogPosition,
) -> Result<Result<TookVoid, String>, StorageError> {
    let has_taken_back = lost::give_way(tx, document, void, at)?;
    let named: HashSet<ChangeHash> = void.changes().collect();
    let mut held = tx.living(document)?;
    held.retain(|member| named.contains(&member.change.hash()));
    let stranded = stranded(tx, document, &named)?;
    if held.is_empty() && stranded.is_empty() {
        // It was applied before, or what it excludes never came here.
        return Ok(Ok(if has_taken_back { TookVoid::Rows } else { TookVoid::Nothing }));
    }
    let in_log = tx.members_in_log(document, at.position)?;
    let work = Work::read(tx, document, void)?;
    // Of what came whole, in a snapshot, some rows may be missing.
    if in_log.iter().filter(|member| named.contains(&member.change.hash())).count() == named.len() {
        let run: Vec<Change> = in_log.iter().map(|member| member.change.clone()).collect();
        let follows = mend(&void.excluded, &run, |hash| work.max_op(hash)).void;
        if follows != *void {
            let what = "it excludes or replaces other changes than follow from the log before it";
            return Ok(Err(what.to_owned()));
        }
    }
    for member in &held {
        tx.exclude(member.row)?;
    }
    // What is pending on these is written anew without them, so they go first.
    keep_stranded(tx, document, void, &stranded)?;
    let work = if stranded.is_empty() { work } else { Work::read(tx, document, void)? };
    work.settle(tx, &held, at)?;
    tx.unpark(document, FateCode::HELD)?;
    Ok(Ok(TookVoid::Rows))
}

/// What others wrote on top of excluded changes, and the log has lost since: it was put back to before they came, and
/// was repaired before anybody could give them back. The rules leave out what rests on a void, so they have no place to
/// come to.
fn stranded(tx: &Tx<'_>, document: i64, named: &HashSet<ChangeHash>) -> Result<Vec<Member>, StorageError> {
    let mut stranded = resting_on(&mut named.clone(), tx.members_without_place(document)?);
    stranded.retain(|member| member.batch.is_none());
    Ok(stranded)
}

/// They cannot be pushed as they are, and under the names that they would get their authors may have said more. So
/// these write them anew, if they are still there; here they are kept in quarantine, where their content can be taken
/// from.
pub(super) fn keep_stranded(tx: &Tx<'_>, document: i64, void: &Void, stranded: &[Member]) -> Result<(), StorageError> {
    let (id, culprit) = (tx.document_id(document)?, void.excluded.first());
    let short = culprit.map(ChangeHash::short).unwrap_or_default();
    let detail = format!("the relay has lost it, and excluded change {short}, on which it rests, before it came back");
    let refusal = Refusal { code: FateCode::WITH, culprit, detail: &detail, unix_seconds: None };
    for member in stranded {
        let hash = member.change.hash();
        let batch = BatchId::derived(id, &hash);
        let batch = match tx.batch(batch)? {
            Some(before) => before.row, // it was stranded once before
            None => tx.save_batch(batch, document, NewBatch::Change { row: member.row, hash: &hash })?,
        };
        tx.exclude(member.row)?;
        tx.quarantine(batch, &refusal, None)?;
    }
    Ok(())
}

/// Writes anew what became pending on excluded changes since.
pub(crate) fn follow(tx: &Tx<'_>, document: i64, void: &Void) -> Result<(), StorageError> {
    let work = Work::read(tx, document, void)?;
    work.settle_pending(tx, &work.plan())
}

/// A void with what is here of it, and what is pending on it.
struct Work<'v> {
    document: i64,
    id: sync_wire::DocumentId,
    void: &'v Void,
    /// Excluded as being at fault.
    lost: Vec<Change>,
    /// Dependents in the log.
    dependents: Vec<Change>,
    /// Dealt with when the void came.
    handled: Vec<Member>,
    /// To be dealt with now.
    pending: Vec<Member>,
    /// What stays; or why that cannot be read.
    ground: Result<Ground, String>,
}

impl<'v> Work<'v> {
    fn read(tx: &Tx<'_>, document: i64, void: &'v Void) -> Result<Self, StorageError> {
        let mut by_hash: BTreeMap<ChangeHash, Change> = BTreeMap::new();
        for member in tx.members_all(document)? {
            by_hash.entry(member.change.hash()).or_insert(member.change);
        }
        let dependents: Vec<ChangeHash> = void.dependents.iter().map(|dependent| dependent.change).collect();
        let mut handled = Vec::new();
        for culprit in &void.excluded {
            handled.extend(tx.blamed(document, culprit)?);
        }
        handled.retain(|member| !void.changes().any(|hash| hash == member.change.hash()));
        let mut gone: HashSet<ChangeHash> = void.changes().collect();
        gone.extend(handled.iter().map(|member| member.change.hash()));
        let mut pending = resting_on(&mut gone, tx.unsettled(document)?);
        if planted::is(Bug::PendingOnVoidLeft) {
            pending.clear();
        }
        let find = |hashes: &[ChangeHash]| hashes.iter().filter_map(|hash| by_hash.get(hash).cloned()).collect();
        Ok(Self {
            document,
            id: tx.document_id(document)?,
            lost: find(&void.excluded),
            dependents: find(&dependents),
            handled,
            pending,
            // What is pending may have names that the log has of others: while its document was read-only, the relay
            // did not refuse it for them. What a void replaces does not rest on that.
            ground: Ground::as_far_as_possible(tx, document, &gone)?,
            void,
        })
    }

    fn max_op(&self, hash: &ChangeHash) -> Option<u64> {
        self.ground.as_ref().ok()?.max_op(hash)
    }

    /// What becomes of everything that is gone; none if nothing can be written anew.
    fn plan(&self) -> Option<Plan> {
        let ground = self.ground.as_ref().ok()?;
        let mut lost: BTreeSet<ChangeHash> = self.handled.iter().filter(|one| is_gone(one)).map(hash_of).collect();
        for _ in 0..LOST_MAX {
            let plan = self.anew(&lost, ground)?;
            let replacements: Vec<ChangeHash> = self.void.replacements().collect();
            match ground.check_naming(&plan.made.iter().collect::<Vec<_>>()) {
                Ok(()) => return Some(plan),
                Err((_, Some(culprit))) if !replacements.contains(&culprit) => {
                    lost.insert(*plan.fates.iter().find(|(_, fate)| fate.by == Some(culprit))?.0);
                }
                Err((detail, _)) => {
                    tracing::warn!(detail, "What is pending on excluded changes is quarantined: {detail}");
                    return None;
                }
            }
        }
        None
    }

    fn anew(&self, lost: &BTreeSet<ChangeHash>, ground: &Ground) -> Option<Plan> {
        let pending = self.handled.iter().chain(&self.pending).map(|member| &member.change);
        let (given_up, pending): (Vec<&Change>, Vec<&Change>) = pending.partition(|one| lost.contains(&one.hash()));
        let excluded: Vec<Change> = self.lost.iter().chain(given_up).cloned().collect();
        let later: Vec<Change> = self.dependents.iter().chain(pending).cloned().collect();
        let made = reauthor(Excluded::Lost(&excluded), &later, |hash| ground.max_op(hash));
        let plan = made.and_then(|made| Plan::of(made, ground));
        plan.inspect_err(|error| tracing::warn!(%error, "What is pending cannot be written anew: {error}")).ok()
    }

    /// Gives everything its state, and stores what was written anew.
    fn settle(&self, tx: &Tx<'_>, held: &[Member], at: LogPosition) -> Result<(), StorageError> {
        let plan = self.plan();
        for member in held {
            let Some(batch) = member.batch.filter(|batch| batch.state != BatchState::Discarded) else { continue };
            let hash = member.change.hash();
            if self.void.excluded.contains(&hash) {
                let detail = self.reason(&member.change, at);
                let (code, culprit) = (FateCode::VOID, Some(&hash));
                tx.quarantine(batch.row, &Refusal { code, culprit, detail: &detail, unix_seconds: None }, None)?;
            } else {
                self.settle_one(tx, member, batch, plan.as_ref())?;
            }
        }
        self.settle_pending(tx, &plan)
    }

    /// Why an own change had to go: what the check has against it here, or that somebody named it, if it can be tried.
    fn reason(&self, change: &Change, at: LogPosition) -> String {
        let because = match self.ground.as_ref().ok().filter(|ground| ground.can_check()) {
            Some(ground) => {
                ground.check(&[change]).err().unwrap_or_else(|| "the owner of the space named it".to_owned())
            }
            None => "the rest of the document cannot be put together, so that it cannot be said why".to_owned(),
        };
        format!("a repair excluded it, at {at}: {because}")
    }

    fn settle_pending(&self, tx: &Tx<'_>, plan: &Option<Plan>) -> Result<(), StorageError> {
        for member in &self.pending {
            tx.exclude(member.row)?;
        }
        for member in &self.pending {
            if let Some(batch) = member.batch {
                self.settle_one(tx, member, batch, plan.as_ref())?;
            }
        }
        let all = self.lost.iter().chain(&self.dependents);
        let all = all.chain(self.handled.iter().chain(&self.pending).map(|member| &member.change));
        let gone: BTreeMap<ChangeHash, &Change> = all.map(|change| (change.hash(), change)).collect();
        reseal_tombstones(tx, self.document, self.id, &gone, |head| {
            plan.as_ref().and_then(|plan| plan.fates.get(head)).and_then(|fate| fate.by)
        })?;
        tx.forget_actors()?;
        tx.drop_local_snapshot(self.document)?;
        tx.begin_generation(self.document)
    }

    /// One of our own goes on as its replacement, which is pending until the log has it.
    fn settle_one(
        &self,
        tx: &Tx<'_>,
        member: &Member,
        batch: MemberBatch,
        plan: Option<&Plan>,
    ) -> Result<(), StorageError> {
        let fate = plan.and_then(|plan| plan.fates.get(&member.change.hash()));
        let by = fate.and_then(|fate| fate.by);
        let by = match by.and_then(|by| plan?.made.iter().find(|change| change.hash() == by)) {
            Some(change) => {
                let id = BatchId::derived(self.id, &change.hash());
                Some(tx.add_replacement(self.document, id, change, batch.rewritten + 1)?)
            }
            None => None,
        };
        let culprit = self.void.excluded.first();
        let short = culprit.map(ChangeHash::short);
        let detail = format!("it rests on change {}, which a repair excluded", short.unwrap_or_default());
        let refusal = Refusal { code: FateCode::WITH, culprit, detail: &detail, unix_seconds: None };
        match fate {
            Some(fate) if fate.is_complete => tx.replace(batch.row, &refusal, by),
            _ => tx.quarantine(batch.row, &refusal, by),
        }
    }
}

pub(super) fn hash_of(member: &Member) -> ChangeHash {
    member.change.hash()
}

/// The void because of which a change is no part of its document, found by what its batch says or by the log. One that
/// the log has lost may be it.
pub(super) fn blaming(tx: &Tx<'_>, document: i64, hash: &ChangeHash) -> Result<Option<Void>, StorageError> {
    let lost = tx.lost_voids(document)?.into_iter().filter(|lost| !lost.is_undone).map(|lost| lost.void);
    let voids: HashMap<ChangeHash, Void> = lost
        .chain(tx.voids(document)?.into_iter().map(|row| row.void))
        .flat_map(|void| void.changes().map(|change| (change, void.clone())).collect::<Vec<_>>())
        .collect();
    if voids.is_empty() {
        return Ok(None);
    }
    match voids.get(hash) {
        Some(void) => Ok(Some(void.clone())),
        None => Ok(tx.culprit_of(document, hash)?.and_then(|culprit| voids.get(&culprit).cloned())),
    }
}
