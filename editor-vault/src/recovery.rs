//! The one way back (PROTOCOL §6): a change that cannot become part of the log, or that the log has decided against,
//! leaves its document, and everything pending that rests on it is written anew without it.
//!
//! All of it is one transaction, a pure function of what the file holds: whoever holds the same changes makes the same
//! bytes and the same batches, and what was done already is found and not done again. Decision 0010 tells the states.

mod ground; // the document without them
mod plan; // what becomes of what
mod void; // what the log itself does without
mod lost; // what it did without, and does not any more
#[cfg(test)]
mod tests; // changes made by hand

use std::collections::{BTreeMap, HashMap, HashSet};

use document::{Change, Document};
use sync_wire::planted::{self, Bug};
use sync_wire::{BatchId, ChangeHash, DocumentId, FateCode, Void};

pub(crate) use self::ground::known_changes;
use self::plan::Plan;
pub(crate) use self::void::{TookVoid, take as take_void};
use crate::error::StorageError;
use crate::squash;
use crate::storage::{BatchState, Blame, Displaced, Member, NewBatch, Origin, PendingTombstone, Refusal, Tx};
use crate::vault::Inner;

/// Recoveries after which an edit of our own must have found its ground.
const ROUNDS_MAX: usize = 32;

/// Why a change has to go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Because<'a> {
    pub(crate) code: FateCode,
    pub(crate) detail: &'a str,
    /// When that was found out, if there was a clock.
    pub(crate) unix_seconds: Option<i64>,
}

impl Because<'_> {
    /// Whether only the name is lost under which something was said.
    fn is_renaming(&self) -> bool {
        self.code == FateCode::EQUIVOCATION
    }
}

/// A change, and everything that rests on it and has to go with it.
struct Closure {
    culprit: Member,
    /// To be dealt with now; in an order in which they were stored.
    later: Vec<Member>,
    /// Dealt with when the culprit was.
    handled: Vec<Member>,
}

/// Takes a change out of its document and writes anew what rests on it. `false`: it is settled, and the log itself
/// would have to be mended.
pub(crate) fn recover(tx: &Tx<'_>, document: i64, change: i64, because: &Because<'_>) -> Result<bool, StorageError> {
    let Some(culprit) = tx.member(change)? else { return Ok(false) };
    let is_settled = culprit.batch.is_none_or(|batch| batch.state == BatchState::Accepted);
    if is_settled && !because.is_renaming() {
        return Ok(false);
    }
    // Nothing can be taken out of a snapshot, which may hold what rests on the culprit as well.
    if culprit.row <= 0 && !take_apart(tx, document)? {
        return Ok(false);
    }
    let others = if is_settled { tx.living(document)? } else { without_place(tx, document)? };
    let handled = tx.blamed(document, &culprit.change.hash())?;
    let closure = Closure::of(culprit, handled, others);
    let plan = plan::make(tx, document, &closure, because)?;
    carry_out(tx, document, &closure, plan.as_ref(), because)?;
    Ok(true)
}

/// What came whole gets rows of its own, so that some of them can be taken out, and the snapshot goes. What the log has
/// other changes for by now, under their names, gets other names. `false`: that cannot be done now.
pub(crate) fn take_apart(tx: &Tx<'_>, document: i64) -> Result<bool, StorageError> {
    let Some(snapshot) = tx.relay_snapshot(document)? else { return Ok(true) };
    let Ok(changes) = Document::load(&snapshot).map_err(drop).and_then(|whole| whole.changes().map_err(drop)) else {
        return Ok(false); // whoever loads it says so, and its entries come instead
    };
    let displaced = tx.fill(document, &changes)?.displaced;
    if displaced.iter().any(|displaced| !displaced.by_log) {
        return Ok(false); // an edit of ours has its name, and will be refused for that
    }
    tx.set_filled(document, &snapshot.digest)?;
    tx.drop_spare_snapshot(document, Origin::Relay)?;
    for Displaced { change, .. } in displaced {
        let row = tx.fill_excluded(document, change)?;
        let detail = "the log that has lost it has another change with its actor and number";
        recover(tx, document, row, &Because { code: FateCode::EQUIVOCATION, detail, unix_seconds: None })?;
    }
    Ok(true)
}

/// What may rest on a change that is not in the log: what is pending, and what others wrote when it was in a log that
/// was cut short since.
fn without_place(tx: &Tx<'_>, document: i64) -> Result<Vec<Member>, StorageError> {
    let mut found = tx.unsettled(document)?;
    found.extend(tx.members_without_place(document)?.into_iter().filter(|member| member.batch.is_none()));
    found.sort_by_key(|member| member.row);
    Ok(found)
}

