//! Repairs that the log has lost, when its relay was put back to a backup. What they did stays: mostly they come again,
//! given back by this vault or another one. Where the log has another void instead, which says otherwise of the same
//! changes, they are taken back first, as if they had never been: what they excluded is what it was, what they had
//! written anew is gone, and what is pending on that is written anew on what it stood for.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use document::{Change, Excluded, Reauthored, reauthor, retrace};
use sync_wire::{BatchId, ChangeHash, FateCode, LogPosition, Void};

use super::ground::Ground;
use super::void::{hash_of, keep_stranded};
use super::{reseal_tombstones, resting_on, take_apart};
use crate::error::StorageError;
use crate::storage::{BatchState, LostVoid, Member, Refusal, Tx};

/// Takes back every lost void of which this one, at this place, says otherwise. `true`: there was one.
pub(super) fn give_way(tx: &Tx<'_>, document: i64, to: &Void, at: LogPosition) -> Result<bool, StorageError> {
    let mut said: HashSet<ChangeHash> = to.changes().collect();
    let mut contradicted = Vec::new();
    for lost in tx.lost_voids(document)?.into_iter().filter(|lost| !lost.is_undone) {
        let says: Vec<ChangeHash> = lost.void.changes().chain(lost.void.replacements()).collect();
        if says.iter().any(|hash| said.contains(hash)) {
            said.extend(says);
            contradicted.push(lost);
        }
    }
    let mut has_taken_back = false;
    for lost in contradicted.iter().rev() {
        if take_back(tx, document, lost, to, at)? {
            has_taken_back = true;
        }
    }
    Ok(has_taken_back)
}

/// `false`: the log has what it had written anew, so that this stands, whatever became of the void.
fn take_back(tx: &Tx<'_>, document: i64, lost: &LostVoid, to: &Void, at: LogPosition) -> Result<bool, StorageError> {
    take_apart(tx, document)?;
    let members = Members::read(tx, document)?;
    let replacements: Vec<ChangeHash> = lost.void.replacements().collect();
    if replacements.iter().any(|hash| members.is_placed(hash)) {
        return Ok(false);
    }
    let way = Way::back(tx, document, &lost.void, &members)?;
    tx.set_undone(lost.row)?;
    // What others wrote on it has no place to come to, as with a repair.
    let mut gone: HashSet<ChangeHash> = replacements.iter().copied().collect();
    let mut stranded = resting_on(&mut gone, tx.members_without_place(document)?);
    stranded.retain(|member| member.batch.is_none());
    keep_stranded(tx, document, to, &stranded)?;

    let left = way.bring_back(tx, at)?;
    keep_stranded(tx, document, to, &left)?;
    way.take_out(tx)?;
    way.settle_pending(tx, to)?;
    Ok(true)
}

/// Writes anew what became pending since on what is taken back.
pub(super) fn follow(tx: &Tx<'_>, document: i64, void: &Void) -> Result<(), StorageError> {
    let members = Members::read(tx, document)?;
    Way::back(tx, document, void, &members)?.settle_pending(tx, void)
}

/// The void that was taken back with what a change was: one of its replacements, or what rested on those.
pub(super) fn blaming(tx: &Tx<'_>, document: i64, hash: &ChangeHash) -> Result<Option<Void>, StorageError> {
    if tx.is_excluded(document, hash)?.is_none() {
        return Ok(None);
    }
    let blamed = tx.culprit_of(document, hash)?;
    // What others hold of it has no batch to say who is to blame.
    let is_it = |void: &Void| void.replacements().any(|by| by == *hash || Some(by) == blamed);
    let mut undone = tx.lost_voids(document)?.into_iter().filter(|lost| lost.is_undone).map(|lost| lost.void);
    Ok(undone.find(is_it))
}

/// Every change of a document whose bytes are here: the row that counts, if there are two.
struct Members(HashMap<ChangeHash, Member>);

impl Members {
    fn read(tx: &Tx<'_>, document: i64) -> Result<Self, StorageError> {
        let mut members: HashMap<ChangeHash, Member> = HashMap::new();
        let mut rows = tx.members_all(document)?;
        rows.sort_by_key(|member| !member.is_excluded);
        for mut member in rows {
            if let Some(before) = members.get(&member.change.hash()) {
                member.is_placed |= before.is_placed;
                member.batch = member.batch.or(before.batch);
            }
            members.insert(member.change.hash(), member);
        }
        Ok(Self(members))
    }

    fn get(&self, hash: &ChangeHash) -> Option<&Member> {
        self.0.get(hash)
    }

