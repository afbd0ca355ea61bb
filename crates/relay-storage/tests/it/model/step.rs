//! What happens to a relay, at random. A step names things by numbers that are taken modulo what is there, so that
//! every step means something whatever was left out before it, and a failing story shrinks to its shortest form.

use proptest::collection::vec;
use proptest::prelude::*;

/// One of two documents in one of two spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) is_team: bool,
    pub(super) document: u8,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Somebody pushes batches of new changes; `sees` says which heads they rest on.
    Edit {
        who: usize,
        place: Place,
        sees: u8,
        batches: Vec<usize>,
        fault: Fault,
    },
    /// Somebody pushes what was pushed before, by whomever.
    Again {
        who: usize,
        which: usize,
    },
    /// Somebody pushes the changes of two earlier batches as one.
    Repack {
        who: usize,
        one: usize,
        other: usize,
    },
    /// Somebody pushes edits that were parked as one.
    Squash {
        who: usize,
        which: usize,
    },
    /// The seed of a text.
    Seed {
        who: usize,
        place: Place,
        text: u8,
    },
    Delete {
        who: usize,
        place: Place,
        knows: Knows,
    },
    Restore {
        who: usize,
        place: Place,
    },
    /// The first batches that wait are settled; a verdict of each, in turns.
    Settle {
        document: u8,
        most: usize,
        verdicts: Vec<Checked>,
    },
    /// The check behind the log has come this far.
    Check {
        place: Place,
        upto: usize,
    },
    Hold {
        place: Place,
    },
    Release {
        place: Place,
    },
    /// An owner's act: this change is excluded.
    Void {
        place: Place,
        which: usize,
    },
    Grant {
        writes: Writes,
    },
    /// The account may add this many bytes more.
    Quota {
        who: usize,
        more: u64,
    },
    /// Some of what is deleted loses its content.
    Purge {
        most: usize,
    },
    /// A backup is made in the place of the one before.
    Backup,
    /// It is put back: the relay has what it had then, and devices know more.
    PutBack,
    /// Somebody gives back entries of a log that was lost.
    Offer {
        who: usize,
        which: usize,
        from: usize,
        upto: usize,
        proof: Proof,
    },
    /// The relay ends, and starts with nothing in memory.
    Reopen,
    /// A device reads on from anywhere.
    Read {
        is_team: bool,
        after: usize,
        bytes: usize,
    },
}

/// What is wrong with the last change of the first batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Another change has its actor and number.
    Equivocates,
    /// A number is left out.
    Gap,
    /// It rests on a change that nobody has.
    Orphan,
    /// It rests on a change that was refused, if one was.
    OnRefused,
    NoDeps,
    /// Its operations begin where those before it are.
    EarlyOps,
    LateOps,
    /// Its actor is another's.
    Foreign,
    /// It does not rest on what its own actor said before.
    Apart,
    /// It is in its batch twice.
    Twice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Knows {
    All,
    /// Not the newest.
    Older,
    Nothing,
    /// Something that nobody else has.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checked {
    Passed,
    Failed,
    Unfit,
}

/// Whether the relay said once that its log had a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    Receipt,
    /// A receipt of somebody else's making.
    Forged,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writes {
    Yes,
    No,
    NotEvenReads,
}

pub(super) const WRITERS: usize = 3;

fn place() -> impl Strategy<Value = Place> {
    (any::<bool>(), 0..2_u8).prop_map(|(is_team, document)| Place { is_team, document })
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        8 => Just(Fault::None),
        1 => Just(Fault::Equivocates),
        1 => Just(Fault::Gap),
        1 => Just(Fault::Orphan),
        1 => Just(Fault::OnRefused),
        1 => Just(Fault::NoDeps),
        1 => Just(Fault::EarlyOps),
        1 => Just(Fault::LateOps),
        1 => Just(Fault::Foreign),
        1 => Just(Fault::Apart),
        1 => Just(Fault::Twice),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..WRITERS;
    let knows = prop_oneof![
        4 => Just(Knows::All), 1 => Just(Knows::Older), 1 => Just(Knows::Nothing), 1 => Just(Knows::Unknown)
    ];
    let checked = prop_oneof![5 => Just(Checked::Passed), 2 => Just(Checked::Failed), 1 => Just(Checked::Unfit)];
    let writes = prop_oneof![2 => Just(Writes::Yes), 1 => Just(Writes::No), 1 => Just(Writes::NotEvenReads)];
    let proof = prop_oneof![2 => Just(Proof::Receipt), 2 => Just(Proof::Forged), 1 => Just(Proof::None)];
    prop_oneof![
        24 => (who(), place(), any::<u8>(), vec(1..4_usize, 1..3), fault())
            .prop_map(|(who, place, sees, batches, fault)| Step::Edit { who, place, sees, batches, fault }),
        6 => (who(), any::<usize>()).prop_map(|(who, which)| Step::Again { who, which }),
        2 => (who(), any::<usize>(), any::<usize>()).prop_map(|(who, one, other)| Step::Repack { who, one, other }),
        2 => (who(), place(), 0..3_u8).prop_map(|(who, place, text)| Step::Seed { who, place, text }),
        5 => (who(), place(), knows).prop_map(|(who, place, knows)| Step::Delete { who, place, knows }),
        5 => (who(), place()).prop_map(|(who, place)| Step::Restore { who, place }),
        9 => (0..2_u8, 1..6_usize, vec(checked, 1..4))
            .prop_map(|(document, most, verdicts)| Step::Settle { document, most, verdicts }),
        2 => (place(), any::<usize>()).prop_map(|(place, upto)| Step::Check { place, upto }),
        3 => place().prop_map(|place| Step::Hold { place }),
        1 => place().prop_map(|place| Step::Release { place }),
        2 => (place(), any::<usize>()).prop_map(|(place, which)| Step::Void { place, which }),
        2 => writes.prop_map(|writes| Step::Grant { writes }),
        1 => (who(), 0..400_u64).prop_map(|(who, more)| Step::Quota { who, more }),
        3 => (who(), any::<usize>()).prop_map(|(who, which)| Step::Squash { who, which }),
        3 => (1..3_usize).prop_map(|most| Step::Purge { most }),
        2 => Just(Step::Backup),
        3 => Just(Step::PutBack),
        12 => (who(), any::<usize>(), any::<usize>(), any::<usize>(), proof)
            .prop_map(|(who, which, from, upto, proof)| Step::Offer { who, which, from, upto, proof }),
        2 => Just(Step::Reopen),
        3 => (any::<bool>(), any::<usize>(), 1..2000_usize)
            .prop_map(|(is_team, after, bytes)| Step::Read { is_team, after, bytes }),
    ]
}

/// What happens to a relay, from its beginning.
pub(super) fn story() -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..60)
}