/// Deals with changes of our own that were stored as strays, because what they rest on has gone meanwhile or their name
/// and number were taken: they follow what they rest on.
pub(crate) fn follow(tx: &Tx<'_>, document: i64, unix_seconds: i64) -> Result<(), StorageError> {
    for _ in 0..ROUNDS_MAX {
        let (change, code, detail) = match next_stray(tx, document)? {
            None => return Ok(()),
            Some(Stray::Voided(void)) => {
                void::follow(tx, document, &void)?;
                continue;
            }
            Some(Stray::TakenBack(void)) => {
                lost::follow(tx, document, &void)?;
                continue;
            }
            Some(Stray::Blaming { change, code, detail }) => (change, code, detail),
        };
        if let (FateCode::SQUASHED, Some(member)) = (code, tx.member(change)?) {
            squash::follow(tx, document, &member.change.hash(), unix_seconds)?;
            continue;
        }
        let because = Because { code, detail: &detail, unix_seconds: Some(unix_seconds) };
        if !recover(tx, document, change, &because)? {
            break;
        }
    }
    Err(tx.unexpected("what the edit rests on was refused by the relay, and the edit could not be written anew"))
}

/// Why a pending change cannot stay as it is.
enum Stray {
    /// It rests on what the log does without.
    Voided(Void),
    /// It rests on what this one had written anew, which the log has lost.
    TakenBack(Void),
    /// Another one is to blame, or its name.
    Blaming { change: i64, code: FateCode, detail: String },
}

/// What to do about the first stray.
fn next_stray(tx: &Tx<'_>, document: i64) -> Result<Option<Stray>, StorageError> {
    for member in tx.unsettled(document)? {
        for dep in &member.change.header.deps {
            if let Some(void) = lost::blaming(tx, document, dep)? {
                return Ok(Some(Stray::TakenBack(void)));
            }
            if let Some(void) = void::blaming(tx, document, dep)? {
                return Ok(Some(Stray::Voided(void)));
            }
            if let Some(blame) = tx.blame(document, dep)? {
                let Blame { change, code, detail } = blame;
                return Ok(Some(Stray::Blaming { change, code, detail }));
            }
        }
        if member.is_excluded {
            let detail = "another change with its actor and number was stored before it".to_owned();
            return Ok(Some(Stray::Blaming { change: member.row, code: FateCode::EQUIVOCATION, detail }));
        }
    }
    Ok(None)
}

impl Inner {
    /// Something was written anew, or somebody else writes under our names: new names, and a look at the outbox.
    pub(crate) fn recovered(&self) {
        self.actors.forget();
        self.sync.saved();
    }
}

impl Closure {
    fn of(culprit: Member, mut handled: Vec<Member>, mut others: Vec<Member>) -> Self {
        let first = culprit.change.hash();
        handled.retain(|member| member.change.hash() != first);
        if planted::is(Bug::DependantsLeft) {
            others.clear();
        }
        let mut gone = handled.iter().map(|member| member.change.hash()).chain([first]).collect();
        let later = resting_on(&mut gone, others);
        Self { culprit, later, handled }
    }

    fn members(&self) -> impl Iterator<Item = &Member> {
        std::iter::once(&self.culprit).chain(&self.handled).chain(&self.later)
    }

    fn hashes(&self) -> HashSet<ChangeHash> {
        self.members().map(|member| member.change.hash()).collect()
    }

    /// How often the content of these was written anew.
    fn rewritten(&self) -> u32 {
        self.members().filter_map(|member| member.batch).map(|batch| batch.rewritten).max().unwrap_or(0)
    }
}

/// Those that rest on what is gone, which they join.
fn resting_on(gone: &mut HashSet<ChangeHash>, mut rest: Vec<Member>) -> Vec<Member> {
    let mut found = Vec::new();
    rest.retain(|member| !gone.contains(&member.change.hash()));
    loop {
        let before = found.len();
        // Mostly they stand in causal order, so that the first round finds all.
        let mut left = Vec::with_capacity(rest.len());
        for member in rest {
            if member.change.header.deps.iter().any(|dep| gone.contains(dep)) {
                gone.insert(member.change.hash());
                found.push(member);
            } else {
                left.push(member);
            }
        }
        rest = left;
        if found.len() == before {
            return found;
        }
    }
}

/// Whether it was quarantined when its culprit was, with nothing in its place.
fn is_gone(member: &Member) -> bool {
    member.batch.is_some_and(|batch| batch.state == BatchState::Quarantined && !batch.is_replaced)
}

