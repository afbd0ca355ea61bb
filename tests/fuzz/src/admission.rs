//! Changes into documents: the bytes say how sound changes are made, and what is then wrong with them. Whatever is
//! taken, the document is well afterwards, goes on, and is the same wherever else its changes are taken; whatever is
//! refused leaves no trace.

mod changes; // changes as the bytes say

use document::forge::poison::Ground;
use document::forge::{Forged, actor, put};
use document::{Document, on_roomy_stack};
use sync_wire::{Actor, Blob, ChangeHash};

use changes::{Choices, Past};

const AUTHOR: Actor = Actor([1; 16]);
const ATTACKER: Actor = Actor([2; 16]);
const HONEST: u8 = 3;
/// At most so many batches of so many changes.
const BATCHES_MAX: u8 = 3;
const CHANGES_MAX: u8 = 3;

thread_local! {
    /// What is attacked, and the change that makes it.
    static VICTIM: (Document, Ground, Blob) = {
        let (ground, base) = Ground::make(AUTHOR, ATTACKER);
        let mut document = Document::new(None);
        document.apply(std::slice::from_ref(&base)).expect("the ground is sound");
        (document, ground, base)
    };
}

pub(crate) fn run(bytes: &[u8]) {
    VICTIM.with(|(victim, ground, base)| on_roomy_stack(|| attack(bytes, victim.clone(), ground, base)));
}

fn attack(bytes: &[u8], mut victim: Document, ground: &Ground, base: &Blob) {
    let mut choices = Choices::of(bytes);
    let (mut past, mut taken) = (Past::of(ground), vec![base.clone()]);
    for _ in 0..=choices.below(BATCHES_MAX) {
        let (mut batch, past_before) = (Vec::new(), past.clone());
        for _ in 0..=choices.below(CHANGES_MAX) {
            batch.extend(past.change(&mut choices));
        }
        let before = (victim.heads(), victim.value());
        // Twice the work, for what hardly depends on the bytes.
        let checked = (choices.below(8) == 0).then(|| victim.check(&batch));
        let applied = victim.apply(&batch);
        if let Some(checked) = checked {
            assert_eq!(checked.err().as_ref(), applied.as_ref().err(), "the check says what will be");
        }
        if applied.is_ok() {
            taken.extend(batch);
        } else {
            assert_eq!((victim.heads(), victim.value()), before, "what is refused leaves no trace");
            past = past_before;
        }
    }
    if taken.len() > 1 {
        is_well(&victim);
        goes_on(victim, taken);
    }
}

/// What is kept of it is what it is.
fn is_well(victim: &Document) {
    let snapshot = victim.snapshot().expect("what is taken can be kept");
    let again = Document::load(&snapshot).expect("and loaded");
    assert_eq!((again.heads(), again.value()), (victim.heads(), victim.value()), "the same as before");
    let hashes: Vec<ChangeHash> = victim.changes().expect("its changes").iter().map(|c| c.header.hash).collect();
    assert!(hashes.iter().all(|hash| victim.contains(hash)), "it has what it hands out");
}

/// An honest person edits it, and another device that hears all of it at once has the same.
fn goes_on(mut victim: Document, mut taken: Vec<Blob>) {
    let honest = Forged::new(HONEST, 1, victim.max_op() + 1, &victim.heads(), vec![put("honest", 1)]).blob();
    victim.apply(std::slice::from_ref(&honest)).expect("an honest edit goes on top of what was taken");
    taken.push(honest);
    match victim.edit(actor(HONEST + 1), |draft| draft.put("/edited", true.into())) {
        Ok(()) => {
            let sealed = victim.seal(0).expect("it can be sealed").expect("an edit makes a change");
            taken.extend(sealed.seeds.into_iter().chain(sealed.changes).map(|change| change.bytes));
        }
        // Others may nest objects as they like.
        Err(violation) => assert_eq!(violation.code(), "not_flat", "an edit goes on top as well: {violation:?}"),
    }
    let mut other = Document::new(None);
    other.apply(&taken).expect("what one takes, the other takes");
    is_well(&other);
    assert_eq!((other.heads(), other.value()), (victim.heads(), victim.value()), "both have the same");
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    // What they mean is decided by `changes`; these are sound ones, long enough for every choice.
    (0..32_u8).map(|seed| (0..160).map(|at: u8| at.wrapping_mul(seed | 1).wrapping_add(seed)).collect()).collect()
}