    fn is_placed(&self, hash: &ChangeHash) -> bool {
        self.get(hash).is_some_and(|member| member.is_placed)
    }

    /// Whether anything rests on this change.
    fn carries_any(&self, hash: &ChangeHash) -> bool {
        self.0.values().any(|member| member.change.header.deps.contains(hash))
    }

    fn changes(&self, hashes: impl IntoIterator<Item = ChangeHash>) -> Vec<Change> {
        hashes.into_iter().filter_map(|hash| self.get(&hash)).map(|member| member.change.clone()).collect()
    }
}

/// The way back from what a void had written anew.
struct Way<'m> {
    document: i64,
    void: &'m Void,
    members: &'m Members,
    /// By the hash of what stands in its place: what was written anew.
    originals: BTreeMap<ChangeHash, ChangeHash>,
    /// What was taken out with it before.
    handled: Vec<Member>,
    /// What is pending on it.
    pending: Vec<Member>,
    /// What becomes of these, causes before effects.
    anew: Vec<Anew>,
}

/// A change that goes on elsewhere.
struct Anew {
    of: ChangeHash,
    change: Change,
    /// Whether nothing that it says is lost.
    is_complete: bool,
}

impl<'m> Way<'m> {
    fn back(tx: &Tx<'_>, document: i64, void: &'m Void, members: &'m Members) -> Result<Self, StorageError> {
        let base = Ground::outline(tx, document, &HashSet::new())?;
        let max_op = |hash: &ChangeHash| match members.get(hash) {
            Some(member) => Some(member.change.header.max_op()),
            None => base.as_ref().ok()?.max_op(hash),
        };
        let lost = members.changes(void.excluded.iter().copied());
        let dependents = members.changes(void.dependents.iter().map(|dependent| dependent.change));
        let mut originals: BTreeMap<ChangeHash, ChangeHash> =
            void.dependents.iter().filter_map(|dependent| Some((dependent.by?, dependent.change))).collect();
        // Own ones that were pending then went the same way.
        let made = |own: &[Change]| reauthor(Excluded::Lost(&lost), &[&dependents[..], own].concat(), max_op).ok();
        let mut own = members.changes(candidates(tx, document, void)?);
        let is_theirs = |by: &ChangeHash| members.get(by).is_some_and(|by| by.batch.is_some() && !by.is_placed);
        let stands_for = |made: &Reauthored, own: &Change| made.replaced.get(&own.hash())?.by.filter(is_theirs);
        if let Some(made) = made(&own) {
            own.retain(|own| stands_for(&made, own).is_some());
        }
        let made = made(&own).unwrap_or_default();
        originals.extend(own.iter().filter_map(|own| Some((stands_for(&made, own)?, own.hash()))));

        let mut handled = match culprit(void) {
            Some(culprit) => tx.blamed(document, culprit)?,
            None => Vec::new(),
        };
        handled.retain(|member| !originals.contains_key(&member.change.hash()));
        let mut gone: HashSet<ChangeHash> = originals.keys().copied().collect();
        gone.extend(handled.iter().map(hash_of));
        let pending = resting_on(&mut gone, tx.unsettled(document)?);
        let later: Vec<Change> = handled.iter().chain(&pending).map(|member| member.change.clone()).collect();
        let retraced = retrace(&lost, &[dependents, own].concat(), &later, max_op)
            .inspect_err(|error| tracing::warn!(%error, "What is pending on a lost repair is quarantined: {error}"))
            .unwrap_or_default();
        let mut anew: Vec<Anew> = Vec::new();
        for change in retraced.changes {
            let by = Some(change.hash());
            let Some((of, fate)) = retraced.replaced.iter().find(|(_, fate)| fate.by == by) else { continue };
            // Nothing may rest on what is not here.
            let is_here = |dep: &ChangeHash| anew.iter().any(|one| one.change.hash() == *dep) || max_op(dep).is_some();
            if pending.iter().any(|one| hash_of(one) == *of) && change.header.deps.iter().all(is_here) {
                anew.push(Anew { of: *of, change, is_complete: fate.lost == fate.moot });
            }
        }
        Ok(Self { document, void, members, originals, handled, pending, anew })
    }