/// Stores what was planned. Without a plan everything goes into quarantine.
fn carry_out(
    tx: &Tx<'_>,
    document: i64,
    closure: &Closure,
    plan: Option<&Plan>,
    because: &Because<'_>,
) -> Result<(), StorageError> {
    for member in std::iter::once(&closure.culprit).chain(&closure.later) {
        tx.exclude(member.row)?;
    }
    let id = tx.document_id(document)?;
    let mut batches = HashMap::new();
    for change in plan.iter().flat_map(|plan| &plan.made) {
        let hash = change.hash();
        let batch = match tx.excluded_batch(document, &hash)? {
            // Written anew before, and gone since: whoever rests on it follows it.
            Some(batch) => batch,
            None => tx.add_replacement(document, BatchId::derived(id, &hash), change, closure.rewritten() + 1)?,
        };
        batches.insert(hash, batch);
    }
    settle(tx, closure, plan, &batches, because)?;
    let gone = closure.members().map(|member| (member.change.hash(), &member.change)).collect();
    reseal_tombstones(tx, document, id, &gone, |head| {
        plan.and_then(|plan| plan.fates.get(head)).and_then(|fate| fate.by)
    })?;
    tx.forget_actors()?;
    tx.drop_local_snapshot(document)?;
    tx.begin_generation(document)
}

/// Gives the batches of the closure their last state.
fn settle(
    tx: &Tx<'_>,
    closure: &Closure,
    plan: Option<&Plan>,
    batches: &HashMap<ChangeHash, i64>,
    because: &Because<'_>,
) -> Result<(), StorageError> {
    let culprit = closure.culprit.change.hash();
    let own = Refusal {
        code: because.code,
        culprit: Some(&culprit),
        detail: because.detail,
        unix_seconds: because.unix_seconds,
    };
    let detail = format!("it rests on change {}, which was not accepted: {}", culprit.short(), because.detail);
    let with = Refusal { code: FateCode::WITH, detail: &detail, ..own };
    for member in std::iter::once(&closure.culprit).chain(&closure.later) {
        let hash = member.change.hash();
        let refusal = if hash == culprit { &own } else { &with };
        let Some(batch) = member.batch.filter(|batch| !batch.state.is_final() || batch.state == BatchState::Accepted)
        else {
            continue;
        };
        let fate = plan.and_then(|plan| plan.fates.get(&hash));
        let by = fate.and_then(|fate| fate.by).and_then(|by| batches.get(&by).copied());
        match fate {
            Some(fate) if fate.is_complete => tx.replace(batch.row, refusal, by)?,
            _ => tx.quarantine(batch.row, refusal, by)?,
        }
    }
    Ok(())
}

/// A deletion that names heads which are no more names those in their places: what says the same, if anything does. It
/// is pushed after everything else then, so one that was taken back is left out: it would come after that.
pub(crate) fn reseal_tombstones(
    tx: &Tx<'_>,
    document: i64,
    id: DocumentId,
    gone: &BTreeMap<ChangeHash, &Change>,
    by: impl Fn(&ChangeHash) -> Option<ChangeHash>,
) -> Result<(), StorageError> {
    for PendingTombstone { row, id: sealed, heads, is_taken_back } in tx.pending_tombstones(document)? {
        if !heads.iter().any(|head| gone.contains_key(head)) {
            continue;
        }
        if is_taken_back {
            let detail = "it was taken back before anybody had heard of it";
            let refusal = Refusal { code: FateCode::WITH, culprit: None, detail, unix_seconds: None };
            tx.replace(row, &refusal, None)?;
            continue;
        }
        let heads = present(heads, gone, &by);
        let mut hasher = blake3::Hasher::new_derive_key("symphony-vault 1 deletion named anew");
        hasher.update(&sealed.0).update(&id.0);
        for head in &heads {
            hasher.update(&head.0);
        }
        let by = tx.save_batch(first16(&hasher), document, NewBatch::Tombstone { heads: &heads })?;
        let refusal =
            Refusal { code: FateCode::WITH, culprit: None, detail: "its heads have others", unix_seconds: None };
        tx.replace(row, &refusal, Some(by))?;
    }
    Ok(())
}

/// What stands in the place of these heads: replacements, or below what has none.
fn present(
    mut heads: Vec<ChangeHash>,
    gone: &BTreeMap<ChangeHash, &Change>,
    by: &impl Fn(&ChangeHash) -> Option<ChangeHash>,
) -> Vec<ChangeHash> {
    let (mut present, mut seen) = (Vec::new(), HashSet::new());
    while let Some(head) = heads.pop() {
        match gone.get(&head).map(|change| (by(&head), change)) {
            None => present.push(head),
            Some((Some(by), _)) => present.push(by),
            Some((None, change)) if seen.insert(head) => heads.extend(&change.header.deps),
            Some((None, _)) => {}
        }
    }
    present.sort_unstable();
    present.dedup();
    present
}

fn first16(hasher: &blake3::Hasher) -> BatchId {
    let mut id = [0; 16];
    id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    BatchId(id)
}