    /// What the void excluded is what it was: in the log, or pending if it is our own. Gives what others wrote that
    /// stays out as well, because the log does not have what was at fault: what that carries, and what rests on it.
    fn bring_back(&self, tx: &Tx<'_>, at: LogPosition) -> Result<Vec<Member>, StorageError> {
        let named: HashSet<ChangeHash> = self.void.changes().collect();
        let (mut left, mut out) = (Vec::new(), HashSet::new());
        let own = self.originals.values().filter(|original| !named.contains(*original));
        for hash in self.void.changes().chain(own.copied()) {
            let Some(member) = self.members.get(&hash) else { continue };
            // A person may have decided on what was quarantined.
            let settled_by_it = member.batch.filter(|batch| match batch.state {
                BatchState::Quarantined => true,
                BatchState::Replaced => batch.is_replaced,
                _ => false,
            });
            // What others wrote is theirs to say again; and what was at fault may spoil the document.
            let is_grounded = member.change.header.deps.iter().all(|dep| !out.contains(dep));
            let is_sound = member.batch.is_none() && !self.void.excluded.contains(&hash) && is_grounded;
            if !member.is_placed && settled_by_it.is_none() && !is_sound {
                out.insert(hash);
                if member.batch.is_none() && (!is_grounded || self.members.carries_any(&hash)) {
                    left.push(member.clone());
                }
                continue;
            }
            if let (Some(row), Some(batch)) = (tx.include(member.row)?, settled_by_it) {
                tx.reopen(batch.row, row, Some(at.epoch))?;
            }
        }
        Ok(left)
    }

    /// What it had written anew goes, and says where its content is.
    fn take_out(&self, tx: &Tx<'_>) -> Result<(), StorageError> {
        for (by, original) in &self.originals {
            let Some(member) = self.members.get(by) else { continue };
            tx.exclude(member.row)?;
            let Some(batch) = member.batch.filter(|batch| batch.state != BatchState::Discarded) else { continue };
            let instead = self.members.get(original).and_then(|member| member.batch).map(|batch| batch.row);
            tx.replace(batch.row, &taken_back(culprit(self.void)), instead)?;
        }
        Ok(())
    }

    /// What is pending on that goes on where its content is. `to` is what came in its place.
    fn settle_pending(&self, tx: &Tx<'_>, to: &Void) -> Result<(), StorageError> {
        let id = tx.document_id(self.document)?;
        for member in &self.pending {
            tx.exclude(member.row)?;
        }
        for member in &self.pending {
            let Some(batch) = member.batch else { continue };
            let anew = self.anew(&hash_of(member));
            let by = match anew {
                Some(Anew { change, .. }) => {
                    let id = BatchId::derived(id, &change.hash());
                    Some(tx.add_replacement(self.document, id, change, batch.rewritten + 1)?)
                }
                None => None,
            };
            match anew {
                Some(Anew { is_complete: true, .. }) => tx.replace(batch.row, &taken_back(culprit(self.void)), by)?,
                _ => tx.quarantine(batch.row, &taken_back(to.excluded.first()), by)?,
            }
        }
        let taken_out = self.members.changes(self.originals.keys().copied());
        let all = taken_out.iter().chain(self.handled.iter().chain(&self.pending).map(|member| &member.change));
        let gone: BTreeMap<ChangeHash, &Change> = all.map(|change| (change.hash(), change)).collect();
        reseal_tombstones(tx, self.document, id, &gone, |head| {
            self.originals.get(head).copied().or_else(|| self.anew(head).map(|anew| anew.change.hash()))
        })?;
        tx.forget_actors()?;
        tx.drop_local_snapshot(self.document)?;
        tx.begin_generation(self.document)
    }

    fn anew(&self, of: &ChangeHash) -> Option<&Anew> {
        self.anew.iter().find(|anew| anew.of == *of)
    }
}

/// Named as having had to go by whatever is taken back with a void.
fn culprit(void: &Void) -> Option<&ChangeHash> {
    void.dependents.iter().find_map(|dependent| dependent.by.as_ref()).or(void.excluded.first())
}

/// Own changes that may have been written anew when the void came, or come back when it was taken back.
fn candidates(tx: &Tx<'_>, document: i64, void: &Void) -> Result<BTreeSet<ChangeHash>, StorageError> {
    let mut candidates = BTreeSet::new();
    for excluded in &void.excluded {
        let blamed = tx.blamed(document, excluded)?;
        candidates.extend(blamed.iter().filter(|one| one.batch.is_some_and(|batch| batch.is_replaced)).map(hash_of));
    }
    candidates.extend(tx.replacements(document)?.into_iter().map(|(_, by)| by));
    candidates.retain(|hash| !void.changes().chain(void.replacements()).any(|named| named == *hash));
    Ok(candidates)
}

/// Why what a void had written anew, or something on that, is no part of its document.
fn taken_back(culprit: Option<&ChangeHash>) -> Refusal<'_> {
    let detail = "a repair had it written, which the relay has lost; another one stands in its place";
    Refusal { code: FateCode::WITH, culprit, detail, unix_seconds: None }
}
